"""A trial of a method on a backbone: train, judge on validation, test once, save."""

from dataclasses import asdict
from typing import Any

from tuneoff.errors import DivergedError
from tuneoff.methods import Method
from tuneoff.run.artefact import BACKBONE, link_tree
from tuneoff.run.bench import Bench
from tuneoff.run.job import CURVE, Rates
from tuneoff.run.result import Learnt, describe_artefact, result_of
from tuneoff.run.setting import PROOF, Setting, open_setting
from tuneoff.run.training import Trained, trained
from tuneoff.train import DIVERGED, collapse


def run_adapted(bench: Bench, method: Method) -> dict[str, Any]:
    """Run the trial at its learning rates; if it did not train, at the next best of its search while there are any."""
    retries: list[dict[str, Any]] = []
    for number, rates in enumerate(bench.job.rates, start=1):
        setting, last = open_setting(bench, method), number == len(bench.job.rates)
        try:
            with trained(setting, rates) as model:
                reason = collapse(model.outcome, bench.splits.targets("train"), bench.splits.targets("validation"))
                if reason is None or last:
                    result = _finish(setting, model, rates)
                    break
        except DivergedError:
            if last:
                raise
            reason = DIVERGED
        retries.append(asdict(rates) | {"reason": reason})
        _charge_to_search(bench, number)
    with bench.clock.phase("save"):
        method.save(setting.adapted, bench.artefact)
        if bench.job.pretrained:
            link_tree(bench.job.pretrained, bench.artefact / BACKBONE)
    return result_of(bench, result) | {"collapse": {"reason": reason, "retries": retries}}


def _finish(setting: Setting, model: Trained, rates: Rates) -> Learnt:
    """Everything that asks the trained model; the test rows are read here and nowhere else."""
    bench = setting.bench
    bench.meter.reset()
    with bench.clock.phase("evaluate"):
        logits = {name: model.logits(name) for name in ("validation", "test")}
    evaluated = model.at_least(bench.meter.peak())
    with bench.clock.phase("prove"):
        proof = model.logits(PROOF)
    describe_artefact(bench, setting.precision, rates)
    return Learnt(
        model.outcome,
        setting.parameters.as_dict(),
        setting.precision,
        model.peak,
        evaluated,
        logits,
        proof,
        rates,
        asdict(model.features) | {"here": model.read_here} if model.features else None,
        model.energy,
    )


def _charge_to_search(bench: Bench, number: int) -> None:
    """A training that came to nothing is looking for a learning rate: its time goes there, its curve is set aside."""
    seconds = bench.clock.seconds
    seconds["search"] = seconds.get("search", 0.0) + sum(seconds.pop(phase, 0.0) for phase in ("warmup", "train", "validate"))
    curve = bench.job.folder / CURVE
    curve.rename(curve.with_name(f"curve-without-result-{number}.jsonl"))
