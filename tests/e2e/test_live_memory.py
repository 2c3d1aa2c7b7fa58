"""What real trials record of live tensors, against what was forecast for them before: the same quantity, by two ways."""

import json
from pathlib import Path

import pytest

from tests.support.studies import tuneoff, write_study
from tuneoff import Study
from tuneoff.forecast import compare

METHODS = ["full", "lora", "prefix", "adapter", "bitfit", "pretrain+full"]
#: Per cent. Zero but for kernels' own scratch, of which the forecast knows and the record does not.
TOLERANCE = 1.0


@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=pytest.mark.slow), "bf16"])
def test_forecast_equals_the_record(tmp_path: Path, precision: str) -> None:
    folder = write_study(tmp_path / "study", METHODS, seeds=1, train={"precision": precision}, pretrain={"epochs": 1, "max_length": 24})
    study = Study.load(folder)
    forecasts = {label: row.as_dict() for label, row in study.forecast().rows.items()}
    done = tuneoff("run", folder)
    assert done.returncode == 0, done.stderr
    seen = 0
    for file in sorted((folder / "results").glob("*/attempt-1.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        record = record.get("record", record)
        if record["trial"]["stage"]:
            continue  # Which words are hidden is drawn: so is the memory of their logits.
        label = record["trial"]["method"]
        found = {one.quantity: one for one in compare(forecasts[label], record)}
        live = found["train_allocated"]
        assert live.low == pytest.approx(live.measured, rel=TOLERANCE / 100), (label, live)
        seen += 1
    assert seen == len(METHODS)
