"""How right the forecast is: every method's real steps on the device at hand, beside what was forecast for it.

Random weights of the true architectures, so nothing is downloaded. What is fitted from the result is named in docs/forecast.md.

    python bench/gpu_truth.py [--suite roberta,llama] [--methods full,lora] [--seconds 500] [--json bench/results/gpu_truth.json]

Repeat the command to go on: what the file has is not measured again. ``--suite tiny`` runs anywhere in a minute. On a GPU all
runs share a process, with its caches emptied before each; on a CPU each has a process of its own, for resident memory never shrinks.
"""

import argparse
import gc
import json
import logging
import multiprocessing
import os
import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

import torch  # noqa: E402
from transformers import AutoConfig  # noqa: E402

from tuneoff.backbone import BackboneFacts, known_backbone, read_facts  # noqa: E402
from tuneoff.forecast import TrialForecast, Workload, forecast_trial, probe, this_device  # noqa: E402
from tuneoff.forecast.measured import Measured, measure  # noqa: E402
from tuneoff.forecast.scene import Part  # noqa: E402
from tuneoff.measure import environment  # noqa: E402
from tuneoff.methods import Method, method_class, method_names  # noqa: E402
from tuneoff.spec import TrainSpec  # noqa: E402

METHODS = tuple(name for name in method_names() if issubclass(method_class(name), Method))
CLASSES, EPOCHS, USED_ROWS, STORED_ROWS = 7, 3, 8000, 4000
#: Bounds that the forecast is to keep on a GPU, in per cent.
ALLOCATED_WITHIN, RESERVED_WITHIN = 5.0, 10.0
TINY = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": USED_ROWS}


@dataclass(frozen=True)
class Run:
    """One setting to forecast and to measure."""

    backbone: str
    method: str
    precision: str
    batch_size: int
    length: int
    checkpointing: bool = False

    @property
    def name(self) -> str:
        """As a key of the file."""
        more = " checkpointing" if self.checkpointing else ""
        return f"{self.backbone} {self.method} {self.precision} {self.batch_size}x{self.length}{more}"


def runs(suites: list[str], methods: tuple[str, ...]) -> Iterator[Run]:
    """Cheap ones first in each suite, so that a short loan of a GPU is not spent on one corner."""
    if "tiny" in suites:
        for method in methods:
            yield Run("tiny", method, "fp32", 4, 16)
    if "roberta" in suites:
        for precision in ("bf16", "fp32"):
            for length in (128, 512):
                for batch_size in (8, 32):
                    for method in methods:
                        yield Run("klue/roberta-large", method, precision, batch_size, length)
    if "llama" in suites:
        for checkpointing in (False, True):
            for batch_size in (1, 8):
                for method in ("lora", "qlora", "prompt", "prefix", "adapter"):
                    if method in methods and not (checkpointing and method == "prefix"):
                        yield Run("meta-llama/Meta-Llama-3-8B", method, "bf16", batch_size, 256, checkpointing)


def facts_of(backbone: str) -> BackboneFacts:
    """Of the architecture, with as many classes as KLUE's topics."""
    entry = known_backbone(backbone)
    config = entry.read_config() if entry else AutoConfig.for_model("roberta", pad_token_id=1, **TINY)
    config.num_labels = CLASSES
    return read_facts(backbone, "random", config)


