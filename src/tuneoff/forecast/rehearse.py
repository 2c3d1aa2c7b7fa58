"""The real training code, run for a few steps without data: on the meta device for a forecast, on a real one to measure.

Nothing of the loop, the optimiser or a method is modelled here: what changes there changes the forecast. Rehearsed are steps
with given batches, what later steps carry (moments of the optimiser, a copy of the best epoch), and evaluation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from torch.optim import adam

from tuneoff.forecast.autocast import HalfAccelerator
from tuneoff.forecast.build import META, classifier, language_model
from tuneoff.forecast.four_bit import state_tensors
from tuneoff.forecast.memory import QUANTISED
from tuneoff.forecast.objectives import MOST_EPOCHS, GivenMasks, RehearsedClassification, RehearsedLanguageModelling, StandIn, by_step
from tuneoff.forecast.scene import Scene
from tuneoff.forecast.watch import Watch, WatchedWeights
from tuneoff.measure import Clock
from tuneoff.methods import Adapted
from tuneoff.train import FeatureRows, Group, Schedule, cast_for_compute, extract, fit, predict, train_on_cpu, used_rows_only
from tuneoff.train.dropout import MaskSource
from tuneoff.train.packed import ReadMask, read_mask
from tuneoff.train.weights import make_accelerator


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


def _attach(scene: Scene, device: torch.device) -> Adapted:
    assert scene.method is not None
    with device:
        return scene.method.attach(classifier(scene, device), scene.facts, torch.Generator().manual_seed(0))


def _accelerator(scene: Scene, device: torch.device) -> Any:
    """Of the trial on a real device; on the meta device one that leaves the model where it is."""
    if device.type != "meta":
        return make_accelerator(scene.precision)
    if scene.precision == "fp16":
        return HalfAccelerator()
    return Accelerator(cpu=not torch.cuda.is_available(), device_placement=False)


def _weights(scene: Scene, device: torch.device, watch: Watch, model: nn.Module, groups: list[Group]) -> WatchedWeights:
    accelerator, decay = _accelerator(scene, device), scene.train.weight_decay
    return WatchedWeights(watch, model, groups, scene.precision, decay, accelerator, given=not scene.steps[0])


def _groups(adapted: Adapted) -> list[Group]:
    rest, head = adapted.parameters([*adapted.adapter, *adapted.base]), adapted.parameters(adapted.head)
    return [Group(members, 1e-4) for members in (rest, head) if members]


def _schedule(scene: Scene) -> Schedule:
    """As many updates as the scene has steps, or epochs."""
    epochs = min(scene.epochs, MOST_EPOCHS)
    steps = max(epochs, len(scene.steps))
    return Schedule(epochs, 0.0, scene.train.clip, steps / (epochs * -(-steps // epochs)))


def _everything(model: nn.Module) -> list[torch.Tensor]:
    return [*model.parameters(), *model.buffers(), *state_tensors(model)]


def _tokens(scene: Scene, device: torch.device, watch: Watch) -> None:
    """As a trial trains on tokens."""
    assert scene.method is not None
    adapted = _attach(scene, device)
    model, method = adapted.model, scene.method
    watch.there("weights", _everything(model))
    if state_tensors(model):
        watch.mark(QUANTISED)
    vocabulary = scene.facts.config.vocab_size
    with watch.active(), used_rows_only(model, set(adapted.trainable), np.arange(scene.used_rows), scene.train.weight_decay):
        masks = GivenMasks()
        read = _on_cpu(scene, model, device, masks)
        watch.mark("start")
        weights = _weights(scene, device, watch, model, _groups(adapted))
        train = StandIn(watch, (part for step in scene.steps for part in step), device, scene.used_rows, scene.pairs, masks)
        evaluation: Any = StandIn(watch, [scene.evaluation], device, vocabulary, scene.pairs, masks)
        objective = RehearsedClassification(watch, scene, model, train, by_step(scene.steps, train), evaluation, read)
        fit(
            model,
            weights,
            objective,
            _schedule(scene),
            Clock(),
            after_first_backward=lambda: method.after_first_backward(adapted) if scene.whole else None,
            after_step=lambda step, steps: method.after_step(adapted, step, steps),
            penalty=lambda: method.penalty(adapted),
        )
        watch.tag("weights", _everything(model))
        watch.mark("evaluate")
        if scene.whole:
            predict(model, evaluation, scene.target.kind == "cpu", read)
        watch.mark("end")


def _on_cpu(scene: Scene, model: nn.Module, device: torch.device, masks: GivenMasks) -> ReadMask:
    """Prepare a model for the training that it would get on a CPU; how its masks are read."""
    without_numbers = device.type == "meta"
    source, read = (EmptyMasks, masks) if without_numbers else (MaskSource, read_mask)
    if scene.target.kind == "cpu" and not scene.train.gradient_checkpointing:
        train_on_cpu(model, 0, scene.pretrain is None, source, read)
    return read


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
        masks = GivenMasks()
        rows: Any = StandIn(watch, [scene.evaluation], device, scene.facts.config.vocab_size, scene.pairs, masks)
        extract(encode, rows, scene.target.kind == "cpu", masks if device.type == "meta" else read_mask)
        watch.mark("read_end")
        probe.float()
        stored = FeatureRows(torch.zeros(scene.stored_rows, scene.facts.hidden, device=device), np.zeros(scene.stored_rows, int), device)
        batch = np.arange(min(scene.stored_rows, scene.train.batch_size))
        plain = _accelerator(replace(scene, precision="fp32"), device)
        weights = WatchedWeights(watch, adapted.model, _groups(adapted), "fp32", scene.train.weight_decay, plain)
        objective = RehearsedClassification(watch, scene, probe, stored, [[batch]] * len(scene.steps), stored, masks)
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
        masks = GivenMasks()
        _on_cpu(scene, model, device, masks)
        watch.mark("start")
        parts = (part for step in scene.steps for part in step)
        train = StandIn(watch, parts, device, vocabulary, scene.pairs, masks, targets=False)
        evaluation = StandIn(watch, [scene.evaluation], device, vocabulary, scene.pairs, masks, targets=False)
        objective = RehearsedLanguageModelling(watch, scene, model, train, evaluation)
        model.eval()
        objective.validate()
        groups = [Group(list(model.parameters()), 1e-4)]
        weights = _weights(scene, device, watch, model, groups)
        fit(model, weights, objective, _schedule(scene), Clock())
        watch.mark("evaluate")
        watch.mark("end")
