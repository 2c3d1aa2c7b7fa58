"""One trial, in a process of its own: load, attach, train, judge, save."""

import hashlib
import json
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from tuneoff.backbone import Resolved, load_tokenizer, pick_device, tokenizer_hash
from tuneoff.data import Splits, load_prepared, tokenise
from tuneoff.errors import OutOfMemoryError, TrialError, TuneoffError
from tuneoff.forecast import Parameters
from tuneoff.forecast.parameters import declared_parameters
from tuneoff.measure import Clock, MemoryMeter, Peak, environment, score
from tuneoff.methods import Adapted, Method, TextMethod, method_class
from tuneoff.run.artefact import BACKBONE, Description, Predictor, classifier_facts, folder_bytes, link_tree, open_classifier
from tuneoff.run.job import ARTEFACT, CURVE, PREDICTIONS, VERIFY, Job, write_result
from tuneoff.seeds import seed_for
from tuneoff.store import fault
from tuneoff.train import (
    AnyRows,
    Classification,
    FeatureCost,
    FeatureRows,
    Group,
    LanguageModelling,
    Outcome,
    Point,
    Schedule,
    TokenRows,
    Weights,
    cast_for_compute,
    extract,
    fit,
    load_features,
    load_language_model,
    predict,
    save_features,
    trained_backbone,
    use_fast_dropout,
    used_rows_only,
)

#: Test rows whose logits a reloaded artefact must give again. They are computed once more in batches of their own, because
#: in bf16 a row's logits depend on the shape of the batch it stands in.
VERIFIED_ROWS = 256


@dataclass(frozen=True)
class Learnt:
    """What learning and judging gave: logits of the splits, and those of the rows that the reload is checked on."""

    outcome: Outcome
    trained: Peak
    evaluated: Peak
    logits: dict[str, np.ndarray]
    proof: np.ndarray


@dataclass
class Bench:
    """What every kind of trial uses: clock, meter, device, and the file of its curve."""

    job: Job
    device: torch.device
    clock: Clock
    meter: MemoryMeter
    splits: Splits

    def on_point(self, point: Point, num_steps: int) -> None:
        """Append a point of the curve; the parent reads its last line."""
        with (self.job.folder / CURVE).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(point.as_dict() | {"steps": num_steps}) + "\n")
        fault("mid-step")

    def tokens(self, name: str, tokenizer: Any, identity: str) -> Any:
        """Tokens of a split."""
        return tokenise(self.splits[name].texts, tokenizer, identity, self.job.trial.train.max_length, self.job.cache)

    @property
    def artefact(self) -> Path:
        """Folder for what prediction needs."""
        folder = self.job.folder / ARTEFACT
        folder.mkdir(exist_ok=True)
        return folder


