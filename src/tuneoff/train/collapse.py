"""Did it train? A method at the majority class is under-tuned, not worse, and must not be ranked as if it had learnt."""

import numpy as np

from tuneoff.train.loop import Outcome

#: A training loss that stays above this share of the labels' entropy has learnt nothing but how common each label is.
FLAT = 0.98
#: The reason of a training that ended with a loss that is no number; the others come from :func:`collapse`.
DIVERGED = "diverged"


def collapse(outcome: Outcome, train: np.ndarray, validation: np.ndarray) -> str | None:
    """Why a training came to nothing (``constant``, ``majority``, ``flat``), or ``None``. Reads no test row.

    Args:
        outcome: of the loop, judged on validation.
        train: class numbers of the training rows.
        validation: class numbers of the validation rows.
    """
    if len(np.unique(train)) < 2 or len(np.unique(validation)) < 2:
        return None
    scores = outcome.best
    if scores["classes"] < 2:
        return "constant"
    # The last tenth of the points at least: single batches are too noisy to call a curve flat by.
    tail = [point.loss for point in outcome.curve[-max(3, len(outcome.curve) // 10) :]]
    flat = float(np.mean(tail)) > FLAT * _entropy(train)
    if scores["accuracy"] <= np.bincount(validation).max() / len(validation):
        return "majority" if flat else None
    return "flat" if flat and scores["loss"] > FLAT * _entropy(validation) else None


def _entropy(targets: np.ndarray) -> float:
    shares = np.bincount(targets) / len(targets)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
