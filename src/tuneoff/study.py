"""The Python interface: a study, from its file to its report. The command line is a thin layer over it."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from tuneoff.errors import StorageError, UsageError
from tuneoff.spec import StudyFile, load, nearest
from tuneoff.store import RESULTS, Store, cache_folder
from tuneoff.strings import language, say

if TYPE_CHECKING:
    from tuneoff.analyse import Analysis, RowForecast
    from tuneoff.data import DataReport, Splits
    from tuneoff.kept import MethodOutline, Outline
    from tuneoff.notebooks.chart import Chart
    from tuneoff.notebooks.results import Results
    from tuneoff.report import Material
    from tuneoff.run import Executor, Listener, Outlook, Plan, Progress
    from tuneoff.track import Sent, TrackedRun, Tracker


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

    def __str__(self) -> str:
        open_ones = [f"  {say(f'report.state_{state}'):<12} {name}" for name, state in self.trials.items() if state != "complete"]
        counts = ", ".join(f"{say(f'report.state_{state}')} {count}" for state, count in self.counts.items())
        return "\n".join([counts, *open_ones, *(f"! {say('cli.quarantined', what=moved)}" for moved in self.quarantined)])

    __repr__ = __str__


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

    @classmethod
    def sample(cls, folder: str | Path = "demo-study", overrides: Iterable[str] = (), lang: str | None = None) -> Self:
        """The sample study, as ``tuneoff demo`` makes it; one that is there is kept. Needs no network.

        Args:
            folder: where it is or will be.
            overrides: ``a.b=value`` strings.
            lang: language of a new one, ``en`` or ``ko``; without, the one in force.

        Raises:
            UsageError: the study there, or an override, is wrong.
            StorageError: the folder cannot be written.
        """
        from tuneoff.create import DEMO_SEEDS, write_demo

        return cls.load(write_demo(Path(folder), DEMO_SEEDS, lang or language()), overrides)

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
    def splits(self) -> "Splits":
        """Train, validation and test, read and divided. What is wrong with them is told without loading PyTorch, which takes seconds.

        Raises:
            UsageError: a method that does not exist.
            RefusedError: the data cannot be used.
        """
        from tuneoff.data import load_splits
        from tuneoff.methods import check_names

        check_names(self.file)
        return load_splits(self.file.spec.data, self.folder, cache_folder(self.folder))

    @cached_property
    def _plan(self) -> "Plan":
        splits = self.splits
        from tuneoff.run import make_plan

        plan = make_plan(self.file, splits=splits)
        if "outline" in vars(self) and self.outline.revision != plan.revision:
            # A model of the hub is known by its name alone, and its branch has moved on since the outline was kept.
            del self.outline
        return plan

    @cached_property
    def outline(self) -> "Outline":
        """The study's methods and trials, its backbone in brief and what the data check found.

        It is kept beside the records: while study file, data and backbone stay as they are, neither PyTorch nor the backbone is loaded.
        A backbone is not downloaded for it.

        Raises:
            UsageError: a method or parameter that does not exist.
            RefusedError: data or backbone cannot be used.
        """
        if (kept := self._kept()) is not None:
            return kept
        from tuneoff.kept import keep_outline

        plan = self._at_hand
        if plan.resolved is not None or plan.facts is None:  # Else the backbone is not here, and not known exactly.
            # Where the folder cannot be written, whoever writes records says so; here it only takes longer the next time.
            with suppress(StorageError):
                keep_outline(self.file, self.splits, plan.outline)
        return plan.outline

    def _kept(self) -> "Outline | None":
        """The outline that an earlier process kept, if it is of the plan that this one has made, or if this one has made none."""
        if (known := vars(self).get("outline")) is not None:
            return cast("Outline", known)
        splits = self.splits
        from tuneoff.kept import kept_outline

        kept, plan = kept_outline(self.file, splits), cast("Plan | None", vars(self).get("_plan"))
        return kept if kept is None or plan is None or plan.revision == kept.revision else None

    @property
    def _at_hand(self) -> "Plan":
        """A plan for which nothing is downloaded."""
        return cast("Plan | None", vars(self).get("_plan")) or self._sketched

    @cached_property
    def _sketched(self) -> "Plan":
        return self.sketch()

    @property
    def _brief(self) -> "Outline | Plan":
        """Methods, stages and trials. Nothing is asked of the data: who wants to know how far a study is does not wait for that."""
        return self._kept() or self._at_hand

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
        splits = self.splits
        from tuneoff.run import make_plan

        return make_plan(self.file, weights=False, splits=splits)

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

    def run(
        self,
        listener: "Listener | None" = None,
        threads: int | None = None,
        workers: int | None = None,
        max_trials: int | None = None,
        ray: str | None = None,
        only: Iterable[str] | None = None,
        track: Iterable[str] = (),
    ) -> "Progress":
        """Run every trial that is not complete and rewrite the report after each; call again to resume.

        Args:
            listener: told of progress.
            threads: cores of a trial on this machine; by default all of them, divided by the workers.
            workers: trials at once: one on this machine unless said, as many as it takes on a cluster.
            max_trials: end after so many.
            ray: address of a Ray cluster that runs the trials, or ``auto`` for the one that this machine belongs to.
            only: labels or names of methods: the others' trials stay as they are. Stages that these build on run too.
            track: also send records there, besides what the study names: ``mlflow``, ``tensorboard``.

        Raises:
            UsageError: too few GPUs or cores for so many workers, ray is not installed, no such method, or no such tracker.
            RefusedError: a tracker's library is not installed, or there is no such cluster.
            StoppedError: by a signal; finished trials are safe.
            StorageError: the folder cannot be written.
        """
        from dataclasses import replace

        from tuneoff.run import Listener, StoppedError, foresee, run_plan

        plan, given = self._plan if only is None else self._plan.only(only), listener or Listener()
        tracker = self._tracker(track, given.on_warning)
        executor = self._executor(workers, threads, ray)
        foresee(plan, self._left(plan))

        report = _Sparing(lambda: self.report(draw=False))

        def on_trial(trial: Any, record: dict[str, Any], progress: "Progress") -> None:
            report()
            given.on_trial(trial, record, progress)
            if tracker.sinks:
                tracker.send(self._tracked([trial.name]), patient=False)

        if tracker.sinks:  # What a sink missed when it was last away.
            tracker.send(self._tracked())
        try:
            progress = run_plan(plan, self.store, replace(given, on_trial=on_trial), executor, max_trials)
        except StoppedError as stopped:
            if not stopped.at_once:
                self.report()
            raise
        self.report()
        if tracker.sinks:
            tracker.send(self._tracked())
        return progress

    def _executor(self, workers: int | None, threads: int | None, ray: str | None) -> "Executor":
        from tuneoff.run import LocalExecutor, RayExecutor

        spec = self.file.spec
        if ray is None:
            return LocalExecutor(workers or 1, threads, spec.train.devices)
        return RayExecutor(ray, workers, threads, spec.train.devices, spec.artefacts)

    def track(self, more: Iterable[str] = (), warn: "Callable[[str], None] | None" = None) -> "list[Sent]":
        """Send records that are not there yet to the study's trackers; what is there stays there once.

        Args:
            more: trackers besides those that the study names.
            warn: told once for each tracker that fails; the result says it too.

        Raises:
            UsageError: no such tracker, or none at all.
            RefusedError: a tracker's library is not installed.
        """
        tracker = self._tracker(more, warn or (lambda text: None))
        if not tracker.sinks:
            raise UsageError("track.none", where=str(self.folder))
        return tracker.send(self._tracked())

    def _tracker(self, more: Iterable[str], warn: "Callable[[str], None]") -> "Tracker":
        from tuneoff.track import Tracker, open_sinks, with_sinks

        more = list(more)
        spec = with_sinks(self.file.spec, more)
        command = " ".join(["tuneoff track", str(self.folder), *(f"--track {name}" for name in more)])
        return Tracker(open_sinks(spec, self.folder), warn, command)

    def _tracked(self, trials: Iterable[str] | None = None) -> "list[TrackedRun]":
        """Ended attempts of trials, or of all planned ones."""
        from tuneoff.track import tracked_runs

        brief = self._brief
        labels = {stage.name: stage.method for stage in brief.stages}
        for method in brief.methods:
            labels |= {trial.name: method.label for trial in [*method.trials, *([method.search] if method.search else [])]}
        return list(tracked_runs(self.store, labels if trials is None else {name: labels[name] for name in trials}))

    def _left(self, plan: "Plan") -> list[str]:
        """Trials and stages that are not complete."""
        return [trial.name for trial in plan.trials if self.store.state(trial.name) != "complete"]

    def may_have_work(self) -> bool:
        """Whether a run would find something to do, as far as is known without making the plan: ``False`` only where all is complete."""
        return self._kept() is None or not self.status().complete

    def status(self) -> Status:
        """Where each planned trial stands."""
        trials: dict[str, str] = {trial.name: self.store.state(trial.name) for trial in self._brief.trials}
        return Status(trials, self.store.quarantined)

    def material(self) -> "Material":
        """Everything the report is written from, read from the records."""
        from tuneoff.analyse import analyse
        from tuneoff.records import method_trials
        from tuneoff.report import Material

        outline, splits = self.outline, self.splits
        data = outline.data
        methods = [method_trials(method, self.store) for method in outline.methods]
        stages = [found.record for stage in outline.stages if (found := self.store.result(stage.name)) is not None]
        analysis = analyse(methods, splits.labels, clean=data.clean_test)
        forecasts = _forecasts(self.folder, outline, analysis)
        backbone, texts = outline.backbone, splits.test.texts
        return Material(self.folder, self.file.spec, data, splits.labels, backbone, methods, analysis, stages, forecasts, texts)

    def report(self, draw: bool = True) -> "Material":
        """Write README.md, plots and tables from the records, and return what they were written from."""
        from tuneoff.drawing import Artist

        self.store.present()
        with _no_cycles(), Artist() if draw else nullcontext() as artist:
            from tuneoff.report import write_report

            material = self.material()
            write_report(material, self.lang, artist)
        return material

    def results(self) -> "Results":
        """One row a method, as a data frame that shows itself rounded and keeps exact values."""
        from tuneoff.notebooks.results import Results
        from tuneoff.report import results_table

        return Results(results_table(self.material()))

    def plot_curves(self) -> "Chart":
        """Training loss and validation accuracy of every method over its training: mean over seeds and their range."""
        from tuneoff.analyse import curve_points
        from tuneoff.notebooks.chart import Chart
        from tuneoff.report.charts import learning_curves

        material = self.material()
        points = curve_points(material.methods)
        return Chart(learning_curves(points, self._names(material), self.lang) if points else None, self.lang)

    def plot_trade_off(self, cost: str = "memory") -> "Chart":
        """Test accuracy with its interval against a cost of training.

        Args:
            cost: ``memory`` (peak of training) or ``time`` (training steps).

        Raises:
            UsageError: another cost.
        """
        from tuneoff.notebooks.chart import Chart
        from tuneoff.report.charts import COST_OF, trade_off

        if cost not in COST_OF:
            raise UsageError("notebook.unknown_cost", cost=cost, nearest=nearest(cost, COST_OF), known=", ".join(COST_OF))
        material = self.material()
        return Chart(trade_off(material.analysis, self._names(material), cost, self.lang), self.lang)

    def _names(self, material: "Material") -> dict[str, str]:
        return {method.label: material.name(method, self.lang) for method in material.methods}

    @property
    def experiments(self) -> dict[str, list[str]]:
        """Labels of the study's methods by the part of the comparison that they belong to; a notebook for each.

        ``feature_extraction`` has the baselines too; ``continued_pretraining`` every ``pretrain+…``.
        """
        from tuneoff.notebooks import EXPERIMENTS

        found: dict[str, list[str]] = {name: [] for name in EXPERIMENTS}
        for method in self._at_hand.methods:
            found[EXPERIMENTS[_part(method.outline)]].append(method.label)
        return found


def _part(method: "MethodOutline") -> int:
    """The place of a method's notebook: after what it belongs to in the brief, frozen features beside the baselines."""
    return method.experiment if method.experiment != 1 else int(method.method != "feature_extraction")


