"""The forecast that a run makes, keeps, finds again, and holds against what was measured."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import made_up
from tests.support.made_up import material, method, targets
from tests.support.studies import write_study
from tuneoff import Study
from tuneoff.analyse import Foreseen, foreseen
from tuneoff.cli.foretelling import after, before
from tuneoff.kept import FORECASTS, Foresight, kept_foresight
from tuneoff.run import Plan, expected_seconds, foresee, foresight, keep_outlook, look_ahead

METHODS = ["majority", "full", "pretrain+full", {"lora": {"r": 2}, "as": "small"}]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = write_study(tmp_path_factory.mktemp("foresight") / "study", METHODS, seeds=2, tuning={"trials": 2})
    return Study.load(folder).plan()


@pytest.fixture(scope="module")
def made(plan: Plan) -> Foresight:
    return keep_outlook(plan, look_ahead(plan, also=()))


def names(plan: Plan) -> list[str]:
    return [trial.name for trial in plan.trials]


def test_what_is_kept_is_used_again_and_nothing_is_rehearsed(plan: Plan, made: Foresight, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("rehearsed again")

    monkeypatch.setattr(foresight, "look_ahead", never)
    assert foresee(plan, names(plan)) == made == kept_foresight(plan.study.folder)


def test_another_plan_or_another_device_is_looked_at_anew(plan: Plan, made: Foresight, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def look(asked_for: Plan, also: object) -> Any:
        asked.append(asked_for)
        return look_ahead(asked_for, also=())

    monkeypatch.setattr(foresight, "look_ahead", look)
    monkeypatch.setattr(foresight, "WORTH_A_FORECAST", 0.0)
    told: list[str] = []
    more = Study.load(plan.study.folder, ["seeds=3"]).plan()
    found = foresee(more, names(more), lambda: told.append("working"))
    assert found is not None
    assert found.covers(more.trials)
    # What was kept before stays: reports of the smaller study lose nothing.
    assert set(made.rows) < set(found.rows)
    (plan.study.folder / FORECASTS).write_text(
        json.dumps({"device": made.device | {"name": "another"}, "planned": made.planned, "rows": made.rows, "reasons": {}})
    )
    again = foresee(plan, names(plan))
    assert again is not None
    assert again.device == made.device
    assert (len(asked), told) == (2, ["working"])


def test_what_is_done_or_trains_in_a_moment_is_not_forecast(plan: Plan, tmp_path: Path) -> None:
    assert foresee(plan, []) is None
    (plan.study.folder / FORECASTS).unlink(missing_ok=True)
    assert foresee(plan, names(plan)) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rows": 3}', "not json"])
def test_a_file_that_is_not_ours_is_no_forecast(tmp_path: Path, content: str) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / FORECASTS).write_text(content)
    assert kept_foresight(tmp_path) is None


def test_the_time_left_is_that_of_the_trials_left(plan: Plan, made: Foresight) -> None:
    one = next(method for method in plan.methods if method.label == "full")
    row = made.of(one.trials)
    assert row is not None
    assert one.search is not None
    assert one.search.search is not None
    trial = row["seconds"]["trial"]["high"]
    assert expected_seconds(made, plan, [one.trials[0].name]).high == pytest.approx(trial)
    assert expected_seconds(made, plan, [one.search.name]).high == pytest.approx(sum(one.search.search.lengths) * trial)
    stage = next(stage for stage in plan.stages if stage.stage == "pretrain")
    assert expected_seconds(made, plan, [stage.name]).high == pytest.approx(made.rows[stage.key]["seconds"]["trial"]["high"])
    assert expected_seconds(made, plan, []).high == 0


def test_the_first_lines_name_what_is_largest_and_what_does_not_fit(plan: Plan, made: Foresight) -> None:
    (line,) = before(plan, made, names(plan), "en")
    assert line.startswith("Forecast: ")
    assert "for what is left (8 trials)" in line
    assert line.endswith("All of it fits this machine's CPU.")
    (korean,) = before(plan, made, names(plan), "ko")
    assert "남은 실험 8건의 학습과 평가" in korean
    small = next(method for method in plan.methods if method.label == "small")
    tight = {trial.key: made.rows[trial.key] | {"fit": made_up.fits(9, 5, "micro_batch", 4)} for trial in small.trials}
    large = {stage.key: made.rows[stage.key] | {"fit": made_up.fits(9, 5)} for stage in plan.stages if stage.stage == "pretrain"}
    told = before(plan, Foresight(made.device, made.planned, made.rows | tight | large), names(plan), "en")
    assert "All of it fits" not in told[0]
    assert any(line.startswith("! small does not fit") and "train.micro_batch=4" in line for line in told)
    # What was forecast as it is written is more than what it comes to with everything that helps.
    assert "! continued pretraining does not fit this machine's CPU: at least 9 B of 5 B" in told
    both = {trial.key: made.rows[trial.key] | {"fit": made_up.fits(4, 5, "checkpointing", 2)} for trial in small.trials}
    told = before(plan, Foresight(made.device, made.planned, made.rows | both), names(plan), "en")
    (line,) = [line for line in told if line.startswith("! small")]
    assert line.endswith("train.gradient_checkpointing=true and train.micro_batch=2 make it fit")
    assert before(plan, made, [], "en") == []


def test_the_last_line_is_the_range_over_methods() -> None:
    methods = [method(label, {0: np.ones(30, dtype=bool)}, targets(30)) for label in ("full", "lora")]
    forecasts = {"full": made_up.forecast(11 * 10**8, 50.0, 70.0), "lora": made_up.forecast(9 * 10**8, 50.0, 70.0)}
    (line,) = after(material(methods, forecasts=forecasts), "en")
    # Twice 60 s of training and 5 s of evaluation; twice 50 and 5 to 70 and 7 were forecast.
    assert "(2 methods): peak memory off by -10.0 % to +10.0 %;" in line
    assert line.endswith("training and evaluation 2.2 min, forecast 110.0 s – 2.6 min.")
    assert after(material(methods), "en") == []


def test_how_far_off_a_forecast_is() -> None:
    assert Foreseen(90, 90, 100).off_percent == pytest.approx(-10)
    assert Foreseen(90, 110, 100).off_percent == 0
    assert Foreseen(110, 120, 100).off_percent == pytest.approx(10)
    assert Foreseen(1, 2, None).off_percent is None


def test_what_a_row_builds_on_is_forecast_with_it() -> None:
    (row,) = material([method("full", {0: np.ones(30, dtype=bool)}, targets(30), costs={"memory": 500})]).analysis.rows
    trial, stage = made_up.forecast(400, 10.0, 20.0), made_up.forecast(600, 1.0, 2.0, made_up.fits(10**11))
    found = foreseen(row, trial, stage, allocated=False)
    assert found.quantities["train_memory"].ends == (600, 600)
    assert found.quantities["eval_memory"].ends == (400, 400)
    assert found.quantities["train_seconds"].ends == (11.0, 22.0)
    assert found.quantities["eval_seconds"].ends == (1.0, 2.0)
    assert found.fits["T4"]["verdict"] == "too_large"
    # On a GPU what PyTorch allocated is held against what was forecast as allocated.
    on_gpu = replace(row, memory=row.memory | {"counter": "cuda_max_memory_allocated"})
    assert foreseen(on_gpu, trial, None, allocated=False).quantities["train_memory"].ends == (200, 200)
