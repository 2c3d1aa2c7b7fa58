"""The stage of continued pretraining; its artefact is a backbone folder with its tokenizer."""

from dataclasses import asdict
from typing import Any

import torch

from tuneoff.backbone import load_classifier, load_tokenizer, pick_precision, tokenizer_hash
from tuneoff.data import tokenise
from tuneoff.run.artefact import classifier_facts, folder_bytes
from tuneoff.run.bench import Bench
from tuneoff.run.several import refuse_fp16
from tuneoff.run.shrinking import fitting, training
from tuneoff.seeds import seed_for
from tuneoff.store import storage
from tuneoff.train import (
    LanguageModelling,
    Schedule,
    TokenRows,
    Weights,
    fit,
    load_language_model,
    ranks,
    train_on_cpu,
    trained_backbone,
)


def run_pretraining(bench: Bench) -> dict[str, Any]:
    """Train the backbone on the corpus and save it."""
    assert bench.job.trial.pretrain is not None
    return fitting(bench, bench.job.trial.pretrain.batch_size, lambda: _pretrain(bench))


def _pretrain(bench: Bench) -> dict[str, Any]:
    job, trial, clock = bench.job, bench.job.trial, bench.clock
    assert job.backbone is not None
    assert trial.pretrain is not None
    with clock.phase("load"):
        tokenizer = load_tokenizer(job.backbone, trial.trust_remote_code)
        facts = classifier_facts(job.backbone, len(bench.splits.labels), trial.trust_remote_code)
        language_model = load_language_model(job.backbone, facts, seed_for("language head", trial.seed), trial.trust_remote_code)
        model = language_model.model.to(bench.device)
    with clock.phase("tokenise"):
        texts = [(text,) for text in bench.splits.corpus]
        tokens = tokenise(texts, tokenizer, tokenizer_hash(tokenizer), trial.pretrain.max_length, job.cache, split_long=True)
    packed = bench.on_cpu and train_on_cpu(model, seed_for("dropout", trial.seed, *ranks.apart()))
    torch.manual_seed(seed_for("dropout", trial.seed, *ranks.apart()))
    bench.meter.reset()
    bench.energy.start()
    rows = TokenRows(tokens, None, tokenizer.pad_token_id, bench.device)
    size, mask = trial.pretrain.batch_size, trial.pretrain.mask
    objective = LanguageModelling(model, rows, tokenizer, facts.kind, size, mask, trial.seed, micro_batch=bench.micro_batch, packed=packed)
    with clock.phase("validate"):
        model.eval()
        before = objective.validate()["loss"]
    precision = pick_precision(trial.train.precision, bench.device)
    refuse_fp16(precision, ranks.count())
    assert trial.pretrain.learning_rate is not None
    weights = Weights(model, language_model.groups(trial.pretrain.learning_rate), precision, trial.train.weight_decay)
    schedule = Schedule(trial.pretrain.epochs, trial.train.warmup, trial.train.clip)
    with training():
        outcome = fit(model, weights, objective, schedule, clock, "accuracy", bench.on_point)
    trained, energy = bench.peak(None), bench.energy.stop()
    if job.rank:
        return {}
    with clock.phase("save"):
        weights.settle()
        classifier = load_classifier(job.backbone, facts, tokenizer.pad_token_id, 0, trust_remote_code=trial.trust_remote_code)
        backbone = trained_backbone(model, classifier)
        with storage(bench.artefact, sum(p.numel() * p.element_size() for p in backbone.parameters())):
            backbone.save_pretrained(bench.artefact)
            tokenizer.save_pretrained(bench.artefact)
    return {
        "memory": {"train": asdict(trained)},
        "energy": {"train": energy.as_dict() if energy else None},
        "steps": outcome.steps,
        "texts": len(texts),
        "rows": len(tokens),
        "new_head": language_model.new_head,
        "loss_before": before,
        "loss_after": outcome.best.get("loss"),
        "best_epoch": outcome.best_epoch,
        "precision": precision,
        "artefact_bytes": folder_bytes(bench.artefact),
    }
