"""The process that trials are forked from: it imports the libraries once, so that the second trial starts in no time.

It takes seconds to get ready, as the run itself does that plans them: :func:`get_ready` has the two do it side by side.
"""

import multiprocessing
import signal
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext
from typing import Final

PRELOAD: Final = "tuneoff.run.preload"
#: What asks a run to stop. Terminals and schedulers send it to every process at once, and only the run itself is to hear it.
STOPPING: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def context() -> BaseContext:
    """A fork server where there is one (Linux, macOS), else spawned processes: the same, slower."""
    methods = multiprocessing.get_all_start_methods()
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    chosen = multiprocessing.get_context("forkserver")
    chosen.set_forkserver_preload([PRELOAD])
    return chosen


def get_ready() -> None:
    """Start the server, where there is to be one, and do not wait for it."""
    if context().get_start_method() != "forkserver":
        return
    resource_tracker.ensure_running()  # Which the server's start would do, and unblock what is blocked here.
    # Held back in this process for a moment, kept from the server for good: it is deaf from its first line on.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
