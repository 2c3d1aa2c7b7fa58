"""Case 4: the disk is full at a record, a checkpoint, a curve, a report. Exit 5 with path and bytes; it goes on once there is room."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.calm import calm
from tests.support.disks import small_disk
from tests.support.inline import run_inline
from tests.support.studies import records, tuneoff, write_study
from tuneoff import Study
from tuneoff.errors import StorageError
from tuneoff.train import FeatureCost, load_features, save_features


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "24m") as folder:
        yield folder


def no_half_files(folder: Path) -> None:
    results = folder / "results"
    for file in [*folder.glob("*.json"), *results.glob("*.json"), *results.glob("*/*.json"), *results.glob("*/*/result.json")]:
        json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("hook", "where"),
    [
        ("before-write:2", r"results/full-\S+/attempt-1\.json: .*[\d,]+ bytes needed, [\d,]+ free"),
        ("mid-step:2", r"curve\.jsonl: .*[\d,]+ bytes needed, [\d,]+ free"),
        ("save:1", r"attempt-1/artefact\S*: .*[\d,]+ bytes needed, [\d,]+ free"),
        ("report:2", r"README\S*: .*[\d,]+ bytes needed, [\d,]+ free"),
    ],
)
def test_full_at(hook: str, where: str, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with calm():
        # So long that the curve outgrows the block that its file has already.
        folder = write_study(disk / "study", ["majority", "full"], seeds=1, train={"epochs": 9})
    filler = disk / "filler"
    run_inline(monkeypatch)
    monkeypatch.setattr("tuneoff.faults._passed", Counter())
    monkeypatch.setenv("TUNEOFF_FAULT", f"{hook}:fill={filler}")
    with calm(), pytest.raises(StorageError) as caught:
        Study.load(folder).run()
    assert caught.value.exit_code == 5
    assert re.search(where, caught.value.text("en")), caught.value.text("en")
    assert "the same command goes on" in caught.value.text("en")
    before = records(folder)
    assert len(before) == (2 if hook == "report:2" else 1)
    no_half_files(folder)
    monkeypatch.delenv("TUNEOFF_FAULT")
    filler.unlink()
    with calm():
        progress = Study.load(folder).run()
    assert (progress.done, progress.failed) == (2, 0), "it goes on once there is room"
    assert before.items() <= records(folder).items()
    assert not [*folder.rglob("*.part")]


def test_the_process_that_trains_tells_the_one_that_records(disk: Path) -> None:
    """A full disk leaves the child no place for a result: it must not be taken for a crash and tried again."""
    folder = write_study(disk / "study", ["majority", "full"], seeds=1)
    run = tuneoff("run", folder, TUNEOFF_FAULT=f"save:1:fill={disk / 'filler'}")
    assert run.returncode == 5, run.stderr
    last = run.stderr.strip().splitlines()[-1]
    assert re.search(r"^tuneoff: \S+/artefact\S*: cannot write: No space left on device \([\d,]+ bytes needed, [\d,]+ free\) → ", last), (
        last
    )
    assert len(records(folder)) == 1


@pytest.mark.slow
def test_the_log_cannot_be_made(disk: Path) -> None:
    folder = write_study(disk / "study", ["majority"], seeds=1)
    run = tuneoff("run", folder, TUNEOFF_FAULT=f"claim:1:fill={disk / 'filler'}")
    assert run.returncode == 5, run.stderr
    (disk / "filler").unlink()
    assert tuneoff("run", folder).returncode == 0


def test_features_are_whole_or_not_there(disk: Path) -> None:
    import torch

    features = {"train": torch.zeros(1024, 1024 * 8)}  # 32 MB on a disk of 24.
    with pytest.raises(Exception, match=r"(?i)no space|code: 28"):
        save_features(disk / "features.safetensors", features, FeatureCost({}, None, "none"))
    assert list(disk.iterdir()) == []
    (disk / "features.safetensors").write_bytes(b"half")
    assert load_features(disk / "features.safetensors") is None
