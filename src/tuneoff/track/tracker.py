"""Sends ended attempts to every sink. A sink that fails is left alone for a while, said once, and never stops a study."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tuneoff.strings import say
from tuneoff.track.run import TrackedRun
from tuneoff.track.sink import Sink

#: A sink that failed is not tried again before.
REST_SECONDS: Final = 60.0


@dataclass
class Sent:
    """What happened to a sink's runs.

    Attributes:
        sink: its name.
        target: where it sends.
        sent: runs sent now.
        there: runs that were there before.
        missing: runs that could not be sent.
        error: the last failure, ``None`` without one.
    """

    sink: str
    target: str
    sent: int = 0
    there: int = 0
    missing: int = 0
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {name: getattr(self, name) for name in ("sink", "target", "sent", "there", "missing", "error")}


@dataclass
class _State:
    known: set[str] | None = None
    warned: bool = False
    rests_until: float = field(default=float("-inf"))


class Tracker:
    """Keeps sinks up to date with a study's records.

    Args:
        sinks: where they go.
        warn: told once for each sink that fails.
        command: what sends later what is missing now.
    """

    def __init__(self, sinks: Iterable[Sink], warn: Callable[[str], None], command: str) -> None:
        self.sinks, self.warn, self.command = list(sinks), warn, command
        self._states = {id(sink): _State() for sink in self.sinks}

    def send(self, runs: Iterable[TrackedRun], patient: bool = True) -> list[Sent]:
        """Send what is not there yet; never raises for what a sink does.

        Args:
            runs: ended attempts.
            patient: try a sink although it has just failed.
        """
        runs = list(runs)
        return [self._send(sink, runs, patient) for sink in self.sinks]

    def _send(self, sink: Sink, runs: list[TrackedRun], patient: bool) -> Sent:
        state, done = self._states[id(sink)], Sent(sink.name, sink.target)
        if not patient and time.monotonic() < state.rests_until:
            done.missing = len(runs)
            return done
        for place, run in enumerate(runs):
            try:
                if state.known is None:
                    state.known = sink.known()
                if run.key in state.known:
                    done.there += 1
                    continue
                sink.send(run)
            except Exception as error:  # Whatever a library or a network does, the study goes on.
                state.rests_until = time.monotonic() + REST_SECONDS
                state.known = None  # It may have taken part of it, or have lost what it had.
                done.missing, done.error = len(runs) - place, _reason(error)
                if not state.warned:
                    state.warned = True
                    facts = {"sink": sink.name, "target": sink.target, "reason": done.error, "command": self.command}
                    self.warn(say("track.failed", **facts))
                return done
            state.known.add(run.key)
            done.sent += 1
        return done


def _reason(error: Exception) -> str:
    """One line: libraries put whole requests into their messages."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first[:200]}" if first else type(error).__name__
