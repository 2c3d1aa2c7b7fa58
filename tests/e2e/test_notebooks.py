"""The notebooks run from top to bottom, on the sample, in a kernel of their own; a study runs only what it is asked for."""

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.studies import environment, records, tuneoff, write_study
from tuneoff import Study
from tuneoff.errors import UsageError
from tuneoff.notebooks import device, notebook_names

ROOT = Path(__file__).parents[2]
#: The sample, made small enough for a test: what is tested is that the cells run, not what they find.
SMALL = ["seeds=1", "train.max_length=16", "data.limit={train: 96, validation: 24, test: 24, unlabelled: 48}"]


def execute(name: str, folder: Path, overrides: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a notebook of the repository; outputs by cell."""
    for key, value in environment().items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("IPYTHONDIR", str(folder / ".ipython"))
    monkeypatch.setenv("JUPYTER_ALLOW_INSECURE_WRITES", "1")
    notebook = nbformat.read(ROOT / "notebooks" / name, 4)
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = f"overrides = {overrides!r}"
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return {cell["id"]: cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"}


def shown(outputs: list[Any], kind: str = "text/plain") -> str:
    return "\n".join(output["data"][kind] for output in outputs if kind in output.get("data", {}))


def check(cells: dict[str, Any]) -> None:
    """What every notebook shows when its trials are complete."""
    assert device().name in shown(cells["device"])
    assert "finance-demo" in shown(cells["study"])
    assert "0 left" in shown(cells["run"])
    assert "accuracy" in shown(cells["results"], "text/html")
    assert len(shown(cells["trade-off"], "image/png")) > 5000
    assert not [output for outputs in cells.values() for output in outputs if output["output_type"] == "error"]


def test_the_first_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = notebook_names()[0]
    # Frozen features learn enough in eight epochs of half a second to be ranked, and drawn.
    small = [*SMALL, "train.epochs=8", "methods=[majority, feature_extraction, full]"]
    cells = execute(name, tmp_path, small, monkeypatch)
    check(cells)
    assert "[2/2] Feature extraction" in shown(cells["run"])
    assert len(shown(cells["curves"], "image/png")) > 5000
    states = {trial.partition("-s0")[0]: state for trial, state in Study.load(tmp_path / "demo-study").status().trials.items()}
    assert states["majority"] == "pending", "the study file itself has more seeds, epochs and rows"
    made = Study.load(tmp_path / "demo-study", small)
    assert sorted(made.status().trials.values()) == ["complete", "complete", "pending"]


@pytest.mark.slow
def test_all_four_notebooks_run_on_the_whole_sample_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in notebook_names():
        check(execute(name, tmp_path, [*SMALL, "train.epochs=8"], monkeypatch))
    assert Study.load(tmp_path / "demo-study", [*SMALL, "train.epochs=8"]).status().complete


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    methods = ["majority", "full", {"lora": {"r": 2}, "as": "small"}, {"lora": {"r": 4}, "as": "large"}, "pretrain+bitfit"]
    return write_study(tmp_path_factory.mktemp("only") / "study", methods, seeds=1, lang="en", tuning={"trials": 2})


def test_methods_belong_to_the_notebooks_of_the_brief(study: Path) -> None:
    assert Study.load(study).experiments == {
        "feature_extraction": ["majority"],
        "full_finetuning": ["full"],
        "continued_pretraining": ["pretrain+bitfit"],
        "peft": ["small", "large"],
    }


def test_only_some_methods_run_with_what_they_build_on(study: Path) -> None:
    ran = tuneoff("run", study, "--only", "pretrain+bitfit", "--json")
    assert ran.returncode == 0, ran.stderr
    states = Study.load(study).status().trials
    complete = sorted(name.rpartition("-")[0] for name, state in states.items() if state == "complete")
    assert complete == ["pretrain-bitfit-s0", "pretrain-s0", "search-pretrain-bitfit"]
    assert {row["label"]: row["state"] for row in json.loads(ran.stdout)["rows"]} == {
        "majority": "pending",
        "full": "pending",
        "small": "pending",
        "large": "pending",
        "pretrain+bitfit": "complete",
    }
    before = records(study)
    # The name of a method stands for all its labels; what is complete stays as it is.
    plan = Study.load(study).plan().only(["lora"])
    assert [method.label for method in plan.methods] == ["small", "large"]
    assert {trial.stage for trial in plan.trials} == {None, "search"}
    # Nothing is left of the stages of others: a forecast would look for the texts of a pretraining that nobody asked for.
    assert {stage.name for stage in plan.stages} == {trial.name for trial in plan.trials if trial.is_stage}
    assert records(study) == before


def test_nothing_asked_for_runs_nothing_and_an_unknown_name_is_an_error(study: Path) -> None:
    opened = Study.load(study)
    before = records(study)
    assert repr(opened.run(only=[])).startswith("Nothing to run")
    with pytest.raises(UsageError, match="no method `ful`"):
        opened.run(only=["ful"])
    assert records(study) == before


def test_a_study_says_what_it_is_at_a_glance(study: Path) -> None:
    opened = Study.load(study)
    plan = repr(opened.plan())
    assert "tiny: 5 methods on tiny" in plan
    assert "trainable parameters" in plan
    assert repr(opened.status()).startswith("complete 3, not yet run 7\n")
    assert "small" in repr(opened.results())
    assert repr(opened.plot_curves()).startswith(("Chart: ", "Nothing"))
    with pytest.raises(UsageError, match="memory, time"):
        opened.plot_trade_off(cost="memry")


def test_init_writes_notebooks_that_open_their_own_study(tmp_path: Path) -> None:
    made = write_study(tmp_path / "source", ["majority"])
    ran = tuneoff("init", tmp_path / "내 연구", "--data", made / "rows.csv", "--backbone", "sample:en", "--lang", "ko")
    assert ran.returncode == 0, ran.stderr
    folder = tmp_path / "내 연구"
    assert sorted(file.name for file in (folder / "notebooks").iterdir()) == notebook_names()
    text = (folder / "notebooks" / notebook_names()[3]).read_text(encoding="utf-8")
    assert "파라미터 효율적 튜닝" in text
    assert 'study_folder(\\"내 연구\\")' in text
    assert "lang: ko" in (folder / "study.yaml").read_text(encoding="utf-8")
    assert os.access(folder / "notebooks", os.W_OK)
