"""The Python interface: a study, from its file to its report. The command line is a thin layer over it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tuneoff.spec import StudyFile, load
from tuneoff.store import Store
from tuneoff.strings import language

if TYPE_CHECKING:
    import pandas as pd

    from tuneoff.data import DataReport
    from tuneoff.report import Material
    from tuneoff.run import Listener, Outlook, Plan, Progress

RESULTS = "results"


@dataclass(frozen=True)
class Status:
    """Where a study's trials stand, by name and by state."""

    trials: dict[str, str]
    quarantined: list[str]

    @property
    def counts(self) -> dict[str, int]:
        """Trials by state."""
        return {state: list(self.trials.values()).count(state) for state in sorted(set(self.trials.values()))}

    @property
    def complete(self) -> bool:
        """Whether every planned trial is complete."""
        return set(self.trials.values()) <= {"complete"}


class Study:
    """A study in a folder.

    >>> study = Study.load("my-study")       # doctest: +SKIP
    >>> study.run()                          # doctest: +SKIP
    >>> study.results()                      # doctest: +SKIP
    """

    def __init__(self, file: StudyFile) -> None:
        self.file = file

    @classmethod
    def load(cls, path: str | Path, overrides: Iterable[str] = ()) -> Self:
        """Read a study from ``study.yaml`` or its folder; ``overrides`` are ``a.b=value`` strings.

        Raises:
            UsageError: with file, line and column.
        """
        return cls(load(Path(path), overrides))

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.file.folder

    @property
    def lang(self) -> str:
        """Language of the report: the study's own, else the one in force."""
        return self.file.spec.lang or language()

    @cached_property
    def store(self) -> Store:
        """The study's records."""
        return Store(self.folder / RESULTS)

    @cached_property
    def _plan(self) -> "Plan":
        from tuneoff.run import make_plan

        return make_plan(self.file)

    def plan(self) -> "Plan":
        """Check everything and list the trials with exact parameter counts.

        Raises:
            UsageError: a method or parameter that does not exist.
            RefusedError: data or backbone cannot be used.
        """
        return self._plan

    def sketch(self) -> "Plan":
        """As :meth:`plan`, but nothing is downloaded beyond a configuration.

        Raises:
            UsageError: a method or parameter that does not exist.
            RefusedError: data or backbone cannot be used.
        """
        from tuneoff.run import make_plan

        return make_plan(self.file, weights=False)

    def forecast(self, gpu: str | None = None) -> "Outlook":
        """Memory and time of every trial, without weights and without training.

        Args:
            gpu: name of a GPU of the table; without one, this machine's device.

        Raises:
            UsageError: no such GPU.
            RefusedError: data or backbone cannot be used.
        """
        from tuneoff.forecast import find_gpu
        from tuneoff.run import look_ahead

        return look_ahead(self.sketch(), find_gpu(gpu) if gpu else None)

    def check(self) -> "DataReport":
        """Check data, backbone and methods; nothing trains."""
        return self._plan.report

    def run(self, listener: "Listener | None" = None, threads: int | None = None) -> "Progress":
        """Run every trial that is not complete and rewrite the report after each; call again to resume.

        Raises:
            StoppedError: by a signal; finished trials are safe.
            StorageError: the folder cannot be written.
        """
        from dataclasses import replace

        from tuneoff.run import Listener, run_plan

        plan, given = self._plan, listener or Listener()

        def on_trial(trial: Any, record: dict[str, Any], progress: "Progress") -> None:
            self.report(draw=False)
            given.on_trial(trial, record, progress)

        try:
            return run_plan(plan, self.store, replace(given, on_trial=on_trial), threads)
        finally:
            self.report()

    def status(self) -> Status:
        """Where each planned trial stands."""
        trials: dict[str, str] = {trial.name: self.store.state(trial.name) for trial in self._plan.trials}
        return Status(trials, self.store.quarantined)

    def material(self) -> "Material":
        """Everything the report is written from, read from the records."""
        from tuneoff.analyse import analyse
        from tuneoff.report import BackboneCard, Material

        plan = self._plan
        methods = [_method_trials(method, self.store) for method in plan.methods]
        facts = plan.facts
        card = BackboneCard.of(facts) if facts else None
        stages = [found.record for stage in plan.stages if (found := self.store.result(stage.name)) is not None]
        analysis = analyse(methods, plan.splits.labels, clean=plan.report.clean_test)
        return Material(self.folder, self.file.spec, plan.report, plan.splits.labels, card, methods, analysis, stages)

    def report(self, draw: bool = True) -> "Material":
        """Write README.md, plots and tables from the records, and return what they were written from."""
        from tuneoff.report import write_report

        material = self.material()
        write_report(material, self.lang, draw)
        return material

    def results(self) -> "pd.DataFrame":
        """One row a method, as a data frame."""
        import pandas as pd

        from tuneoff.report import results_table

        return pd.DataFrame(results_table(self.material()))


def _method_trials(method: Any, store: Store) -> Any:
    from tuneoff.analyse import MethodTrials

    kind = method.chosen.build()
    trials = [_trial_result(method.label, trial, store) for trial in method.trials]
    return MethodTrials(
        label=method.label,
        method=method.chosen.full_name,
        title=method.title,
        summary=dict(kind.facts.summary),
        experiment=2 if method.chosen.pretrain else kind.facts.experiment,
        reference=kind.facts.reference,
        config=method.trials[0].config,
        parameters=method.parameters.as_dict() if method.parameters else None,
        trials=trials,
    )


def _trial_result(label: str, trial: Any, store: Store) -> Any:
    from safetensors.numpy import load_file

    from tuneoff.analyse import TrialResult
    from tuneoff.run.job import CURVE, PREDICTIONS

    found = store.result(trial.name)
    if found is None or found.state != "complete":
        return TrialResult(label, trial.seed, store.state(trial.name), found.record if found else {})
    stored = load_file(found.folder / PREDICTIONS)
    curve = found.folder / CURVE
    points = [json.loads(line) for line in curve.read_text(encoding="utf-8").splitlines()] if curve.exists() else []
    return TrialResult(
        label,
        trial.seed,
        found.state,
        found.record,
        points,
        {name: stored[f"{name}.logits"] for name in ("validation", "test")},
        {name: stored[f"{name}.targets"] for name in ("validation", "test")},
    )
