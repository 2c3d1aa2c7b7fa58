"""The plan → processes → records. The parent alone publishes; the same command resumes."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from tuneoff.data import save_prepared
from tuneoff.run.admission import Admission, admit
from tuneoff.run.job import ARTEFACT, RESULT, VERIFY, Job, Rates, last_point, read_result
from tuneoff.run.planner import Plan, tokens_cache
from tuneoff.run.processes import run_in_child, start, verify_in_child
from tuneoff.spec import TrialSpec
from tuneoff.store import Attempt, Claim, Store, fault

#: A trial that did not train is tried at so many further learning rates of its search.
FALLBACKS = 2
#: A trial whose process was killed is tried again with the same seed at most so often.
RETRIES = 2
POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 10.0
#: The reload computes the same rows in the same batches: only the order of additions may differ, by the format's rounding.
TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2, "fp16": 2e-2}


class StoppedError(Exception):
    """The user or the system asked to stop; finished trials are safe."""

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(signal.Signals(number).name)


@dataclass
class Progress:
    """Where a run stands, for whoever shows it."""

    total: int
    done: int = 0
    failed: int = 0
    current: str | None = None
    point: dict[str, Any] | None = None
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
        return self.left * sum(self.trial_seconds) / len(self.trial_seconds)


@dataclass(frozen=True)
class Listener:
    """What a run tells the outside: each tick, and each trial that ended."""

    on_tick: Callable[[Progress], None] = lambda progress: None
    on_trial: Callable[[TrialSpec, dict[str, Any], Progress], None] = lambda trial, record, progress: None


def run_plan(plan: Plan, store: Store, listener: Listener, threads: int | None = None) -> Progress:
    """Run every trial that is not complete.

    Args:
        plan: from :func:`~tuneoff.run.planner.make_plan`.
        store: the study's records.
        listener: told of progress.
        threads: intra-operation threads of a trial.

    Raises:
        StoppedError: by SIGINT, SIGTERM or SIGHUP; claims are released.
        StorageError: the study folder cannot be written.
    """
    fault("plan")
    store.sweep()
    prepared = save_prepared(plan.splits, tokens_cache(plan.study.folder))
    unsupported = {trial.name: method.unsupported for method in plan.methods if method.unsupported for trial in method.trials}
    admissions = admit(plan)
    progress = Progress(len(plan.trials))
    with _signals() as stop:
        for trial in plan.trials:
            stop.check()
            found = store.result(trial.name)
            supported_now = found is not None and found.state == "unsupported" and trial.name not in unsupported
            if not store.is_open(trial.name) and not supported_now:
                if found is not None and found.state == "complete":
                    progress.done += 1
                else:
                    progress.failed += 1
                continue
            if any(store.state(name) == "running" for name in trial.needs):
                continue  # Another process is at its stage; the trial stays pending.
            claim = store.claim(trial.name)
            if claim is None:
                continue
            try:
                if not store.is_open(trial.name) and not supported_now:
                    continue
                admission = admissions.get(trial.name, Admission())
                if reason := unsupported.get(trial.name):
                    record = _untried(plan, store, trial, {"state": "unsupported", "error": {"key": reason, "facts": {}}})
                elif admission.refusal:
                    record = _untried(plan, store, trial, {"state": "oom", "error": admission.refusal})
                else:
                    record = _attempts(plan, store, trial, prepared, claim, progress, listener, stop, threads, admission.micro_batch)
            finally:
                claim.release()
            if record["state"] == "complete":
                progress.done += 1
            else:
                progress.failed += 1
            progress.current = progress.point = None
            listener.on_trial(trial, record, progress)
            listener.on_tick(progress)
    return progress


def _untried(plan: Plan, store: Store, trial: TrialSpec, result: dict[str, Any]) -> dict[str, Any]:
    """The record of a trial that is known to be of no use."""
    number, _ = store.new_attempt(trial.name)
    record = _record(plan, trial, result, time.time(), 0.0)
    store.publish(trial.name, number, record)
    return record


def _attempts(
    plan: Plan,
    store: Store,
    trial: TrialSpec,
    prepared: Path,
    claim: Claim,
    progress: Progress,
    listener: Listener,
    stop: "_Stop",
    threads: int | None,
    micro_batch: int | None,
) -> dict[str, Any]:
    """Run a trial until it ends by itself, at most ``1 + RETRIES`` times."""
    record: dict[str, Any] = {}
    for _ in range(1 + RETRIES):
        number, folder = store.new_attempt(trial.name)
        began, clock = time.time(), time.monotonic()
        progress.current = trial.name
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
                prepared,
                tokens_cache(plan.study.folder),
                plan.resolved,
                plan.study.spec.backbone,
                pretrained.folder / ARTEFACT if pretrained else None,
                plan.study.spec.data.text_columns,
                pretrained_name,
                rates_of(trial, found["search"][1].record if "search" in found else None),
                micro_batch=micro_batch,
                threads=threads,
            )
            result = _process(job, claim, progress, listener, stop)
            if result["state"] == "complete" and not trial.is_stage:
                _verified(job, claim, progress, listener, stop, result)
        for kind, name in (("pretrain", "pretraining"), ("search", "search")):
            if kind in found:
                result[name] = _charged(*found[kind])
        record = _record(plan, trial, result, began, time.monotonic() - clock)
        store.publish(trial.name, number, record)
        progress.trial_seconds.append(record["wall_seconds"])
        if record["state"] != "lost":
            break
    return record


def _charged(name: str, stage: Attempt) -> dict[str, Any]:
    """What a trial's record says of a stage that it builds on."""
    kept = ("phases", "memory", "candidates", "chosen")
    return {"trial": name} | {key: stage.record[key] for key in kept if key in stage.record}


