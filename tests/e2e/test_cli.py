"""The command line as a user meets it: real processes on a tiny study."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.studies import environment, records, tuneoff, write_rows, write_study

METHODS = ["majority", "tfidf", "feature_extraction", "full", "pretrain+lora", {"prompt": {"tokens": 4}, "as": "short-prompt"}]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_study(tmp_path_factory.mktemp("한글 study"), METHODS, seeds=1, lang="ko")
    run = tuneoff("run", folder)
    assert run.returncode == 0, run.stderr
    return folder


def test_help_answers_at_once() -> None:
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        help_run = subprocess.run([sys.executable, "-m", "tuneoff", "--help"], capture_output=True, text=True, env=environment())
        assert "predict" in help_run.stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # 0.3 s is promised on a machine that does nothing else; here other tests share the cores, so the processor's time is looked at.
    assert min(seconds() for _ in range(3)) < 0.3


def test_every_trial_is_complete_and_proven(done: Path) -> None:
    found = [json.loads(record) for record in records(done).values()]
    assert len(found) == 7, "six trials and the stage of continued pretraining"
    assert {record["state"] for record in found} == {"complete"}
    trials = [record for record in found if "quality" in record]
    # The artefact computes in the same format on the same machine: only the order of additions may differ.
    assert all(record["reload"]["largest_difference"] < 1e-4 for record in trials)
    assert all(record["reload"]["same"] for record in trials)
    assert all(record["memory"]["train"]["bytes"] > 0 for record in found)


def test_report_json_has_the_documented_shape(done: Path) -> None:
    report = json.loads(tuneoff("report", done, "--json").stdout)
    assert {"study", "environment", "data", "rows"} <= set(report)
    assert len(report["rows"]) == 6
    for row in report["rows"]:
        assert set(row["parameters"]) >= {"adapter", "head", "base", "total", "percent"}
        assert set(row["memory"]) == {"train_peak_bytes", "eval_peak_bytes", "train_live_bytes", "counter"}
        assert set(row["time"]) == {"train_seconds", "search_seconds", "eval_seconds", "total_seconds"}
        assert set(row["accuracy"]) == set(row["macro_f1"]) == {"mean", "low", "high"}
        assert row["accuracy"]["low"] <= row["accuracy"]["mean"] <= row["accuracy"]["high"]
        assert row["artefact_bytes"] > 0


def test_readme_has_the_sections_of_the_brief_and_no_blank(done: Path) -> None:
    korean, english = (done / "README.md").read_text("utf-8"), (done / "README.en.md").read_text("utf-8")
    for number, heading in enumerate(
        ("프로젝트 개요", "데이터셋", "실험 방법론", "실험 결과", "분석 및 고찰", "디렉토리 구조", "참고 문헌"), start=1
    ):
        assert f"## {number}. {heading}" in korean
    for page in (korean, english):
        assert "[ ]" not in page
        assert "None" not in page
        for line in page.splitlines():
            if line.startswith("|"):
                assert all(cell.strip() for cell in line.strip("|").split("|")), line
    for name in ("learning_curve", "accuracy_memory", "accuracy_time"):
        for language in ("ko", "en"):
            assert (done / "assets" / f"{name}.{language}.png").stat().st_size > 5000
            assert f"{name}.ko.png" in korean


def test_same_records_same_bytes(done: Path) -> None:
    first = (done / "README.md").read_bytes()
    assert tuneoff("report", done).returncode == 0
    assert (done / "README.md").read_bytes() == first


def test_running_again_runs_nothing_and_one_more_seed_runs_only_the_new(done: Path) -> None:
    before = records(done)
    assert tuneoff("run", done).returncode == 0
    assert records(done) == before
    grown = tuneoff("run", done, "--set", "seeds=2", "--set", "methods=[majority, full]")
    assert grown.returncode == 0
    after = records(done)
    assert before.items() <= after.items()
    assert len(after) == len(before) + 2


def test_status_and_plan_agree(done: Path) -> None:
    status = json.loads(tuneoff("status", done, "--json").stdout)
    plan = json.loads(tuneoff("plan", done, "--json").stdout)
    assert status["counts"] == {"complete": 7}
    assert {trial["name"] for trial in plan["trials"]} == set(status["trials"])
    assert next(m for m in plan["methods"] if m["label"] == "short-prompt")["parameters"]["adapter"] == 4 * 32


def test_predict_from_arguments_stdin_and_file(done: Path) -> None:
    artefact = next((done / "results").glob("full-s0-*"))
    given = tuneoff("predict", artefact, "Alpha 1: profit rose", "Beta 2: sales shrank", "--json")
    rows = [json.loads(line) for line in given.stdout.splitlines()]
    assert [row["text"] for row in rows] == [["Alpha 1: profit rose"], ["Beta 2: sales shrank"]]
    assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-6 for row in rows)
    from_file = tuneoff("predict", artefact, "--file", done / "rows.csv", "--json")
    assert len(from_file.stdout.splitlines()) == 120


def test_init_then_check(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv")
    made = tuneoff("init", tmp_path / "mine", "--data", tmp_path / "rows.csv", "--backbone", "sample:en", "--json")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "mine" / "study.yaml").exists()
    check = json.loads(tuneoff("check", tmp_path / "mine", "--json").stdout)
    assert check["rows"] == {"train": 84, "validation": 12, "test": 24}
    again = tuneoff("init", tmp_path / "mine", "--data", tmp_path / "rows.csv")
    assert again.returncode == 2


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"epochss": 3}, 2, "epochs"),
        ({"methods": ["lorra"]}, 2, "lora"),
        ({"methods": [{"lora": {"rank": 4}}]}, 2, "rank"),
        ({"backbone": "./nowhere"}, 3, "nowhere"),
        ({"data": {"train": "rows.csv", "label": "Label "}}, 3, '"label"'),
    ],
)
def test_wrong_input_gets_one_clear_line(change: dict[str, object], code: int, words: str, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority", "full"], seeds=1)
    study = json.loads((folder / "study.yaml").read_text()) | change
    (folder / "study.yaml").write_text(json.dumps(study, indent=1))
    run = tuneoff("plan", folder)
    assert run.returncode == code, run.stderr
    lines = [line for line in run.stderr.splitlines() if line]
    assert len(lines) == 1, run.stderr
    assert words in lines[0]
    assert "Traceback" not in run.stderr


def test_a_plain_script_can_run_a_study(tmp_path: Path) -> None:
    """No ``if __name__ == "__main__"`` is asked of anybody."""
    folder = write_study(tmp_path / "study", ["majority"], seeds=1)
    script = tmp_path / "script.py"
    script.write_text(f"from tuneoff import Study\nstudy = Study.load({str(folder)!r})\nprint(study.run().done, len(study.results()))\n")
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment(), timeout=120)
    assert run.stdout.split() == ["1", "1"], run.stderr


def test_unsupported_is_a_row(tmp_path: Path) -> None:
    from tests.support.tiny import tiny_encoder

    folder = write_study(tmp_path / "study", ["majority", "prefix"], seeds=1)
    tiny_encoder(folder / "distil", "distilbert")
    run = tuneoff("run", folder, "--json", "--set", "backbone=distil")
    assert run.returncode == 4
    row = json.loads(run.stdout)["rows"][1]
    assert row["state"] == "unsupported"
    assert "past keys" in run.stderr
