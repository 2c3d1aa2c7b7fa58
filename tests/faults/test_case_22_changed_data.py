"""Case 22: overlap and contradictions are told with line pairs and in the report; data edited between runs are never mixed."""

import json
import re
from pathlib import Path

import pytest

from tests.support.said import answer, rows, write_data_study
from tests.support.studies import records

SHA = r"[0-9a-f]{12}"


def test_overlap_and_contradictions_are_told_with_line_pairs_and_in_the_report(tmp_path: Path) -> None:
    test = "text,label\n0 words,a\n7919 words,a\n15838 words!,a\nnew one,b\n"
    study = write_data_study(
        tmp_path, {"train.csv": rows(60), "test.csv": test}, {"train": "train.csv", "test": "test.csv", "validation": "test.csv"}
    )
    findings = {finding["name"]: finding for finding in json.loads(answer("check", study, "--json").out)["findings"]}
    assert findings["overlap"]["counts"]["test"] == 2
    assert findings["overlap"]["examples"][0] == 'test.csv:2 = train.csv:2 "0 words"'
    assert findings["near_overlap"]["examples"][0] == 'test.csv:4 ≈ train.csv:4 (1.00) "15838 words!"'
    assert findings["two_labels"]["examples"] == ['train.csv:3 b ≠ test.csv:3 a "7919 words"']
    assert answer("run", study).code == 0
    for page, words in (("README.md", "rows whose text stands in train as well"), ("README.ko.md", "학습 데이터에 같은 글이 있는 행")):
        (line,) = (line for line in (study / page).read_text("utf-8").splitlines() if words in line)
        assert 'test.csv:2 = train.csv:2 "0 words"' in line


def test_a_file_edited_between_runs_starts_anew_and_says_so(tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"train.csv": rows(60)})
    assert "data changed" not in answer("run", study).err
    before, page = records(study), (study / "results" / "results.json").read_text("utf-8")
    (study / "train.csv").write_text(rows(60).replace("0 words,a", "0 words!,b", 1), encoding="utf-8")
    old = json.loads(page)["data"]["content_hash"]
    status = answer("status", study, "--json")
    assert json.loads(status.out)["counts"] == {"pending": 1}, "a result of other data is none"
    again = answer("run", study, "--json")
    assert again.code == 0
    new = json.loads(again.out)["data"]["content_hash"]
    for said in (status.err, again.err):
        assert f"data changed since the last run (sha {old[:12]} → {new[:12]})" in said
    assert re.search(rf"바뀌었습니다 \(sha {SHA} → {SHA}\)", answer("check", write_back(study), lang="ko").err)
    after = records(study)
    assert before.items() < after.items(), "old results are kept, byte for byte"
    assert len(after) == len(before) + 1
    assert sum(json.loads(again.out)["trials"].values()) == 1, "and not mixed"


def write_back(study: Path) -> Path:
    """The data as they were at first."""
    (study / "train.csv").write_text(rows(60), encoding="utf-8")
    return study


@pytest.mark.slow
def test_data_put_back_as_they_were_have_their_old_results(tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"train.csv": rows(60)})
    assert answer("run", study).code == 0
    first = records(study)
    (study / "train.csv").write_text(rows(61), encoding="utf-8")
    assert answer("run", study).code == 0
    write_back(study)
    assert json.loads(answer("status", study, "--json").out)["counts"] == {"complete": 1}
    assert answer("run", study).code == 0
    assert first.items() < records(study).items()
    assert len(records(study)) == 2
