"""A plan → what its trials will need: memory, time, and which devices they fit. Nothing is loaded, nothing trains."""

import gc
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, TypeVar

import numpy as np
import torch

from tuneoff.data import tokenise
from tuneoff.errors import short
from tuneoff.forecast import GPUS, Case, Fit, Gpu, Speed, Target, TrialForecast, UnforeseenError, Workload, probe, speed_of, this_device
from tuneoff.forecast.fitting import kin
from tuneoff.forecast.measured import Measured, measure
from tuneoff.forecast.scene import Part
from tuneoff.forecast.work import Rates
from tuneoff.forecast.workload import estimated_lengths, evaluation_parts, pretraining_steps, steps_of
from tuneoff.fork_server import context
from tuneoff.kept import NOTHING, Range
from tuneoff.measure import available_cores
from tuneoff.methods import Method
from tuneoff.methods._peft import PeftMethod
from tuneoff.run.planner import Plan
from tuneoff.train import packs
from tuneoff.train.pretrain import HELD_OUT

Q = TypeVar("Q")
T = TypeVar("T")
#: Of the reason why there is no forecast.
SHOWN_CHARACTERS = 160
SPLITS, CORPUS, PRETRAINING = ("train", "validation", "test"), "corpus", "pretrain"


@dataclass(frozen=True)
class Duration:
    """Training and evaluation of one trial."""

    train: Range
    evaluate: Range

    @property
    def trial(self) -> Range:
        """Both."""
        return self.train + self.evaluate


@dataclass(frozen=True)
class TrialOutlook:
    """One kind of trial.

    Attributes:
        forecast: on the device that is asked about.
        duration: there.
        fit: whether it fits there.
        fits: name of a GPU → whether it fits.
    """

    forecast: TrialForecast
    duration: Duration
    fit: Fit
    fits: dict[str, Fit]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json`` and for the report's comparison."""
        forecast = self.forecast
        return {
            "precision": forecast.scene.precision,
            "train": forecast.train.as_dict(),
            "evaluate": forecast.evaluate.as_dict(),
            "steps": forecast.steps,
            "step_flops": forecast.step_flops,
            "seconds": {
                "train": self.duration.train.as_dict(),
                "evaluate": self.duration.evaluate.as_dict(),
                "trial": self.duration.trial.as_dict(),
            },
            "fit": self.fit.as_dict(),
            "fits": {name: fit.as_dict() for name, fit in self.fits.items()},
        }


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


@dataclass(frozen=True)
class Rows:
    """Lengths of a plan's rows and how many different tokens they have.

    Attributes:
        lengths: of each split, and ``corpus`` for continued pretraining.
        used: different tokens of the training texts.
        exact: the tokenizer's own; else estimates, and memory is forecast for rows of full length.
    """

    lengths: dict[str, np.ndarray]
    used: int
    exact: bool
    longest: dict[str, int]
    pairs: bool

    def sizes(self, split: str) -> np.ndarray:
        """Tokens of each row of a split; where they are estimated, as many as a row may have, so that memory is no surprise."""
        lengths = self.lengths[split]
        return lengths if self.exact else np.full_like(lengths, self.longest[split])

    def filled(self, split: str) -> float:
        """Part of these sizes that there will be."""
        return float(self.lengths[split].sum() / max(1, self.sizes(split).sum()))


def read_rows(plan: Plan) -> Rows:
    """Lengths by the tokenizer where it is here, else by the number of characters."""
    spec = plan.study.spec
    pretrains = any(method.chosen.pretrain for method in plan.methods)
    corpus = [(text,) for text in plan.splits.corpus] if pretrains else []
    texts = {name: plan.splits[name].texts for name in SPLITS}
    longest = dict.fromkeys(SPLITS, spec.train.max_length) | {CORPUS: spec.pretrain.max_length}
    pairs = len(spec.data.text_columns) == 2
    reader = plan.reader
    if reader is None:
        lengths = {name: estimated_lengths(rows, longest[name]) for name, rows in (texts | {CORPUS: corpus}).items()}
        return Rows(lengths, int(lengths["train"].sum()), False, longest, pairs)
    tokens = {name: reader.read(rows) for name, rows in texts.items()}
    lengths = {name: found.lengths for name, found in tokens.items()}
    if corpus:
        read = tokenise(corpus, reader.tokenizer, reader.identity, longest[CORPUS], reader.cache, split_long=True)
        lengths[CORPUS] = read.lengths
    return Rows(lengths, len(np.unique(tokens["train"].ids)), True, longest, pairs)


