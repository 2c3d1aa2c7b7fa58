"""What a person asks for: YAML → :class:`StudySpec`. Knows nothing of torch."""

from tuneoff.spec.load import STUDY_FILE, StudyFile, load, nearest, validate
from tuneoff.spec.study import (
    BudgetSpec,
    DataSpec,
    Frozen,
    HubDataset,
    Limits,
    MethodEntry,
    Precision,
    PretrainSpec,
    Source,
    StudySpec,
    TrackSpec,
    TrainSpec,
)
from tuneoff.spec.trial import SearchSpec, TrialSpec, half
from tuneoff.spec.wrong import explain

__all__ = [
    "STUDY_FILE",
    "BudgetSpec",
    "DataSpec",
    "Frozen",
    "HubDataset",
    "Limits",
    "MethodEntry",
    "Precision",
    "PretrainSpec",
    "SearchSpec",
    "Source",
    "StudyFile",
    "StudySpec",
    "TrackSpec",
    "TrainSpec",
    "TrialSpec",
    "explain",
    "half",
    "load",
    "nearest",
    "validate",
]
