"""What trials left on the disk → what is analysed: records, curves and predictions, checked against each other."""

import hashlib
import json
from itertools import pairwise
from typing import Any, Final

from safetensors.numpy import load

from tuneoff.analyse import MethodTrials, TrialResult
from tuneoff.kept import MethodOutline
from tuneoff.spec import TrialSpec
from tuneoff.store import CURVE, PREDICTIONS, Store, whole
from tuneoff.strings import say

SPLITS: Final = ("validation", "test")
#: Values of JSON that hold others.
_HOLDING: Final = (dict, list)


def method_trials(method: MethodOutline, store: Store) -> MethodTrials:
    """A planned method with what there is of its trials."""
    trials = [_trial_result(method.label, trial, store) for trial in method.trials]
    for before, trial in pairwise(trials):
        _share(before.record, trial.record)
    return MethodTrials(**method.card, config=method.trials[0].config, trials=trials)


def _share(before: dict[str, Any], record: dict[str, Any]) -> None:
    """Hold once what two records have in common, which is most of them: thousands are in memory together."""
    for name, value in record.items():
        if isinstance(value, _HOLDING) and name in before:
            if value == before[name]:
                record[name] = before[name]
            elif isinstance(value, dict) and isinstance(before[name], dict):
                _share(before[name], value)


def _trial_result(label: str, trial: TrialSpec, store: Store) -> TrialResult:
    found = store.result(trial.name)
    if found is None or found.state != "complete":
        return TrialResult(label, trial.seed, store.state(trial.name), found.record if found else {})
    data = _whole(f"{found.files}/{PREDICTIONS}")
    if hashlib.sha256(data).hexdigest() != found.record["predictions_sha256"]:
        # Gone or damaged: what is left of the record is worth nothing, and the trial can be run again.
        store.reject(trial.name, found.number, say("store.other_predictions", file=PREDICTIONS))
        return _trial_result(label, trial, store)
    stored = load(data)
    points = [json.loads(line) for line in _whole(f"{found.files}/{CURVE}").splitlines()]
    logits, targets = ({split: stored[f"{split}.{part}"] for split in SPLITS} for part in ("logits", "targets"))
    return TrialResult(label, trial.seed, found.state, found.record, points, logits, targets)


def _whole(file: str) -> bytes:
    """A file's bytes, none where it is not there."""
    try:
        return whole(file)
    except FileNotFoundError:
        return b""
