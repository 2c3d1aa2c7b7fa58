"""Case 5: the study folder is read-only, or not ours, or vanishes. Refused before training with the path; mid-run it is exit 5."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.disks import small_disk
from tests.support.studies import environment, records, start_tuneoff, tuneoff, write_study


def test_read_only_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk:
        folder = write_study(disk / "study", ["majority"], seeds=1)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        run = tuneoff("run", folder)
        assert run.returncode == 5
        last = run.stderr.strip().splitlines()[-1]
        assert str(folder / "results") in last
        assert "Read-only file system" in last
        assert not (folder / "results").exists()
        status = tuneoff("status", folder)
        assert status.returncode in (0, 5)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can give a folder to another user")
@pytest.mark.slow
def test_without_permission(tmp_path: Path) -> None:
    """The folder is another user's; root without the right to pass over that is like anybody."""
    folder = write_study(tmp_path / "study", ["majority"], seeds=1)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
        path.chmod(0o755 if path.is_dir() else 0o644)
    command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", sys.executable, "-m", "tuneoff", "run", str(folder)]
    run = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert run.returncode == 5, run.stderr
    last = run.stderr.strip().splitlines()[-1]
    assert str(folder / "results") in last
    assert "Permission denied" in last


def test_vanishes_in_mid_run(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority", "full"], seeds=2, train={"epochs": 8})
    with start_tuneoff("run", folder) as run:
        assert run.stderr is not None
        next(line for line in run.stderr if "accuracy" in line)
        folder.rename(tmp_path / "taken")
        rest = run.stderr.read()
        assert run.wait(60) == 5, rest
    last = rest.strip().splitlines()[-1]
    assert str(folder) in last
    assert "is gone" in last
    assert not (folder / "study.yaml").exists()
    assert not list(folder.rglob("attempt-*")), "nothing is made in its place"
    before = records(tmp_path / "taken")
    assert before
