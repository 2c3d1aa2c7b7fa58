"""Scores from logits and true classes; nothing else is ever scored."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: Raised when a score's definition changes: it is part of a trial's key.
METRIC_VERSION = 1
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Quality:
    """Scores of one split. F1 of a class that neither occurs nor is predicted counts as 0 in the macro mean.

    ``ece`` is the expected calibration error over 15 equal bins (Guo et al. 2017, arXiv:1706.04599).
    """

    accuracy: float
    macro_f1: float
    per_class_f1: dict[str, float]
    mcc: float
    ece: float
    predicted_classes: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for records."""
        return asdict(self)


def confusion(targets: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts of shape [true, predicted]."""
    return np.bincount(targets * num_classes + predicted, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_f1(counts: np.ndarray) -> np.ndarray:
    """F1 of each class from a confusion matrix [..., true, predicted]."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(-1) + counts.sum(-2)
    f1: np.ndarray = np.divide(2.0 * hits, both, out=np.zeros(both.shape), where=both > 0)
    return f1


def score(logits: np.ndarray, targets: np.ndarray, labels: list[str]) -> Quality:
    """Score logits [rows, classes] against class numbers [rows]."""
    predicted = logits.argmax(1)
    counts = confusion(targets, predicted, len(labels))
    f1 = class_f1(counts)
    return Quality(
        accuracy=float((predicted == targets).mean()),
        macro_f1=float(f1.mean()),
        per_class_f1={label: float(value) for label, value in zip(labels, f1, strict=True)},
        mcc=_mcc(counts.astype(float)),
        ece=_calibration_error(logits.astype(np.float64), predicted == targets),
        predicted_classes=int((counts.sum(0) > 0).sum()),
    )


def _mcc(counts: np.ndarray) -> float:
    """Matthews correlation for several classes (Gorodkin 2004); 0 when one side is constant."""
    total, hits = counts.sum(), np.trace(counts)
    true, predicted = counts.sum(1), counts.sum(0)
    spread = np.sqrt((total**2 - (predicted**2).sum()) * (total**2 - (true**2).sum()))
    return float((hits * total - true @ predicted) / spread) if spread else 0.0


def _calibration_error(logits: np.ndarray, right: np.ndarray) -> float:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    confidence = (shifted / shifted.sum(1, keepdims=True)).max(1)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))
