"""What a runner asks of whoever runs its attempts."""

from collections.abc import Mapping
from typing import Any, Protocol, Self

from tuneoff.run.admission import Admission
from tuneoff.run.job import Job
from tuneoff.run.planner import Plan


class Task(Protocol):
    """An attempt under way."""

    @property
    def point(self) -> dict[str, Any] | None:
        """The newest point of its curve, where it can be seen from here."""

    def poll(self) -> dict[str, Any] | None:
        """What the record is made of once the attempt has ended and its files lie in the job's folder, else ``None``."""

    def stop(self) -> None:
        """End it now, if it has not ended."""


class Executor(Protocol):
    """Runs attempts, several at once where it can. Used as a context manager while a run lasts."""

    @property
    def workers(self) -> int:
        """How many attempts it runs at once, at most."""

    def admit(self, plan: Plan) -> Mapping[str, Admission]:
        """How its devices can hold the plan's trials; those that are not named fit as they are. Called once, first."""

    def has_room(self, trial: str) -> bool:
        """Whether an attempt at this trial can start now, beside those under way."""

    def start(self, job: Job) -> Task:
        """Start an attempt for which there is room."""

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until an attempt has ended."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *reason: object) -> None: ...
