"""What a method takes for what: true and predicted classes of the test rows."""

import numpy as np

from tuneoff.analyse.trials import MethodTrials
from tuneoff.measure import confusion


def confusions(method: MethodTrials, num_classes: int) -> np.ndarray:
    """Test rows by true and predicted class, summed over the complete seeds, int [true, predicted]; zeros without one."""
    none = np.zeros(0, dtype=np.int64)
    targets = np.concatenate([none, *(trial.targets["test"] for trial in method.complete)])
    return confusion(targets, np.concatenate([none, *(trial.answers for trial in method.complete)]), num_classes)
