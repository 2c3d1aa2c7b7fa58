"""The plan → attempts → records. The parent alone publishes; the same command resumes."""

import signal
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from inspect import GEN_CLOSED, getgeneratorstate
from types import FrameType
from typing import Any, TypeAlias

from tuneoff.data import save_prepared
from tuneoff.faults import fault
from tuneoff.fork_server import STOPPING
from tuneoff.run.admission import Admission
from tuneoff.run.attempt import STARVED
from tuneoff.run.executors import Executor, LocalExecutor
from tuneoff.run.job import Job, Rates
from tuneoff.run.planner import Plan
from tuneoff.spec import TrialSpec
from tuneoff.store import ARTEFACT, Attempt, Claim, Store, cache_folder
from tuneoff.strings import say

#: A trial that did not train is tried at so many further learning rates of its search.
FALLBACKS = 2
#: A trial whose process was killed is tried again with the same seed at most so often.
RETRIES = 2
POLL_SECONDS = 0.1
#: How often a run looks whether another one has ended a stage that it waits for.
STAGE_SECONDS = 1.0
HEARTBEAT_SECONDS = 10.0

#: A trial from its claim to its record; yields while it is at work.
Life: TypeAlias = Generator[None, None, dict[str, Any]]


class StoppedError(Exception):
    """The user or the system asked to stop; finished trials are safe.

    ``at_once``: asked twice, so that not even a report is written.
    """

    def __init__(self, number: int, at_once: bool = False) -> None:
        self.exit_code, self.at_once = 128 + number, at_once
        super().__init__(signal.Signals(number).name)


