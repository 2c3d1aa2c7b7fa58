"""Did it train? Judged on training loss and validation alone."""

import math

import numpy as np
import pytest

from tuneoff.train import Outcome, Point, collapse

TRAIN, VALIDATION = np.array([0] * 60 + [1] * 40), np.array([0] * 12 + [1] * 8)
ENTROPY = -(0.6 * math.log(0.6) + 0.4 * math.log(0.4))


def outcome(losses: list[float], accuracy: float, loss: float, classes: int) -> Outcome:
    curve = [Point(step, step / 10, float(step), loss) for step, loss in enumerate(losses, start=1)]
    return Outcome(len(losses), curve, 1, {"accuracy": accuracy, "macro_f1": 0.5, "loss": loss, "classes": classes})


@pytest.mark.parametrize(
    ("losses", "accuracy", "loss", "classes", "reason"),
    [
        ([0.69, 0.3, 0.1, 0.1, 0.1], 0.9, 0.2, 2, None),
        ([0.69, 0.68, 0.67, 0.67, 0.67], 0.6, 0.67, 1, "constant"),
        ([0.70, 0.69, 0.68, 0.68, 0.68], 0.6, 0.68, 2, "majority"),
        ([0.70, 0.69, 0.68, 0.68, 0.68], 0.65, 0.68, 2, "flat"),
        # A model may learn and still be no better than the majority in accuracy: unbalanced classes, a macro score in view.
        ([0.69, 0.5, 0.4, 0.35, 0.3], 0.6, 0.6, 2, None),
    ],
)
def test_reasons(losses: list[float], accuracy: float, loss: float, classes: int, reason: str | None) -> None:
    assert pytest.approx(0.673, abs=1e-3) == ENTROPY
    assert collapse(outcome(losses, accuracy, loss, classes), TRAIN, VALIDATION) == reason


def test_data_of_one_class_is_no_collapse() -> None:
    ones = np.zeros(10, dtype=np.int64)
    assert collapse(outcome([0.0, 0.0, 0.0], 1.0, 0.0, 1), ones, ones) is None
