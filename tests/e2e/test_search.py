"""A real search on a tiny model: what it costs, what it decides on, what happens when nothing trains."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.calm import calm
from tests.support.inline import run_inline
from tests.support.studies import tuneoff, write_study
from tuneoff import Study

METHODS = ["majority", "full", "feature_extraction", {"lora": {"r": 4}}]


def all_records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((folder / "results").glob("*/attempt-1.json"))]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_study(tmp_path_factory.mktemp("search") / "study", METHODS, seeds=2, tuning={"trials": 4})
    run = tuneoff("run", folder)
    assert run.returncode == 0, run.stderr
    return folder


def test_every_method_on_a_backbone_is_searched_once(searched: Path) -> None:
    plan = Study.load(searched).plan()
    searches = [trial for trial in plan.trials if trial.stage == "search"]
    assert [trial.method for trial in searches] == ["full", "feature_extraction", "lora"]
    assert all(len(trial.search.candidates) == 4 for trial in searches if trial.search)


def test_trials_use_what_the_search_chose_and_say_so(searched: Path) -> None:
    found = all_records(searched)
    searches = {record["trial"]["method"]: record for record in found if record["trial"]["stage"] == "search"}
    trials = [record for record in found if record["trial"]["stage"] is None and record["trial"]["method"] in searches]
    assert len(trials) == 6
    for record in trials:
        search = searches[record["trial"]["method"]]
        tried = [search["candidates"][i]["learning_rate"] for i in search["order"]]
        assert record["rates"]["learning_rate"] == tried[len(record["collapse"]["retries"])]
        assert record["search"]["candidates"] == search["candidates"]


def test_the_search_costs_two_trainings(searched: Path) -> None:
    found = all_records(searched)
    for search in (record for record in found if record["trial"]["stage"] == "search"):
        trial = next(r for r in found if r["trial"]["stage"] is None and r["trial"]["method"] == search["trial"]["method"])
        assert search["steps"] < 2.2 * trial["steps"]


def test_phases_add_up_to_the_wall_time(searched: Path) -> None:
    for record in all_records(searched):
        total = sum(record["phases"].values())
        # 2 %, and the few milliseconds that publishing a record takes where the whole trial lasts one second.
        assert abs(total - record["wall_seconds"]) <= 0.02 * record["wall_seconds"] + 0.03, record["trial"]["method"]


def test_poisoned_test_labels_change_no_choice(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing selects on test: with every test label turned round, the same rates, epochs and validation scores are found."""
    run_inline(monkeypatch)
    splits = Study.load(searched).plan().splits
    turned = {"good": "bad", "bad": "good"}

    def run(name: str, poisoned: bool) -> list[dict[str, Any]]:
        files = {split: f"{split}.csv" for split in ("train", "validation", "test")}
        # The same backbone: training its tokenizer anew would order equal merges otherwise.
        shutil.copytree(searched / "tiny", tmp_path / name / "tiny")
        folder = write_study(tmp_path / name, ["full", "feature_extraction"], seeds=1, tuning={"trials": 4}, data=files)
        for split, file in files.items():
            labels = [turned[label] if poisoned and split == "test" else label for label in splits[split].labels]
            lines = [f'"{text[0]}",{label}' for text, label in zip(splits[split].texts, labels, strict=True)]
            (folder / file).write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
        with calm():
            assert not Study.load(folder).run().failed
        return sorted(all_records(folder), key=lambda record: (record["trial"]["method"], str(record["trial"]["stage"])))

    def chosen(record: dict[str, Any]) -> list[Any]:
        kept = ("candidates", "chosen", "order", "rates", "best_epoch", "collapse")
        return [*(record.get(name) for name in kept), record.get("quality", {}).get("validation")]

    clean, poisoned = run("clean", False), run("poisoned", True)
    assert [chosen(record) for record in clean] == [chosen(record) for record in poisoned]
    scores = [[r["quality"]["test"]["accuracy"] for r in records if "quality" in r] for records in (clean, poisoned)]
    assert scores[0] != scores[1], "the test labels did change"


def test_what_does_not_train_is_tried_again_at_the_next_rates_and_then_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_inline(monkeypatch)
    folder = write_study(tmp_path / "study", ["majority", "full"], seeds=1, tuning={"trials": 4})
    # Every text is one character that the tiny tokenizer does not know, so that all rows look alike to the model.
    rows = [f"{chr(0x4E00 + i)},{'good' if i % 3 else 'bad'}" for i in range(90)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    with calm():
        assert not Study.load(folder).run().failed
    record = next(r for r in all_records(folder) if r["trial"]["method"] == "full" and r["trial"]["stage"] is None)
    assert record["collapse"]["reason"] == "constant"
    assert [retry["reason"] for retry in record["collapse"]["retries"]] == ["constant", "constant"]
    assert record["phases"]["search"] > 0


def test_a_rate_that_the_study_sets_is_not_searched(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", [{"full": {"learning_rate": 1e-3}}, "bitfit"], seeds=1, tuning={"trials": 2})
    stages = [trial.method for trial in Study.load(folder).plan().trials if trial.stage == "search"]
    assert stages == ["bitfit"]