def run_job(job: Job) -> None:
    """Run a job and leave ``result.json``; every failure becomes a state with its reason."""
    torch.manual_seed(0)
    if job.threads:
        torch.set_num_threads(job.threads)
    fault("trial-start")
    device = pick_device()
    meter = MemoryMeter(device)
    clock = Clock((lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else None)
    try:
        with clock.phase("load"):
            splits = load_prepared(job.prepared)
        bench = Bench(job, device, clock, meter, splits)
        result = _run(bench)
        result |= {"state": "complete", "phases": clock.seconds, "environment": environment()}
    except (torch.OutOfMemoryError, MemoryError) as error:
        result = _failure(OutOfMemoryError("run.oom", peak=meter.peak().bytes), error) | {"memory": {"train": asdict(meter.peak())}}
    except TuneoffError as error:
        result = _failure(error, error)
    except Exception as error:
        result = _failure(TrialError("run.failed", reason=f"{type(error).__name__}: {error}"), error)
    write_result(job.folder, result | {"phases": clock.seconds})


def _failure(told: TuneoffError, error: BaseException) -> dict[str, Any]:
    traceback.print_exception(error)
    state = told.state if isinstance(told, TrialError) else "failed"
    facts = {name: value if isinstance(value, int | float | str) else str(value) for name, value in told.facts.items()}
    return {"state": state, "error": {"key": told.key, "where": told.where, "facts": facts, "text": told.text("en")}}


def _run(bench: Bench) -> dict[str, Any]:
    trial = bench.job.trial
    if trial.is_stage:
        return _run_stage(bench)
    name = trial.method.removeprefix("pretrain+")
    kind = method_class(name)
    config = {key: value for key, value in trial.config.items() if key in kind.Config.model_fields}
    method = kind(kind.Config.model_validate(config))
    if isinstance(method, TextMethod):
        return _run_texts(bench, method)
    assert isinstance(method, Method)
    return _run_adapted(bench, method)


def _description(bench: Bench, precision: str) -> Description:
    job = bench.job
    return Description(
        method=job.trial.method,
        config=job.trial.config,
        labels=bench.splits.labels,
        text_columns=job.text_columns,
        max_length=job.trial.train.max_length,
        precision=precision,
        backbone=job.backbone_name,
        revision=job.trial.backbone,
        trust_remote_code=job.trial.trust_remote_code,
    )


def _run_texts(bench: Bench, method: TextMethod) -> dict[str, Any]:
    splits, clock, meter = bench.splits, bench.clock, bench.meter
    meter.reset()
    with clock.phase("train"):
        method.fit(splits.train.texts, splits.targets("train"), len(splits.labels), seed_for("text method", bench.job.trial.seed))
    trained = meter.peak()
    meter.reset()
    with clock.phase("evaluate"):
        logits = {name: method.logits(splits[name].texts) for name in ("validation", "test")}
    evaluated = meter.peak()
    with clock.phase("prove"):
        proof = method.logits(splits.test.texts[:VERIFIED_ROWS])
    with clock.phase("save"):
        method.save(bench.artefact)
        _description(bench, "fp32").write(bench.artefact)
    size = method.num_parameters()
    parameters = {"adapter": 0, "head": size, "base": 0, "total": None, "trainable": size, "percent": None}
    return _result(bench, parameters, Learnt(Outcome(0), trained, evaluated, logits, proof), "fp32")


def _run_adapted(bench: Bench, method: Method) -> dict[str, Any]:
    job, trial, clock = bench.job, bench.job.trial, bench.clock
    assert job.backbone is not None
    resolved = Resolved(job.backbone.name, job.pretrained, trial.backbone, "stage") if job.pretrained else job.backbone
    with clock.phase("load"):
        tokenizer = load_tokenizer(job.backbone, trial.trust_remote_code)
        facts = classifier_facts(resolved, len(bench.splits.labels), trial.trust_remote_code)
        head_seed = seed_for("head", trial.seed)
        model, precision = open_classifier(method, resolved, facts, tokenizer.pad_token_id, head_seed, trial.train.precision, bench.device)
        if trial.train.gradient_checkpointing:
            model.activation_checkpointing_enable()
        attach_seed = seed_for("attach", trial.method, trial.seed)
        torch.manual_seed(attach_seed)
        adapted = method.attach(model, facts, torch.Generator().manual_seed(attach_seed))
        adapted.model.to(bench.device)
        parameters = declared_parameters(adapted, facts)
    with clock.phase("tokenise"):
        identity = tokenizer_hash(tokenizer)
        tokens = {name: bench.tokens(name, tokenizer, identity) for name in ("train", "validation", "test")}

    def rows(name: str) -> TokenRows:
        if name == "proof":
            few = tokenise(bench.splits.test.texts[:VERIFIED_ROWS], tokenizer, identity, trial.train.max_length, job.cache)
            return TokenRows(few, None, tokenizer.pad_token_id, bench.device, adapted.padding_side)
        return TokenRows(tokens[name], bench.splits.targets(name), tokenizer.pad_token_id, bench.device, adapted.padding_side)

    learnt = (
        _learn_features(bench, method, adapted, rows, identity, precision)
        if method.facts.frozen_backbone
        else _learn(bench, method, adapted, rows, tokens["train"].ids, precision)
    )
    with clock.phase("save"):
        method.save(adapted, bench.artefact)
        _description(bench, precision).write(bench.artefact)
        if job.pretrained:
            link_tree(job.pretrained, bench.artefact / BACKBONE)
    return _result(bench, parameters.as_dict(), learnt, precision)


def _weights(adapted: Adapted, trial: Any, precision: Any) -> Weights:
    groups = [
        Group(adapted.parameters([*adapted.adapter, *adapted.base]), trial.config["learning_rate"]),
        Group(adapted.parameters(adapted.head), trial.config["head_learning_rate"]),
    ]
    return Weights(adapted.model, [group for group in groups if group.parameters], precision, trial.train.weight_decay)


def _learn(bench: Bench, method: Method, adapted: Adapted, rows: Any, train_ids: np.ndarray, precision: Any) -> Learnt:
    """Train on tokens; test rows are built and read only after training."""
    trial, clock, meter = bench.job.trial, bench.clock, bench.meter
    torch.manual_seed(seed_for("dropout", trial.seed))
    with used_rows_only(adapted.model, set(adapted.trainable), train_ids, trial.train.weight_decay):
        # Recomputation must see the same masks, which only torch's own generator replays.
        if bench.device.type == "cpu" and not trial.train.gradient_checkpointing:
            use_fast_dropout(adapted.model, seed_for("dropout", trial.seed))
        meter.reset()
        weights = _weights(adapted, trial, precision)
        objective = Classification(
            adapted.model,
            rows("train"),
            rows("validation"),
            bench.splits.labels,
            trial.train.batch_size,
            trial.train.micro_batch,
            trial.seed,
        )
        outcome = fit(
            adapted.model,
            weights,
            objective,
            Schedule(trial.config["epochs"], trial.train.warmup, trial.train.clip),
            clock,
            trial.train.select,
            bench.on_point,
            lambda: method.after_first_backward(adapted),
            lambda step, steps: method.after_step(adapted, step, steps),
        )
        trained = meter.peak()
        meter.reset()
        with clock.phase("evaluate"):
            logits = {name: predict(adapted.model, rows(name)) for name in ("validation", "test")}
        evaluated = meter.peak()
        with clock.phase("prove"):
            proof = predict(adapted.model, rows("proof"))
        weights.settle()
    return Learnt(outcome, trained, evaluated, logits, proof)


def _learn_features(bench: Bench, method: Method, adapted: Adapted, rows: Any, identity: str, precision: Any) -> Learnt:
    """Read the frozen backbone once, then train the head on what it said."""
    trial, clock, meter = bench.job.trial, bench.clock, bench.meter
    assert adapted.encode is not None
    assert adapted.decode is not None
    described = json.dumps(
        [trial.backbone, trial.corpus, trial.needs, identity, trial.train.max_length, precision, trial.data, _pooling(adapted)]
    )
    file = bench.job.cache / "features" / f"{hashlib.sha256(described.encode()).hexdigest()[:32]}.safetensors"
    stored = load_features(file)
    if stored is None:
        cast_for_compute(adapted.encode, precision)
        read = Clock(clock._synchronise)
        features: dict[str, torch.Tensor] = {}
        meter.reset()
        for name in ("train", "validation", "test"):
            with clock.phase("features"), read.phase(name):
                features[name] = extract(adapted.encode, rows(name))
        peak = meter.peak()
        stored = features, FeatureCost(read.seconds, peak.bytes, peak.counter)
        save_features(file, *stored)
    features, cost = stored
    clock.seconds["features"] = 0.0
    # Reading the training rows is training; reading the others is what evaluation would cost. Both are charged to each trial.
    clock.seconds["train"] = clock.seconds.get("train", 0.0) + cost.seconds["train"]
    clock.seconds["validate"] = clock.seconds.get("validate", 0.0) + cost.seconds["validation"]
    clock.seconds["evaluate"] = clock.seconds.get("evaluate", 0.0) + cost.seconds["test"]
    probe: Any = adapted.decode
    probe.float()
    with torch.no_grad():
        probe.standardise(features["train"].to(bench.device))
    split: dict[str, AnyRows] = {name: FeatureRows(features[name], bench.splits.targets(name), bench.device) for name in features}
    torch.manual_seed(seed_for("dropout", trial.seed))
    weights = _weights(adapted, trial, "fp32")
    objective = Classification(probe, split["train"], split["validation"], bench.splits.labels, trial.train.batch_size, None, trial.seed)
    outcome = fit(
        probe,
        weights,
        objective,
        Schedule(trial.config["epochs"], trial.train.warmup, trial.train.clip),
        clock,
        trial.train.select,
        bench.on_point,
    )
    trained = meter.peak()
    meter.reset()
    with clock.phase("evaluate"):
        logits = {name: predict(probe, split[name]) for name in ("validation", "test")}
    evaluated = meter.peak()
    with clock.phase("prove"):
        cast_for_compute(adapted.encode, precision)
        proof = predict(adapted.model, rows("proof"))
    highest = max((p for p in (cost.peak_bytes, trained.bytes) if p is not None), default=None)
    return Learnt(outcome, Peak(highest, trained.counter), Peak(highest, evaluated.counter), logits, proof)


def _pooling(adapted: Adapted) -> str:
    return str(getattr(adapted.encode, "pooling", ""))


def _run_stage(bench: Bench) -> dict[str, Any]:
    """Continued pretraining; the artefact is a backbone folder with its tokenizer."""
    job, trial, clock = bench.job, bench.job.trial, bench.clock
    assert job.backbone is not None
    assert trial.pretrain is not None
    with clock.phase("load"):
        tokenizer = load_tokenizer(job.backbone, trial.trust_remote_code)
        facts = classifier_facts(job.backbone, len(bench.splits.labels), trial.trust_remote_code)
        model = load_language_model(job.backbone, facts, seed_for("language head", trial.seed)).to(bench.device)
    with clock.phase("tokenise"):
        texts = [(text,) for text in bench.splits.corpus]
        tokens = tokenise(texts, tokenizer, tokenizer_hash(tokenizer), trial.pretrain.max_length, job.cache, split_long=True)
    if bench.device.type == "cpu":
        use_fast_dropout(model, seed_for("dropout", trial.seed))
    torch.manual_seed(seed_for("dropout", trial.seed))
    bench.meter.reset()
    rows = TokenRows(tokens, None, tokenizer.pad_token_id, bench.device)
    objective = LanguageModelling(model, rows, tokenizer, facts.kind, trial.pretrain.batch_size, trial.pretrain.mask, trial.seed)
    with clock.phase("validate"):
        model.eval()
        before = objective.validate()["loss"]
    from tuneoff.backbone import pick_precision

    precision = pick_precision(trial.train.precision, bench.device)
    assert trial.pretrain.learning_rate is not None
    weights = Weights(model, [Group(list(model.parameters()), trial.pretrain.learning_rate)], precision, trial.train.weight_decay)
    schedule = Schedule(trial.pretrain.epochs, trial.train.warmup, trial.train.clip)
    outcome = fit(model, weights, objective, schedule, clock, "accuracy", bench.on_point)
    trained = bench.meter.peak()
    with clock.phase("save"):
        weights.settle()
        from tuneoff.backbone import load_classifier

        classifier = load_classifier(job.backbone, facts, tokenizer.pad_token_id, 0, trust_remote_code=trial.trust_remote_code)
        trained_backbone(model, classifier).save_pretrained(bench.artefact)
        tokenizer.save_pretrained(bench.artefact)
    return {
        "memory": {"train": asdict(trained)},
        "steps": outcome.steps,
        "texts": len(texts),
        "rows": len(tokens),
        "loss_before": before,
        "loss_after": outcome.best.get("loss"),
        "best_epoch": outcome.best_epoch,
        "precision": precision,
        "artefact_bytes": folder_bytes(bench.artefact),
    }


def _result(
    bench: Bench,
    parameters: dict[str, Any],
    learnt: Learnt,
    precision: str,
) -> dict[str, Any]:
    splits, logits = bench.splits, learnt.logits
    tensors = {f"{name}.logits": torch.from_numpy(values) for name, values in logits.items()}
    tensors |= {f"{name}.targets": torch.from_numpy(splits.targets(name)) for name in logits}
    tensors["proof.logits"] = torch.from_numpy(learnt.proof)
    with bench.clock.phase("save"):
        predictions = bench.job.folder / PREDICTIONS
        save_file(tensors, predictions)
        _write_table(bench, logits)
    quality = {name: score(values, splits.targets(name), splits.labels).as_dict() for name, values in logits.items()}
    return {
        "parameters": parameters,
        "memory": {"train": asdict(learnt.trained), "evaluate": asdict(learnt.evaluated)},
        "quality": quality,
        "labels": splits.labels,
        "steps": learnt.outcome.steps,
        "best_epoch": learnt.outcome.best_epoch,
        "precision": precision,
        "predictions_sha256": hashlib.sha256(predictions.read_bytes()).hexdigest(),
        "artefact_bytes": folder_bytes(bench.artefact),
    }


def _write_table(bench: Bench, logits: dict[str, np.ndarray]) -> None:
    """The same predictions as a table that pandas and spreadsheets read: place, label, predicted, one logit a class."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    splits = bench.splits
    names = list(logits)
    stacked = np.concatenate([logits[name] for name in names])
    table = {
        "split": [name for name in names for _ in splits[name].labels],
        "place": [place for name in names for place in splits[name].places],
        "label": [label for name in names for label in splits[name].labels],
        "predicted": [splits.labels[i] for i in stacked.argmax(1)],
    } | {f"logit:{label}": stacked[:, i] for i, label in enumerate(splits.labels)}
    pq.write_table(pa.table(table), bench.job.folder / "predictions.parquet")


def verify_job(job: Job) -> None:
    """In a fresh process: load the artefact and compare its logits with the stored ones; leaves ``verify.json``."""
    from safetensors.torch import load_file

    try:
        stored = load_file(job.folder / PREDICTIONS)["proof.logits"].numpy()
        splits = load_prepared(job.prepared)
        predictor = Predictor(job.folder / ARTEFACT, resolved=job.backbone)
        again = predictor.logits(splits.test.texts[: len(stored)], job.cache)
        agree = float((again.argmax(1) == stored.argmax(1)).mean())
        result: dict[str, Any] = {"rows": len(stored), "largest_difference": float(np.abs(again - stored).max()), "same_label": agree}
    except Exception as error:
        traceback.print_exception(error)
        result = {"error": f"{type(error).__name__}: {error}"}
    write_result(job.folder, result, VERIFY)


__all__ = ["Parameters", "run_job", "verify_job"]
