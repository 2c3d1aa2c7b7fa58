"""One trial's memory and time, forecast by rehearsing it on the meta device."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from tuneoff.backbone import BackboneFacts
from tuneoff.forecast.build import META
from tuneoff.forecast.four_bit import dequantised_bytes
from tuneoff.forecast.kernels import accumulator_bytes, attention, on_cpu, on_gpu
from tuneoff.forecast.memory import PeakForecast, Timeline
from tuneoff.forecast.rehearse import rehearse
from tuneoff.forecast.scene import Part, Scene
from tuneoff.forecast.storages import Log, Storages
from tuneoff.forecast.target import Target
from tuneoff.forecast.watch import Watch
from tuneoff.forecast.work import Operations, Rates, WorkLog
from tuneoff.forecast.workload import Workload
from tuneoff.methods import Method
from tuneoff.spec import PretrainSpec, TrainSpec

#: Share of the positions that continued pretraining predicts, on a decoder: every one but the first.
ALL_POSITIONS = 1.0


@dataclass(frozen=True)
class Load:
    """What one epoch and one judgement cost.

    Attributes:
        forward: operations of a part of typical size, and
        backward: on the way back, and
        update: of a step;
        evaluation: of the heaviest batch without gradients.
        typical: the part that was rehearsed.
        heaviest: the batch without gradients that was rehearsed.
    """

    forward: Operations
    backward: Operations
    update: Operations
    evaluation: Operations
    typical: Part
    heaviest: Part


@dataclass(frozen=True)
class TrialForecast:
    """Memory and work of one trial on one kind of device.

    Attributes:
        scene: what was rehearsed.
        workload: the batches it stands for.
        train: peak of training, validation after each epoch included.
        evaluate: peak of the final pass over validation and test.
        load: operations, where they were counted.
    """

    scene: Scene
    workload: Workload
    train: PeakForecast
    evaluate: PeakForecast
    load: Load | None

    @property
    def peak(self) -> int:
        """The highest that the device holds."""
        return max(self.train.held, self.evaluate.held)

    @property
    def steps(self) -> int:
        """Updates of the whole training."""
        return len(self.workload.steps) * self.scene.epochs

    @property
    def step_flops(self) -> int:
        """Floating-point operations of the products of a mean update."""
        load = self._counted
        return round((load.forward.flops + load.backward.flops) * self._parts_a_step) + load.update.flops

    @property
    def _counted(self) -> Load:
        assert self.load is not None, "operations were not counted"
        return self.load

    @property
    def _parts_a_step(self) -> float:
        """How many typical parts a mean update is."""
        tokens = sum(part.tokens for part in self.workload.parts) * self.workload.filled
        return tokens / self._counted.typical.tokens / len(self.workload.steps)

    def step_seconds(self, rates: Rates) -> float:
        """Of a mean update."""
        # A frozen backbone's features are small: what reads them is hardly more than its start.
        passes = 1.0 if self.workload.reading else rates.passes
        return self.pass_seconds(rates) * passes * self._parts_a_step + self._counted.update.seconds(rates)

    def pass_seconds(self, rates: Rates) -> float:
        """Of a typical part, forward and back, as if its operations ran alone."""
        return self._counted.forward.seconds(rates) + self._counted.backward.seconds(rates)

    def train_seconds(self, rates: Rates) -> float:
        """Of all updates, and of reading the training rows where the backbone stays frozen."""
        return self.step_seconds(rates) * self.steps + self._reading(self.workload.reading, rates)

    def evaluation_seconds(self, rates: Rates) -> float:
        """Of validation after each epoch, where that reads the rows anew, and of the final pass."""
        once = self._reading(self.workload.evaluation, rates)
        return once if self.workload.reading else once + self.scene.epochs * self._reading(self.workload.validation, rates)

    def _reading(self, parts: tuple[Part, ...], rates: Rates) -> float:
        """Of a pass without gradients."""
        tokens = sum(part.tokens for part in parts) * self.workload.filled
        return self._counted.evaluation.seconds(rates) * rates.passes * tokens / self._counted.heaviest.tokens


def forecast_trial(
    method: Method | None,
    facts: BackboneFacts,
    target: Target,
    train: TrainSpec,
    epochs: int,
    workload: Workload,
    pretrain: PretrainSpec | None = None,
    trust_remote_code: bool = False,
    timed: bool = True,
) -> TrialForecast:
    """Rehearse one trial of a method, or with ``pretrain`` the stage of continued pretraining.

    Args:
        method: what trains.
        facts: of the backbone, with the study's number of labels.
        target: the device.
        train: of the study.
        epochs: passes over the training rows.
        workload: the batches by shape.
        pretrain: parameters of continued pretraining.
        trust_remote_code: as in the study file.
        timed: count operations too; without, the peak of evaluation is only known not to be above that of training.

    Raises:
        MethodError: transformers has no language model for this architecture.
    """
    scene = Scene(
        method=method,
        facts=facts,
        target=target,
        precision=target.precision(train.precision),
        train=train,
        epochs=epochs,
        steps=((workload.typical,) if timed else (), *workload.heaviest(epochs)),
        evaluation=workload.heaviest_evaluation,
        used_rows=min(workload.used_rows, facts.config.vocab_size),
        pairs=workload.pairs,
        stored_rows=workload.rows,
        pretrain=pretrain,
        trust_remote_code=trust_remote_code,
        whole=timed,
    )
    log, work, watch = _count(scene, timed)
    trained, evaluated = Timeline(log, watch.kinds, target.capability, scene.precision).peaks("start", "evaluate", "end")
    return TrialForecast(scene, workload, trained, evaluated, _load(scene, work) if timed else None)


def _count(scene: Scene, timed: bool) -> tuple[Log, WorkLog, Watch]:
    target, work = scene.target, WorkLog()
    on_gpu_too = target.capability is not None

    def hidden(operation: Any, args: tuple[Any, ...]) -> int:
        return dequantised_bytes(operation, args) + (accumulator_bytes(operation, args) if on_gpu_too else 0)

    chosen = ALL_POSITIONS if scene.pretrain is None or scene.facts.kind == "decoder" else scene.pretrain.mask
    storages = Storages("meta", chosen, not on_gpu_too, hidden, work if timed else None)
    choose = on_gpu(target.capability) if target.capability is not None else on_cpu
    watch = Watch(storages, work, partial(attention, choose))
    rehearse(scene, META, watch)
    return storages.log, work, watch


def _load(scene: Scene, work: WorkLog) -> Load:
    """Operations of the first step, which has one typical part, and of the last pass without gradients."""
    found: dict[str, Operations] = {}
    for phase, operations in work.phases:
        if phase in ("forward", "backward", "update", "read"):
            found.setdefault(phase, operations)
        elif phase in ("validate", "evaluate"):
            found[phase] = operations
    evaluation = found.get("read") or (found["evaluate"] if len(found.get("evaluate", ())) else found["validate"])
    return Load(found["forward"], found["backward"], found["update"], evaluation, scene.steps[0][0], scene.evaluation)
