"""All that is known of a study's trials, read from its records."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from tuneoff.errors import StorageError
from tuneoff.store.claims import Claim, bury, try_claim
from tuneoff.store.files import make_folder, publish_record, quarantine, read_record, sealed_state, storage, sweep, sync_folder, sync_tree
from tuneoff.store.owner import is_dead, this_process

State: TypeAlias = Literal["pending", "running", "complete", "failed", "diverged", "oom", "timeout", "lost", "unsupported"]
#: States that the same command tries again.
RETRIED: frozenset[str] = frozenset({"failed", "lost", "timeout"})
#: In a study's folder: its records; below them what can be made again: tokens, features, prepared splits.
RESULTS, CACHE = "results", "cache"
#: In an attempt's folder: who works in it.
OWNER = "owner.json"
#: An attempt of another machine is not cleared away sooner, for a pause may be long.
_LEFT_SECONDS = 86_400.0
#: A folder's time stamp is trusted to show a later change only if the folder was at rest for so long when it was read.
_SETTLED_SECONDS = 2.0


@dataclass(frozen=True)
class Attempt:
    """One ended attempt at a trial: its number, the folder of its files as plain text, its record."""

    number: int
    files: str
    record: dict[str, Any]

    @property
    def folder(self) -> Path:
        """The folder as a path, which thousands of attempts do without."""
        return Path(self.files)

    @property
    def state(self) -> str:
        """How it ended."""
        return str(self.record["state"])


@dataclass(frozen=True)
class _Known:
    """States of a trial's ended attempts by number, as read at a time stamp of its folder."""

    stamp: int
    states: dict[int, str]


def _counting(states: dict[int, str]) -> int | None:
    """Number of the attempt that counts: the first complete one, else the last."""
    complete = [number for number, state in states.items() if state == "complete"]
    return min(complete) if complete else max(states, default=None)


