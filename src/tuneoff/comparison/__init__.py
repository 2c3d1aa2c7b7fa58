"""Two studies or more held against each other: what differs between them, and what that did to each method."""

from tuneoff.comparison.studies import StudyComparison, compare

__all__ = ["StudyComparison", "compare"]
