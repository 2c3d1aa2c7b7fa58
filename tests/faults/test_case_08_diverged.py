"""Case 8: a loss that is not a number ends the trial as diverged, with the step; constant predictions are no score."""

import json
from pathlib import Path

from tests.support.studies import records, tuneoff, write_study


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
    still = {"full": {"learning_rate": 1e-12, "head_learning_rate": 1e-12}, "as": "still"}
    folder = write_study(tmp_path / "study", ["majority", still], seeds=1)
    rows = {row["label"]: row for row in json.loads(tuneoff("run", folder, "--json").stdout)["rows"]}
    # With a fresh head and no learning, a tiny model gives every row the same class.
    assert rows["still"]["trained"] is False
    assert "did not train" in tuneoff("report", folder).stdout
