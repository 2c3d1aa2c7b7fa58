"""What a person sees while a study runs: a line for each ended trial, a live footer on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tuneoff.report import format as f
from tuneoff.run import Listener, Plan, Progress
from tuneoff.spec import TrialSpec
from tuneoff.strings import say

REFRESH_SECONDS = 0.5


def _names(plan: Plan, lang: str) -> dict[str, str]:
    """What each trial and stage is called on the screen."""
    names = {stage.name: say("cli.trial_name", lang, title=say("cli.stage_name", lang), seed=stage.seed) for stage in plan.stages}
    for method in plan.methods:
        title = method.title[lang]
        names |= {trial.name: say("cli.trial_name", lang, title=title, seed=trial.seed) for trial in method.trials}
        if method.search:
            names[method.search.name] = say("cli.search_name", lang, title=title)
    return names


class Screen:
    """Shows progress on stderr."""

    def __init__(self, plan: Plan, lang: str) -> None:
        self.lang = lang
        self.names = _names(plan, lang)
        self.console = Console(stderr=True, highlight=False)
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if self.console.is_terminal else None
        self.listener = Listener(self._tick, self._ended)
        self._shown = 0.0

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def _ended(self, trial: TrialSpec, record: dict[str, Any], progress: Progress) -> None:
        number = progress.done + progress.failed
        self._line(f"[{number}/{progress.total}] {self.names[trial.name]}: {self._outcome(record)}")

    def _outcome(self, record: dict[str, Any]) -> str:
        if record["state"] != "complete":
            error = record.get("error") or {}
            why = say(error["key"], self.lang, **error.get("facts", {})) if error else ""
            return f"{say('report.state_' + record['state'], self.lang)} – {why}"
        seconds = sum(record["phases"].get(name, 0.0) for name in ("warmup", "train"))
        facts = {"time": f.short_time(seconds), "memory": f.size(record["memory"]["train"]["bytes"])}
        if "candidates" in record:
            chosen = record["candidates"][record["chosen"]]
            facts = {"rate": f"{chosen['learning_rate']:g}", "head": f"{chosen['head_learning_rate']:g}"}
            return say("cli.search_ended", self.lang, time=f.short_time(record["phases"]["search"]), **facts)
        if "quality" not in record:
            return say("cli.stage_ended", self.lang, before=f"{record['loss_before']:.3f}", after=f"{record['loss_after']:.3f}", **facts)
        test = record["quality"]["test"]
        return say("cli.trial_ended", self.lang, accuracy=f"{test['accuracy']:.3f}", f1=f"{test['macro_f1']:.3f}", **facts)

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
        self.live.update(Text(self._footer(progress)), refresh=True)

    def _footer(self, progress: Progress) -> str:
        eta = progress.eta_seconds
        facts = {
            "done": progress.done,
            "failed": progress.failed,
            "left": progress.left,
            "eta": f.short_time(eta) if eta is not None else "…",
        }
        words = say("cli.footer", self.lang, **facts)
        if progress.current:
            title = self.names[progress.current]
            point = progress.point
            done = f" {point['step']}/{point['steps']} loss {point['loss']:.3f}" if point else ""
            words += f" | {title}{done}"
        return words
