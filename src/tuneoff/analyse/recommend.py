"""Which method is worth its cost: the cheapest of those that cannot be told from the best, inside the budget."""

from dataclasses import dataclass

from tuneoff.analyse.rows import Analysis, Row


@dataclass(frozen=True)
class Limits:
    """The budget in plain numbers; ``within`` is in points of accuracy."""

    memory: int | None = None
    seconds: float | None = None
    artefact: int | None = None
    within: float = 1.0

    def broken_by(self, row: Row) -> list[str]:
        """Names of the limits that a row exceeds."""
        readings = {"memory": row.memory.get("train_peak_bytes"), "seconds": row.time.get("train_seconds"), "artefact": row.artefact_bytes}
        over = []
        for name, reading in readings.items():
            limit = getattr(self, name)
            if limit is not None and reading is not None and reading > limit:
                over.append(name)
        return over


@dataclass(frozen=True)
class Recommendation:
    """The choice, what it was chosen from, and why the others fell out. ``choice`` is ``None`` when nothing fits."""

    choice: Row | None
    candidates: list[Row]
    over_budget: dict[str, list[str]]


def recommend(analysis: Analysis, limits: Limits) -> Recommendation:
    """Choose the shortest training among the tie group and what lies within ``limits.within`` points of the best."""
    tied = {row.label for row in analysis.ties}
    near = [
        row
        for row in analysis.scored
        if row.label in tied or (row.gap_to_best is not None and -100 * row.gap_to_best.mean <= limits.within)
    ]
    over = {row.label: broken for row in near if (broken := limits.broken_by(row))}
    fitting = [row for row in near if row.label not in over]
    choice = min(fitting, key=lambda row: row.time.get("train_seconds") or 0.0, default=None)
    return Recommendation(choice, near, over)