@dataclass
class Progress:
    """Where a run stands, for whoever shows it.

    Attributes:
        total: planned trials and stages.
        done: complete, whoever ran them.
        failed: ended otherwise.
        running: those at work in this run, with the newest point of their curves.
        ended: those that this run brought to an end, by state.
        workers: how many can be at work at once.
    """

    total: int
    done: int = 0
    failed: int = 0
    running: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    workers: int = 1
    started: float = field(default_factory=time.monotonic)
    trial_seconds: list[float] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Trials not yet ended."""
        return self.total - self.done - self.failed

    @property
    def eta_seconds(self) -> float | None:
        """Expected seconds left from the mean of the trials that ended in this run; ``None`` before the first."""
        if not self.trial_seconds:
            return None
        return self.left * sum(self.trial_seconds) / len(self.trial_seconds) / self.workers

    def __repr__(self) -> str:
        if not self.total:
            return say("notebook.progress_nothing")
        return say("notebook.progress", total=self.total, done=self.done, failed=self.failed, left=self.left)


@dataclass(frozen=True)
class Listener:
    """What a run tells the outside: each tick, each trial that ended, the trials of other runs that it waits for, what is odd."""

    on_tick: Callable[[Progress], None] = lambda progress: None
    on_trial: Callable[[TrialSpec, dict[str, Any], Progress], None] = lambda trial, record, progress: None
    on_wait: Callable[[list[str]], None] = lambda trials: None
    on_warning: Callable[[str], None] = warnings.warn


def run_plan(plan: Plan, store: Store, listener: Listener, executor: Executor | None = None, max_trials: int | None = None) -> Progress:
    """Run every trial that is not complete.

    Args:
        plan: from :func:`~tuneoff.run.planner.make_plan`.
        store: the study's records.
        listener: told of progress.
        executor: runs the attempts; this machine, one at a time, unless said.
        max_trials: end when so many trials and stages have been tried here.

    Raises:
        StoppedError: by SIGINT, SIGTERM or SIGHUP; claims are released.
        StorageError: the study folder cannot be written.
    """
    fault("plan")
    store.sweep()
    with _signals() as stop, executor or LocalExecutor() as at_hand:
        run = _Run(plan, store, listener, at_hand, max_trials, stop)
        try:
            run.to_the_end()
        finally:
            run.close()
        return run.progress


class _Run:
    """The one loop of claims and records."""

    def __init__(self, plan: Plan, store: Store, listener: Listener, executor: Executor, max_trials: int | None, stop: "_Stop") -> None:
        self.plan, self.store, self.listener, self.executor, self.stop = plan, store, listener, executor, stop
        self.prepared = save_prepared(plan.splits, cache_folder(plan.study.folder))
        self.unsupported = {trial.name: method.unsupported for method in plan.methods if method.unsupported for trial in method.trials}
        self.admissions = executor.admit(plan)
        self.progress = Progress(len(plan.trials), workers=executor.workers)
        self.allowed = max_trials
        self.waiting = plan.trials
        self.active: dict[str, tuple[TrialSpec, Life]] = {}
        # Last attempts of before this run; trials that other runs have in hand; those that memory allows to run only alone.
        self.before = {trial.name: store.last_number(trial.name) for trial in plan.trials}
        self.elsewhere: set[str] = set()
        self.told: set[str] = set()
        self.alone: list[str] = []
        self._seen, self._looked = -1, 0.0

    def to_the_end(self) -> None:
        """Start what can start, go on with what is at work, until nothing is left to do here."""
        while self.waiting or self.active:
            if self._something_new():
                self._start_some()
            if not self.active and not self.waiting:
                break
            # With nothing at work here, what waits is in another run's hands.
            if not self.active and self.elsewhere - self.told:
                self.listener.on_wait(sorted(self.elsewhere))
                self.told |= self.elsewhere
            self.elsewhere.clear()
            self.executor.wait(POLL_SECONDS if self.active else STAGE_SECONDS)
            self.stop.check()
            for trial, life in list(self.active.values()):
                self._go_on(trial, life)
            self.listener.on_tick(self.progress)

    def close(self) -> None:
        """Kill what is at work and release its claims."""
        for _, life in self.active.values():
            life.close()

    def _something_new(self) -> bool:
        """Whether it is worth going through what waits: a trial has ended here, or another run may have ended one."""
        ended = len(self.progress.ended)
        if ended == self._seen and time.monotonic() - self._looked < STAGE_SECONDS:
            return False
        self._seen, self._looked = ended, time.monotonic()
        return True

    def _start_some(self) -> None:
        """Go through what waits, in order, while a worker is free."""
        waits: list[TrialSpec] = []
        behind: set[str] = set()
        workers = self.executor.workers
        for place, trial in enumerate(self.waiting):
            self.stop.check()
            if self.alone or len(self.active) >= workers:
                waits += self.waiting[place:]
                break
            not_yet = any(name in self.active or name in behind for name in trial.needs)
            if not_yet or not self.executor.has_room(trial.name) or not self._begin(trial):
                waits.append(trial)
                behind.add(trial.name)
        self.waiting = waits

    def _begin(self, trial: TrialSpec) -> bool:
        """Count a trial that has ended, or claim and start it; whether it need not wait any more."""
        store, progress = self.store, self.progress
        if store.ended(trial.name) == "complete":
            progress.done += 1
            return True
        if not self._is_open(trial):
            progress.failed += 1
            return True
        if self.allowed == 0:
            return True
        if any(store.state(name) == "running" for name in trial.needs):
            return False
        claim = store.claim(trial.name)
        if claim is None:
            # Another run is at work on it. It may die: this one waits and takes over, unless it has only a share to do.
            self.elsewhere.add(trial.name)
            return self.allowed is not None
        if not self._is_open(trial):
            claim.release()  # Another run has just ended it.
            return self._begin(trial)
        if self.allowed is not None:
            self.allowed -= 1
        life = self._life(trial, claim)
        self.active[trial.name] = (trial, life)
        self._go_on(trial, life)
        return True

    def _is_open(self, trial: TrialSpec) -> bool:
        """Whether this run should try a trial: one without an end, or whose end before this run began is tried again."""
        if self.store.last_number(trial.name) > self.before[trial.name]:
            return False  # Ended since, here or by another run; eight of them must not try a hopeless trial eight times.
        supported_now = self.store.ended(trial.name) == "unsupported" and trial.name not in self.unsupported
        return supported_now or self.store.is_open(trial.name)

    def _go_on(self, trial: TrialSpec, life: Life) -> None:
        """One step of a trial's life; when it has ended, count it and tell."""
        try:
            next(life)
        except StopIteration as end:
            record: dict[str, Any] = end.value
        else:
            return
        finally:
            # Also when it raised: the claim is released by now.
            if getgeneratorstate(life) == GEN_CLOSED:
                del self.active[trial.name]
                self.progress.running.pop(trial.name, None)
        if record["state"] == "complete":
            self.progress.done += 1
        else:
            self.progress.failed += 1
        self.progress.ended.append(record["state"])
        self.listener.on_trial(trial, record, self.progress)

    def _life(self, trial: TrialSpec, claim: Claim) -> Life:
        try:
            admission = self.admissions.get(trial.name, Admission())
            if reason := self.unsupported.get(trial.name):
                return self._untried(trial, {"state": "unsupported", "error": {"key": reason, "facts": {}}})
            if admission.refusal:
                return self._untried(trial, {"state": "oom", "error": admission.refusal})
            return (yield from self._attempts(trial, claim, admission))
        finally:
            claim.release()

    def _untried(self, trial: TrialSpec, result: dict[str, Any]) -> dict[str, Any]:
        """The record of a trial that is known to be of no use."""
        number, _ = self.store.new_attempt(trial.name)
        return self._published(trial, number, _record(self.plan, trial, result, time.time(), 0.0))

    def _attempts(self, trial: TrialSpec, claim: Claim, admission: Admission) -> Life:
        """Try a trial until it ends by itself, at most ``1 + RETRIES`` times; one that starved, once more and alone."""
        record: dict[str, Any] = {}
        plan, store = self.plan, self.store
        for _ in range(1 + RETRIES):
            if starved := record.get("error", {}).get("key") == STARVED:
                yield from self._until_alone(trial, claim)
            number, folder = store.new_attempt(trial.name)
            began, clock = time.time(), time.monotonic()
            stages = [(name, store.result(name)) for name in trial.needs]
            missing = next((name for name, stage in stages if stage is None or stage.state != "complete"), None)
            found = {stage.record["trial"]["stage"]: (name, stage) for name, stage in stages if stage is not None}
            if missing:
                result: dict[str, Any] = {"state": "failed", "error": {"key": "run.stage_failed", "facts": {"stage": missing}}}
            else:
                pretrained_name, pretrained = found.get("pretrain", (None, None))
                job = Job(
                    trial,
                    folder,
                    self.prepared,
                    cache_folder(plan.study.folder),
                    plan.resolved,
                    plan.study.spec.backbone,
                    pretrained.folder / ARTEFACT if pretrained else None,
                    plan.study.spec.data.text_columns,
                    pretrained_name,
                    rates_of(trial, found["search"][1].record if "search" in found else None),
                    micro_batch=admission.micro_batch,
                )
                result = yield from self._attempt(job, claim)
            for kind, name in (("pretrain", "pretraining"), ("search", "search")):
                if kind in found:
                    result[name] = _charged(*found[kind])
            record = _record(plan, trial, result, began, time.monotonic() - clock)
            record = self._published(trial, number, record)
            self.progress.trial_seconds.append(record["wall_seconds"])
            if starved:
                self.alone.remove(trial.name)
            if record["state"] != "lost" or starved:
                break
        return record

    def _published(self, trial: TrialSpec, number: int, record: dict[str, Any]) -> dict[str, Any]:
        """The record that stands: this one, or, on a file system that let two runs have the same number, the other run's."""
        if self.store.publish(trial.name, number, record):
            return record
        standing = self.store.result(trial.name)
        return standing.record if standing else record

    def _until_alone(self, trial: TrialSpec, claim: Claim) -> Generator[None, None, None]:
        """Wait until nothing else is at work here; nothing new begins meanwhile."""
        self.alone.append(trial.name)
        beat = time.monotonic()
        while self.alone[0] != trial.name or not set(self.active) <= set(self.alone):
            beat = _beat(claim, beat)
            yield

    def _attempt(self, job: Job, claim: Claim) -> Life:
        """One attempt, wherever it runs, with the claim kept alive."""
        task = self.executor.start(job)
        beat = time.monotonic()
        try:
            while (result := task.poll()) is None:
                self.progress.running[job.trial.name] = task.point
                beat = _beat(claim, beat)
                yield
        finally:
            task.stop()
        return result


