"""Fresh processes for trials: forked from a server that has imported the libraries and touched no device or thread pool."""

import ctypes
import json
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection, forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tuneoff.errors import StorageError
from tuneoff.fork_server import STOPPING, context, get_ready
from tuneoff.measure.host import memory_kills, resident_bytes
from tuneoff.run.job import Job
from tuneoff.store import LOG, storage, trouble

_PR_SET_PDEATHSIG = 1


class Child:
    """A trial's process as its parent sees it: alive or how it ended, the memory it held, and what the disk refused it."""

    def __init__(self, process: BaseProcess, problems: "connection.Connection[Any, Any]") -> None:
        self._process, self._problems = process, problems
        self._kills = memory_kills()
        self.resident = 0

    @property
    def exitcode(self) -> int | None:
        """``None`` while it runs, negative when a signal ended it."""
        return self._process.exitcode

    @property
    def sentinel(self) -> int:
        """Ready when it has ended."""
        return self._process.sentinel

    def look(self) -> None:
        """Note the memory it holds, for when it is killed."""
        assert self._process.pid is not None
        self.resident = resident_bytes(self._process.pid) or self.resident

    def kill(self) -> None:
        """End it now and wait until it is gone."""
        self._process.kill()
        self._process.join()

    @property
    def starved(self) -> bool:
        """Whether it was killed while the kernel was killing for want of memory; also where the kernel does not say."""
        if self.exitcode != -signal.SIGKILL:
            return False
        kills = memory_kills()
        return kills is None or self._kills is None or kills > self._kills

    @property
    def problem(self) -> StorageError | None:
        """What the disk refused: it cannot leave a result where nothing can be written."""
        try:
            said = json.loads(self._problems.recv_bytes()) if self._problems.poll() else None
        except (EOFError, OSError):
            return None
        return StorageError(said["key"], where=said["where"], **said["facts"]) if said else None


def start(target: Callable[[Path], None], job_file: Path) -> Child:
    """Run ``target(job_file)`` in a process of its own whose output goes to the log beside the job."""
    get_ready()
    chosen = context()
    receiver, sender = chosen.Pipe(duplex=False)
    process: BaseProcess = chosen.Process(target=_child, args=(target, str(job_file), sender), daemon=False)  # type: ignore[attr-defined]
    with _no_main_module():
        process.start()
    sender.close()
    return Child(process, receiver)


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Without this a child imports the caller's main module again, and a plain script would run itself once more."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _child(target: Callable[[Path], None], job_file: str, problems: "connection.Connection[Any, Any]") -> None:
    _die_with_parent()
    ignore_what_the_parent_hears()
    file = Path(job_file)
    log = file.with_name(LOG)
    try:
        with storage(log):
            handle = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        target(file)
    except Exception as error:
        refused = trouble(error, file.parent)
        if refused is None:
            raise
        said = {"key": refused.key, "where": refused.where, "facts": refused.facts}
        problems.send_bytes(json.dumps(said).encode())
        os._exit(StorageError.exit_code)  # Without flushing: the log may be what cannot be written.


def ignore_what_the_parent_hears() -> None:
    """Terminals and schedulers send these to every process at once: the parent decides and ends its child itself."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _die_with_parent() -> None:
    """A trial must not go on when the run that would record it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # A server lives as long as somebody holds this end of its pipe. A trial that is stopped cannot watch: it dies with its server,
    # which must not wait for it.
    alive = forkserver._forkserver._forkserver_alive_fd  # type: ignore[attr-defined]
    if alive is not None:
        os.close(alive)
        forkserver._forkserver._forkserver_alive_fd = None  # type: ignore[attr-defined]


def _watch(sentinel: int) -> None:
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def run_in_child(job_file: Path) -> None:
    """Target of a trial's process."""
    from tuneoff.run.trial import run_job

    run_job(_settled(job_file))


def verify_in_child(job_file: Path) -> None:
    """Target of a verifying process."""
    from tuneoff.run.trial import verify_job

    verify_job(_settled(job_file))


def _settled(job_file: Path) -> Job:
    """The job, in a process that keeps to its cores and GPUs, none of which has been opened yet, and knows its fellow ranks."""
    import torch

    job = Job.read(job_file)
    if job.gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = job.gpus.split(",")[job.rank] if job.ranks > 1 and job.gpus else job.gpus
    threads = job.threads or (torch.get_num_threads() if job.ranks > 1 else None)
    if threads:
        torch.set_num_threads(max(1, threads // job.ranks))
    if job.ranks > 1:
        from tuneoff.train import ranks

        ranks.join(job.rank, job.ranks, job.meeting)
    return job
