"""Wall time by phase."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Clock:
    """Adds up the seconds of named phases; a phase inside another is taken out of the outer one.

    Args:
        synchronise: waits for the device on both sides of every phase, so that queued work is charged where it belongs.
    """

    def __init__(self, synchronise: Callable[[], None] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._synchronise = synchronise or (lambda: None)
        self._running: list[str] = []
        self._since = 0.0

    def _charge(self) -> None:
        self._synchronise()
        now = time.perf_counter()
        if self._running:
            name = self._running[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge what happens inside to ``name``."""
        self._charge()
        self._running.append(name)
        self.seconds.setdefault(name, 0.0)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()
