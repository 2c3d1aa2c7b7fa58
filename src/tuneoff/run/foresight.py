"""Forecasts of a plan: made before it runs, unless they were kept when it last did."""

from collections.abc import Callable, Collection
from typing import Any

from tuneoff.backbone import BackboneFacts
from tuneoff.forecast import Target, find_gpu
from tuneoff.kept import NOTHING, Foresight, Range, keep_foresight, kept_foresight
from tuneoff.measure import package_versions
from tuneoff.run.outlook import Outlook, device_here, look_ahead
from tuneoff.run.planner import Plan

#: The GPU that a run asks about beside its own device: the report says whether a free Colab would do.
FREE_GPU = "T4"
#: A machine does these products in some ten seconds; whoever trains less is answered sooner by the training itself.
WORTH_A_FORECAST = 1e12


def keep_outlook(plan: Plan, outlook: Outlook) -> Foresight:
    """Put the forecast of every trial and stage beside the records, by its key; what is there for other trials stays.

    Raises:
        StorageError: the study folder cannot be written.
    """
    rows = {trial.key: outlook.methods[m.label].as_dict() for m in plan.methods if m.label in outlook.methods for trial in m.trials}
    if outlook.pretraining is not None:
        rows |= {stage.key: outlook.pretraining.as_dict() for stage in plan.stages if stage.stage == "pretrain"}
    reasons = {trial.key: outlook.unforeseen[m.label] for m in plan.methods if m.label in outlook.unforeseen for trial in m.trials}
    found = Foresight(_device(outlook.target), sorted(trial.key for trial in plan.trials), rows, reasons)
    return keep_foresight(plan.study.folder, found)


def foresee(plan: Plan, left: Collection[str], working: Callable[[], None] = lambda: None) -> Foresight | None:
    """The forecast for this machine: what was kept where it is of this plan and this device, else made and kept.

    Args:
        plan: of the trials that are to run.
        left: names of trials and stages that are not complete.
        working: told before a forecast is made, for that takes a while.

    Returns:
        ``None`` where nothing is left, and where training takes less than forecasting it.

    Raises:
        StorageError: the study folder cannot be written.
    """
    if not left or plan.facts is None:
        return None
    kept = kept_foresight(plan.study.folder)
    if kept is not None and kept.covers(plan.trials) and kept.device == _device(device_here()):
        return kept
    if _work(plan, plan.facts, left) < WORTH_A_FORECAST:
        return None
    working()
    return keep_outlook(plan, look_ahead(plan, also=(find_gpu(FREE_GPU),)))


def expected_seconds(foresight: Foresight, plan: Plan, names: Collection[str]) -> Range:
    """Training and evaluation of these trials and stages, one after the other."""
    total = NOTHING
    for method in plan.methods:
        if (row := foresight.of(method.trials)) is None:
            continue
        one = Range(**row["seconds"]["trial"])
        total += one.times(sum(trial.name in names for trial in method.trials))
        if method.search is not None and method.search.name in names and method.search.search is not None:
            total += one.times(sum(method.search.search.lengths))
    for stage in plan.stages:
        if stage.name in names and stage.key in foresight.rows:
            total += Range(**foresight.rows[stage.key]["seconds"]["trial"])
    return total


def _work(plan: Plan, facts: BackboneFacts, left: Collection[str]) -> float:
    """Products of training what is left, generously: six a parameter and token, all texts as long as they may be."""
    spec = plan.study.spec
    trials = sum(trial.name in left for trial in plan.trials)
    rows = len(plan.splits["train"]) * spec.train.epochs
    return 6.0 * facts.total_parameters * rows * spec.train.max_length * trials


def _device(target: Target) -> dict[str, Any]:
    return {"name": target.name, "kind": target.kind, "usable": target.usable, "version": package_versions()["tuneoff"]}
