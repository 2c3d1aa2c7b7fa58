"""The outline that is kept of a plan: the same report as from the plan, without PyTorch, and only while nothing has changed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.studies import environment, write_study
from tuneoff import Study
from tuneoff.errors import StorageError
from tuneoff.kept import kept_outline, plans
from tuneoff.store import cache_folder, sealed

METHODS = ["majority", "lora", "pretrain+full", {"qlora": {}, "as": "four bits"}]

LOADED = """
import sys
from pathlib import Path
from tuneoff import Study

study = Study.load(Path(sys.argv[1]))
assert set(study.status().counts) == {"pending"}
study.report(draw=False)
print(sorted({"torch", "transformers", "peft"} & set(sys.modules)))
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    folder = write_study(tmp_path / "study", METHODS, tuning={"trials": 2})
    rows = (folder / "rows.csv").read_text(encoding="utf-8")
    # Decomposed Hangul, with its composed twin: a finding whose words hold a sentence of their own.
    more = "\u1112\u1161\u11ab\u1100\u1173\u11af,good\n한글,good\n"
    (folder / "rows.csv").write_text(rows + more, encoding="utf-8")
    return Study.load(folder)


def written(study: Study) -> dict[str, bytes]:
    study.report(draw=False)
    return {file.name: file.read_bytes() for file in study.folder.glob("*.*") if file.suffix in (".md", ".html")}


def test_outlines_of_former_study_files_do_not_pile_up(study: Study) -> None:
    for epochs in range(1, plans._MOST + 4):
        edited = Study.load(study.folder, [f"train.epochs={epochs}"])
        _ = edited.outline
    left = list(cache_folder(study.folder).glob("plan-*.json"))
    assert len(left) == plans._MOST
    assert kept_outline(edited.file, edited.splits) is not None
    assert kept_outline(Study.load(study.folder, ["train.epochs=1"]).file, study.splits) is None


def test_a_kept_outline_says_what_the_plan_says(study: Study) -> None:
    plan = study.plan()
    assert kept_outline(study.file, study.splits) is None, "a plan reads no text"
    assert study.outline == plan.outline
    assert any(finding.name == "decomposed" for finding in plan.report.findings)
    again = kept_outline(study.file, study.splits)
    assert again is not None
    assert again.methods == plan.outline.methods
    assert again.stages == plan.stages
    assert [trial.name for trial in again.trials] == [trial.name for trial in plan.trials]
    assert again.backbone == plan.outline.backbone
    assert again.data.as_dict() == plan.report.as_dict()
    first = written(study)
    later = Study.load(study.folder)
    assert written(later) == first
    assert "_plan" not in vars(later), "the report is from what was kept"


def test_reading_a_study_loads_no_torch(study: Study) -> None:
    study.report(draw=False)
    run = subprocess.run([sys.executable, "-c", LOADED, str(study.folder)], capture_output=True, text=True, env=environment())
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


def _other_rows(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    with (study.folder / "rows.csv").open("a", encoding="utf-8") as stream:
        stream.write("one more,good\n")


def _other_lines(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    file = study.folder / "rows.csv"
    head, _, rows = file.read_text(encoding="utf-8").partition("\n")
    file.write_text(f"{head}\n\n{rows}", encoding="utf-8")


def _other_study(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    file = study.folder / "study.yaml"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"seeds": 3}), encoding="utf-8")


def _other_backbone(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(study.folder / "tiny" / "model.safetensors", (0, 0))


def _other_version(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_code", lambda: "another")


def _damaged(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept,) = cache_folder(study.folder).glob("plan-*.json")
    kept.write_bytes(kept.read_bytes()[:-100])


def _a_number_off(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept,) = cache_folder(study.folder).glob("plan-*.json")
    content = kept.read_bytes()
    assert content.count(b'"seed": 1,') > 1
    kept.write_bytes(content.replace(b'"seed": 1,', b'"seed": 7,', 1))


@pytest.mark.parametrize("change", [_other_rows, _other_lines, _other_study, _other_backbone, _other_version, _damaged, _a_number_off])
def test_it_is_not_used_when_anything_has_changed(
    study: Study, change: Callable[[Study, pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert study.outline
    change(study, monkeypatch)
    now = Study.load(study.folder)
    assert kept_outline(now.file, now.splits) is None
    plan = now.plan().outline
    assert (now.outline.methods, now.outline.stages, now.outline.backbone) == (plan.methods, plan.stages, plan.backbone)
    assert now.outline.data.as_dict() == plan.data.as_dict()


def test_nothing_is_kept_of_a_study_with_a_method_of_another_package(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code may change without any of what the outline is named after."""
    assert study.outline
    assert kept_outline(study.file, study.splits) is not None
    monkeypatch.setattr("tuneoff.methods._registry._outside", lambda: {"lora": None})
    assert kept_outline(study.file, study.splits) is None
    (file,) = cache_folder(study.folder).glob("plan-*.json")
    file.unlink()
    plans.keep_outline(study.file, study.splits, study.outline)
    assert not file.exists()


def test_a_branch_of_the_hub_that_moved_on_is_planned_anew(study: Study) -> None:
    """The outline of a hub's model is found by its name: until a run asks the hub, what was planned with is what is shown."""
    plan = study.plan()
    assert study.outline.revision == plan.revision
    (file,) = cache_folder(study.folder).glob("plan-*.json")
    file.write_bytes(sealed(plan.outline.as_dict() | {"backbone": {**vars(plan.outline.backbone), "revision": "older"}}))
    now = Study.load(study.folder)
    assert now.outline.revision == "older"
    now.plan()
    assert now.outline.revision == plan.revision
    assert Study.load(study.folder).outline.revision == plan.revision


def test_a_folder_that_cannot_be_written_can_still_be_read(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(file: Path, write: object) -> None:
        raise StorageError("data.cache_refused", where=str(file), reason="Read-only file system", free=0)

    monkeypatch.setattr(plans, "publish", refuses)
    assert len(study.outline.methods) == len(METHODS)
    assert set(study.status().counts) == {"pending"}
    assert not list(cache_folder(study.folder).glob("plan-*.json"))
