"""Cases → whether they fit and what they take, asked side by side."""

import gc
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import torch

from tuneoff.errors import short
from tuneoff.forecast import Case, Fit, Gpu, Speed, Target, TrialForecast, UnforeseenError
from tuneoff.forecast.fitting import kin
from tuneoff.forecast.work import Rates
from tuneoff.kept import Range
from tuneoff.measure import available_cores
from tuneoff.methods._peft import PeftMethod

Q = TypeVar("Q")
T = TypeVar("T")
#: Of the reason why there is no forecast.
SHOWN_CHARACTERS = 160


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


def looks(cases: list[Case], target: Target, speed: Speed, gpus: Sequence[Gpu]) -> list[TrialOutlook | str]:
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


def fits(cases: list[Case], target: Target) -> list[Fit | None]:
    """Whether each case fits a device; ``None`` where nothing can be foreseen: then it is tried."""
    return _each(partial(_fit, target), cases)


def _fit(target: Target, case: Case) -> Fit | None:
    try:
        return case.fit(target)
    except UnforeseenError:
        return None


def _each(look: Callable[[Q], T], questions: list[Q]) -> list[T]:
    """One after the other, or side by side in forked processes where that is safe and worth it."""
    workers = min(len(questions), available_cores() if sys.platform == "linux" else 1)
    if workers < 2 or torch.cuda.is_initialized():
        return list(map(look, questions))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _begin) as pool:
        return list(pool.map(look, questions))


def _begin() -> None:
    """In a forked process: none of the parent's threads is left, and what the parent made need not be searched for garbage."""
    torch.set_num_threads(1)
    gc.freeze()
