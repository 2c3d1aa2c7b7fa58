"""Forecast and measurement of a trial side by side."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from tuneoff.measure import CPU_COUNTER

Quantity: TypeAlias = Literal["train_allocated", "train_held", "evaluate_allocated", "evaluate_held", "train_seconds", "evaluate_seconds"]
_TRAINING, _JUDGING = ("warmup", "train"), ("validate", "evaluate")


@dataclass(frozen=True)
class Comparison:
    """One quantity: bytes or seconds.

    Attributes:
        quantity: ``…_allocated`` is PyTorch's own count on a GPU and the sum of live tensors on a CPU, ``…_held`` what the
            device or the process held.
        low: forecast; of a time, the fast guess.
        high: forecast; of a time, the slow guess.
        measured: as recorded.
    """

    quantity: Quantity
    low: float
    high: float
    measured: float

    @property
    def off_percent(self) -> float:
        """How far the measurement lies outside the forecast, in per cent of the measurement: below zero when too little was forecast."""
        nearest = min(max(self.measured, self.low), self.high)
        return 100.0 * (nearest / self.measured - 1.0)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"off_percent": self.off_percent}


def compare(forecast: Mapping[str, Any], record: Mapping[str, Any]) -> list[Comparison]:
    """What was forecast for a trial against what its record says; only what was measured.

    Args:
        forecast: of one method, as in ``forecasts`` of ``tuneoff plan --json``.
        record: of a complete trial.
    """
    found: list[Comparison] = []
    for phase in ("train", "evaluate"):
        peak, expected = record["memory"].get(phase) or {}, forecast[phase]
        readings = {"allocated": peak.get("bytes"), "held": peak.get("reserved_bytes")}
        if peak.get("counter") == CPU_COUNTER:
            readings = {"allocated": peak.get("live_bytes"), "held": peak["bytes"]}
        for name, measured in readings.items():
            if measured:
                value = float(expected["bytes" if name == "allocated" else "held"])
                found.append(Comparison(_quantity(phase, name), value, value, float(measured)))
    for phase, names in (("train", _TRAINING), ("evaluate", _JUDGING)):
        seconds = sum(record["phases"].get(name, 0.0) for name in names)
        if seconds:
            expected = forecast["seconds"][phase]
            found.append(Comparison(_quantity(phase, "seconds"), expected["low"], expected["high"], seconds))
    return found


def _quantity(phase: str, name: str) -> Any:
    return f"{phase}_{name}"
