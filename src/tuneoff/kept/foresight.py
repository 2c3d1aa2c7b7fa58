"""Forecasts that stay beside a study's records: kept before it runs, read for its report and when it runs again."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tuneoff.data.files import publish
from tuneoff.spec import TrialSpec
from tuneoff.store import RESULTS

FORECASTS = Path(RESULTS) / "forecasts.json"


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

    def covers(self, trials: Iterable[TrialSpec]) -> bool:
        """Whether all of them were looked at."""
        return set(self.planned) >= {trial.key for trial in trials}

    def of(self, trials: Iterable[TrialSpec]) -> dict[str, Any] | None:
        """Forecast of one of a method's trials, which are alike."""
        return next((self.rows[trial.key] for trial in trials if trial.key in self.rows), None)

    def pretraining_of(self, stages: Iterable[TrialSpec], trials: Iterable[TrialSpec]) -> dict[str, Any] | None:
        """Forecast of the continued pretraining, among the stages, that a method's trials build on."""
        needed = {name for trial in trials for name in trial.needs}
        return self.of(stage for stage in stages if stage.name in needed)

    def reason_of(self, trials: Iterable[TrialSpec]) -> str | None:
        """Why a method's trials have no forecast, where one was tried."""
        return next((self.reasons[trial.key] for trial in trials if trial.key in self.reasons), None)


def keep_foresight(folder: Path, found: Foresight) -> Foresight:
    """Put forecasts beside a study's records; what is there of the same device for other trials stays.

    Returns:
        All that is there now.

    Raises:
        StorageError: the study folder cannot be written.
    """
    before = kept_foresight(folder)
    if before is not None and before.device == found.device:
        planned = sorted({*before.planned, *found.planned})
        found = Foresight(found.device, planned, before.rows | found.rows, before.reasons | found.reasons)
    content = json.dumps(asdict(found), indent=1).encode()
    publish(folder / FORECASTS, lambda temporary: temporary.write_bytes(content))
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
