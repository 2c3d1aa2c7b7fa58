"""What a method's trials cost, read off their records: memory, time, energy, latency."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from tuneoff.analyse.row import Row
from tuneoff.analyse.trials import Record

TRAIN_PHASES: Final = ("warmup", "train")
EVALUATE_PHASES: Final = ("validate", "evaluate")

#: Of energy, as records name them.
COUNTERS: Final = ("gpu_joules", "cpu_joules")


def memory(records: Sequence[Record]) -> dict[str, Any]:
    """Highest peaks in bytes; training's includes the continued pretraining that it builds on."""

    def highest(part: str) -> int | None:
        values = [record["memory"][part]["bytes"] for record in records if record["memory"].get(part)]
        values += [r["pretraining"]["memory"]["train"]["bytes"] for r in records if part == "train" and "pretraining" in r]
        return max((value for value in values if value is not None), default=None)

    live = [peak["live_bytes"] for record in records if (peak := record["memory"]["train"]).get("live_bytes") is not None]
    return {
        "train_peak_bytes": highest("train"),
        "eval_peak_bytes": highest("evaluate"),
        "train_live_bytes": max(live, default=None),
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


def workers(records: Sequence[Record]) -> list[int]:
    """How many trials of the study trained on the machine at once while these did, themselves included: each number once.

    Records from before this was counted are left out.
    """
    return sorted({record["workers"] for record in records if "workers" in record})


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _seconds(phases: dict[str, float], names: Sequence[str] | None = None) -> float:
    return sum(phases.values()) if names is None else sum(seconds for name, seconds in phases.items() if name in names)


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


def energy(records: Sequence[Record]) -> dict[str, Any]:
    """Mean joules of a method's trials, charged as their time is, and the counters that they are from.

    Training has in it continued pretraining and reading the rows through a frozen backbone; the search stands beside it, with the
    trainings that came to nothing. A counter that one part did not have counts for none; without any, nothing was measured.
    """
    trained = [[record.get("energy", {}).get("train"), *_energy_below(record)] for record in records]
    searched = [_energy_of_search(record) for record in records]
    counters = [name for name in COUNTERS if all(part and part.get(name) is not None for parts in trained for part in parts)]
    known = bool(counters) and all(part and part.get(name) is not None for parts in searched for part in parts for name in counters)
    search = _mean(_joules(parts, counters) for parts in searched) if known and any(searched) else None
    return {
        "train_joules": _mean(_joules(parts, counters) for parts in trained) if counters else None,
        "search_joules": search,
        "counters": [name.partition("_")[0] for name in counters],
    }


def _energy_below(record: Record) -> list[Any]:
    """Of what a trial builds on: the stage of continued pretraining, features of a frozen backbone."""
    stage = [record["pretraining"].get("energy", {}).get("train")] if "pretraining" in record else []
    return [*stage, *([record["features"].get("energy")] if "features" in record else [])]


def _energy_of_search(record: Record) -> list[Any]:
    stage = [record["search"].get("energy", {}).get("train")] if "search" in record else []
    return [*stage, *([record.get("energy", {}).get("search")] if "search" in record["phases"] else [])]


def _joules(parts: Sequence[Any], counters: Sequence[str]) -> float:
    return float(sum(part[name] for part in parts for name in counters))


@dataclass(frozen=True)
class Expense:
    """What a method costs at a price per hour, in one currency; means over seeds.

    Attributes:
        train: training, the continued pretraining that it builds on included.
        search: the search for learning rates; ``None`` without one.
        total: every phase of a trial and of what it builds on, for a machine is paid for while it loads and evaluates as well.
    """

    currency: str
    train: float
    search: float | None
    total: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def expense(row: "Row", price_per_hour: float, currency: str) -> Expense | None:
    """A row's time in money; ``None`` where the time was not measured."""
    train, search, total = (row.time.get(f"{part}_seconds") for part in ("train", "search", "total"))
    if train is None or total is None:
        return None
    a_second = price_per_hour / 3600
    return Expense(currency, train * a_second, None if search is None else search * a_second, total * a_second)


def effort(row: "Row") -> float | None:
    """What a method is cheap by: seconds of training and of the search for its learning rates."""
    trained = row.time.get("train_seconds")
    return None if trained is None else trained + (row.time.get("search_seconds") or 0.0)


def joules(row: "Row") -> float | None:
    """Energy of training and of the search for learning rates, as :func:`effort` has the time."""
    trained: float | None = row.energy.get("train_joules")
    searched: float | None = row.energy.get("search_joules")
    if trained is None or (searched is None and row.time.get("search_seconds") is not None):
        return None
    return trained + (searched or 0.0)


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
