"""Case 13: there is no index to delete, corrupt or lock. Whatever is derived from records is made again; a run waits for nobody."""

import fcntl
from collections import Counter
from pathlib import Path

import pytest

from tests.support.calm import calm
from tests.support.inline import run_inline
from tests.support.studies import records, table, write_study
from tuneoff import Study


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    run_inline(monkeypatch)
    monkeypatch.setattr("tuneoff.faults._passed", Counter())
    folder = write_study(tmp_path / "study", ["majority", "feature_extraction"], seeds=1)
    with calm():
        Study.load(folder).run()
    return folder


def derived(folder: Path) -> list[Path]:
    """Everything below the study that is neither the user's nor an attempt's."""
    given = {"study.yaml", "rows.csv"}
    return [
        file
        for file in folder.rglob("*")
        if file.is_file()
        and file.relative_to(folder).parts[0] != "tiny"
        and file.name not in given
        and not any(part.startswith("attempt-") for part in file.relative_to(folder).parts)
    ]


@pytest.mark.parametrize("harm", ["deleted", "corrupt", "locked"])
def test_derived_files_are_made_again(harm: str, study: Path) -> None:
    expected, before = table(study), records(study)
    files = derived(study)
    names = {file.name for file in files}
    assert {"README.md", "results.json", "results.csv"} <= names
    assert any(file.suffix == ".safetensors" for file in files), "tokens and features are kept too"
    locks = []
    for file in files:
        if harm == "deleted":
            file.unlink()
        elif harm == "corrupt":
            file.write_bytes(b"\x00half a file")
        else:
            locks.append(file.open("rb"))
            fcntl.flock(locks[-1], fcntl.LOCK_EX)
    with calm():
        opened = Study.load(study)
        progress = opened.run()
    assert (progress.done, progress.failed) == (2, 0)
    assert table(study) == expected
    assert records(study) == before, "nothing ran again"
    readme = (study / "README.md").read_bytes()
    assert len(readme) > 1000
    for lock in locks:
        lock.close()


@pytest.mark.parametrize("harm", ["deleted", "corrupt"])
def test_new_trials_read_nothing_damaged(harm: str, study: Path) -> None:
    for file in derived(study):
        if harm == "deleted":
            file.unlink()
        else:
            file.write_bytes(b"\x00half a file")
    with calm():
        progress = Study.load(study, ["seeds=2"]).run()
    assert (progress.done, progress.failed) == (4, 0)
    rows = {row["label"]: row for row in table(study)}
    assert rows["feature_extraction"]["state"] == "complete"


def test_predictions_that_are_not_what_the_record_says(study: Path) -> None:
    """A record vouches for its predictions by their hash; where they are damaged, it is moved aside and the trial planned again."""
    file = next((study / "results").glob("feature-extraction-*/attempt-1/predictions.safetensors"))
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(bytes(data))
    with calm():
        opened = Study.load(study)
        opened.report()
        assert len(opened.store.quarantined) == 1
        assert "predictions" in opened.store.quarantined[0]
        progress = Study.load(study).run()
    assert (progress.done, progress.failed) == (2, 0)
    assert sorted(records(study))[0].endswith("attempt-2.json")
