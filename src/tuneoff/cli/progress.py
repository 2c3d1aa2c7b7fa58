"""What a person sees while a study runs: a line for each ended trial, a live footer on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tuneoff.report.telling import ended, footer, trial_names
from tuneoff.run import Listener, Plan, Progress
from tuneoff.spec import TrialSpec
from tuneoff.strings import say

REFRESH_SECONDS = 0.5
#: Trials of other runs that are named.
SHOWN = 3


class Screen:
    """Shows progress on stderr."""

    def __init__(self, plan: Plan, lang: str) -> None:
        self.lang = lang
        self.names = trial_names(plan, lang)
        self.console = Console(stderr=True, highlight=False)
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if self.console.is_terminal else None
        self.listener = Listener(self._tick, self._ended, self._waits, self._line)
        self._shown = 0.0

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def _ended(self, trial: TrialSpec, record: dict[str, Any], progress: Progress) -> None:
        self._line(ended(self.names[trial.name], record, progress, self.lang))

    def _waits(self, trials: list[str]) -> None:
        self._line(say("run.waiting", self.lang, count=len(trials), names=", ".join(self.names[name] for name in trials[:SHOWN])))

    def _line(self, text: str) -> None:
        if self.live:
            self.live.console.print(text, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201 (plain lines where there is no terminal)

    def _tick(self, progress: Progress) -> None:
        now = time.monotonic()
        if self.live is None or now - self._shown < REFRESH_SECONDS:
            return
        self._shown = now
        self.live.update(Text(footer(progress, self.names, self.lang)), refresh=True)
