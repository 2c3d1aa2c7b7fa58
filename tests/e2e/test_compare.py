"""``tuneoff compare`` on studies that ran: two sizes of the training data, and other test rows."""

import json
from pathlib import Path

import pytest

import tuneoff as package
from tests.support.studies import tuneoff, write_study
from tests.unit.test_docs import check_documented
from tuneoff import Study
from tuneoff.errors import UsageError

METHODS = ["majority", "tfidf"]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    home = tmp_path_factory.mktemp("compare")
    whole = write_study(home / "whole", METHODS, study="whole")
    half = write_study(home / "half", METHODS, study="half", data={"limit": 40})
    other = write_study(home / "other", [*METHODS, "full"], study="other", data={"split_seed": 5})
    for folder in (whole, half, other):
        Study.load(folder).run(only=METHODS)
    return whole, half, other


def test_the_same_test_rows_are_found_under_another_amount_of_training_data(studies: tuple[Path, Path, Path], tmp_path: Path) -> None:
    ran = tuneoff("compare", *studies, "--out", tmp_path / "out", "--json")
    assert ran.returncode == 0, ran.stderr
    values = json.loads(ran.stdout)
    check_documented("compare", values)
    assert [against["test_rows"] for against in values["against"]] == ["same", "overlap"]
    assert values["against"][0]["common_rows"] == 24
    assert set(values["against"][0]["gaps"]) == set(METHODS)
    assert values["against"][0]["gaps"]["majority"]["mean"] == 0
    whats = {one["what"]: one["values"] for one in values["differences"]}
    assert whats["data.limit.train"] == {"whole": None, "half": 40, "other": None}
    assert whats["data.rows.train"]["half"] == 40
    assert whats["data.split_seed"]["other"] == 5
    assert values["alone"] == {"full": "other"}
    assert values["same_machine"]
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == values
    shown = tuneoff("compare", *studies, "--lang", "ko")
    assert "같은 테스트 행 24개" in shown.stdout


def test_a_comparison_that_cannot_be_is_one_clear_error(studies: tuple[Path, Path, Path], tmp_path: Path) -> None:
    whole, half, _ = studies
    alone = write_study(tmp_path / "alone", ["bitfit"], seeds=1)
    for arguments, words in (([whole], "two studies"), ([whole, whole], "twice"), ([half, alone], "no method in common")):
        with pytest.raises(UsageError, match=words):
            package.compare(*arguments)
