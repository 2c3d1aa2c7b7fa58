"""A comparison of studies as data and as a page, from made-up studies."""

import base64
import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import made_up
from tuneoff.analyse import StudyHits
from tuneoff.comparison import StudyComparison
from tuneoff.comparison.page import document
from tuneoff.comparison.side import Side
from tuneoff.report import Material
from tuneoff.report.write import report_json
from tuneoff.strings import LANGUAGES

ROWS = 300
ENVIRONMENT = {"device": "cpu", "device_name": "Xeon", "cores": 2, "python": "3.12", "commit": None, "packages": {"torch": "2.13.0"}}


def side(
    name: str, rates: dict[str, float], seeds: int = 3, rows: str = "row", environment: dict[str, Any] | None = None, **spec: Any
) -> Side:
    """A study whose methods hit this share of the test rows: the first ones, less some that change with the seed."""
    targets = made_up.targets(ROWS)
    generator = np.random.default_rng(0)
    order = generator.permutation(ROWS)
    methods = []
    for label, rate in rates.items():
        hits = {seed: np.zeros(ROWS, dtype=bool) for seed in range(seeds)}
        for seed, right in hits.items():
            right[order[: int(rate * ROWS) + seed]] = True
        of = "lora" if label.startswith("lora") else label
        costs = {"environment": environment or ENVIRONMENT, "memory": 2 * 10**9 if name == "big" else 10**9}
        methods.append(made_up.method(label, hits, targets, of=of, costs=costs, planned=list(range(seeds))))
    material = made_up.material(methods)
    material = replace(material, spec=material.spec.model_copy(update=spec))
    return judged(name, material, rows)


def judged(name: str, material: Material, rows: str = "row") -> Side:
    """A side whose test rows are named alike."""
    names, found = [f"{rows} {i}" for i in range(ROWS)], material.analysis
    return Side(name, material, StudyHits(found.hits, names), StudyHits(found.f1_parts, names, found.answers), "abc")


@pytest.fixture
def found() -> StudyComparison:
    small = side("small", {"full": 0.70, "lora": 0.70, "ia3": 0.6})
    big = side("big", {"full": 0.90, "lora": 0.70, "prefix": 0.6}, backbone="klue/roberta-large")
    return StudyComparison([small, big])


def test_methods_are_matched_and_the_difference_is_that_of_the_scores(found: StudyComparison) -> None:
    values = json.loads(json.dumps(found.as_dict()))
    assert [study["name"] for study in values["studies"]] == ["small", "big"]
    assert [method["label"] for method in values["methods"]] == ["full", "lora"]
    assert values["alone"] == {"ia3": "small", "prefix": "big"}
    (against,) = values["against"]
    assert (against["test_rows"], against["common_rows"]) == ("same", ROWS)
    gap = against["gaps"]["full"]
    scores = {method["label"]: method["scores"] for method in values["methods"]}["full"]
    assert gap["mean"] == pytest.approx(scores["big"]["accuracy"]["mean"] - scores["small"]["accuracy"]["mean"])
    assert gap["separable"]
    assert gap["paired"]
    assert not against["gaps"]["lora"]["separable"]
    assert values["methods"][0]["costs"]["big"]["train_peak_bytes"] == 2 * values["methods"][0]["costs"]["small"]["train_peak_bytes"]


