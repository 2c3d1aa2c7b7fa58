"""Case 5: the study folder is read-only, or not ours, or vanishes. Refused before training with the path; mid-run it is exit 5."""

import os
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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.slow
def test_without_permission(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority"], seeds=1)
    for above in (folder, *folder.parents):
        if above.stat().st_uid == 0 and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o055)
    command = [sys.executable, "-m", "tuneoff", "run", str(folder)]
    home = tmp_path / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    env = environment(HOME=str(home))
    if subprocess.run([sys.executable, "-c", "import tuneoff"], user=65534, group=65534, env=env, capture_output=True).returncode:
        pytest.skip("another user cannot run this Python")
    run = subprocess.run(command, user=65534, group=65534, env=env, capture_output=True, text=True)
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
