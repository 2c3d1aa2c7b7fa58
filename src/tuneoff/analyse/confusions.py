"""What a method takes for what: true and predicted classes of the test rows."""

import numpy as np

from tuneoff.analyse.trials import MethodTrials
from tuneoff.measure import confusion


def confusions(method: MethodTrials, num_classes: int) -> np.ndarray:
    """Test rows by true and predicted class, summed over the complete seeds, int [true, predicted]; zeros without one."""
    counts = np.zeros((num_classes, num_classes), dtype=np.int64)
    for trial in method.complete:
        counts += confusion(trial.targets["test"], trial.logits["test"].argmax(1), num_classes)
    return counts
