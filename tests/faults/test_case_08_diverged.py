"""Case 8: a loss that is not a number ends the trial as diverged, with the step; constant predictions are no score."""

import json
from pathlib import Path

import pytest

from tests.support.calm import calm
from tests.support.inline import run_inline
from tests.support.studies import records, tuneoff, write_study
from tuneoff import Study


def test_loss_is_not_a_number(tmp_path: Path) -> None:
    broken = {"full": {"learning_rate": 1e30, "head_learning_rate": 1e30}, "as": "broken"}
    folder = write_study(tmp_path / "study", ["majority", broken], seeds=1, train={"epochs": 4, "warmup": 0.0, "clip": 1e30})
    run = tuneoff("run", folder, "--json")
    assert run.returncode == 4
    rows = {row["label"]: row for row in json.loads(run.stdout)["rows"]}
    assert rows["broken"]["state"] == "diverged"
    assert rows["broken"]["accuracy"] is None, "never averaged"
    assert rows["broken"]["error"]["facts"]["step"] >= 1
    assert "learning_rate" in run.stderr
    again = tuneoff("run", folder)
    assert again.returncode == 4
    assert len(records(folder)) == 2, "a trial that diverged would diverge again: it is not repeated"


def test_constant_predictions_did_not_train(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority", "full"], seeds=1)
    # Every text is one character that the tiny tokenizer does not know, so all rows look alike to the model.
    rows = [f"{chr(0x4E00 + i)},{'good' if i % 3 else 'bad'}" for i in range(90)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    found = {row["label"]: row for row in json.loads(tuneoff("run", folder, "--json").stdout)["rows"]}
    assert found["full"]["trained"] is False
    assert "did not train" in tuneoff("report", folder).stdout
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "**Full fine-tuning** has the highest mean" not in readme, "it is not ranked"


def test_not_a_number_in_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One update, whose loss is a number; what it makes of the weights is none."""
    run_inline(monkeypatch)
    broken = {"full": {"learning_rate": 1e38, "head_learning_rate": 1e38}}
    train = {"epochs": 1, "batch_size": 512, "warmup": 0.0, "clip": 1e30}
    folder = write_study(tmp_path / "study", [broken], seeds=1, train=train)
    with calm():
        Study.load(folder).run()
    (record,) = (json.loads(text) for text in records(folder).values())
    assert record["state"] == "diverged"
    assert "validation loss is not a number after step 1 of 1" in record["error"]["text"]
