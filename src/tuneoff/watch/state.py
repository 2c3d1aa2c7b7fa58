"""How far a study is, read from its folder without touching it: what is at work, with its curve, and how trials ended.

The plan is not asked: that would read data and backbone, and a page that refreshes itself must cost nothing beside the training.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tuneoff.store import CURVE, JOB, read_record
from tuneoff.store.owner import is_dead

REPORT: Final = "report.html"
#: Points of a curve that are sent: more than a small picture shows.
POINTS: Final = 300
_KEPT: Final = ("step", "loss", "validation_accuracy")


@dataclass(frozen=True)
class Running:
    """A trial at work.

    Attributes:
        trial: its folder.
        method: as in the study file; ``pretrain`` for that stage.
        seed: number of the seed.
        steps: of the whole training; ``None`` before the first point.
        points: of its curve so far: step, loss, and accuracy on validation where it was asked.
    """

    trial: str
    method: str
    seed: int
    steps: int | None
    points: list[dict[str, Any]]

    @property
    def step(self) -> int:
        """Steps done, by the newest point."""
        return int(self.points[-1]["step"]) if self.points else 0

    def as_dict(self) -> dict[str, Any]:
        """What the page gets."""
        plain = {"trial": self.trial, "method": self.method, "seed": self.seed}
        return plain | {"step": self.step, "steps": self.steps, "points": self.points}


@dataclass
class Folder:
    """A study's folder as it is watched; records are read once."""

    folder: Path
    _states: dict[Path, str] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        """Where its trials are."""
        return self.folder / "results"

    @property
    def report(self) -> Path:
        """The page, whether it is there or not."""
        return self.folder / REPORT

    @property
    def version(self) -> str | None:
        """Changes whenever the report is written again; ``None`` before the first."""
        try:
            found = self.report.stat()
        except OSError:
            return None
        return f"{found.st_mtime_ns}-{found.st_size}"

    def ended(self) -> dict[str, int]:
        """Trials and stages that ended, by state: the state of a complete attempt, else of the last."""
        states: Counter[str] = Counter()
        for trial in self._trials():
            attempts = [self._state(file) for file in sorted(trial.glob("attempt-*.json"), key=_number)]
            if attempts:
                states["complete" if "complete" in attempts else attempts[-1]] += 1
        return dict(states)

    def running(self) -> list[Running]:
        """Trials that a living process has claimed, by name."""
        return [self._at_work(trial) for trial in self._trials() if (trial / "claim").exists() and not is_dead(trial / "claim")]

    def _trials(self) -> list[Path]:
        return sorted(folder for folder in self.results.iterdir() if folder.is_dir()) if self.results.is_dir() else []

    def _state(self, file: Path) -> str:
        if file not in self._states:
            try:
                self._states[file] = str(read_record(file)["state"])
            except (OSError, ValueError):
                return "unreadable"  # Whoever runs the study moves it aside; here nothing is written.
        return self._states[file]

    def _at_work(self, trial: Path) -> Running:
        folders = sorted((file for file in trial.glob("attempt-*") if file.is_dir()), key=_number)
        spec, points = _spec(folders[-1]) if folders else {}, _points(folders[-1]) if folders else []
        steps = points[-1]["steps"] if points else None
        kept = [{key: point.get(key) for key in _KEPT} for point in _thinned(points)]
        return Running(trial.name, spec.get("method", trial.name), spec.get("seed", 0), steps, kept)


def _number(file: Path) -> int:
    return int(file.stem.removeprefix("attempt-"))


def _spec(attempt: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((attempt / JOB).read_text(encoding="utf-8"))["trial"]
    except (OSError, ValueError, KeyError):  # Not there yet, or being written.
        return {}
    return found


def _points(attempt: Path) -> list[dict[str, Any]]:
    """Whole lines of the curve that is being written."""
    try:
        text = (attempt / CURVE).read_text(encoding="utf-8")
    except OSError:
        return []
    return [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]


def _thinned(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most ``POINTS``, evenly spread; those of validation and the last one always."""
    stride = -(-len(points) // POINTS) or 1
    return [p for i, p in enumerate(points) if i % stride == 0 or i == len(points) - 1 or p.get("validation_accuracy") is not None]