def cases_of(plan: Plan, rows: Rows) -> dict[str, Case]:
    """What there is to rehearse: each method by its label, and the stage of continued pretraining under its own name."""
    assert plan.facts is not None
    spec, facts = plan.study.spec, plan.facts
    cases: dict[str, Case] = {}
    for planned in plan.methods:
        method = planned.chosen.build()
        if planned.unsupported or not isinstance(method, Method) or method.facts.needs_weights:
            continue
        epochs = planned.trials[0].config["epochs"]
        workload = partial(_workload, rows, spec.train.batch_size, method.facts.frozen_backbone, facts.model_type)
        cases[planned.label] = Case(method, facts, spec.train, epochs, workload, None, spec.trust_remote_code)
    stage = next((stage for stage in plan.stages if stage.stage == "pretrain"), None)
    if stage is not None and stage.pretrain is not None:
        workload = partial(_corpus_workload, rows, stage.pretrain.batch_size, facts.model_type)
        cases[PRETRAINING] = Case(None, facts, spec.train, stage.pretrain.epochs, workload, stage.pretrain, spec.trust_remote_code)
    return cases


def _workload(
    rows: Rows, batch_size: int, frozen: bool, model_type: str, kind: str, micro_batch: int | None, checkpointing: bool
) -> Workload:
    train = rows.sizes("train")
    read = partial(evaluation_parts, packed=packs(model_type, kind))
    validation, test = (read(rows.sizes(name)) for name in ("validation", "test"))
    if frozen:
        full, rest = divmod(len(train), batch_size)
        second: tuple[tuple[Part, ...], ...]
        steps: tuple[tuple[Part, ...], ...] = tuple((Part(size, 1),) for size in [batch_size] * full + [rest] * (rest > 0))
        second, reading = (), read(train)
    else:
        cut = partial(steps_of, train, kind, batch_size, micro_batch, packs(model_type, kind, checkpointing))
        steps, second, reading = cut(), cut(epoch=1), ()
    stored = sum(len(rows.lengths[name]) for name in SPLITS)
    judged = validation, (*validation, *test)
    return Workload(steps, *judged, reading, rows.used, stored, rows.pairs, rows.exact, rows.filled("train"), second)


def _corpus_workload(rows: Rows, batch_size: int, model_type: str, kind: str, micro_batch: int | None, _: bool) -> Workload:
    lengths = rows.sizes(CORPUS)
    held = max(1, round(HELD_OUT * len(lengths)))
    judged = evaluation_parts(lengths[:held])
    steps = pretraining_steps(lengths[held:], kind, batch_size, packs(model_type, kind))
    return Workload(steps, judged, judged, (), rows.used, len(lengths), rows.pairs, rows.exact, rows.filled(CORPUS))


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
    alike = {label: _identity(case) for label, case in cases.items()}
    unique = {identity: cases[label] for label, identity in alike.items()}
    looks = _looks(list(unique.values()), target, speed, (gpu,) if gpu else also)
    by_identity = dict(zip(unique, looks, strict=True))
    answers = {label: by_identity[identity] for label, identity in alike.items()}
    found = {label: answer for label, answer in answers.items() if isinstance(answer, TrialOutlook)}
    unforeseen = {label: answer for label, answer in answers.items() if isinstance(answer, str)}
    pretraining = found.pop(PRETRAINING, None)
    return Outlook(target, speed, found, pretraining, rows.exact, _total(plan, found, pretraining), unforeseen)


