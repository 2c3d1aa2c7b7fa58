"""One trial or stage, in a process of its own. Every failure becomes a state with its reason."""

import time
import traceback
from dataclasses import asdict
from typing import Any

import torch

from tuneoff.backbone import pick_device
from tuneoff.data import load_prepared
from tuneoff.errors import OutOfMemoryError, StorageError, TrialError, TuneoffError
from tuneoff.faults import fault
from tuneoff.measure import Clock, EnergyMeter, MemoryMeter, NoEnergy, environment
from tuneoff.methods import Method, TextMethod, method_class
from tuneoff.run.adapting import run_adapted
from tuneoff.run.baseline import run_baseline
from tuneoff.run.bench import Bench, synchroniser
from tuneoff.run.job import Job, write_result
from tuneoff.run.pretraining import run_pretraining
from tuneoff.run.proof import verify_job
from tuneoff.run.searching import run_search
from tuneoff.run.shrinking import shrunk
from tuneoff.store import trouble


def run_job(job: Job) -> None:
    """Run a job and leave ``result.json``."""
    began = time.monotonic()
    torch.manual_seed(0)
    fault("trial-start")
    device = pick_device()
    meter = MemoryMeter(device)
    clock = Clock(synchroniser(device))
    gpu = (device.index or 0) if device.type == "cuda" else None
    with clock.phase("other"):
        try:
            with clock.phase("load"):
                splits = load_prepared(job.prepared, unlabelled=job.trial.stage == "pretrain")
            bench = Bench(job, device, clock, meter, _energy_meter(job, gpu), splits)
            result = _run(bench) | {"state": "complete", "environment": environment()}
        except (torch.OutOfMemoryError, MemoryError) as error:
            peak = meter.peak()
            told = OutOfMemoryError("run.oom", device=device.type, peak=peak.bytes or 0)
            result = _failure(told, error) | {"memory": {"train": asdict(peak)}}
        except StorageError:
            raise  # No end of a trial: the run stops, and goes on once there is a disk.
        except TuneoffError as error:
            result = _failure(error, error)
        except Exception as error:
            if trouble(error, job.folder):
                raise
            result = _failure(TrialError("run.failed", reason=f"{type(error).__name__}: {error}"), error)
    write_result(job.folder, result | {"phases": clock.seconds, "began": began, "ended": time.monotonic()})


def _energy_meter(job: Job, gpu: int | None) -> EnergyMeter:
    """Of several ranks none sees what the others use: then nothing is measured."""
    return EnergyMeter(gpu) if job.ranks == 1 else NoEnergy()


def _failure(told: TuneoffError, error: BaseException) -> dict[str, Any]:
    traceback.print_exception(error)
    state = told.state if isinstance(told, TrialError) else "failed"
    return {"state": state, "error": told.as_dict()}


def _run(bench: Bench) -> dict[str, Any]:
    trial = bench.job.trial
    if trial.stage == "pretrain":
        assert trial.pretrain is not None
        size, planned, run = trial.pretrain.batch_size, None, run_pretraining
    else:
        size, planned, run = trial.train.batch_size, trial.train.micro_batch, _run_method
    bench.micro_batch = bench.job.micro_batch or planned
    return run(bench) | shrunk(bench, size, planned)


def _run_method(bench: Bench) -> dict[str, Any]:
    trial = bench.job.trial
    kind = method_class(trial.method.removeprefix("pretrain+"))
    method = kind(kind.Config.model_validate(trial.config))
    if isinstance(method, TextMethod):
        return run_baseline(bench, method)
    assert isinstance(method, Method)
    return run_search(bench, method) if trial.stage == "search" else run_adapted(bench, method)


__all__ = ["run_job", "verify_job"]