def test_what_differs_is_said_and_nothing_else(found: StudyComparison) -> None:
    assert [(one.what, one.values) for one in found.differences] == [("backbone", {"small": "sample:en", "big": "klue/roberta-large"})]
    twins = StudyComparison([side("one", {"full": 0.7}), side("two", {"full": 0.7})])
    assert twins.differences == []
    assert "Nothing that is recorded" in twins.markdown("en")
    newer = ENVIRONMENT | {"packages": {"torch": "2.14.0"}}
    changed = StudyComparison([side("one", {"full": 0.7}), side("two", {"full": 0.7}, environment=newer)])
    assert [one.what for one in changed.differences] == ["packages.torch"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_says_what_its_table_shows(found: StudyComparison, lang: str) -> None:
    page = found.markdown(lang)
    assert "None" not in page
    for line in page.splitlines():
        if line.startswith("|"):
            assert all(cell.strip() for cell in line.strip("|").split(" | ")), line
    marks = {"en": ("higher", "no"), "ko": ("높음", "구별되지 않음")}[lang]
    verdicts = [line.rstrip(" |").rpartition("| ")[2] for line in page.splitlines() if re.search(r"\| [+-]\d+\.\d \[", line)]
    assert verdicts == [*marks, *marks], "by accuracy and by macro-F1"
    assert {"en": "By macro-F1", "ko": "macro-F1로"}[lang] in page
    assert {
        "en": "compared (2), more accurate in big: 1; less accurate: 0. Not told apart: 1;",
        "ko": "기법 2개 가운데 big에서 정확도가 높은 기법은 1개",
    }[lang] in page
    assert "(×2.00)" in page
    assert {"en": "same 300 test rows", "ko": "같은 테스트 행 300개"}[lang] in page


@pytest.mark.parametrize("lang", LANGUAGES)
def test_other_test_rows_are_said_in_a_plain_sentence(lang: str) -> None:
    found = StudyComparison([side("one", {"full": 0.7}), side("two", {"full": 0.8}, rows="other")])
    (against,) = found.against
    assert not against.gaps["full"].paired
    assert {"en": "judged by different test rows", "ko": "서로 다른 테스트 행"}[lang] in found.markdown(lang)


def test_another_machine_and_a_single_seed_are_said() -> None:
    faster = ENVIRONMENT | {"device": "cuda", "device_name": "T4"}
    found = StudyComparison([side("one", {"full": 0.7}, seeds=1), side("two", {"full": 0.9}, seeds=1, environment=faster)])
    page = found.markdown("en")
    assert not found.same_machine
    assert "measured on different devices" in page
    assert "two runs" in page


def test_a_study_that_moved_to_another_machine_half_way_is_said() -> None:
    """The order of the plan is not that of time: what ran last stands first here."""
    targets = made_up.targets(ROWS)
    hits = {0: np.arange(ROWS) % 3 > 0}
    moved = {"full": (ENVIRONMENT | {"device": "cuda", "device_name": "T4"}, "2026-11-25"), "lora": (ENVIRONMENT, "2026-11-24")}
    methods = [
        made_up.method(label, hits, targets, costs={"environment": env, "began": f"{day}T10:00:00+00:00"})
        for label, (env, day) in moved.items()
    ]
    material = made_up.material(methods)
    two = judged("two", material)
    found = StudyComparison([side("one", {"full": 0.7, "lora": 0.7}), two])
    assert two.environment["device_name"] == "T4"
    assert report_json(material)["environment"]["device_name"] == "T4"
    assert not found.same_machine


def test_three_studies_are_each_held_against_the_first() -> None:
    found = StudyComparison([side(name, {"full": rate}) for name, rate in (("a", 0.7), ("b", 0.8), ("c", 0.9))])
    assert [(one.study, round(one.gaps["full"].mean, 2)) for one in found.against] == [("b", 0.1), ("c", 0.2)]
    assert found.markdown("en").count("## Accuracy: ") == 2


def test_names_and_settings_cannot_break_the_page() -> None:
    found = StudyComparison([side("a|b", {"full": 0.7}), side("<b>", {"full": 0.7}, domain="x", backbone="we|rd`<i>")])
    page = found.markdown("en")
    assert "<i>" not in page
    assert "<b>" not in page
    for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_it_is_written_as_markdown_and_json(found: StudyComparison, tmp_path: Path) -> None:
    files = found.write(tmp_path / "out", "en")
    assert (tmp_path / "out" / "compare.md").read_text() == found.markdown("en")
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == found.as_dict()
    assert set(files) == set((tmp_path / "out").iterdir())


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_is_one_file_without_script_or_network(found: StudyComparison, lang: str) -> None:
    written = document(found, lang).decode()
    assert document(found, lang).decode() == written
    assert "<script" not in written
    assert re.findall(r"(?:src|href)=\"(?!data:)[^\"]*\"", written) == []
    assert "default-src 'none'" in html.unescape(written)
    picture = re.search(r"data:image/svg\+xml;base64,([^\"]+)", written)
    assert picture
    drawn = base64.b64decode(picture[1]).decode()
    assert "LoRA" in drawn
    assert {"en": "Full fine-tuning", "ko": "전체 미세조정"}[lang] in drawn
    for line in found.markdown(lang).splitlines():
        if line.startswith("## "):
            assert f"<h2>{line.removeprefix('## ')}</h2>" in written


def test_text_of_a_study_stays_text_in_the_page() -> None:
    found = StudyComparison([side("a", {"full": 0.7}), side("<img src=x onerror=alert(1)>", {"full": 0.9})])
    assert "<img src=x" not in document(found, "en").decode()


def test_a_study_that_has_not_run_yet_can_be_compared() -> None:
    empty = StudyComparison([side("a", {"full": 0.7}), side("b", {"full": 0.9}, seeds=0)])
    assert "nothing to compare" in empty.markdown("en")
    assert "<figure" not in document(empty, "en").decode()
