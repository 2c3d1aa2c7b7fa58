"""Forecasts that stay beside a study's records: kept before it runs, read for its report and when it runs again."""

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tuneoff.backbone import BackboneFacts
from tuneoff.data.files import publish
from tuneoff.forecast import Target, find_gpu
from tuneoff.measure import package_versions
from tuneoff.run.outlook import NOTHING, Outlook, Range, device_here, look_ahead
from tuneoff.run.planner import Plan, PlannedMethod

FORECASTS = Path("results") / "forecasts.json"
#: The GPU that a run asks about beside its own device: the report says whether a free Colab would do.
FREE_GPU = "T4"
#: A machine does these products in some ten seconds; whoever trains less is answered sooner by the training itself.
WORTH_A_FORECAST = 1e12


@dataclass(frozen=True)
class Foresight:
    """Forecasts as they were kept.

    Attributes:
        device: name and kind (``cpu``, ``cuda``) of the device, its usable bytes, and the version that made the forecast.
        planned: keys of the trials and stages that were looked at.
        rows: key → its forecast, as in ``forecasts`` of ``tuneoff plan --json``.
        reasons: key → why it has none.
    """

    device: dict[str, Any]
    planned: list[str]
    rows: dict[str, dict[str, Any]]
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def on_gpu(self) -> bool:
        """Whether memory is compared as PyTorch allocates it."""
        return bool(self.device["kind"] == "cuda")

    def covers(self, plan: Plan) -> bool:
        """Whether every trial of the plan was looked at."""
        return set(self.planned) >= {trial.key for trial in plan.trials}

    def of(self, method: PlannedMethod) -> dict[str, Any] | None:
        """Forecast of one trial of a method."""
        return next((self.rows[trial.key] for trial in method.trials if trial.key in self.rows), None)

    def pretraining_of(self, plan: Plan, method: PlannedMethod) -> dict[str, Any] | None:
        """Forecast of the continued pretraining that a method builds on."""
        needed = {name for trial in method.trials for name in trial.needs}
        return next((self.rows[stage.key] for stage in plan.stages if stage.name in needed and stage.key in self.rows), None)

    def reason_of(self, method: PlannedMethod) -> str | None:
        """Why a method has no forecast, where it was tried."""
        return next((self.reasons[trial.key] for trial in method.trials if trial.key in self.reasons), None)

    def seconds(self, plan: Plan, names: Collection[str]) -> Range:
        """Training and evaluation of these trials and stages, one after the other."""
        total = NOTHING
        for method in plan.methods:
            if (row := self.of(method)) is None:
                continue
            one = Range(**row["seconds"]["trial"])
            total += one.times(sum(trial.name in names for trial in method.trials))
            if method.search is not None and method.search.name in names and method.search.search is not None:
                total += one.times(sum(method.search.search.lengths))
        for stage in plan.stages:
            if stage.name in names and stage.key in self.rows:
                total += Range(**self.rows[stage.key]["seconds"]["trial"])
        return total


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
    before = kept_foresight(plan.study.folder)
    if before is not None and before.device == found.device:
        planned = sorted({*before.planned, *found.planned})
        found = Foresight(found.device, planned, before.rows | rows, before.reasons | reasons)
    content = json.dumps(asdict(found), indent=1).encode()
    publish(plan.study.folder / FORECASTS, lambda temporary: temporary.write_bytes(content))
    return found


def kept_foresight(folder: Path) -> Foresight | None:
    """What was kept in a study's folder; ``None`` where there is nothing, or what another version wrote."""
    try:
        return Foresight(**json.loads((folder / FORECASTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def kept_outlook(folder: Path) -> dict[str, Any]:
    """Forecasts that were kept in a study's folder, by the key of the trial; empty where there are none.

    With a record's ``trial["key"]`` this gives what :func:`tuneoff.forecast.compare` takes.
    """
    kept = kept_foresight(folder)
    return kept.rows if kept else {}


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
    if kept is not None and kept.covers(plan) and kept.device == _device(device_here()):
        return kept
    if _work(plan, plan.facts, left) < WORTH_A_FORECAST:
        return None
    working()
    return keep_outlook(plan, look_ahead(plan, also=(find_gpu(FREE_GPU),)))


def _work(plan: Plan, facts: BackboneFacts, left: Collection[str]) -> float:
    """Products of training what is left, generously: six a parameter and token, all texts as long as they may be."""
    spec = plan.study.spec
    trials = sum(trial.name in left for trial in plan.trials)
    rows = len(plan.splits["train"]) * spec.train.epochs
    return 6.0 * facts.total_parameters * rows * spec.train.max_length * trials


def _device(target: Target) -> dict[str, Any]:
    return {"name": target.name, "kind": target.kind, "usable": target.usable, "version": package_versions()["tuneoff"]}
