"""A record as an experiment tracker wants it: names, parameters, numbers, a curve."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from tuneoff.store import CURVE, Attempt, Store

#: Numbers of a curve's point.
_CURVE: Final = ("loss", "validation_loss", "validation_accuracy", "validation_macro_f1")
_QUALITY: Final = ("accuracy", "macro_f1", "mcc", "ece")


@dataclass(frozen=True)
class TrackedRun:
    """One ended attempt at one trial or stage.

    Attributes:
        key: tells it from every other of the study: trial and number of the attempt.
        name: for people.
        state: how it ended.
        began: seconds since 1970.
        seconds: from its beginning to its record.
        tags: what it is: study, backbone, method, label, seed, stage, trial, error.
        parameters: as used, by dotted name.
        numbers: scores (0 to 1), bytes and seconds; what was not measured is missing.
        curve: (step, seconds since the beginning, name → value) in order.
    """

    key: str
    name: str
    state: str
    began: float
    seconds: float
    tags: dict[str, str]
    parameters: dict[str, str]
    numbers: dict[str, float]
    curve: list[tuple[int, float, dict[str, float]]]

    @classmethod
    def of(cls, attempt: Attempt, trial: str, label: str) -> "TrackedRun":
        """Read a record and the curve beside it."""
        record = attempt.record
        spec = record["trial"]
        rates = record.get("rates", {})
        parameters = _flat({"train": spec["train"], "config": spec["config"] | rates, "pretrain": spec.get("pretrain") or {}})
        tags = {
            "study": record["study"],
            "backbone": record["backbone"],
            "method": spec["method"],
            "label": label,
            "seed": spec["seed"],
            "stage": spec.get("stage"),
            "trial": trial,
            "state": record["state"],
            "error": (record.get("error") or {}).get("key"),
            "device": record.get("environment", {}).get("device_name"),
            "precision": record.get("precision"),
            "reload": None if "reload" not in record else record["reload"].get("same"),
        }
        return cls(
            key=f"{trial}/{attempt.number}",
            name=f"{label} s{spec['seed']}" if spec["seed"] >= 0 else f"{label} search",
            state=record["state"],
            began=datetime.fromisoformat(record["began"]).timestamp(),
            seconds=record["wall_seconds"],
            tags={name: str(value) for name, value in tags.items() if value is not None},
            parameters={name: str(value) for name, value in parameters.items() if value is not None},
            numbers=_numbers(record),
            curve=list(_curve(attempt.folder / CURVE)),
        )


def tracked_runs(store: Store, labels: Mapping[str, str], known: set[str] | frozenset[str] = frozenset()) -> Iterator[TrackedRun]:
    """Every ended attempt that is not known yet.

    Args:
        store: the study's records.
        labels: the method's name in the report, by the trial's folder; other trials are left out.
        known: keys of runs to leave out.
    """
    for trial, label in labels.items():
        for attempt in store.attempts(trial):
            if f"{trial}/{attempt.number}" not in known:
                yield TrackedRun.of(attempt, trial, label)


def _numbers(record: dict[str, Any]) -> dict[str, float]:
    found: dict[str, Any] = {"wall_seconds": record["wall_seconds"]}
    for split, quality in record.get("quality", {}).items():
        found |= {f"{split}_{name}": quality.get(name) for name in _QUALITY}
    for part, peak in record.get("memory", {}).items():
        found[f"{part}_peak_bytes"] = (peak or {}).get("bytes")
    for part, counted in record.get("energy", {}).items():
        found |= {f"{part}_{counter}": joules for counter, joules in (counted or {}).items()}
    found |= {f"parameters_{name}": count for name, count in (record.get("parameters") or {}).items()}
    found |= {f"seconds_{phase}": seconds for phase, seconds in record.get("phases", {}).items()}
    found |= {name: record.get(name) for name in ("artefact_bytes", "steps", "best_epoch", "loss_before", "loss_after")}
    return _measured(found)


def _curve(file: Path) -> Iterator[tuple[int, float, dict[str, float]]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:  # A baseline has none.
        return
    for line in lines:
        try:
            point = json.loads(line)
        except ValueError:  # Cut by the end of a killed process.
            return
        yield int(point["step"]), float(point["seconds"]), _measured({name: point.get(name) for name in _CURVE})


def _measured(values: Mapping[str, Any]) -> dict[str, float]:
    """What is a number; ``None`` is none, and neither is what is not finite: trackers refuse it, the record has it."""
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float) and math.isfinite(value)}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found
