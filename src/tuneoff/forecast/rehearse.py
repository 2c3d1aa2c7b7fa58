"""The real training code, run for a few steps without data: on the meta device for a forecast, on a real one to measure.

Nothing of the loop, the optimiser or a method is modelled here: what changes there changes the forecast. Rehearsed are steps
with given batches, what later steps carry (moments of the optimiser, a copy of the best epoch), and evaluation.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from torch.optim import adam
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tuneoff.backbone import BackboneFacts, classifier_config, empty_classifier
from tuneoff.errors import MethodError
from tuneoff.forecast.autocast import Autocast, HalfAccelerator
from tuneoff.forecast.four_bit import quantise, state_tensors
from tuneoff.forecast.scene import Part, Scene
from tuneoff.forecast.storages import Storages
from tuneoff.forecast.work import WorkLog
from tuneoff.measure import Clock
from tuneoff.methods import Adapted
from tuneoff.train import (
    Classification,
    FeatureRows,
    Group,
    LanguageModelling,
    Schedule,
    Weights,
    cast_for_compute,
    extract,
    fit,
    predict,
    use_fast_dropout,
    used_rows_only,
)
from tuneoff.train.batches import Batch
from tuneoff.train.dropout import MaskSource
from tuneoff.train.weights import make_accelerator

#: Epochs that are rehearsed: from the second on, a copy of the best epoch's weights lives beside what trains.
MOST_EPOCHS = 2
META = torch.device("meta")


class Watch:
    """Told what the rehearsed code does: phases begin, tensors turn out to be weights, gradients, moments.

    Args:
        storages: counts memory.
        work: counts operations.
        kernels: makes the context that replaces attention kernels.
    """

    def __init__(
        self,
        storages: Storages | None = None,
        work: WorkLog | None = None,
        kernels: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.storages, self.work, self.kernels = storages, work, kernels
        self.kinds: dict[int, str] = {}

    @contextmanager
    def active(self) -> Iterator[None]:
        """While what happens is counted."""
        with self.kernels(), self.storages or nullcontext():
            yield

    def mark(self, phase: str) -> None:
        """A phase begins."""
        if self.storages is not None:
            self.storages.log.mark(phase)
        if self.work is not None:
            self.work.mark(phase)

    def batch(self, rows: int) -> None:
        """A batch of so many rows: more than one are padded to the longest."""
        if self.storages is not None:
            self.storages.padded = rows > 1

    def tag(self, kind: str, tensors: Iterable[torch.Tensor | None]) -> None:
        """What these tensors are; the first word counts."""
        for tensor in tensors:
            number = None if self.storages is None or tensor is None else self.storages.number(tensor)
            if number is not None:
                self.kinds.setdefault(number, kind)

    def there(self, kind: str, tensors: Iterable[torch.Tensor]) -> None:
        """Tensors that were there before."""
        if self.storages is not None:
            kept = list(tensors)
            self.storages.add_all(kept)
            self.tag(kind, kept)


class WatchedWeights(Weights):
    """Weights whose phases and tensors are seen."""

    def __init__(self, watch: Watch, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._watch = watch
        for parameter in self.working:
            parameter.register_post_accumulate_grad_hook(lambda p: watch.tag("gradients", [p.grad]))
        for group in self.optimiser.param_groups:
            group["fused"] = True  # As on every real device; torch just does not expect to be asked on this one.

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of one micro-batch."""
        self._watch.mark("backward")
        super().backward(loss)

    def step(self, *arguments: Any) -> None:
        """One update."""
        self._watch.mark("update")
        super().step(*arguments)
        # What holds numbers of the optimiser, and what the optimiser holds of the weights beside those that compute.
        states = self.optimiser.state.values()
        members = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        self._watch.tag("weights", self.working)
        self._watch.tag("optimiser", [*members, *(v for state in states for v in state.values() if isinstance(v, torch.Tensor))])
        self._watch.tag("gradients", [parameter.grad for parameter in members])

    def snapshot(self) -> list[torch.Tensor]:
        """A copy of the masters."""
        copied = super().snapshot()
        self._watch.tag("best_epoch", copied)
        return copied


