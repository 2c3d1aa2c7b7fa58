"""Seconds, as far as they can be known before."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Seconds between a fast and a slow guess."""

    low: float
    high: float

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.high + other.high)

    @property
    def ends(self) -> tuple[float, float]:
        """Both guesses."""
        return self.low, self.high

    def times(self, factor: float) -> "Range":
        """So many of it."""
        return Range(self.low * factor, self.high * factor)

    def as_dict(self) -> dict[str, float]:
        """Plain values for ``--json``."""
        return {"low": round(self.low, 1), "high": round(self.high, 1)}


NOTHING = Range(0.0, 0.0)
