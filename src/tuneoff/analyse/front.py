"""Pareto fronts: which methods are beaten by no other in both accuracy and a cost, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from tuneoff.analyse.costs import effort, joules
from tuneoff.analyse.row import Row

COSTS: Final = ("memory", "seconds", "artefact", "parameters", "latency", "energy")


def cost(row: Row, kind: str) -> float | None:
    """A row's cost: bytes, seconds of training and search or of an answer, trainable parameters, joules; ``None`` where not measured."""
    costs: dict[str, float | None] = {
        "memory": row.memory.get("train_peak_bytes"),
        "seconds": effort(row),
        "artefact": row.artefact_bytes,
        "parameters": (row.parameters or {}).get("trainable"),
        "latency": row.answer_seconds,
        "energy": joules(row),
    }
    return costs[kind]


@dataclass(frozen=True)
class Standing:
    """Where a method stands on one front.

    Attributes:
        cost: in the front's unit.
        on_front: no other method costs no more and scores no less, one of the two strictly.
        share: share of bootstrap draws of seeds and rows in which that holds.
    """

    cost: float
    on_front: bool
    share: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def fronts(scored: Sequence[Row], draws: Mapping[str, np.ndarray]) -> dict[str, dict[str, Standing]]:
    """Cost → label → standing, cheapest first; without methods whose cost is not known.

    Args:
        scored: rows with an accuracy.
        draws: label → accuracy in each draw [draws].
    """
    found = {}
    for kind in COSTS:
        priced = [(value, row) for row in scored if (value := cost(row, kind)) is not None]
        known = sorted(priced, key=lambda pair: (pair[0], pair[1].label))
        if not known:
            continue
        costs = np.array([value for value, _ in known])
        drawn = np.stack([draws[row.label] for _, row in known], axis=1)
        observed = np.array([[row.accuracy.mean if row.accuracy else np.nan for _, row in known]])
        shares, here = undominated(costs, drawn).mean(0), undominated(costs, observed)[0]
        found[kind] = {
            row.label: Standing(float(value), bool(here[place]), float(shares[place])) for place, (value, row) in enumerate(known)
        }
    return found


def undominated(costs: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Which methods are on the front of each draw.

    Args:
        costs: ascending [methods].
        accuracy: [draws, methods].
    """
    starts = np.unique(costs, return_index=True)[1]
    on_front = np.zeros(accuracy.shape, dtype=bool)
    cheaper = np.full(len(accuracy), -np.inf)
    for start, end in zip(starts, [*starts[1:], len(costs)], strict=True):
        group = accuracy[:, start:end]
        best = group.max(1)
        # The best of its price, and better than everything cheaper.
        on_front[:, start:end] = (group == best[:, None]) & (best > cheaper)[:, None]
        cheaper = np.maximum(cheaper, best)
    return on_front
