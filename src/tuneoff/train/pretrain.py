"""The objective of continued pretraining: masked words on encoders, next words on decoders (Gururangan et al. 2020)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from tuneoff.backbone import BackboneFacts, Resolved, draw_missing, quiet_transformers
from tuneoff.errors import MethodError
from tuneoff.faults import fault
from tuneoff.seeds import seed_for
from tuneoff.train import ranks
from tuneoff.train.batches import IGNORED, Batch, Passes, TokenRows, epoch_order, evaluation_batches, heaviest_batch
from tuneoff.train.room import ROOM
from tuneoff.train.weights import Group

#: Of the chosen tokens, BERT's shares: 80 % become [MASK], 10 % a random piece, 10 % stay.
MASKED, REPLACED = 0.8, 0.9
HELD_OUT = 0.05
#: Hidden words go through the head in multiples of this, filled up with spare ones that are not counted: kernels are prepared
#: once a shape, and few shapes are met again.
WORDS_STEP, SPARE = 32, -101

#: A head that the checkpoint lacks learns alone for this share of the steps, or its first gradients would pull the backbone.
HEAD_WARMUP = 0.2
NEW_HEAD_RATE = 1e-3


@dataclass(frozen=True)
class LanguageModel:
    """A backbone with its language-model head, and the names of the parameters that the checkpoint lacked."""

    model: PreTrainedModel
    new: frozenset[str]

    @property
    def new_head(self) -> bool:
        """Whether the head had to be made."""
        return bool(self.new)

    def groups(self, learning_rate: float) -> list[Group]:
        """What trains, and when: a new head first, then all of it."""
        named = list(self.model.named_parameters())
        head = [parameter for name, parameter in named if name in self.new]
        rest = [parameter for name, parameter in named if name not in self.new]
        if not head:
            return [Group(rest, learning_rate)]
        return [Group(rest, learning_rate, start=HEAD_WARMUP), Group(head, max(learning_rate, NEW_HEAD_RATE))]


def load_language_model(resolved: Resolved, facts: BackboneFacts, head_seed: int, trust_remote_code: bool = False) -> LanguageModel:
    """The backbone with its language-model head; where the checkpoint has none it is made, and tied to the embeddings.

    Raises:
        MethodError: transformers has no language model for this architecture.
    """
    kind = AutoModelForMaskedLM if facts.kind == "encoder" else AutoModelForCausalLM
    try:
        with quiet_transformers():
            model, info = kind.from_pretrained(
                resolved.folder,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                output_loading_info=True,
            )
    except ValueError as error:
        raise MethodError("method.no_language_model", where=facts.name, architecture=facts.model_type) from error
    model.tie_weights()
    # A tied matrix is listed once, under the embedding's name: it is the checkpoint's, not new.
    own = {name for name, _ in model.named_parameters()}
    new = frozenset(info["missing_keys"]) & own
    draw_missing(model, set(new), head_seed)
    model.tie_weights()
    return LanguageModel(model, new)


class LanguageModelling:
    """Cross-entropy of hidden words over unlabelled rows.

    Only the positions that count go through the vocabulary-sized head: on an encoder that is one in seven.

    Args:
        model: of :func:`load_language_model`.
        rows: of the corpus; a share of them is held out for the validation loss.
        tokenizer: for its mask token and special tokens.
        kind: encoder or decoder.
        batch_size: rows of an update.
        mask: share of tokens hidden, on an encoder.
        seed: number of the seed.
        held_out: the share.
        leg: batches of an "epoch", where a pass over a large corpus is too long a time without validation and checkpoint; by
            default the whole pass. Legs follow one another through the corpus, pass after pass.
        micro_batch: rows of one forward pass at most; by default the batch.
        packed: the model lays rows end to end.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        rows: TokenRows,
        tokenizer: PreTrainedTokenizerBase,
        kind: str,
        batch_size: int,
        mask: float,
        seed: int,
        held_out: float = HELD_OUT,
        leg: int | None = None,
        micro_batch: int | None = None,
        packed: bool = False,
    ) -> None:
        if kind == "encoder" and tokenizer.mask_token_id is None:
            raise MethodError("method.no_mask_token", where="pretrain")
        self.model, self.rows, self.kind, self.batch_size, self.mask, self.seed = model, rows, kind, batch_size, mask, seed
        self.mask_id = tokenizer.mask_token_id
        self.micro_batch = min(micro_batch or batch_size, batch_size)
        self.packed = packed
        self.special = np.array(sorted(tokenizer.all_special_ids))
        self.vocabulary = len(tokenizer)
        order = np.random.default_rng(seed_for("held out")).permutation(len(rows))
        held = max(1, round(held_out * len(rows)))
        self.held_out, self.chosen = order[:held], order[held:]
        self.batches_of_a_pass = -(-len(self.chosen) // batch_size)
        self.num_batches = leg or self.batches_of_a_pass
        self._ordered, self._order = -1, list[np.ndarray]()  # Of the last pass that was asked for.
        self._positions: torch.Tensor | None = None
        model.base_model.register_forward_hook(self._keep_positions)

    @property
    def passes(self) -> Passes:
        """What one more pass costs here."""
        return Passes.on(self.rows.device.type, self.packed)

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        """Batches with fresh hidden words in every pass; they depend on the number alone, not on what ran before."""
        for place in range(self.num_batches):
            yield self.batch(number, place)

    def heaviest(self, number: int) -> int:
        """Place in an epoch of the batch that needs most memory."""
        return heaviest_batch([self._rows(number, place) for place in range(self.num_batches)], self.rows.lengths, self.passes)

    def batch(self, number: int, place: int) -> list[Batch]:
        """One batch of an epoch, cut into micro-batches, its words hidden."""
        words = np.random.default_rng(seed_for("hidden words", self.seed, number * self.num_batches + place, *ranks.apart()))
        rows = self._rows(number, place)
        parts = ranks.parts(rows, self.rows.lengths, self.micro_batch, self.passes.overhead)
        return [self._hide(self.rows.batch(part), words) if len(part) else self._nothing_hidden(rows[:1]) for part in parts]

    def _rows(self, number: int, place: int) -> np.ndarray:
        """Row numbers of a batch. An epoch may be a part of a pass over the rows, or several."""
        passes, index = divmod(number * self.num_batches + place, self.batches_of_a_pass)
        if passes != self._ordered:
            generator = np.random.default_rng(seed_for("pretraining order", self.seed, passes))
            self._ordered, self._order = passes, epoch_order(len(self.chosen), self.batch_size, generator)
        rows: np.ndarray = self.chosen[self._order[index]]
        return rows

    def _nothing_hidden(self, rows: np.ndarray) -> Batch:
        batch = self.rows.batch(rows)
        return replace(batch, targets=batch.inputs["input_ids"]).uncounted()

    def _hide(self, batch: Batch, generator: np.random.Generator) -> Batch:
        ids = batch.inputs["input_ids"].cpu().numpy()
        real = batch.inputs["attention_mask"].cpu().numpy().astype(bool)
        if self.kind == "decoder":
            targets = np.full_like(ids, IGNORED)
            targets[:, :-1] = np.where(real[:, 1:], ids[:, 1:], IGNORED)
        else:
            candidates = real & ~np.isin(ids, self.special)
            chosen = candidates & (generator.random(ids.shape) < self.mask)
            if not chosen.any():
                chosen = candidates
            targets = np.where(chosen, ids, IGNORED)
            fate = generator.random(ids.shape)
            ids = np.where(chosen & (fate < MASKED), self.mask_id, ids)
            random = chosen & (fate >= MASKED) & (fate < REPLACED)
            ids = np.where(random, generator.integers(0, self.vocabulary, ids.shape), ids)
        free = np.flatnonzero(targets == IGNORED)
        targets.flat[free[: -np.count_nonzero(targets != IGNORED) % WORDS_STEP]] = SPARE
        device = self.rows.device
        inputs = batch.inputs | {"input_ids": torch.from_numpy(ids).to(device)}
        return Batch(inputs, torch.from_numpy(targets).to(device), batch.rows)

    def _keep_positions(self, module: nn.Module, arguments: Any, output: Any) -> Any:
        """After the backbone: only the positions that count go on, as one long row, to the head."""
        if self._positions is not None:
            output.last_hidden_state = output.last_hidden_state[self._positions].unsqueeze(0)
        return output

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed cross-entropy of the hidden words."""
        assert batch.targets is not None
        if self.model.training:
            fault("forward", len(batch))
        self._positions = batch.targets != IGNORED
        out: Any = self.model(**batch.inputs)
        logits_NV = out.logits[0].float()
        return nn.functional.cross_entropy(logits_NV, batch.targets[self._positions], ignore_index=SPARE, reduction="sum")

    def weight(self, batches: list[Batch]) -> int:
        """Words hidden in the whole batch, other ranks' too."""
        return ranks.total(self._words(batches), self.rows.device)

    @staticmethod
    def _words(batches: list[Batch]) -> int:
        return sum(int((batch.targets >= 0).sum()) for batch in batches if batch.targets is not None)

    def validate(self) -> dict[str, float]:
        """Mean loss on the held-out rows, always with the same hidden words."""
        return ROOM.fit(self._validate)

    def _validate(self, room: int) -> dict[str, float]:
        generator = np.random.default_rng(seed_for("held-out words"))
        total, words = 0.0, 0
        with torch.inference_mode():
            for chosen in evaluation_batches(self.rows.lengths[self.held_out], room):
                fault("evaluate", len(chosen))
                batch = self._hide(self.rows.batch(self.held_out[chosen]), generator)
                total += float(self.loss(batch))
                words += self._words([batch])
        return {"loss": total / max(1, words)}


def trained_backbone(language_model: PreTrainedModel, classifier: PreTrainedModel) -> PreTrainedModel:
    """The classifier's backbone (with a pooler, where there is one) carrying the pretrained weights."""
    trained = {_inner(n, language_model.base_model_prefix): p for n, p in language_model.named_parameters()}
    with torch.no_grad():
        for name, parameter in classifier.base_model.named_parameters():
            if name in trained:
                parameter.copy_(trained[name])
    base: PreTrainedModel = classifier.base_model
    return base


def _inner(name: str, prefix: str) -> str:
    return re.sub(rf"^{re.escape(prefix)}\.", "", name)
