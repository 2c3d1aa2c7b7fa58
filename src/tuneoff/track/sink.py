"""Where records can go."""

from abc import ABC, abstractmethod
from typing import ClassVar

from tuneoff.track.run import TrackedRun


class Sink(ABC):
    """One place that records go to. Anything it raises is caught by the tracker.

    Attributes:
        name: as in the study file.
        requires: modules that it needs.
        target: where it sends, for people.
    """

    name: ClassVar[str]
    requires: ClassVar[tuple[str, ...]]
    target: str

    @abstractmethod
    def known(self) -> set[str]:
        """Keys of the runs that are there, whole."""

    @abstractmethod
    def send(self, run: TrackedRun) -> None:
        """Send a run; again, if it was cut off before, leaves it there once."""
