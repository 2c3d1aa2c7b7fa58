"""All that is known of a study's trials, read from its records."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tuneoff.store.claims import Claim, is_dead, try_claim
from tuneoff.store.files import publish_record, quarantine, read_record, storage, sweep

State: TypeAlias = Literal["pending", "running", "complete", "failed", "diverged", "oom", "timeout", "lost", "unsupported"]
#: States that the same command tries again.
RETRIED: frozenset[str] = frozenset({"failed", "lost", "timeout"})


@dataclass(frozen=True)
class Attempt:
    """One ended attempt at a trial: its number, its folder of files, its record."""

    number: int
    folder: Path
    record: dict[str, Any]

    @property
    def state(self) -> str:
        """How it ended."""
        return str(self.record["state"])


class Store:
    """The ``results`` folder of a study.

    ``results/<trial>/attempt-1.json`` is the record, published last; ``attempt-1/`` holds its curve, predictions, artefact
    and log; ``claim`` says who is at work.
    """

    def __init__(self, results: Path) -> None:
        self.results = results
        self.quarantined: list[str] = []

    def folder(self, trial: str) -> Path:
        """Folder of a trial."""
        return self.results / trial

    def attempts(self, trial: str) -> list[Attempt]:
        """Ended attempts in order; bad records go to quarantine and are named in :attr:`quarantined`."""
        found = []
        folder = self.folder(trial)
        for file in sorted(folder.glob("attempt-*.json"), key=_number):
            try:
                record = read_record(file)
            except ValueError as error:
                moved = quarantine(file, self.results / "quarantine")
                self.quarantined.append(f"{file.relative_to(self.results)}: {error} → {moved.relative_to(self.results)}")
                continue
            found.append(Attempt(_number(file), folder / file.stem, record))
        return found

    def result(self, trial: str) -> Attempt | None:
        """The first complete attempt, else the last one."""
        attempts = self.attempts(trial)
        return next((a for a in attempts if a.state == "complete"), attempts[-1] if attempts else None)

    def state(self, trial: str) -> State:
        """Where a trial stands."""
        found = self.result(trial)
        if found is not None and found.state == "complete":
            return "complete"
        claim = self.folder(trial) / "claim"
        if claim.exists() and not is_dead(claim):
            return "running"
        state: State = found.record["state"] if found else "pending"
        return state

    def is_open(self, trial: str, retry: bool = True) -> bool:
        """Whether the same command should run this trial."""
        found = self.result(trial)
        return found is None or (retry and found.state in RETRIED)

    def claim(self, trial: str) -> Claim | None:
        """Claim a trial for this process; ``None`` when another is alive on it."""
        return try_claim(self.folder(trial) / "claim")

    def new_attempt(self, trial: str) -> tuple[int, Path]:
        """Number and fresh folder of the next attempt. Files of a killed one with the same number are removed."""
        import shutil

        folder = self.folder(trial)
        records = [_number(file) for file in folder.glob("attempt-*.json")]
        number = max(records, default=0) + 1
        while (self.results / "quarantine" / f"{trial}.attempt-{number}.json").exists():
            number += 1
        fresh = folder / f"attempt-{number}"
        with storage(fresh):
            if fresh.exists():
                shutil.rmtree(fresh)
            fresh.mkdir(parents=True)
        return number, fresh

    def publish(self, trial: str, number: int, record: dict[str, Any]) -> bool:
        """Publish the record of an ended attempt; ``False`` when somebody else was first."""
        return publish_record(self.folder(trial) / f"attempt-{number}.json", record)

    def trials(self) -> list[str]:
        """Every trial that has a folder."""
        if not self.results.is_dir():
            return []
        return sorted(folder.name for folder in self.results.iterdir() if folder.is_dir() and any(folder.glob("attempt-*.json")))

    def sweep(self) -> None:
        """Remove what killed processes left behind: temporary files and claims of owners that are gone."""
        if self.results.is_dir():
            with storage(self.results):
                sweep(self.results)
                for claim in self.results.glob("*/claim"):
                    if is_dead(claim):
                        claim.unlink(missing_ok=True)


def _number(file: Path) -> int:
    return int(file.stem.removeprefix("attempt-"))
