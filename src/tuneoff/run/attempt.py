"""One attempt at a trial on this machine: a fresh process trains, another one proves the reload."""

import shutil
import signal
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

from tuneoff.measure.host import memory_limit
from tuneoff.run.job import Job, read_result
from tuneoff.run.processes import Child, run_in_child, start, verify_in_child
from tuneoff.run.several import ranks_of
from tuneoff.store import RESULT, VERIFY, storage
from tuneoff.store.owner import is_dead, owner_in, this_process

#: The reload computes the same rows in the same batches: only the order of additions may differ, by the format's rounding.
TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2, "fp16": 2e-2}
#: Below the cache: a file for each attempt of the study that is training.
AT_WORK = "at-work"
COUNT_SECONDS = 1.0
#: When one of several ranks has failed, the others notice within so long.
PARTING_SECONDS = 5.0
#: A reload proof whose process was killed is tried again at most so often.
PROOF_RETRIES = 2
#: Why an attempt was lost, when the machine was short of memory.
STARVED = "run.starved"

Work: TypeAlias = Generator[Child, None, dict[str, Any]]


def attempt(job: Job) -> Work:
    """Run an attempt to its end; yields the process that is at work whenever it is asked to go on.

    Closing the generator kills the process.

    Returns:
        What the record is made of: the result with its state and reason, the proof of the reload, and ``workers``, the most
        trials of the study that trained on this machine at once while this one did, itself included.
    """
    with _at_work(job.cache) as beside:
        result = yield from _process(replace(job, ranks=ranks_of(job.trial)), beside)
    if result["state"] == "complete" and not job.trial.is_stage:
        result = yield from _verified(job, result)
    return result | {"workers": beside.most, "devices": ranks_of(job.trial)}


class _Beside:
    """How many attempts of the study train on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.most = folder, 1
        self._counted = 0.0

    def count(self) -> None:
        """Look again, at most once a second."""
        if time.monotonic() - self._counted < COUNT_SECONDS:
            return
        self._counted = time.monotonic()
        here, alive = this_process().place, 0
        try:
            files = list(self.folder.iterdir())
        except FileNotFoundError:  # Gone with the cache; who counts on it will say so.
            return
        for file in files:
            if is_dead(file):
                file.unlink(missing_ok=True)
                continue
            try:
                owner = owner_in(file.read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue
            alive += owner is not None and owner.place == here
        self.most = max(self.most, alive)


@contextmanager
def _at_work(cache: Path) -> Iterator[_Beside]:
    """Be counted while inside."""
    folder = cache / AT_WORK
    file = folder / uuid4().hex
    with storage(file):
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(this_process().text(), encoding="utf-8")
    try:
        yield _Beside(folder)
    finally:
        with suppress(OSError):  # Gone with its folder, or the disk refuses: whoever counts next sees that this process is dead.
            file.unlink()


def _process(job: Job, beside: _Beside | None = None, verify: bool = False) -> Work:
    """One child from start to end; what it left behind, or how it died. Its phases get what only the parent sees."""
    began = time.monotonic()
    jobs = job.all_ranks
    children: list[Child] = []
    try:
        for one in jobs:
            with storage(one.folder):
                one.folder.mkdir(exist_ok=True)
                file = one.write()
            children.append(start(verify_in_child if verify else run_in_child, file))
        while children[0].exitcode is None and not any(map(_has_fallen, jobs[1:], children[1:])):
            for child in children:
                child.look()
            if beside:
                beside.count()
            yield children[0]
        ended = time.monotonic()
        teller = _who_tells(jobs, children)
    finally:
        for child in children:
            if child.exitcode is None:
                child.kill()
    child, told = children[teller], jobs[teller].folder
    if refused := child.problem:
        raise refused
    with storage(job.folder):
        result = read_result(told, VERIFY if verify else RESULT)
        _tidy(jobs, result)
    if result is not None:
        # Starting a process and its leaving belong to the trial's wall time as much as its training.
        seconds = {"start": result.pop("began") - began, "exit": ended - result.pop("ended")}
        return result | {"phases": result.get("phases", {}) | (seconds if not verify else {"reload": ended - began})}
    return {"state": "lost", "error": _how_it_died(child)}


def _has_fallen(job: Job, child: Child) -> bool:
    """Whether a rank has ended, and not well."""
    if child.exitcode is None:
        return False
    result = read_result(job.folder)
    return result is None or result["state"] != "complete"


def _who_tells(jobs: list[Job], children: list[Child]) -> int:
    """The rank whose end is the attempt's: when one fails the others fail too, but later, and only for having lost it."""
    if len(jobs) == 1:
        return 0
    end = time.monotonic() + PARTING_SECONDS
    while any(child.exitcode is None for child in children) and time.monotonic() < end:
        if children[0].exitcode == 0 and not _has_fallen(jobs[0], children[0]):
            return 0
        time.sleep(PARTING_SECONDS / 100)
    fallen = [rank for rank, job in enumerate(jobs) if _has_fallen(job, children[rank])]
    ends = {rank: result["ended"] if (result := read_result(jobs[rank].folder)) else 0.0 for rank in fallen}
    return min(ends, key=lambda rank: ends[rank], default=0)


def _tidy(jobs: list[Job], result: dict[str, Any] | None) -> None:
    """Of ranks whose work is in the first one's, nothing is kept; where something failed, their logs."""
    if len(jobs) > 1:
        jobs[0].meeting.unlink(missing_ok=True)
        if result and result["state"] == "complete":
            for job in jobs[1:]:
                shutil.rmtree(job.folder, ignore_errors=True)


def _how_it_died(child: Child) -> dict[str, Any]:
    code = child.exitcode
    assert code is not None
    if code >= 0:
        return {"key": "run.exited", "facts": {"code": code}}
    facts: dict[str, Any] = {"signal": signal.Signals(-code).name}
    if code != -signal.SIGKILL:
        return {"key": "run.signal", "facts": facts}
    facts |= {"resident": child.resident, "limit": memory_limit() or 0}
    return {"key": STARVED if child.starved else "run.killed", "facts": facts}


def _verified(job: Job, result: dict[str, Any]) -> Work:
    """The reload proof: the artefact, loaded in a fresh process, must give the same logits; merged too, where it can be.

    A process that is killed proves nothing, neither way: the trial is trained already, so only the proof is tried again. One that
    somebody kills every time makes the attempt a lost one, like a training that was killed; one that the kernel stopped for want of
    memory, or that crashed, would do so again: the result stands, unproven, with the reason.
    """
    for _ in range(1 + PROOF_RETRIES):
        proof = yield from _process(job, verify=True)
        if proof.pop("state", None) != "lost":
            break
    else:
        if proof["error"]["key"] == "run.killed":
            return {"state": "lost", "error": proof["error"]}
    result["phases"] |= proof.pop("phases", {})
    result["latency"] = proof.pop("latency", None)
    if "error" not in proof:
        proof["same"] = proof["largest_difference"] <= TOLERANCE[result["precision"]]
    result["reload"] = proof
    return result
