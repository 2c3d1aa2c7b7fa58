"""What the search for learning rates saw: of each rate, as points of a chart, and how much the rate matters."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tuneoff.analyse.trials import MethodTrials, Record


def search_points(methods: Sequence[MethodTrials]) -> list[dict[str, Any]]:
    """Candidates of every method's search at its first rung, where all have trained equally long, by rising learning rate.

    Each has ``label``, ``learning_rate``, ``head_learning_rate``, ``score`` (validation, by the metric that the study selects by;
    ``None`` where training diverged), ``metric``, ``share`` (of a whole training), ``collapsed`` and ``chosen``.
    """
    points = []
    for method in methods:
        searched = _search(trial.record for trial in method.complete)
        if searched is None:
            continue
        search, metric = searched
        found = [
            {
                "label": method.label,
                "learning_rate": candidate["learning_rate"],
                "head_learning_rate": candidate.get("head_learning_rate"),
                "score": candidate["rungs"][0][metric],
                "metric": metric,
                "share": candidate["rungs"][0]["share"],
                "collapsed": candidate["rungs"][0]["collapsed"],
                "chosen": number == search["chosen"],
            }
            for number, candidate in enumerate(search["candidates"])
        ]
        points += sorted(found, key=lambda point: point["learning_rate"])
    return points


def _search(records: Iterable[Record]) -> tuple[dict[str, Any], str] | None:
    """The search that a method's records tell of, the same in all, and the validation score that it went by."""
    record = next((record for record in records if record.get("search", {}).get("candidates")), None)
    return None if record is None else (record["search"], record.get("trial", {}).get("train", {}).get("select", "accuracy"))


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
        kept: the default was chosen although another scored higher: not by more than chance.
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
    kept: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def sensitivity(records: Sequence[Record]) -> Sensitivity | None:
    """What the search of a method found; ``None`` without a search."""
    searched = _search(records)
    if searched is None:
        return None
    search, metric = searched
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
        kept=search.get("kept", False),
    )