def _forecasts(folder: Path, outline: "Outline", analysis: "Analysis") -> "dict[str, RowForecast]":
    """What was kept of the forecast, by label, beside the rows; empty where none was kept."""
    from tuneoff.analyse import RowForecast, foreseen
    from tuneoff.kept import kept_foresight

    kept = kept_foresight(folder)
    if kept is None:
        return {}
    rows, found = {row.label: row for row in analysis.rows}, {}
    for method in outline.methods:
        if (trial := kept.of(method.trials)) is not None:
            pretraining = kept.pretraining_of(outline.stages, method.trials)
            found[method.label] = foreseen(rows[method.label], trial, pretraining, kept.on_gpu)
        elif (reason := kept.reason_of(method.trials)) is not None:
            found[method.label] = RowForecast(reason=reason)
    return found


class _Sparing:
    """Does something that grows with the study, as often as it takes up a small share of the time."""

    SHARE = 0.1

    def __init__(self, work: "Callable[[], object]") -> None:
        self._work = work
        self._next = 0.0

    def __call__(self) -> None:
        """Do it, unless it was done a moment ago."""
        began = time.monotonic()
        if began < self._next:
            return
        self._work()
        ended = time.monotonic()
        self._next = ended + (ended - began) / self.SHARE


@contextmanager
def _no_cycles() -> Iterator[None]:
    """Thousands of records are read, none of which refers to itself: looking for cycles among them again and again takes long."""
    at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if at_work:
            gc.enable()