class Store:
    """The ``results`` folder of a study.

    ``results/<trial>/attempt-1.json`` is the record, published last; ``attempt-1/`` holds its curve, predictions, artefact
    and log; ``claim`` says who is at work. There is no index: what was read is remembered for as long as the folder is unchanged.
    """

    def __init__(self, results: Path) -> None:
        self.results = results
        self._results = os.fspath(results)
        self._home = _identity(results.parent)
        self.quarantined: list[str] = []
        self._known: dict[str, _Known] = {}

    def folder(self, trial: str) -> Path:
        """Folder of a trial."""
        return self.results / trial

    def attempts(self, trial: str) -> list[Attempt]:
        """Ended attempts in order; bad records go to quarantine and are named in :attr:`quarantined`."""
        folder = self._path(trial)
        stamp = _stamp(folder)
        numbers = sorted(_records(folder))
        found = [attempt for number in numbers if (attempt := self._read(trial, number))]
        if stamp is not None:
            self._known[trial] = _Known(stamp, {attempt.number: attempt.state for attempt in found})
        return found

    def result(self, trial: str) -> Attempt | None:
        """The first complete attempt, else the last one."""
        if known := self._fresh(trial):
            counting = _counting(known.states)
            return self._read(trial, counting) if counting else None
        attempts = {attempt.number: attempt for attempt in self.attempts(trial)}
        counting = _counting({number: attempt.state for number, attempt in attempts.items()})
        return attempts[counting] if counting else None

    def state(self, trial: str) -> State:
        """Where a trial stands."""
        ended = self.ended(trial)
        if ended == "complete":
            return ended
        claim = self.folder(trial) / "claim"
        if claim.exists() and not is_dead(claim):
            return "running"
        return ended or "pending"

    def is_open(self, trial: str) -> bool:
        """Whether the same command should run this trial."""
        ended = self.ended(trial)
        return ended is None or ended in RETRIED

    def last_number(self, trial: str) -> int:
        """Number of the last ended attempt, 0 where there is none."""
        return max(self._states(trial), default=0)

    def claim(self, trial: str) -> Claim | None:
        """Claim a trial for this process; ``None`` when another is alive on it."""
        self.present()
        return try_claim(self.folder(trial) / "claim")

    def new_attempt(self, trial: str) -> tuple[int, Path]:
        """Number and fresh folder of the next attempt.

        A number is never given twice, not even when an attempt was killed without a record: its process may have a moment, or on
        another machine a pause, left to live, and must not find another's files under its own path. What the dead left is removed.
        """
        self.present()
        folder = self.folder(trial)
        with storage(folder):
            make_folder(folder)
            begun = {_number(name) for name in os.listdir(folder) if name.startswith("attempt-")}
            moved = self._moved(trial)
            number = max(begun | moved, default=0) + 1
            while not _made(fresh := folder / f"attempt-{number}"):
                number += 1
            fresh.joinpath(OWNER).write_text(this_process().text(), encoding="utf-8")
            for left in begun - moved - _records(folder):
                owner = folder / f"attempt-{left}" / OWNER
                # Without an owner's name it is being made this moment.
                if owner.exists() and is_dead(owner, _LEFT_SECONDS):
                    shutil.rmtree(owner.parent, ignore_errors=True)
        return number, fresh

    def publish(self, trial: str, number: int, record: dict[str, Any]) -> bool:
        """Publish the record of an ended attempt, with its files on the disk before it; ``False`` when somebody else was first."""
        self.present()
        folder = self.folder(trial)
        files = folder / f"attempt-{number}"
        with storage(files):
            if files.is_dir():
                sync_tree(files)
                sync_folder(folder)
            self._known.pop(trial, None)
            published = publish_record(folder / f"attempt-{number}.json", record)
            (files / OWNER).unlink(missing_ok=True)
        return published

    def reject(self, trial: str, number: int, reason: str) -> None:
        """Move aside a record whose files are not what it says."""
        self._known.pop(trial, None)
        file = self.folder(trial) / f"attempt-{number}.json"
        moved = quarantine(file, self.results / "quarantine")
        if moved is not None:
            self.quarantined.append(f"{file.relative_to(self.results)}: {reason} → {moved.relative_to(self.results)}")

    def trials(self) -> list[str]:
        """Every trial that has a record."""
        if not self.results.is_dir():
            return []
        return sorted(folder.name for folder in self._folders() if _records(folder))

    def sweep(self) -> None:
        """Remove what killed processes left behind: temporary files and claims of owners that are gone. Others' stay."""
        with storage(self.results):
            for folder in (self.results.parent, self.results.parent / "assets", self.results, self.results / CACHE):
                if folder.is_dir():
                    sweep(folder)
            for folder in self._folders():
                names = os.listdir(folder)
                if any(name.startswith(".") for name in names):
                    sweep(folder)
                for claim in (folder / name for name in names if name.startswith("claim")):
                    bury(claim)

    def _folders(self) -> Iterator[Path]:
        if self.results.is_dir():
            with os.scandir(self.results) as entries:
                yield from (Path(entry.path) for entry in entries if entry.is_dir() and entry.name not in (CACHE, "quarantine"))

    def present(self) -> None:
        """A study's folder that is gone is not made again: somebody took it away, or unmounted its disk.

        Raises:
            StorageError: it is not there, or another one is.
        """
        here = _identity(self.results.parent)
        if here is None or (self._home is not None and here != self._home):
            raise StorageError("store.gone", where=str(self.results.parent), reason=os.strerror(2))

    def ended(self, trial: str) -> State | None:
        """How the attempt that counts ended, without its record; ``None`` where none has ended."""
        states = self._states(trial)
        counting = _counting(states)
        return cast(State, states[counting]) if counting else None

    def _states(self, trial: str) -> dict[int, str]:
        if known := self._fresh(trial):
            return known.states
        folder = self._path(trial)
        stamp = _stamp(folder)
        states: dict[int, str] = {}
        for number in sorted(_records(folder)):
            # A run looks at thousands of states before it starts, and at few records.
            if state := _sealed_state(f"{folder}/attempt-{number}.json") or ((read := self._read(trial, number)) and read.state):
                states[number] = state
        if stamp is not None:
            self._known[trial] = _Known(stamp, states)
        return states

    def _fresh(self, trial: str) -> _Known | None:
        """What is remembered of a trial, if its folder has not changed since."""
        known = self._known.get(trial)
        return known if known and known.stamp == _stamp(self._path(trial)) else None

    def _path(self, trial: str) -> str:
        """Folder of a trial as plain text: thousands of them are looked at when a run starts."""
        return f"{self._results}/{trial}"

    def _read(self, trial: str, number: int) -> Attempt | None:
        files = f"{self._path(trial)}/attempt-{number}"
        try:
            return Attempt(number, files, read_record(f"{files}.json"))
        except FileNotFoundError:
            return None  # Moved aside by another process, or made on another machine and not visible from here yet.
        except ValueError as error:
            self.reject(trial, number, str(error))
            return None

    def _moved(self, trial: str) -> set[int]:
        """Numbers of attempts whose record is in quarantine."""
        aside, prefix = self.results / "quarantine", f"{trial}.attempt-"
        if not aside.is_dir():
            return set()
        return {_number(name.removeprefix(f"{trial}.")) for name in os.listdir(aside) if name.startswith(prefix)}


def cache_folder(study: Path) -> Path:
    """Where a study keeps what can be made again."""
    return study / RESULTS / CACHE


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _stamp(folder: str) -> int | None:
    """The folder's time stamp if it can be trusted to change with the next change: not when the last one was just now."""
    try:
        changed = os.stat(folder).st_mtime_ns
    except OSError:
        return None
    return changed if time.time() - changed / 1e9 > _SETTLED_SECONDS else None


def _sealed_state(file: str) -> str | None:
    try:
        return sealed_state(file)
    except FileNotFoundError:
        return None


def _records(folder: str | Path) -> set[int]:
    try:
        names = os.listdir(folder)
    except OSError:
        return set()
    return {_number(name) for name in names if name.startswith("attempt-") and name.endswith(".json")}


def _made(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _number(name: str) -> int:
    return int(name.removeprefix("attempt-").partition(".")[0])
