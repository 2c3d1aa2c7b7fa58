"""Fresh processes for trials: forked from a server that has imported the libraries and touched no device or thread pool."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from tuneoff.run.job import LOG

PRELOAD = "tuneoff.run.preload"
_PR_SET_PDEATHSIG = 1


def context() -> BaseContext:
    """A fork server where there is one (Linux, macOS), else spawned processes: the same, slower."""
    methods = multiprocessing.get_all_start_methods()
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    chosen = multiprocessing.get_context("forkserver")
    chosen.set_forkserver_preload([PRELOAD])
    return chosen


def start(target: Callable[[Path], None], job_file: Path) -> BaseProcess:
    """Run ``target(job_file)`` in a process of its own whose output goes to the log beside the job."""
    process: BaseProcess = context().Process(target=_child, args=(target, str(job_file)), daemon=False)  # type: ignore[attr-defined]
    with _no_main_module():
        process.start()
    return process


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Without this a child imports the caller's main module again, and a plain script would run itself once more."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _child(target: Callable[[Path], None], job_file: str) -> None:
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    file = Path(job_file)
    log = os.open(file.with_name(LOG), os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    target(file)


def _die_with_parent() -> None:
    """A trial must not go on when the run that would record it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch(sentinel: int) -> None:
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def run_in_child(job_file: Path) -> None:
    """Target of a trial's process."""
    from tuneoff.run.job import Job
    from tuneoff.run.trial import run_job

    run_job(Job.read(job_file))


def verify_in_child(job_file: Path) -> None:
    """Target of a verifying process."""
    from tuneoff.run.job import Job
    from tuneoff.run.trial import verify_job

    verify_job(Job.read(job_file))
