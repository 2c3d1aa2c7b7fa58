"""What a method's trials cost, read off their records: memory, time, latency, and the search for learning rates."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from tuneoff.analyse.row import Row

TRAIN_PHASES: Final = ("warmup", "train")
EVALUATE_PHASES: Final = ("validate", "evaluate")

Record = dict[str, Any]


def memory(records: Sequence[Record]) -> dict[str, Any]:
    """Highest peaks in bytes; training's includes the continued pretraining that it builds on."""

    def highest(part: str) -> int | None:
        values = [record["memory"][part]["bytes"] for record in records if record["memory"].get(part)]
        values += [r["pretraining"]["memory"]["train"]["bytes"] for r in records if part == "train" and "pretraining" in r]
        return max((value for value in values if value is not None), default=None)

    return {
        "train_peak_bytes": highest("train"),
        "eval_peak_bytes": highest("evaluate"),
        "counter": records[0]["memory"]["train"]["counter"],
    }


def time(records: Sequence[Record]) -> dict[str, float | None]:
    """Mean seconds of a method's trials.

    Training has in it what a trial builds on: continued pretraining in full, and reading the training rows through a frozen backbone,
    whichever trial did that. The search for learning rates ran once for all seeds and stands beside training, with the trainings that
    came to nothing; the total of every trial has it whole.
    """
    searched = [_search_seconds(record) for record in records]
    search = None if all(seconds is None for seconds in searched) else _mean(seconds or 0.0 for seconds in searched)
    return {
        "train_seconds": _mean(
            _seconds(record["phases"], TRAIN_PHASES) + _stage(record, TRAIN_PHASES) + _features(record, ("train",)) for record in records
        ),
        "search_seconds": search,
        "eval_seconds": _mean(
            _seconds(record["phases"], EVALUATE_PHASES) + _features(record, ("validation", "test")) for record in records
        ),
        "total_seconds": _mean(
            _seconds(record["phases"]) - _read_here(record) + _features(record) + _stage(record) + _stage_of_search(record)
            for record in records
        ),
    }


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _seconds(phases: dict[str, float], names: Sequence[str] | None = None) -> float:
    return sum(seconds for name, seconds in phases.items() if names is None or name in names)


def _stage(record: Record, names: Sequence[str] | None = None) -> float:
    """Of the continued pretraining that a trial builds on."""
    return _seconds(record.get("pretraining", {}).get("phases", {}), names)


def _features(record: Record, splits: Sequence[str] | None = None) -> float:
    """Of reading the rows of these splits through a frozen backbone: stored features cost what they cost when they were read."""
    return _seconds(record.get("features", {}).get("seconds", {}), splits)


def _read_here(record: Record) -> float:
    """The same, where this trial did it: it is a phase of its own then, and must not be counted twice."""
    return _seconds(record["phases"], ("features",)) if "features" in record else 0.0


def _stage_of_search(record: Record) -> float:
    """Of the search that a trial builds on; features that it read are charged to the trial itself."""
    phases: dict[str, float] = record.get("search", {}).get("phases", {})
    return sum(seconds for name, seconds in phases.items() if name != "features")


def _search_seconds(record: Record) -> float | None:
    if "search" not in record and "search" not in record["phases"]:
        return None
    return _stage_of_search(record) + _seconds(record["phases"], ("search",))


def effort(row: "Row") -> float | None:
    """What a method is cheap by: seconds of training and of the search for its learning rates."""
    trained = row.time.get("train_seconds")
    return None if trained is None else trained + (row.time.get("search_seconds") or 0.0)


def latency(records: Sequence[Record]) -> dict[str, Any] | None:
    """Readings of latency, averaged over the seeds that have them, unmerged and ``merged``; ``None`` where no record has any."""
    found = [record["latency"] for record in records if record.get("latency")]
    return {"merged": None} | _averaged(found) if found else None


def _averaged(readings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means of nested readings of one shape; ``None`` where no reading has a value."""
    averaged: dict[str, Any] = {}
    for name in dict.fromkeys(name for reading in readings for name in reading):
        values = [reading[name] for reading in readings if reading.get(name) is not None]
        averaged[name] = None if not values else _averaged(values) if isinstance(values[0], dict) else float(np.mean(values))
    return averaged


@dataclass(frozen=True)
class Sensitivity:
    """How much a method's learning rate matters: validation scores of the search's candidates at its first rung.

    At the first rung every candidate has trained equally long; later ones keep only the better half.

    Attributes:
        metric: ``accuracy`` or ``macro_f1``, on validation: what the study selects by.
        share: length of a training at that rung, as a share of a whole one.
        candidates: learning rates tried.
        collapsed: share of them that did not train.
        learning_rate: chosen at the end.
        head_learning_rate: likewise, of the head.
    """

    metric: str
    share: float
    candidates: int
    best: float
    median: float
    worst: float
    collapsed: float
    learning_rate: float
    head_learning_rate: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def sensitivity(records: Sequence[Record]) -> Sensitivity | None:
    """What the search of a method found; ``None`` without a search."""
    record = next((record for record in records if record.get("search", {}).get("candidates")), None)
    if record is None:
        return None
    search, metric = record["search"], record.get("trial", {}).get("train", {}).get("select", "accuracy")
    first = [candidate["rungs"][0] for candidate in search["candidates"]]
    scores, chosen = [rung[metric] for rung in first], search["candidates"][search["chosen"]]
    return Sensitivity(
        metric,
        share=first[0]["share"],
        candidates=len(first),
        best=max(scores),
        median=float(np.median(scores)),
        worst=min(scores),
        collapsed=float(np.mean([rung["collapsed"] for rung in first])),
        learning_rate=chosen["learning_rate"],
        head_learning_rate=chosen.get("head_learning_rate"),
    )
