"""A trial of a method on a backbone: train, judge on validation, test once, save."""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from tuneoff.errors import DivergedError
from tuneoff.faults import fault
from tuneoff.measure import Energy, total
from tuneoff.methods import Method
from tuneoff.run.artefact import BACKBONE, folder_bytes, link_tree
from tuneoff.run.bench import Bench
from tuneoff.run.job import Rates
from tuneoff.run.result import Learnt, describe_artefact, result_of
from tuneoff.run.setting import PROOF, Setting, open_setting
from tuneoff.run.shrinking import fitting
from tuneoff.run.training import Trained, trained
from tuneoff.store import CURVE, storage
from tuneoff.train import DIVERGED, collapse


def run_adapted(bench: Bench, method: Method) -> dict[str, Any]:
    """Run the trial at its learning rates; if it did not train, at the next best of its search while there are any."""
    retries: list[dict[str, Any]] = []
    lost: list[Energy | None] = []
    for number, rates in enumerate(bench.job.rates, start=1):
        last = number == len(bench.job.rates)
        try:
            one = fitting(bench, bench.job.trial.train.batch_size, partial(_train, bench, method, rates, last))
            reason = one.reason
            if one.learnt:
                setting, result = one.setting, one.learnt
                break
            lost.append(one.energy)
        except DivergedError:
            if last:
                raise
            reason = DIVERGED
            lost.append(bench.energy.stop())
        retries.append(asdict(rates) | {"reason": reason})
        _charge_to_search(bench, number)
    if bench.job.rank:
        return {}  # What it has is what the first rank has.
    with bench.clock.phase("save"):
        with storage(bench.artefact, sum(p.numel() * p.element_size() for p in setting.adapted.parameters(setting.adapted.trainable))):
            fault("save")
            method.save(setting.adapted, bench.artefact)
        if bench.job.pretrained:
            with storage(bench.artefact / BACKBONE, folder_bytes(bench.job.pretrained)):
                link_tree(bench.job.pretrained, bench.artefact / BACKBONE)
    found = result_of(bench, result) | {"collapse": {"reason": reason, "retries": retries}}
    if retries:
        spent = total(lost)
        found["energy"]["search"] = spent.as_dict() if spent else None
    return found


@dataclass(frozen=True)
class _Training:
    """One training at given rates. ``learnt`` is there if it trained, or if there are no other rates to try."""

    setting: Setting
    reason: str | None
    learnt: Learnt | None
    energy: Energy | None


def _train(bench: Bench, method: Method, rates: Rates, last: bool) -> _Training:
    setting = open_setting(bench, method)
    with trained(setting, rates) as model:
        reason = collapse(model.outcome, bench.splits.targets("train"), bench.splits.targets("validation"))
        return _Training(setting, reason, _finish(setting, model, rates) if reason is None or last else None, model.energy)


def _finish(setting: Setting, model: Trained, rates: Rates) -> Learnt:
    """Everything that asks the trained model; the test rows are read here and nowhere else."""
    bench = setting.bench
    bench.meter.reset()
    with bench.clock.phase("evaluate"):
        logits = {name: model.logits(name) for name in ("validation", "test")}
    evaluated = model.at_least(bench.meter.peak())
    for name, values in logits.items():
        if not np.isfinite(values).all():
            raise DivergedError("run.diverged_evaluation", split=name, step=model.outcome.steps, steps=model.outcome.steps)
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
