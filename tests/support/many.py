"""A study of thousands of trials whose records are copies of one: what the store and the report must bear."""

import copy
import os
from pathlib import Path

from tests.support.studies import write_study
from tuneoff import Study
from tuneoff.store import sealed

METHODS = 10


def write_many(folder: Path, trials: int) -> Path:
    """A study with so many planned trials, one of which has run; returns its folder."""
    methods = [{"tfidf": {"C": float(number)}, "as": f"tfidf-{number}"} for number in range(1, METHODS + 1)]
    return write_study(folder, methods, seeds=trials // METHODS)


def fill(folder: Path) -> int:
    """Give every planned trial the record and files of the one that has run; returns how many records there are."""
    study = Study.load(folder)
    store = study.store
    done = next(attempt for trial in store.trials() if (attempt := store.result(trial)) and attempt.state == "complete")
    count = 0
    for trial in study.plan().trials:
        attempt = store.folder(trial.name) / "attempt-1"
        if not attempt.exists():
            attempt.mkdir(parents=True)
            os.link(done.folder / "predictions.safetensors", attempt / "predictions.safetensors")
            record = copy.deepcopy(done.record)
            record["trial"] = trial.model_dump(mode="json")
            _write(attempt.with_suffix(".json"), record)
        count += 1
    return count


def _write(file: Path, record: dict[str, object]) -> None:
    """As ``publish_record`` writes, without waiting for the disk ten thousand times."""
    file.write_bytes(sealed({key: value for key, value in record.items() if key not in ("schema", "checksum")}))
