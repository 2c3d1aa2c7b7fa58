"""A trial of a baseline that learns from texts and needs no backbone."""

from typing import Any

from tuneoff.methods import TextMethod
from tuneoff.run.bench import Bench
from tuneoff.run.result import Learnt, describe_artefact, result_of
from tuneoff.run.setting import PROOF_ROWS
from tuneoff.seeds import seed_for
from tuneoff.train import Outcome


def run_baseline(bench: Bench, method: TextMethod) -> dict[str, Any]:
    """Fit, judge, save."""
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
        proof = method.logits(splits.test.texts[:PROOF_ROWS])
    with clock.phase("save"):
        method.save(bench.artefact)
        describe_artefact(bench, "fp32")
    size = method.num_parameters()
    parameters = {"adapter": 0, "head": size, "base": 0, "total": None, "trainable": size, "percent": None}
    return result_of(bench, Learnt(Outcome(0), parameters, "fp32", trained, evaluated, logits, proof))