def _beat(claim: Claim, last: float) -> float:
    """Keep a claim alive; returns when it was last touched. Taken over or not, this attempt goes on: it has its own number."""
    if time.monotonic() - last < HEARTBEAT_SECONDS:
        return last
    claim.heartbeat()
    return time.monotonic()


def _charged(name: str, stage: Attempt) -> dict[str, Any]:
    """What a trial's record says of a stage that it builds on."""
    kept = ("phases", "memory", "energy", "candidates", "chosen", "kept")
    return {"trial": name} | {key: stage.record[key] for key in kept if key in stage.record}


def rates_of(trial: TrialSpec, search: dict[str, Any] | None) -> tuple[Rates, ...]:
    """Learning rates to train at: as planned, or the best of a search with those to fall back on when it does not train."""
    if trial.stage or trial.config.get("epochs") is None:
        return ()
    if search is None:
        return (Rates(trial.config["learning_rate"], trial.config["head_learning_rate"]),)
    best = [search["candidates"][index] for index in search["order"][: 1 + FALLBACKS]]
    return tuple(Rates(one["learning_rate"], one["head_learning_rate"]) for one in best)


def _record(plan: Plan, trial: TrialSpec, result: dict[str, Any], began: float, wall: float) -> dict[str, Any]:
    return {
        "trial": trial.model_dump(mode="json"),
        "study": plan.study.spec.study,
        "backbone": plan.study.spec.backbone,
        "began": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "wall_seconds": wall,
        **result,
    }


class _Stop:
    """Set by a signal, looked at between polls."""

    number: int | None = None

    def check(self) -> None:
        if self.number is not None:
            raise StoppedError(self.number)


@contextmanager
def _signals() -> Iterator[_Stop]:
    """The first signal asks, the second insists."""
    stop = _Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.number is not None:
            raise StoppedError(number, at_once=True)
        stop.number = number

    try:
        before = {name: signal.signal(name, handle) for name in STOPPING if signal.getsignal(name) is not signal.SIG_IGN}
    except ValueError:  # Not the main thread (a notebook's worker): nobody sends signals there.
        before = {}
    try:
        yield stop
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


__all__ = ["Listener", "Progress", "StoppedError", "run_plan"]
