"""A study that runs its trials in the test's own process: the same runner, records and jobs, without starting processes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tuneoff.errors import StorageError
from tuneoff.run import attempt
from tuneoff.store import trouble
from tuneoff.train import ROOM
from tuneoff.train.batches import EVALUATION_TOKENS


class InlineChild:
    """Stands where a process stands; it has ended by the time that anybody looks."""

    exitcode = 0
    resident = 0
    starved = False

    def __init__(self, target: Callable[[Path], None], job_file: Path) -> None:
        self.problem: StorageError | None = None
        ROOM.tokens = EVALUATION_TOKENS
        try:
            target(job_file)
        except Exception as error:
            self.problem = trouble(error, job_file.parent)
            if self.problem is None:
                raise


def run_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, trials run in this process."""
    monkeypatch.setattr(attempt, "start", InlineChild)
