"""Which method is worth its cost, how sure that is, and what would change it.

Candidates are the tie group and what lies within ``within`` points of the best. Of those inside the budget the cheapest is chosen:
the shortest training, search for learning rates included; of equals the one with less memory, then the smaller artefact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from tuneoff.analyse.costs import effort
from tuneoff.analyse.row import Row
from tuneoff.analyse.rows import Analysis

#: What a budget can limit.
LIMITED: Final = ("memory", "seconds", "artefact", "latency")


def reading(row: Row, limit: str) -> float | None:
    """What a row needs of what a budget limits; ``None`` where it was not measured."""
    readings: dict[str, float | None] = {
        "memory": row.memory.get("train_peak_bytes"),
        "seconds": row.time.get("train_seconds"),
        "artefact": row.artefact_bytes,
        "latency": row.answer_seconds,
    }
    return readings[limit]


@dataclass(frozen=True)
class Limits:
    """The budget in plain numbers: bytes, seconds, and ``within`` in points of accuracy.

    ``latency`` is what 95 of 100 single texts may take, see :attr:`Row.answer_seconds`.
    """

    memory: float | None = None
    seconds: float | None = None
    artefact: float | None = None
    latency: float | None = None
    within: float = 1.0

    @property
    def stated(self) -> list[str]:
        """Names of the limits that there are."""
        return [name for name in LIMITED if getattr(self, name) is not None]

    def exceeded_by(self, row: Row) -> dict[str, float]:
        """Limits that a row breaks, and how many times the limit it needs."""
        needed = {name: value for name in self.stated if (value := reading(row, name)) is not None}
        return {name: value / getattr(self, name) for name, value in needed.items() if value > getattr(self, name)}

    def unmeasured_of(self, row: Row) -> list[str]:
        """Limits of which nobody knows whether the row keeps them."""
        return [name for name in self.stated if reading(row, name) is None]

    def fit(self, row: Row) -> bool:
        """Whether a row is known to keep all limits."""
        return not self.exceeded_by(row) and not self.unmeasured_of(row)


@dataclass(frozen=True)
class Change:
    """What moving one limit would change.

    Attributes:
        limit: ``memory``, ``seconds``, ``artefact``, ``latency`` or ``within``.
        side: ``below`` the threshold, or ``from`` it on.
        threshold: in the limit's own unit.
        choice: label of what would be chosen then; ``None`` where nothing would fit.
    """

    limit: str
    side: str
    threshold: float
    choice: str | None


@dataclass(frozen=True)
class Recommendation:
    """The choice and what it rests on.

    Attributes:
        choice: ``None`` when nothing near the best fits.
        candidates: what it was chosen from, best first.
        exceeded: label of a candidate → limits that it breaks, and how many times the limit it needs.
        unmeasured: label of a candidate → limits for which it was not measured; it is not chosen.
        shares: label → share of bootstrap draws of seeds and rows in which it is the choice.
        nearest: when nothing fits, the candidate whose worst excess is the smallest.
        changes: what moving a limit would change.
    """

    choice: Row | None
    candidates: list[Row]
    exceeded: dict[str, dict[str, float]]
    unmeasured: dict[str, list[str]]
    shares: dict[str, float] = field(default_factory=dict)
    nearest: Row | None = None
    changes: list[Change] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """How sure the choice is."""
        return self.shares.get(self.choice.label, 0.0) if self.choice and self.shares else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "choice": self.choice.label if self.choice else None,
            "share": self.share,
            "candidates": [row.label for row in self.candidates],
            "exceeded": self.exceeded,
            "unmeasured": self.unmeasured,
            "shares": self.shares,
            "nearest": self.nearest.label if self.nearest else None,
            "changes": [asdict(change) for change in self.changes],
        }


def recommend(analysis: Analysis, limits: Limits) -> Recommendation:
    """Choose inside the budget, and say how firmly."""
    candidates = _candidates(analysis, limits.within)
    exceeded = {row.label: broken for row in candidates if (broken := limits.exceeded_by(row))}
    unmeasured = {row.label: unknown for row in candidates if (unknown := limits.unmeasured_of(row))}
    choice = _choice(candidates, limits)
    known = [row for row in candidates if row.label in exceeded and row.label not in unmeasured]
    nearest = None if choice else min(known, key=lambda row: max(exceeded[row.label].values()), default=None)
    shares = _shares(analysis, limits) if choice else {}
    return Recommendation(choice, candidates, exceeded, unmeasured, shares, nearest, _changes(analysis, limits, choice))


def _below_best(row: Row) -> float:
    """By how many points a row is below the best."""
    return -100 * row.gap_to_best.mean if row.gap_to_best else 0.0


def _candidates(analysis: Analysis, within: float) -> list[Row]:
    tied = {row.label for row in analysis.ties}
    return [row for row in analysis.scored if row.label in tied or _below_best(row) <= within]


def _price(row: Row) -> tuple[float, ...]:
    """Cheaper is smaller; what was not measured is dearest."""
    return tuple(np.inf if cost is None else cost for cost in (effort(row), reading(row, "memory"), reading(row, "artefact")))


def _choice(candidates: Sequence[Row], limits: Limits) -> Row | None:
    return min((row for row in candidates if limits.fit(row)), key=_price, default=None)


def _shares(analysis: Analysis, limits: Limits) -> dict[str, float]:
    """Share of the draws in which each method would be the choice.

    In a draw the best is that draw's best, and a method is near it when it is closer than the difference that the study's own
    comparison of the two would call separable, or than ``within``.
    """
    cheapest_first = sorted((row for row in analysis.scored if limits.fit(row)), key=_price)
    labels = [row.label for row in analysis.scored]
    accuracy = np.stack([analysis.accuracy_draws[label] for label in labels], axis=1)
    best = accuracy.argmax(1)
    below = accuracy.max(1)[:, None] - accuracy
    near = np.zeros(accuracy.shape, dtype=bool)
    for leader in np.unique(best):
        allowed = [
            np.inf if label == labels[leader] else max(analysis.comparisons.half_width(label, labels[leader]), limits.within / 100)
            for label in labels
        ]
        near[best == leader] = below[best == leader] <= np.array(allowed)
    chosen = np.full(len(accuracy), -1)
    for row in reversed(cheapest_first):
        chosen[near[:, labels.index(row.label)]] = labels.index(row.label)
    found = {label: float((chosen == number).mean()) for number, label in enumerate(labels)}
    return {label: share for label, share in found.items() if share > 0}


def _changes(analysis: Analysis, limits: Limits, choice: Row | None) -> list[Change]:
    """For every limit: below what it would cost the choice its place, and from where on a cheaper method would take it."""
    found = []
    thresholds = {name: _thresholds(analysis, limits, choice, name) for name in (*LIMITED, "within")}
    for name, (below, above) in thresholds.items():
        if below is not None:
            tighter = _moved(limits, name, float(np.nextafter(below, -np.inf)))
            found.append(_change(analysis, tighter, name, "below", below))
        if above is not None:
            found.append(_change(analysis, _moved(limits, name, above), name, "from", above))
    return found


def _moved(limits: Limits, name: str, value: float | None) -> Limits:
    return Limits(**asdict(limits) | {name: value})


def _change(analysis: Analysis, limits: Limits, name: str, side: str, threshold: float) -> Change:
    then = _choice(_candidates(analysis, limits.within), limits)
    return Change(name, side, threshold, then.label if then else None)


def _thresholds(analysis: Analysis, limits: Limits, choice: Row | None, name: str) -> tuple[float | None, float | None]:
    """Where the choice loses its place when a limit tightens, and where it does when the limit widens."""
    needs: Mapping[str, float | None]
    if name == "within":
        tied = {row.label for row in analysis.ties}
        others = [row for row in analysis.scored if row.label not in tied]
        needs = {row.label: _below_best(row) for row in others}
    else:
        others = _candidates(analysis, limits.within)
        needs = {row.label: reading(row, name) for row in others}
    free = limits if name == "within" else _moved(limits, name, None)
    now = getattr(limits, name)
    cheaper = [row for row in others if free.fit(row) and (choice is None or _price(row) < _price(choice))]
    beyond = [need for row in cheaper if (need := needs[row.label]) is not None and now is not None and need > now]
    return needs.get(choice.label) if choice else None, min(beyond, default=None)
