"""A method on a tiny backbone: what the contract suite and its fresh process share."""

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from tests.support.tiny import DECODERS, ENCODERS, HEADS, LAYERS, tiny_decoder, tiny_encoder
from tuneoff.backbone import BackboneFacts, Resolved, load_tokenizer, resolve, tokenizer_hash
from tuneoff.data import tokenise
from tuneoff.data.tokens import Tokens
from tuneoff.measure import Clock
from tuneoff.methods import Adapted, AnyMethod, Method, method_class
from tuneoff.run.artefact import classifier_facts, open_classifier
from tuneoff.train import Classification, FeatureRows, Group, Schedule, TokenRows, Weights, cast_for_compute, extract, fit, predict

CPU = torch.device("cpu")
LABELS = ["negative", "neutral", "positive"]
ARCHITECTURES = (*ENCODERS, *DECODERS)
WIDTH, SPREAD = 64, 0.15
MAX_LENGTH = 24
HEAD_SEED, ATTACH_SEED = 7, 3
PEFT_HEAD_RATE = 3e-2
#: What fits a tiny model: 64 positions, layers of 32 to 128, few enough parameters.
PARAMETERS: dict[str, dict[str, Any]] = {
    "prompt": {"tokens": 5},
    "p_tuning": {"tokens": 5, "width": 16},
    "prefix": {"tokens": 5},
    "adalora": {"r": 8, "start_r": 9},  # Not so many ranks to lose that a layer is left without any after five steps.
    "rslora": {"r": 16},
    "vera": {"r": 32},
    "peft:ADAMSS": {"r": 16, "num_subspaces": 2},
    "peft:ADAPTION_PROMPT": {"adapter_len": 5},
    "peft:C3A": {"block_size": 32},
    "peft:CARTRIDGE": {"num_virtual_tokens": 5},
    "peft:FOURIERFT": {"n_frequency": 100},
    "peft:PREFIX_TUNING": {"num_virtual_tokens": 5},
    "peft:PROMPT_TUNING": {"num_virtual_tokens": 5},
    "peft:PVERA": {"r": 32},
    "peft:P_TUNING": {"num_virtual_tokens": 5},
    "peft:ROAD": {"group_size": 32},
    "peft:SHIRA": {"r": 4},
    "peft:TRAINABLE_TOKENS": {"token_indices": list(range(5, 300))},  # All but the special ones.
    "peft:VBLORA": {"vector_length": 16},
    "peft:WAVEFT": {"n_frequency": 100},
}

WORDS = {
    "negative": ["loss", "cut", "fell", "short", "매출이", "미치지"],
    "neutral": ["board", "meet", "Friday", "dividend", "이사회는", "결정한다"],
    "positive": ["profit", "rose", "grew", "revenue", "영업이익이", "늘었다"],
}


def toy_rows(count: int, seed: int) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Texts of a class's own words, so that any linear reader of words can tell them apart."""
    draw = random.Random(seed)
    targets = [i % len(LABELS) for i in range(count)]
    texts = [(" ".join(draw.choices(WORDS[LABELS[target]], k=draw.randint(2, 5))),) for target in targets]
    return texts, np.array(targets, dtype=np.int64)


@dataclass(frozen=True)
class Backbone:
    """A tiny model on disk."""

    folder: Path

    @cached_property
    def resolved(self) -> Resolved:
        return resolve(str(self.folder), self.folder)

    @cached_property
    def tokenizer(self) -> Any:
        return load_tokenizer(self.resolved)

    @cached_property
    def _facts(self) -> BackboneFacts:
        return classifier_facts(self.resolved, len(LABELS), False)

    @property
    def facts(self) -> BackboneFacts:
        """With a configuration of their own: attaching may change it."""
        return replace(self._facts, config=copy.deepcopy(self._facts.config))

    @property
    def pad(self) -> int:
        return int(self.tokenizer.pad_token_id)

    def tokens(self, texts: Sequence[tuple[str, ...]]) -> Tokens:
        return tokenise(texts, self.tokenizer, tokenizer_hash(self.tokenizer), MAX_LENGTH, self.folder.parent / "tokens")


