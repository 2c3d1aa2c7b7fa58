"""A run as a notebook shows it: one output that grows by a line for each ended trial and says how far the run is."""

import time
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from tuneoff.run import Listener, Plan, Progress
    from tuneoff.spec import TrialSpec

REFRESH_SECONDS: Final = 1.0


class Runnable(Protocol):
    """A study, as far as it is looked at here."""

    @property
    def lang(self) -> str:
        """Language of what is said."""

    def plan(self) -> "Plan":
        """Its trials."""


def live(study: Runnable) -> "Listener":
    """A listener for :meth:`tuneoff.Study.run` inside Jupyter, Colab or VS Code. Needs IPython."""
    from tuneoff.report.telling import trial_names
    from tuneoff.run import Listener

    shown = _Shown(trial_names(study.plan(), study.lang), study.lang)
    return Listener(shown.tick, shown.ended, on_warning=shown.warn)


class _Shown:
    def __init__(self, names: dict[str, str], lang: str) -> None:
        from IPython.display import display

        self.names, self.lang = names, lang
        self.lines: list[str] = []
        self.footer: list[str] = []
        self.at = 0.0
        self.handle = display(_bundle(""), raw=True, display_id=True)

    def ended(self, trial: "TrialSpec", record: dict[str, Any], progress: "Progress") -> None:
        from tuneoff.report.telling import ended

        self.lines.append(ended(self.names[trial.name], record, progress, self.lang))
        self.show(progress)

    def warn(self, text: str) -> None:
        self.lines.append(f"! {text}")
        self.update()

    def tick(self, progress: "Progress") -> None:
        if time.monotonic() - self.at >= REFRESH_SECONDS:
            self.show(progress)

    def show(self, progress: "Progress") -> None:
        from tuneoff.report.telling import footer

        self.at = time.monotonic()
        self.footer = [footer(progress, self.names, self.lang)] if progress.left else []
        self.update()

    def update(self) -> None:
        self.handle.update(_bundle("\n".join([*self.lines, *self.footer])), raw=True)


def _bundle(text: str) -> dict[str, str]:
    return {"text/plain": text}
