"""Loaded by the fork server of a torture run: a run that is killed while it hands over its files must not take the server along.

All runs of a torture share one server. Elsewhere each run has its own, and that one's end with it is right.
"""

import errno
from multiprocessing import reduction
from typing import Any

_receive = reduction.recvfds


def _or_aborted(socket: Any, size: int) -> Any:
    try:
        return _receive(socket, size)
    except EOFError as error:
        raise ConnectionAbortedError(errno.ECONNABORTED, "the run was killed") from error  # The server goes on after this one.


reduction.recvfds = _or_aborted