class StandIn:
    """In place of tokenised rows: shapes, and on a real device random ids, the last token of all but the first row padding."""

    def __init__(
        self, watch: Watch, parts: Iterable[Part], device: torch.device, vocabulary: int, pairs: bool, targets: bool = True
    ) -> None:
        self.watch, self.parts = watch, list(parts)
        self.device, self.vocabulary, self.pairs = device, vocabulary, pairs
        self.lengths = np.concatenate([np.full(part.rows, part.length, dtype=np.int64) for part in self.parts])
        self.targets = np.zeros(len(self.lengths), dtype=np.int64) if targets else None

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self) -> Iterator[np.ndarray]:
        """Row numbers of each part."""
        start = 0
        for part in self.parts:
            yield np.arange(start, start + part.rows)
            start += part.rows

    def batch(self, rows: np.ndarray) -> Batch:
        """A batch of the rows' shape."""
        shape = len(rows), int(self.lengths[rows].max())
        self.watch.batch(len(rows))
        if self.device.type == "meta":
            ids = torch.empty(shape, dtype=torch.long, device=META)
            mask = torch.empty_like(ids)
        else:
            ids = torch.randint(self.vocabulary // 2, self.vocabulary, shape, device=self.device)
            mask = torch.ones_like(ids)
            mask[1:, -1] = 0
        inputs = {"input_ids": ids, "attention_mask": mask}
        if self.pairs:
            inputs["token_type_ids"] = torch.zeros_like(ids)
        targets = None if self.targets is None else torch.zeros(shape[0], dtype=torch.long, device=self.device)
        return Batch(inputs, targets, rows)


class _Judged:
    """A validation that gets better each time, so that the best epoch's copy is made as often as can be."""

    _times = 0

    def improved(self, scores: dict[str, float]) -> dict[str, float]:
        """Better than any before."""
        self._times += 1
        return scores | {"accuracy": float(self._times), "macro_f1": float(self._times), "loss": 1.0 / self._times}


class RehearsedClassification(Classification, _Judged):
    """The objective of classification over given batches: the scene's steps, spread over the epochs."""

    def __init__(self, watch: Watch, scene: Scene, model: nn.Module, train: Any, parts: list[list[np.ndarray]], validation: Any) -> None:
        labels = [str(number) for number in range(scene.facts.config.num_labels)]
        super().__init__(model, train, validation, labels, 1, None, 0)
        self._watch = watch
        self._epochs = _by_epoch(scene, parts)
        self.num_batches = len(self._epochs[0])

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        """The steps of this epoch."""
        for parts in self._epochs[number]:
            self._watch.mark("batch")
            yield [self.train_rows.batch(part) for part in parts]

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed cross-entropy."""
        self._watch.mark("forward")
        return super().loss(batch)

    def validate(self) -> dict[str, float]:
        """Scores that improve. Only the last is worked out: beside it stands most."""
        self._watch.mark("validate")
        return self.improved(super().validate() if self._times == len(self._epochs) - 1 else {})


class RehearsedLanguageModelling(LanguageModelling, _Judged):
    """The objective of continued pretraining over given batches."""

    def __init__(self, watch: Watch, scene: Scene, model: Any, train: StandIn, evaluation: StandIn) -> None:
        assert scene.pretrain is not None
        tokenizer: Any = _Vocabulary(scene.facts.config.vocab_size)
        super().__init__(model, train, tokenizer, scene.facts.kind, scene.pretrain.batch_size, scene.pretrain.mask, 0)  # type: ignore[arg-type]
        self._watch, self._evaluation = watch, evaluation
        self._epochs = _by_epoch(scene, _by_step(scene.steps, train))
        self.num_batches = len(self._epochs[0])

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        """The steps of this epoch."""
        generator = np.random.default_rng(number)
        for parts in self._epochs[number]:
            self._watch.mark("batch")
            yield [self._hide(self.rows.batch(part), generator) for part in parts]

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed cross-entropy of the hidden words."""
        self._watch.mark("forward")
        return super().loss(batch)

    def validate(self) -> dict[str, float]:
        """Scores that improve."""
        self._watch.mark("validate")
        rows, held_out = self.rows, self.held_out
        self.rows, self.held_out = self._evaluation, np.arange(len(self._evaluation))  # type: ignore[assignment]
        try:
            return self.improved(super().validate())
        finally:
            self.rows, self.held_out = rows, held_out


class _Vocabulary:
    """As much of a tokenizer as the objective asks for: ids from the middle of the vocabulary on are words."""

    mask_token_id = 0
    all_special_ids = (0,)

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


def _by_step(steps: Iterable[tuple[Part, ...]], rows: StandIn) -> list[list[np.ndarray]]:
    parts = rows.rows()
    return [[next(parts) for _ in step] for step in steps]


def _by_epoch(scene: Scene, steps: list[list[np.ndarray]]) -> list[list[list[np.ndarray]]]:
    """Steps spread over the rehearsed epochs, as many in each: the first is repeated in front where they do not come out even."""
    epochs = min(scene.epochs, MOST_EPOCHS)
    each = -(-len(steps) // epochs)
    steps = [steps[0]] * (each * epochs - len(steps)) + steps
    return [steps[number * each : (number + 1) * each] for number in range(epochs)]


class UnforeseenError(Exception):
    """A method asks for numbers, which tensors without contents do not have: VB-LoRA whether its logits are finite, for one."""


def rehearse(scene: Scene, device: torch.device, watch: Watch) -> None:
    """Run the scene, on the meta device or a real one; the model is built before anything is counted.

    Raises:
        UnforeseenError: on the meta device it cannot be run.
    """
    perform = _pretraining if scene.pretrain is not None else _features if _frozen(scene) else _tokens
    try:
        with _fused_optimiser(device):
            perform(scene, device, watch)
    except (NotImplementedError, RuntimeError) as error:
        if device.type != "meta":
            raise
        raise UnforeseenError(f"{type(error).__name__}: {error}".splitlines()[0]) from error


def _frozen(scene: Scene) -> bool:
    return scene.method is not None and scene.method.facts.frozen_backbone


@contextmanager
def _fused_optimiser(device: torch.device) -> Iterator[None]:
    """On the meta device torch refuses the fused optimiser before it gets to its shapes; every real device has it."""
    module: Any = adam
    check = module._device_dtype_check_for_fused
    if device.type == "meta":
        module._device_dtype_check_for_fused = lambda *_: None
    try:
        yield
    finally:
        module._device_dtype_check_for_fused = check


def build(scene: Scene, device: torch.device) -> Any:
    """The classifier without pretrained weights: empty on the meta device, random on a real one; in the formats of loading."""
    options = {} if scene.method is None else scene.method.load_options(scene.facts)
    model: Any = empty_classifier(classifier_config(scene.facts.config, _pad_token(scene)), scene.trust_remote_code)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(scene.loading_dtype)
    if device.type != "meta":
        fill(model, device)
    if options:
        quantisation = options["quantization_config"]
        quantisation.bnb_4bit_compute_dtype = scene.target.compute_dtype
        quantise(model, quantisation)
    for part in scene.facts.head:
        model.get_submodule(part).float()
    if scene.train.gradient_checkpointing:
        model.activation_checkpointing_enable(*_again(scene, device))
    return model


def _again(scene: Scene, device: torch.device) -> list[dict[str, Any]]:
    """What checkpointing computes again must meet the same casts, which autograd does not carry to it here."""
    if device.type != "meta" or scene.precision != "fp16":
        return []

    @contextmanager
    def again() -> Iterator[None]:
        with Autocast(torch.float16):
            yield

    return [{"use_reentrant": False, "context_fn": lambda: (nullcontext(), again())}]


def _pad_token(scene: Scene) -> int:
    """As the tokenizer would say; which one does not matter."""
    pad = scene.facts.config.pad_token_id
    return 0 if pad is None else int(pad)


def fill(model: Any, device: torch.device) -> None:
    """Move an empty model to a device and draw its weights as transformers would for a new one."""
    model.to_empty(device=device)
    with torch.no_grad():
        model.initialize_weights()
    model.tie_weights()


def _attach(scene: Scene, device: torch.device) -> Adapted:
    assert scene.method is not None
    with device:
        return scene.method.attach(build(scene, device), scene.facts, torch.Generator().manual_seed(0))


def _accelerator(scene: Scene, device: torch.device) -> Any:
    """Of the trial on a real device; on the meta device one that leaves the model where it is."""
    if device.type != "meta":
        return make_accelerator(scene.precision)
    if scene.precision == "fp16":
        return HalfAccelerator()
    return Accelerator(cpu=not torch.cuda.is_available(), device_placement=False)


def _groups(adapted: Adapted) -> list[Group]:
    rest, head = adapted.parameters([*adapted.adapter, *adapted.base]), adapted.parameters(adapted.head)
    return [Group(members, 1e-4) for members in (rest, head) if members]


def _schedule(scene: Scene) -> Schedule:
    return Schedule(min(scene.epochs, MOST_EPOCHS), 0.0, scene.train.clip)


def _everything(model: nn.Module) -> list[torch.Tensor]:
    return [*model.parameters(), *model.buffers(), *state_tensors(model)]


def _tokens(scene: Scene, device: torch.device, watch: Watch) -> None:
    """As a trial trains on tokens."""
    assert scene.method is not None
    adapted = _attach(scene, device)
    model, method = adapted.model, scene.method
    watch.there("weights", _everything(model))
    vocabulary = scene.facts.config.vocab_size
    with watch.active(), used_rows_only(model, set(adapted.trainable), np.arange(scene.used_rows), scene.train.weight_decay):
        _fast_dropout(scene, model, device)
        watch.mark("start")
        weights = WatchedWeights(watch, model, _groups(adapted), scene.precision, scene.train.weight_decay, _accelerator(scene, device))
        train = StandIn(watch, (part for step in scene.steps for part in step), device, scene.used_rows, scene.pairs)
        evaluation = StandIn(watch, [scene.evaluation], device, vocabulary, scene.pairs)
        objective = RehearsedClassification(watch, scene, model, train, _by_step(scene.steps, train), evaluation)
        fit(
            model,
            weights,
            objective,
            _schedule(scene),
            Clock(),
            after_first_backward=lambda: method.after_first_backward(adapted),
            after_step=lambda step, steps: method.after_step(adapted, step, steps),
            penalty=lambda: method.penalty(adapted),
        )
        watch.tag("weights", _everything(model))
        watch.mark("evaluate")
        predict(model, evaluation)  # type: ignore[arg-type]
        watch.mark("end")


def _fast_dropout(scene: Scene, model: nn.Module, device: torch.device) -> None:
    if scene.target.kind == "cpu" and not scene.train.gradient_checkpointing:
        use_fast_dropout(model, 0, EmptyMasks if device.type == "meta" else MaskSource)


class EmptyMasks(MaskSource):
    """Masks without numbers, of the memory that real ones take."""

    def words(self, count: int) -> torch.Tensor:
        """So many integers that nobody looks at."""
        return torch.empty(count, dtype=torch.int64, device=META)


def _features(scene: Scene, device: torch.device, watch: Watch) -> None:
    """As a trial reads a frozen backbone once and trains on its features."""
    adapted = _attach(scene, device)
    assert adapted.encode is not None
    assert adapted.decode is not None
    watch.there("weights", _everything(adapted.model))
    encode, probe = adapted.encode, adapted.decode
    with watch.active():
        cast_for_compute(encode, scene.precision)
        watch.tag("weights", _everything(encode))
        watch.mark("start")
        watch.mark("read")
        extract(encode, StandIn(watch, [scene.evaluation], device, scene.facts.config.vocab_size, scene.pairs))  # type: ignore[arg-type]
        watch.mark("read_end")
        probe.float()
        stored = FeatureRows(torch.zeros(scene.stored_rows, scene.facts.hidden, device=device), np.zeros(scene.stored_rows, int), device)
        batch = np.arange(min(scene.stored_rows, scene.train.batch_size))
        plain = _accelerator(replace(scene, precision="fp32"), device)
        weights = WatchedWeights(watch, adapted.model, _groups(adapted), "fp32", scene.train.weight_decay, plain)
        objective = RehearsedClassification(watch, scene, probe, stored, [[batch]] * len(scene.steps), stored)
        fit(probe, weights, objective, _schedule(scene), Clock())
        watch.mark("evaluate")
        predict(probe, stored)
        watch.mark("end")


def _pretraining(scene: Scene, device: torch.device, watch: Watch) -> None:
    """As the stage of continued pretraining trains."""
    model = language_model(scene.facts, device, scene.trust_remote_code)
    watch.there("weights", _everything(model))
    vocabulary = scene.facts.config.vocab_size
    with watch.active():
        _fast_dropout(scene, model, device)
        watch.mark("start")
        train = StandIn(watch, (part for step in scene.steps for part in step), device, vocabulary, scene.pairs, targets=False)
        evaluation = StandIn(watch, [scene.evaluation], device, vocabulary, scene.pairs, targets=False)
        objective = RehearsedLanguageModelling(watch, scene, model, train, evaluation)
        model.eval()
        objective.validate()
        groups = [Group(list(model.parameters()), 1e-4)]
        weights = WatchedWeights(watch, model, groups, scene.precision, scene.train.weight_decay, _accelerator(scene, device))
        fit(model, weights, objective, _schedule(scene), Clock())
        watch.mark("evaluate")
        watch.mark("end")


def language_model(facts: BackboneFacts, device: torch.device, trust_remote_code: bool) -> Any:
    """The backbone with its language-model head, without pretrained weights.

    Raises:
        MethodError: transformers has no language model for this architecture.
    """
    kind = AutoModelForMaskedLM if facts.kind == "encoder" else AutoModelForCausalLM
    try:
        with META:
            model: Any = kind.from_config(facts.config, trust_remote_code=trust_remote_code)
    except ValueError as error:
        raise MethodError("method.no_language_model", where=facts.name, architecture=facts.model_type) from error
    model.float()
    model.tie_weights()
    if device.type != "meta":
        fill(model, device)
    return model