def make_backbone(folder: Path, kind: str, blocks: int = LAYERS) -> Backbone:
    """A tiny model wide enough for 4-bit blocks of 64 weights, with matrices loud enough to move what passes through two layers."""
    (tiny_encoder if kind in ENCODERS else tiny_decoder)(folder, kind)
    config = AutoConfig.from_pretrained(folder)
    wide = {"dim": WIDTH, "hidden_dim": 2 * WIDTH} if kind == "distilbert" else {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH}
    wide |= {"head_dim": WIDTH // HEADS} if kind in ("llama", "gemma2") else {}
    wide |= {"pooler_hidden_size": WIDTH} if kind == "deberta-v2" else {}
    for name, value in wide.items():
        setattr(config, name, value)
    config.initializer_range = SPREAD
    config.num_hidden_layers = blocks
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModel.from_config(config)
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith("bias"):  # Zeros in a new model, and in no trained one.
                nn.init.normal_(parameter, std=SPREAD / 3)
        model.save_pretrained(folder)
    return Backbone(folder)


def class_of(name: str) -> type[AnyMethod]:
    """The class of a method, or of a type of PEFT written as ``peft:OFT``."""
    return method_class(name.partition(":")[0])


def build(name: str, **parameters: Any) -> Method:
    kind, (_, _, peft_type) = class_of(name), name.partition(":")
    written = PARAMETERS.get(name, {}) | ({"type": peft_type} if peft_type else {}) | parameters
    method = kind(kind.Config.model_validate(written))
    assert isinstance(method, Method)
    return method


@dataclass
class Attached:
    """A method on a loaded backbone, ready to learn."""

    method: Method
    adapted: Adapted
    backbone: Backbone
    facts: BackboneFacts
    precision: Any

    def rows(self, texts: Sequence[tuple[str, ...]], targets: np.ndarray | None = None) -> TokenRows:
        return TokenRows(self.backbone.tokens(texts), targets, self.backbone.pad, CPU, self.adapted.padding_side)

    def logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        return predict(self.adapted.model, self.rows(texts))

    def loss(self, texts: Sequence[tuple[str, ...]], targets: np.ndarray) -> float:
        return float(nn.functional.cross_entropy(torch.from_numpy(self.logits(texts)), torch.from_numpy(targets)))


def attach(
    name: str,
    backbone: Backbone,
    precision: str = "fp32",
    prepare: Callable[[nn.Module], None] = lambda model: None,
    seed: int = ATTACH_SEED,
    **parameters: Any,
) -> Attached:
    """Load and attach, in the order and with the seeds of a trial."""
    method, facts = build(name, **parameters), backbone.facts
    model, chosen = open_classifier(method, backbone.resolved, facts, backbone.pad, HEAD_SEED, precision, CPU)
    prepare(model)
    torch.manual_seed(seed)
    adapted = method.attach(model, facts, torch.Generator().manual_seed(seed))
    adapted.model.to(CPU)
    return Attached(method, adapted, backbone, facts, chosen)


@dataclass
class Lesson:
    """What training left: every tensor before and after, the fp32 masters of what trains, and the formats it computed in."""

    weights: Weights
    formats: set[torch.dtype]
    before: dict[str, torch.Tensor]
    after: dict[str, torch.Tensor]
    masters_before: dict[str, torch.Tensor]
    masters_after: dict[str, torch.Tensor]


def learn(
    attached: Attached,
    texts: Sequence[tuple[str, ...]],
    targets: np.ndarray,
    epochs: int,
    batch_size: int,
    seed: int = 0,
    rates: tuple[float, float] | None = None,
) -> Lesson:
    """Train as a trial does, without the CPU's faster dropout and without leaving out unused embedding rows.

    Unless told otherwise as fast as the method allows; types of PEFT at their defaults, for some diverge where others begin.
    """
    method, adapted = attached.method, attached.adapted
    fast = (method.learning_rates.high, method.head_learning_rates.high)
    rates = rates or ((method.learning_rates.default(WIDTH), PEFT_HEAD_RATE) if method.name == "peft" else fast)
    names = ([*adapted.adapter, *adapted.base], list(adapted.head))
    rows: Any = attached.rows(texts, targets)
    module: Any = adapted.model
    precision = attached.precision
    if method.facts.frozen_backbone:
        assert adapted.encode is not None
        assert adapted.decode is not None
        cast_for_compute(adapted.encode, precision)
        features, module, precision = extract(adapted.encode, rows), adapted.decode, "fp32"
        module.standardise(features)
        rows = FeatureRows(features, targets, CPU)
    starts = (method.base_start(), 0.0)
    groups = [Group(adapted.parameters(part), rate, start) for part, rate, start in zip(names, rates, starts, strict=True) if part]
    torch.manual_seed(seed)
    weights = Weights(module, groups, precision, 0.0)
    trained = [name for part in names for name in part]

    def masters() -> dict[str, torch.Tensor]:
        return {name: master.detach().clone() for name, (_, master) in zip(trained, weights.pairs(), strict=True)}

    before, masters_before = tensors(adapted.model), masters()
    fit(
        module,
        weights,
        Classification(module, rows, rows, LABELS, batch_size, None, seed),
        Schedule(epochs, warmup=0.1, clip=1.0),
        Clock(),
        after_first_backward=lambda: method.after_first_backward(adapted),
        after_step=lambda step, steps: method.after_step(adapted, step, steps),
        penalty=lambda: method.penalty(adapted),
        epochs_between_validations=epochs,
    )
    computing: nn.Module = adapted.encode or adapted.model
    formats = {parameter.dtype for parameter in computing.parameters() if parameter.is_floating_point()}
    return Lesson(weights, formats, before, tensors(adapted.model), masters_before, masters())


def tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of every parameter and buffer, 4-bit ones as the bytes they are."""
    found = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor.detach().clone() for name, tensor in found.items()}


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors hold the same bytes; unlike ``==``, -0.0 differs from 0.0 and a NaN equals itself."""
    one, other = one.contiguous().reshape(-1), other.contiguous().reshape(-1)
    return one.dtype == other.dtype and torch.equal(one.view(torch.uint8), other.view(torch.uint8))
