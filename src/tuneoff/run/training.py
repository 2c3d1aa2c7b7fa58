"""One training of a method, on tokens or on the stored features of a frozen backbone, and logits of what it learnt."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from tuneoff.measure import Clock, Energy, Peak
from tuneoff.methods import Adapted
from tuneoff.run import shrinking
from tuneoff.run.bench import Bench, synchroniser
from tuneoff.run.job import Rates
from tuneoff.run.setting import PROOF, Setting
from tuneoff.run.several import refuse_fp16
from tuneoff.seeds import seed_for
from tuneoff.spec import TrialSpec
from tuneoff.train import (
    AnyRows,
    Classification,
    FeatureCost,
    FeatureRows,
    Group,
    Outcome,
    Schedule,
    TokenRows,
    Weights,
    cast_for_compute,
    extract,
    fit,
    gather,
    load_features,
    predict,
    ranks,
    save_features,
    shard,
    train_on_cpu,
    used_rows_only,
)


@dataclass(frozen=True)
class Trained:
    """A trained model while it can still be asked.

    Attributes:
        outcome: of the loop, with the curve.
        peak: of training.
        energy: of training and of the validations inside it.
        logits: name of a split, or ``proof`` → logits [rows, classes].
        features: what reading the frozen backbone cost, where there is one.
        read_here: that it was this training that read it.
    """

    outcome: Outcome
    peak: Peak
    logits: Callable[[str], np.ndarray]
    energy: Energy | None = None
    features: FeatureCost | None = None
    read_here: bool = False

    def at_least(self, peak: Peak) -> Peak:
        """A peak that includes reading the features, whoever read them."""
        if self.features is None or self.features.peak_bytes is None or peak.bytes is None:
            return peak
        return replace(peak, bytes=max(peak.bytes, self.features.peak_bytes))


@contextmanager
def trained(setting: Setting, rates: Rates, share: float = 1.0) -> Iterator[Trained]:
    """Train at these learning rates; inside, the model answers; afterwards it holds its weights in full precision.

    Args:
        setting: freshly opened.
        rates: of the method and of the head.
        share: of a whole training, as a search makes it.
    """
    on = _on_features if setting.method.facts.frozen_backbone else _on_tokens
    trial = setting.bench.job.trial
    schedule = Schedule(trial.config["epochs"], trial.train.warmup, trial.train.clip, share)
    with on(setting, rates, schedule) as model:
        yield model


@contextmanager
def _on_tokens(setting: Setting, rates: Rates, schedule: Schedule) -> Iterator[Trained]:
    """Train on tokens; test rows are read only when they are asked for."""
    bench, method, adapted = setting.bench, setting.method, setting.adapted
    trial, meter = bench.job.trial, bench.meter
    train_rows = setting.rows("train")
    refuse_fp16(setting.precision, ranks.count())
    sharded = ranks.count() > 1 and trial.train.strategy == "fsdp"
    dropout_seed = seed_for("dropout", trial.seed, *ranks.apart())
    torch.manual_seed(dropout_seed)
    embedding = nullcontext() if sharded else used_rows_only(*_embedding(adapted, train_rows, trial))
    with embedding:
        fast = bench.on_cpu and not trial.train.gradient_checkpointing
        packed = fast and train_on_cpu(adapted.model, dropout_seed, firsts_alone=True)
        meter.reset()
        bench.energy.start()
        if sharded:
            shard(adapted.model, setting.precision, bench.device)
        weights = _weights(adapted, trial, rates, setting.precision, method.base_start(), sharded)
        watch = None if sharded else bench.watch(adapted.model, weights)
        with shrinking.training():
            outcome = fit(
                adapted.model,
                weights,
                _objective(bench, adapted.model, train_rows, setting.rows("validation"), packed),
                schedule,
                bench.clock,
                trial.train.select,
                bench.on_point,
                lambda: method.after_first_backward(adapted),
                lambda step, steps: method.after_step(adapted, step, steps),
                lambda: method.penalty(adapted),
                watch=watch,
            )
        energy = bench.energy.stop()
        yield Trained(outcome, bench.peak(watch), lambda name: predict(adapted.model, setting.rows(name), bench.on_cpu), energy)
        weights.settle()
        if sharded:
            gather(adapted.model)


def _embedding(adapted: Adapted, rows: TokenRows, trial: TrialSpec) -> tuple[Any, set[str], np.ndarray, float]:
    return adapted.model, set(adapted.trainable), rows.tokens.ids, trial.train.weight_decay


@contextmanager
def _on_features(setting: Setting, rates: Rates, schedule: Schedule) -> Iterator[Trained]:
    """Read the frozen backbone once per study, then train the head on what it said."""
    bench, adapted = setting.bench, setting.adapted
    trial, meter = bench.job.trial, bench.meter
    assert adapted.encode is not None
    stored, cost, here = _read(setting)
    probe: Any = adapted.decode
    probe.float()
    with torch.no_grad():
        probe.standardise(stored["train"].to(bench.device))
    rows: dict[str, AnyRows] = {name: FeatureRows(stored[name], bench.splits.targets(name), bench.device) for name in stored}
    torch.manual_seed(seed_for("dropout", trial.seed))
    meter.reset()
    bench.energy.start()
    weights = _weights(adapted, trial, rates, "fp32", 0.0)
    objective = _objective(bench, probe, rows["train"], rows["validation"])
    outcome = fit(probe, weights, objective, schedule, bench.clock, trial.train.select, bench.on_point)
    energy, peak = bench.energy.stop(), meter.peak()

    def logits(name: str) -> np.ndarray:
        if name != PROOF:
            return predict(probe, rows[name])
        cast_for_compute(adapted.encode, setting.precision)  # type: ignore[arg-type]
        return predict(adapted.model, setting.rows(PROOF), bench.on_cpu)

    model = Trained(outcome, peak, logits, energy, cost, here)
    yield replace(model, peak=model.at_least(peak))


def _objective(bench: Bench, model: Any, train: AnyRows, validation: AnyRows, packed: bool = False) -> Classification:
    trial, labels = bench.job.trial, bench.splits.labels
    batch_size, micro_batch = trial.train.batch_size, bench.micro_batch
    return Classification(model, train, validation, labels, batch_size, micro_batch, trial.seed, packed, bench.on_cpu)


def _weights(adapted: Adapted, trial: TrialSpec, rates: Rates, precision: Any, base_start: float, sharded: bool = False) -> Weights:
    groups = [
        Group(adapted.parameters([*adapted.adapter, *adapted.base]), rates.learning_rate, base_start),
        Group(adapted.parameters(adapted.head), rates.head_learning_rate),
    ]
    return Weights(adapted.model, [group for group in groups if group.parameters], precision, trial.train.weight_decay, sharded=sharded)


def _read(setting: Setting) -> tuple[dict[str, torch.Tensor], FeatureCost, bool]:
    """Features of all splits, what they cost, and whether they were read just now."""
    bench, adapted = setting.bench, setting.adapted
    trial = bench.job.trial
    pooling = str(getattr(adapted.encode, "pooling", ""))
    decides = [trial.backbone, bench.job.pretrained_name, setting.identity, trial.train.max_length, setting.precision, trial.data, pooling]
    name = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]
    file = bench.job.cache / "features" / f"{name}.safetensors"
    stored = load_features(file)
    if stored is not None:
        return *stored, False
    assert adapted.encode is not None
    cast_for_compute(adapted.encode, setting.precision)
    read = Clock(synchroniser(bench.device))
    features: dict[str, torch.Tensor] = {}
    bench.meter.reset()
    bench.energy.start()
    with bench.clock.phase("features"):
        for split in ("train", "validation", "test"):
            with read.phase(split):
                features[split] = extract(adapted.encode, setting.rows(split), bench.on_cpu)
        peak, energy = bench.meter.peak(), bench.energy.stop()
        cost = FeatureCost(read.seconds, peak.bytes, peak.counter, energy.as_dict() if energy else None)
        save_features(file, features, cost)
    return features, cost, True