def forecast(run: Run) -> TrialForecast | str:
    """For this device; the reason where there is nothing to forecast."""
    kind = method_class(run.method)
    method = kind(kind.Config())
    assert isinstance(method, Method)
    facts = facts_of(run.backbone)
    if reason := method.unsupported(facts):
        return reason
    target = this_device()
    part = Part(run.batch_size, 1 if method.facts.frozen_backbone else run.length)
    judged = (Part(max(1, min(256, 4096 // run.length)), run.length),)
    reading = judged if method.facts.frozen_backbone else ()
    workload = Workload(((part,),), judged, judged, reading, USED_ROWS, STORED_ROWS, pairs=False, exact=True)
    train: Any = {"batch_size": run.batch_size, "precision": run.precision, "gradient_checkpointing": run.checkpointing}
    return forecast_trial(method, facts, target, TrainSpec(**train), EPOCHS, workload)


def measured(expected: TrialForecast) -> Measured:
    """On a GPU here, on a CPU in a process of its own."""
    if expected.scene.target.kind == "cuda":
        return measure(expected.scene)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        return pool.submit(measure, expected.scene).result()


def beside(expected: TrialForecast, found: Measured, speed: Any) -> dict[str, Any]:
    """Forecast, measurement and the distance in per cent of the measurement."""
    off: dict[str, float] = {}
    for phase in ("train", "evaluate"):
        peak, reading = getattr(expected, phase), getattr(found, phase)
        on_gpu = reading.counter == "cuda_max_memory_allocated"
        pairs = {"allocated": (peak.bytes, reading.bytes), "held": (peak.held, reading.reserved_bytes)} if on_gpu else {}
        pairs = pairs or {"held": (peak.resident_in_steps, reading.bytes)}
        off |= {f"{phase}_{name}": 100 * (ours / theirs - 1) for name, (ours, theirs) in pairs.items() if theirs}
    step = [expected.step_seconds(rates) for rates in (speed.fast, speed.slow)]
    return {
        "forecast": {"train": expected.train.as_dict(), "evaluate": expected.evaluate.as_dict(), "step_seconds": step},
        "step_flops": expected.step_flops,
        "operations": sum(len(part) for part in (expected.load.forward, expected.load.backward, expected.load.update)),  # type: ignore[union-attr]
        "measured": found.as_dict(),
        "off_percent": off,
    }


def one(run: Run, speed: Any) -> dict[str, Any]:
    """The row of one run; what went wrong is a row too."""
    expected = forecast(run)
    if isinstance(expected, str):
        return {"unsupported": expected}
    if expected.scene.target.kind == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
    try:
        return beside(expected, measured(expected), speed)
    except (torch.OutOfMemoryError, MemoryError) as error:
        return {"out_of_memory": str(error).splitlines()[0], "forecast": {"train": expected.train.as_dict()}}


def summary(rows: dict[str, Any]) -> dict[str, Any]:
    """How far off, over all runs that were measured."""
    found: dict[str, Any] = {}
    for name in ("train_allocated", "train_held", "evaluate_allocated", "evaluate_held"):
        off = [row["off_percent"][name] for row in rows.values() if name in row.get("off_percent", {})]
        if off:
            worst = max(off, key=abs)
            found[name] = {"runs": len(off), "median": statistics.median(off), "worst": worst}
    return found


def main() -> int:
    """Measure what is missing; 1 if a bound is not kept on a GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="roberta,llama")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop starting runs after so long")
    parser.add_argument("--json", type=Path, default=Path("bench/results/gpu_truth.json"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    device = torch.device(this_device().kind)
    document = json.loads(options.json.read_text()) if options.json.exists() else {"runs": {}}
    speed = probe(device)
    document |= {"environment": environment(), "probe": asdict(speed)}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for run in runs(options.suite.split(","), tuple(options.methods.split(","))):
        if run.name in document["runs"] or time.monotonic() - began > options.seconds:
            continue
        document["runs"][run.name] = asdict(run) | one(run, speed)
        document["summary"] = summary(document["runs"])
        options.json.write_text(json.dumps(document, indent=1) + "\n")
        row = document["runs"][run.name]
        said = row.get("off_percent") or row.get("unsupported") or row["out_of_memory"]
        text = ", ".join(f"{name} {value:+.1f} %" for name, value in said.items()) if isinstance(said, dict) else said
        print(f"{run.name}: {text}", flush=True)
    bounds = {"train_allocated": ALLOCATED_WITHIN, "train_held": RESERVED_WITHIN}
    broken = [name for name, bound in bounds.items() if abs(document.get("summary", {}).get(name, {"worst": 0.0})["worst"]) > bound]
    return 1 if broken and device.type == "cuda" else 0


if __name__ == "__main__":
    sys.exit(main())
