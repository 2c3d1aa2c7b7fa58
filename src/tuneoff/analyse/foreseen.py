"""What was forecast for a row of the report, beside what its trials measured."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tuneoff.analyse.row import Row

#: Quantity → part of a forecast, and where a row has the measurement.
MEMORY: Final = {"train_memory": ("train", "train_peak_bytes"), "eval_memory": ("evaluate", "eval_peak_bytes")}
TIME: Final = {"train_seconds": ("train", "train_seconds"), "eval_seconds": ("evaluate", "eval_seconds")}
QUANTITIES: Final = (*MEMORY, *TIME)
#: From the best verdict of a fit to the worst.
VERDICTS: Final = ("fits", "micro_batch", "checkpointing", "too_large")
ALLOCATED: Final = "cuda_max_memory_allocated"

Forecast = Mapping[str, Any]


def remedy(fit: Mapping[str, Any]) -> str:
    """What makes a trial fit, as messages are named: the verdict, or ``both`` where checkpointing takes a smaller micro-batch as well.

    Args:
        fit: ``verdict`` and ``micro_batch``, as forecasts have them.
    """
    verdict: str = fit["verdict"]
    return "both" if verdict == "checkpointing" and fit["micro_batch"] is not None else verdict


@dataclass(frozen=True)
class Foreseen:
    """One quantity of one row: bytes, or seconds.

    Attributes:
        low: forecast; of a time, the fast guess.
        high: forecast; of a time, the slow guess.
        measured: as in the row; ``None`` where it was not measured, or not yet.
    """

    low: float
    high: float
    measured: float | None

    @property
    def ends(self) -> tuple[float, float]:
        """The fast and the slow guess."""
        return self.low, self.high

    @property
    def off_percent(self) -> float | None:
        """How far the forecast lies from the measurement, in per cent of it: below zero when too little was forecast, 0 inside a range."""
        if not self.measured:
            return None
        return 100.0 * (min(max(self.measured, self.low), self.high) / self.measured - 1.0)

    def as_dict(self) -> dict[str, float | None]:
        """Plain values."""
        return asdict(self) | {"off_percent": self.off_percent}


@dataclass(frozen=True)
class RowForecast:
    """The forecast of one row.

    Attributes:
        quantities: name of :data:`QUANTITIES` → forecast and measurement; empty where there is no forecast. ``train_live``, the live
            tensors of training, is there only where they were counted.
        fit: whether a trial of it fits the device of the study: ``verdict``, ``need``, ``usable``, ``micro_batch``.
        fits: name of a GPU → the same there.
        reason: why there is no forecast.
    """

    quantities: dict[str, Foreseen] = field(default_factory=dict)
    fit: dict[str, Any] | None = None
    fits: dict[str, dict[str, Any]] = field(default_factory=dict)
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The shape of ``tuneoff report --json``."""
        quantities = {name: value.as_dict() for name, value in self.quantities.items()}
        return {"quantities": quantities, "fit": self.fit, "fits": self.fits, "reason": self.reason}


def foreseen(row: Row, trial: Forecast, stage: Forecast | None, allocated: bool) -> RowForecast:
    """Put forecasts in the shape of a row: what it builds on is charged to it as in the row itself.

    Args:
        row: of the report.
        trial: of one of its trials, as ``tuneoff plan`` keeps it.
        stage: of the continued pretraining that it builds on.
        allocated: the study's device is a GPU, whose memory is counted as allocated; the row's own counter decides where it has one.
    """
    parts = [trial, *([stage] if stage else [])]
    counter = row.memory.get("counter")
    part_of_memory = "bytes" if (allocated if counter is None else counter == ALLOCATED) else "held"
    quantities: dict[str, Foreseen] = {}
    for name, (part, measured) in MEMORY.items():
        # Only training's peak has that of the stage in it.
        peak = float(max(one[part][part_of_memory] for one in (parts if name == "train_memory" else [trial])))
        quantities[name] = Foreseen(peak, peak, row.memory.get(measured))
    for name, (part, measured) in TIME.items():
        charged = parts if name == "train_seconds" else [trial]
        low, high = (sum(one["seconds"][part][end] for one in charged) for end in ("low", "high"))
        quantities[name] = Foreseen(low, high, row.time.get(measured))
    if (live := row.memory.get("train_live_bytes")) is not None:
        tensors = float(trial["train"]["bytes"])
        quantities["train_live"] = Foreseen(tensors, tensors, live)
    everywhere = [name for name in trial["fits"] if all(name in one["fits"] for one in parts)]
    fits = {name: _worst([one["fits"][name] for one in parts]) for name in everywhere}
    return RowForecast(quantities, _worst([one["fit"] for one in parts]), fits)


def _worst(fits: list[dict[str, Any]]) -> dict[str, Any]:
    """Of trial and stage the one that is harder to fit."""
    return max(fits, key=lambda fit: (VERDICTS.index(fit["verdict"]), fit["need"]))
