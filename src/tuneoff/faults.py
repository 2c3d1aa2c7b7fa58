"""Named places where a test can make things go wrong, to see that nothing is lost. Compiled in, so that what is tested is what runs.

``TUNEOFF_FAULT=hook:n`` kills the process with SIGKILL at the ``n``-th passage of ``hook``; ``n+`` means that one and all after
it. A third part says what happens instead:

========================  ================================================================================
``hook:n:exit=7``         the process leaves with that code
``hook:n:signal=SEGV``    the process sends itself that signal
``hook:n:memory=2000``    the process fills that many MB of memory, as a leak would, and goes on if it lives
``hook:n:fill=FILE``      the disk that holds FILE is filled with it (64 MB at most: for a small one made for the purpose)
``hook:n:oom``            PyTorch's own :class:`torch.OutOfMemoryError` is raised, as a full GPU raises it
``hook:n:oom>4``          the same, at passages with more than 4 rows: a device with room for 4
========================  ================================================================================
"""

import os
import signal
import sys
from collections import Counter
from typing import Final

HOOKS: Final = (
    "plan",
    "claim",
    "trial-start",
    "forward",
    "evaluate",
    "mid-step",
    "save",
    "before-write",
    "after-write",
    "after-link",
    "report",
)
VARIABLE: Final = "TUNEOFF_FAULT"
_passed: Counter[str] = Counter()
_leak: list[bytes] = []


def fault(hook: str, rows: int = 0) -> None:
    """Pass a hook; what a test asked for happens here.

    Args:
        hook: one of :data:`HOOKS`.
        rows: of the forward pass, where there is one.
    """
    assert hook in HOOKS, hook
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    name, number, *rest = wanted.split(":")
    what, over, limit = (rest[0] if rest else "signal=KILL").partition(">")
    if name != hook or (over and rows <= int(limit)):
        return
    _passed[hook] += 1
    first = int(number.removesuffix("+"))
    if _passed[hook] == first or (number.endswith("+") and _passed[hook] > first):
        _happen(*what.partition("=")[::2])


def _happen(what: str, value: str) -> None:
    match what:
        case "signal":
            os.kill(os.getpid(), getattr(signal, f"SIG{value}"))
        case "exit":
            os._exit(int(value))
        case "memory":
            for _ in range(int(value)):
                _leak.append(b"x" * (1 << 20))
        case "fill":
            _fill(value)
        case "oom":
            # The light packages import no torch; whoever can run out of a device's memory has it loaded.
            raise sys.modules["torch"].OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        case _:
            raise AssertionError(f"{VARIABLE}: {what}")


def _fill(file: str) -> None:
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        for size in (1 << 16, 1):
            for _ in range(1024):
                try:
                    os.write(handle, b"x" * size)
                except OSError:
                    break
    finally:
        os.close(handle)
