"""What the search saw of each learning rate, as points of a chart."""

from collections.abc import Sequence
from typing import Any

from tuneoff.analyse.trials import MethodTrials


def search_points(methods: Sequence[MethodTrials]) -> list[dict[str, Any]]:
    """Candidates of every method's search at its first rung, where all have trained equally long, by rising learning rate.

    Each has ``label``, ``learning_rate``, ``head_learning_rate``, ``score`` (validation, by the metric that the study selects by;
    ``None`` where training diverged), ``metric``, ``share`` (of a whole training), ``collapsed`` and ``chosen``.
    """
    points = []
    for method in methods:
        record = next((trial.record for trial in method.complete if trial.record.get("search", {}).get("candidates")), None)
        if record is None:
            continue
        search, metric = record["search"], record.get("trial", {}).get("train", {}).get("select", "accuracy")
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