def rates_of(trial: TrialSpec, search: dict[str, Any] | None) -> tuple[Rates, ...]:
    """Learning rates to train at: as planned, or the best of a search with those to fall back on when it does not train."""
    if trial.stage or trial.config.get("epochs") is None:
        return ()
    if search is None:
        return (Rates(trial.config["learning_rate"], trial.config["head_learning_rate"]),)
    best = [search["candidates"][index] for index in search["order"][: 1 + FALLBACKS]]
    return tuple(Rates(one["learning_rate"], one["head_learning_rate"]) for one in best)


def _process(job: Job, claim: Claim, progress: Progress, listener: Listener, stop: "_Stop", verify: bool = False) -> dict[str, Any]:
    """One child from start to end; what it left behind, or how it died. Its phases get what only the parent sees."""
    began = time.monotonic()
    process = start(verify_in_child if verify else run_in_child, job.write())
    beat = time.monotonic()
    try:
        while process.exitcode is None:
            process.join(POLL_SECONDS)
            stop.check()
            if time.monotonic() - beat > HEARTBEAT_SECONDS:
                claim.heartbeat()
                beat = time.monotonic()
            progress.point = last_point(job.folder)
            listener.on_tick(progress)
    except BaseException:
        process.kill()
        process.join()
        raise
    ended = time.monotonic()
    result = read_result(job.folder, VERIFY if verify else RESULT)
    if result is not None:
        # Starting a process and its leaving belong to the trial's wall time as much as its training.
        seconds = {"start": result.pop("began") - began, "exit": ended - result.pop("ended")}
        return result | {"phases": result.get("phases", {}) | (seconds if not verify else {"reload": ended - began})}
    code = process.exitcode
    assert code is not None
    if code < 0:
        key = "run.killed" if code == -signal.SIGKILL else "run.signal"
        return {"state": "lost", "error": {"key": key, "facts": {"signal": signal.Signals(-code).name}}}
    return {"state": "lost", "error": {"key": "run.exited", "facts": {"code": code}}}


def _verified(job: Job, claim: Claim, progress: Progress, listener: Listener, stop: "_Stop", result: dict[str, Any]) -> None:
    """The reload proof: the artefact, loaded in a fresh process, must give the same logits; merged too, where it can be."""
    proof = _process(job, claim, progress, listener, stop, verify=True)
    proof.pop("state", None)
    result["phases"] |= proof.pop("phases", {})
    result["latency"] = proof.pop("latency", None)
    if "error" not in proof:
        proof["same"] = proof["largest_difference"] <= TOLERANCE[result["precision"]]
    result["reload"] = proof


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
            raise StoppedError(number)
        stop.number = number

    names = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    try:
        before = {name: signal.signal(name, handle) for name in names}
    except ValueError:  # Not the main thread (a notebook's worker): nobody sends signals there.
        before = {}
    try:
        yield stop
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


__all__ = ["Listener", "Progress", "StoppedError", "run_plan"]
