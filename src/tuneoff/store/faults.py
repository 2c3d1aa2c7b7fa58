"""Named places where a test can stop the process, to see that nothing is lost.

``TUNEOFF_FAULT=hook:n`` kills the process with SIGKILL at the ``n``-th passage of ``hook``; ``hook:n:exit=7`` leaves with
that code instead. Compiled in, so that what is tested is what runs.
"""

import os
import signal
from collections import Counter
from typing import Final

HOOKS: Final = ("plan", "claim", "trial-start", "mid-step", "before-write", "after-write", "after-link", "report")
VARIABLE: Final = "TUNEOFF_FAULT"
_passed: Counter[str] = Counter()


def fault(hook: str) -> None:
    """Pass a hook; die here if a test asked for it."""
    assert hook in HOOKS, hook
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    name, number, *how = wanted.split(":")
    if name != hook:
        return
    _passed[hook] += 1
    if _passed[hook] == int(number):
        if how and how[0].startswith("exit="):
            os._exit(int(how[0].removeprefix("exit=")))
        os.kill(os.getpid(), signal.SIGKILL)
