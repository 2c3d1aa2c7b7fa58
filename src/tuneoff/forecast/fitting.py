"""Whether a trial fits a device, and if not, what makes it fit: smaller micro-batches, checkpointing, or nothing."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias

from tuneoff.backbone import BackboneFacts
from tuneoff.backbone.precision import BF16_CAPABILITY
from tuneoff.forecast.forecast import TrialForecast, forecast_trial
from tuneoff.forecast.memory import CUBLAS_WORKSPACE, CUBLAS_WORKSPACE_HOPPER, HOPPER
from tuneoff.forecast.target import Target
from tuneoff.forecast.workload import Workload
from tuneoff.methods import Method
from tuneoff.spec import PretrainSpec, TrainSpec

Verdict: TypeAlias = Literal["fits", "micro_batch", "checkpointing", "too_large"]
#: The capabilities that stand for all: what PyTorch does differs only between before and from Ampere.
_BEFORE, _FROM = (7, 0), BF16_CAPABILITY
#: Between one row and all, memory is a straight line up to the allocator's rounding.
INTERPOLATION_MARGIN = 1.02


@dataclass(frozen=True)
class Fit:
    """What a trial needs of a device, in bytes.

    Attributes:
        verdict: ``fits`` as the study has it; with a smaller ``micro_batch``; with ``checkpointing`` (and perhaps a smaller
            micro-batch); ``too_large`` with both.
        need: what it then holds; where it is too large, the least that was found.
        usable: what the device has for it.
        micro_batch: rows of a forward pass, where it must be smaller.
    """

    verdict: Verdict
    need: int
    usable: int | None
    micro_batch: int | None = None

    @property
    def possible(self) -> bool:
        """Whether it fits in some way."""
        return self.verdict != "too_large"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return asdict(self)


@dataclass
class Case:
    """One trial, ready to be forecast on any device; what was rehearsed is kept.

    Attributes:
        method: what trains; ``None`` for continued pretraining.
        facts: of the backbone.
        train: of the study.
        epochs: passes over the training rows.
        workload: kind of device, micro-batch, and whether activations are recomputed → the batches.
        pretrain: parameters of continued pretraining.
        trust_remote_code: as in the study file.
    """

    method: Method | None
    facts: BackboneFacts
    train: TrainSpec
    epochs: int
    workload: Callable[[str, int | None, bool], Workload]
    pretrain: PretrainSpec | None = None
    trust_remote_code: bool = False
    _known: dict[tuple[object, ...], TrialForecast] = field(default_factory=dict)

    def on(self, target: Target, micro_batch: int | None = None, checkpointing: bool = False, timed: bool = False) -> TrialForecast:
        """The forecast on a device; ``timed`` with what it takes to tell its time."""
        micro_batch = micro_batch or self.train.micro_batch
        checkpointing = checkpointing or self.train.gradient_checkpointing
        like = _like(target)
        key = *kin(target), like.precision(self.train.precision), micro_batch, checkpointing
        if key not in self._known or (timed and self._known[key].load is None):
            train = self.train.model_copy(update={"micro_batch": micro_batch, "gradient_checkpointing": checkpointing})
            workload = self.workload(like.kind, micro_batch, checkpointing)
            options = (self.pretrain, self.trust_remote_code, timed)
            self._known[key] = forecast_trial(self.method, self.facts, like, train, self.epochs, workload, *options)
        found = self._known[key]
        return _moved(found, target) if like is not target else found

    def fit(self, target: Target) -> Fit:
        """What the trial needs there, and what makes it fit."""
        usable = target.usable
        as_written = self.on(target)
        if usable is None or as_written.peak <= usable:
            return Fit("fits", as_written.peak, usable)
        least = as_written.peak
        lasting = sum(as_written.train.parts[part] for part in ("weights", "gradients", "optimiser", "best_epoch"))
        for checkpointing in self._choices() if lasting <= usable else ():
            verdict: Verdict = "checkpointing" if checkpointing else "micro_batch"
            whole = self.on(target, None, checkpointing) if checkpointing else as_written
            if whole.peak <= usable:
                return Fit(verdict, whole.peak, usable)
            smallest = self.on(target, 1, checkpointing)
            least = min(least, whole.peak, smallest.peak)
            if smallest.peak <= usable:
                rows, need = self._largest(usable, smallest.peak, whole.peak)
                return Fit(verdict, need, usable, rows)
        return Fit("too_large", least, usable)

    def _choices(self) -> tuple[bool, ...]:
        able = self.method is None or self.method.facts.gradient_checkpointing
        frozen = self.method is not None and self.method.facts.frozen_backbone
        return () if frozen else (False, True) if able and not self.train.gradient_checkpointing and self.pretrain is None else (False,)

    def _largest(self, usable: int, of_one: int, of_all: int) -> tuple[int, int]:
        """The largest power of two of rows that fits, on the straight line between one row and all, and what it needs."""
        rows = self.train.micro_batch or self.train.batch_size
        a_row = (of_all - of_one) / max(1, rows - 1)
        most = 1 + (usable / INTERPOLATION_MARGIN - of_one) / max(1.0, a_row)
        fitting = 1 << max(0, int(min(max(most, 1), rows - 1)).bit_length() - 1)
        return fitting, round(of_one + a_row * (fitting - 1))


def kin(target: Target) -> tuple[str, tuple[int, int] | None]:
    """The same for devices for which PyTorch does the same."""
    return target.kind, _like(target).capability


def _like(target: Target) -> Target:
    """The one that stands for its kin."""
    if target.capability is None:
        return target
    capability = _FROM if target.capability >= _FROM else _BEFORE
    return replace(target, capability=capability)


def _moved(found: TrialForecast, target: Target) -> TrialForecast:
    """The same forecast for a device of the kin: only cuBLAS' workspace differs."""
    assert target.capability is not None
    more = CUBLAS_WORKSPACE_HOPPER - CUBLAS_WORKSPACE if target.capability >= HOPPER else 0
    peaks = {}
    for name in ("train", "evaluate"):
        peak = getattr(found, name)
        parts = peak.parts | {"workspace": peak.parts["workspace"] + more}
        peaks[name] = replace(peak, bytes=peak.bytes + more, held=peak.held + more, parts=parts)
    return replace(found, scene=replace(found.scene, target=target), **peaks)