def _identity(case: Case) -> str:
    """The same for trials that differ in their learning rates alone, as those after continued pretraining do."""
    if case.method is None:
        return PRETRAINING
    config = case.method.config.model_dump_json(exclude={"learning_rate", "head_learning_rate"})
    return f"{case.method.name} {case.epochs} {config}"


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
    unique = {_identity(case): case for case in cases.values()}
    fits = dict(zip(unique, _each(partial(_fit, target), list(unique.values())), strict=True))
    found: dict[str, Fit | None] = {}
    for method in plan.methods:
        if method.label in cases:
            trials = [*method.trials, *([method.search] if method.search else [])]
            found |= {trial.name: fits[_identity(cases[method.label])] for trial in trials}
    if PRETRAINING in cases:
        found |= {stage.name: fits[PRETRAINING] for stage in plan.stages if stage.stage == "pretrain"}
    return {name: fit for name, fit in found.items() if fit is not None}


def _fit(target: Target, case: Case) -> Fit | None:
    """``None`` where nothing can be foreseen: then it is tried."""
    try:
        return case.fit(target)
    except UnforeseenError:
        return None


def _looks(cases: list[Case], target: Target, speed: Speed, gpus: Sequence[Gpu]) -> list[TrialOutlook | str]:
    """The outlook of each case, or why there is none.

    Devices for which PyTorch does different things are asked about apart, so that all cores have about as much to do.
    """
    kins: dict[object, list[Gpu]] = {kin(target): []}
    for gpu in gpus:
        kins.setdefault(kin(gpu.target), []).append(gpu)
    # What PEFT wraps takes longest: it must not be what all wait for in the end.
    order = sorted(range(len(cases)), key=lambda number: not isinstance(cases[number].method, PeftMethod))
    questions = [(number, like, mine) for number in order for like, mine in enumerate(kins.values())]
    answers = _each(partial(_look, target, speed), [(cases[number], like == 0, mine) for number, like, mine in questions])
    found: dict[int, list[TrialOutlook | dict[str, Fit] | str]] = {}
    for (number, _, _), answer in zip(questions, answers, strict=True):
        found.setdefault(number, []).append(answer)
    return [_whole(found[number], gpus) for number in range(len(cases))]


def _whole(answers: list[TrialOutlook | dict[str, Fit] | str], gpus: Sequence[Gpu]) -> TrialOutlook | str:
    """What was found for the device that is asked about, and for the others."""
    reason = next((answer for answer in answers if isinstance(answer, str)), None)
    if reason is not None:
        return reason
    mine, *others = answers
    assert isinstance(mine, TrialOutlook)
    fits = mine.fits | {name: fit for other in others if isinstance(other, dict) for name, fit in other.items()}
    return replace(mine, fits={gpu.name: fits[gpu.name] for gpu in gpus})


def _look(target: Target, speed: Speed, question: tuple[Case, bool, list[Gpu]]) -> TrialOutlook | dict[str, Fit] | str:
    """The outlook on the device that is asked about, or on others alone; or why there is none."""
    case, on_target, gpus = question
    try:
        forecast = case.on(target, timed=True) if on_target else None
        fits = {gpu.name: case.fit(gpu.target) for gpu in gpus}
        return fits if forecast is None else TrialOutlook(forecast, _duration(forecast, speed), case.fit(target), fits)
    except UnforeseenError as error:
        return short(str(error).partition(". ")[0], SHOWN_CHARACTERS)


def _duration(forecast: TrialForecast, speed: Speed) -> Duration:
    def between(seconds: Callable[[Rates], float]) -> Range:
        return Range(seconds(speed.fast), seconds(speed.slow))

    return Duration(between(forecast.train_seconds), between(forecast.evaluation_seconds))


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


def _each(look: Callable[[Q], T], questions: list[Q]) -> list[T]:
    """One after the other, or side by side in forked processes where that is safe and worth it."""
    workers = min(len(questions), available_cores() if sys.platform == "linux" else 1)
    if workers < 2 or torch.cuda.is_initialized():
        return list(map(look, questions))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _begin) as pool:
        return list(pool.map(look, questions))


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


def _begin() -> None:
    """In a forked process: none of the parent's threads is left, and what the parent made need not be searched for garbage."""
    torch.set_num_threads(1)
    gc.freeze()
