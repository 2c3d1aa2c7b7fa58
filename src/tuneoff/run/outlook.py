"""A plan → what its trials will need: memory, time, and which devices they fit. Nothing is loaded, nothing trains."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import torch

from tuneoff.forecast import GPUS, Fit, Gpu, Speed, Target, probe, speed_of, this_device
from tuneoff.forecast.measured import Measured, measure
from tuneoff.fork_server import context
from tuneoff.kept import NOTHING, Range
from tuneoff.run.cases import PRETRAINING, cases_of, identity, read_rows
from tuneoff.run.looks import TrialOutlook, fits, looks
from tuneoff.run.planner import Plan

T = TypeVar("T")


@dataclass(frozen=True)
class Outlook:
    """What the trials of a plan will need.

    Attributes:
        target: the device that is asked about.
        speed: of that device.
        methods: label → its trial; methods without a backbone or that it does not support have none.
        unforeseen: label of a method whose trial cannot be rehearsed → why.
        pretraining: the stage of continued pretraining, where there is one.
        exact: lengths of the rows are the tokenizer's.
        seconds: of all trials and stages, one after the other.
    """

    target: Target
    speed: Speed
    methods: dict[str, TrialOutlook]
    pretraining: TrialOutlook | None
    exact: bool
    seconds: Range
    unforeseen: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, TrialOutlook]:
        """All that was forecast, the stage of continued pretraining first."""
        return ({PRETRAINING: self.pretraining} if self.pretraining else {}) | self.methods


@dataclass(frozen=True)
class MeasuredTrial:
    """Two real steps of a trial, or why there are none."""

    measured: Measured | None
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {"measured": self.measured.as_dict() if self.measured else None, "reason": self.reason}


def look_ahead(plan: Plan, gpu: Gpu | None = None, also: Sequence[Gpu] = GPUS) -> Outlook:
    """Forecast every trial of a plan.

    Args:
        plan: from :func:`~tuneoff.run.planner.make_plan`.
        gpu: the device to forecast for; without one, this machine's.
        also: GPUs of which it is said whether they would do, where no ``gpu`` is asked about.
    """
    target = gpu.target if gpu else device_here()
    speed = speed_of(gpu) if gpu else _apart(probe, torch.device(target.kind))
    if plan.facts is None:
        return Outlook(target, speed, {}, None, True, NOTHING)
    rows = read_rows(plan)
    cases = cases_of(plan, rows)
    alike = {label: identity(case) for label, case in cases.items()}
    unique = {known: cases[label] for label, known in alike.items()}
    looked = looks(list(unique.values()), target, speed, (gpu,) if gpu else also)
    by_identity = dict(zip(unique, looked, strict=True))
    answers = {label: by_identity[known] for label, known in alike.items()}
    found = {label: answer for label, answer in answers.items() if isinstance(answer, TrialOutlook)}
    unforeseen = {label: answer for label, answer in answers.items() if isinstance(answer, str)}
    pretraining = found.pop(PRETRAINING, None)
    return Outlook(target, speed, found, pretraining, rows.exact, _total(plan, found, pretraining), unforeseen)


@cache
def device_here() -> Target:
    """This machine's device."""
    return _apart(this_device)


def _apart(ask: Callable[..., T], *arguments: Any) -> T:
    """What only a process that opens a GPU can tell is told by another one: an opened GPU costs memory until the end."""
    if not torch.cuda.is_available():
        return ask(*arguments)
    with ProcessPoolExecutor(1, context()) as pool:
        return pool.submit(ask, *arguments).result()


def fits_on(plan: Plan, target: Target) -> dict[str, Fit]:
    """Whether each trial and stage of a plan fits a device, by its name; what has no forecast is left out."""
    cases = cases_of(plan, read_rows(plan))
    unique = {identity(case): case for case in cases.values()}
    answers = dict(zip(unique, fits(list(unique.values()), target), strict=True))
    found: dict[str, Fit | None] = {}
    for method in plan.methods:
        if method.label in cases:
            trials = [*method.trials, *([method.search] if method.search else [])]
            found |= {trial.name: answers[identity(cases[method.label])] for trial in trials}
    if PRETRAINING in cases:
        found |= {stage.name: answers[PRETRAINING] for stage in plan.stages if stage.stage == "pretrain"}
    return {name: fit for name, fit in found.items() if fit is not None}


def _total(plan: Plan, found: dict[str, TrialOutlook], pretraining: TrialOutlook | None) -> Range:
    """All trials, searches and stages of pretraining, one after the other; a backbone's features are read once."""
    total = NOTHING
    for method in plan.methods:
        outlook = found.get(method.label)
        if outlook is None:
            continue
        total += outlook.duration.trial.times(len(method.trials))
        if method.search is not None and method.search.search is not None:
            total += outlook.duration.trial.times(sum(method.search.search.lengths))
    if pretraining is not None:
        total += pretraining.duration.trial.times(sum(stage.stage == "pretrain" for stage in plan.stages))
    return total


def measure_trials(outlook: Outlook) -> dict[str, MeasuredTrial]:
    """Two real steps of every kind of trial on this machine, each in a process of its own.

    Args:
        outlook: of this machine's device.
    """
    return {label: _measure_apart(row) for label, row in outlook.rows.items()}


def _measure_apart(row: TrialOutlook) -> MeasuredTrial:
    if row.fit.verdict != "fits":
        return MeasuredTrial(None, f"{row.fit.need} > {row.fit.usable}")
    with ProcessPoolExecutor(1, context(), max_tasks_per_child=1) as pool:
        try:
            return MeasuredTrial(pool.submit(measure, row.forecast.scene).result())
        except (torch.OutOfMemoryError, MemoryError, BrokenProcessPool, RuntimeError) as error:
            return MeasuredTrial(None, f"{type(error).__name__}: {error}".splitlines()[0])
