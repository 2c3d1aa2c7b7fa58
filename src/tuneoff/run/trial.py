"""One trial or stage, in a process of its own. Every failure becomes a state with its reason."""

import time
import traceback
from dataclasses import asdict
from typing import Any

import torch

from tuneoff.backbone import pick_device
from tuneoff.data import load_prepared
from tuneoff.errors import OutOfMemoryError, TrialError, TuneoffError
from tuneoff.measure import Clock, EnergyMeter, MemoryMeter, environment
from tuneoff.methods import Method, TextMethod, method_class
from tuneoff.run.adapting import run_adapted
from tuneoff.run.baseline import run_baseline
from tuneoff.run.bench import Bench, synchroniser
from tuneoff.run.job import Job, write_result
from tuneoff.run.pretraining import run_pretraining
from tuneoff.run.proof import verify_job
from tuneoff.run.searching import run_search
from tuneoff.store import fault


def run_job(job: Job) -> None:
    """Run a job and leave ``result.json``."""
    began = time.monotonic()
    torch.manual_seed(0)
    if job.threads:
        torch.set_num_threads(job.threads)
    fault("trial-start")
    device = pick_device()
    meter = MemoryMeter(device)
    clock = Clock(synchroniser(device))
    gpu = (device.index or 0) if device.type == "cuda" else None
    with clock.phase("other"):
        try:
            with clock.phase("load"):
                splits = load_prepared(job.prepared)
            result = _run(Bench(job, device, clock, meter, EnergyMeter(gpu), splits)) | {"state": "complete", "environment": environment()}
        except (torch.OutOfMemoryError, MemoryError) as error:
            result = _failure(OutOfMemoryError("run.oom", peak=meter.peak().bytes), error) | {"memory": {"train": asdict(meter.peak())}}
        except TuneoffError as error:
            result = _failure(error, error)
        except Exception as error:
            result = _failure(TrialError("run.failed", reason=f"{type(error).__name__}: {error}"), error)
    write_result(job.folder, result | {"phases": clock.seconds, "began": began, "ended": time.monotonic()})


def _failure(told: TuneoffError, error: BaseException) -> dict[str, Any]:
    traceback.print_exception(error)
    state = told.state if isinstance(told, TrialError) else "failed"
    facts = {name: value if isinstance(value, int | float | str) else str(value) for name, value in told.facts.items()}
    return {"state": state, "error": {"key": told.key, "where": told.where, "facts": facts, "text": told.text("en")}}


def _run(bench: Bench) -> dict[str, Any]:
    trial = bench.job.trial
    if trial.stage == "pretrain":
        return run_pretraining(bench)
    kind = method_class(trial.method.removeprefix("pretrain+"))
    method = kind(kind.Config.model_validate(trial.config))
    if isinstance(method, TextMethod):
        return run_baseline(bench, method)
    assert isinstance(method, Method)
    return run_search(bench, method) if trial.stage == "search" else run_adapted(bench, method)


__all__ = ["run_job", "verify_job"]
