"""Case 1: kill -9 the parent at each hook. The same command finishes exactly the missing trials; nothing half is visible."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.studies import records, start_tuneoff, table, tuneoff, write_study

METHODS = ["majority", "full"]
T = TypeVar("T")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, object]]]:
    folder = write_study(tmp_path_factory.mktemp("undisturbed"), METHODS)
    assert tuneoff("run", folder).returncode == 0
    return folder, table(folder)


def copy_of(folder: Path, target: Path) -> Path:
    """The same study without results: same data, same backbone, so the same keys."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("results", "assets", "README*", "*.html"))
    return target


# The parent passes plan, claim, before-write, after-write, after-link and report. The second passage is taken where there is
# one, so that a finished trial is there to lose.
SLOW = [pytest.param(hook, marks=pytest.mark.slow) for hook in ("plan:1", "claim:2", "before-write:2", "after-write:2", "report:2")]


@pytest.mark.parametrize("hook", ["after-link:2", *SLOW])
def test_killed_at_a_hook_then_resumed(hook: str, undisturbed: tuple[Path, list[dict[str, object]]], tmp_path: Path) -> None:
    original, expected = undisturbed
    folder = copy_of(original, tmp_path / "study")
    killed = tuneoff("run", folder, TUNEOFF_FAULT=hook)
    assert killed.returncode == -signal.SIGKILL
    before = records(folder)
    assert len(before) == {"plan:1": 0, "after-link:2": 2, "report:2": 2}.get(hook, 1)
    resumed = tuneoff("run", folder)
    assert resumed.returncode == 0, resumed.stderr
    after = records(folder)
    assert {name: after[name] for name in before} == before, "published records stay byte-identical"
    assert len(after) == 4, "each trial has exactly one record: none ran twice"
    assert not list(folder.rglob("*.part")), "leftovers are swept"
    assert not list((folder / "results").glob("*/claim"))
    assert table(folder) == expected


@pytest.mark.parametrize("hook", [pytest.param(hook, marks=pytest.mark.slow) for hook in ("mid-step:1", "trial-start:1")])
def test_killed_while_a_trial_is_at_a_hook(hook: str, undisturbed: tuple[Path, list[dict[str, object]]], tmp_path: Path) -> None:
    """The trial's process is held at the hook, and the run is killed: the trial dies with it, even while it is stopped."""
    original, expected = undisturbed
    folder = copy_of(original, tmp_path / "study")
    with start_tuneoff("run", folder, TUNEOFF_FAULT=f"{hook}:signal=STOP") as run:
        held = wait_for(lambda: stopped_below(folder), 120)
        run.send_signal(signal.SIGKILL)
        run.communicate()
    wait_for(lambda: not Path(f"/proc/{held}").exists(), 20)
    before = records(folder)
    resumed = tuneoff("run", folder)
    assert resumed.returncode == 0, resumed.stderr
    after = records(folder)
    assert {name: after[name] for name in before} == before
    assert len(after) == 4
    assert table(folder) == expected


def stopped_below(folder: Path) -> int | None:
    """A stopped process whose output goes to a log in this folder."""
    for process in Path("/proc").iterdir():
        try:
            ours = process.name.isdecimal() and Path(os.readlink(process / "fd" / "1")).is_relative_to(folder)
            if ours and (process / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T":
                return int(process.name)
        except OSError:
            continue
    return None


def wait_for(what: Callable[[], T], seconds: float) -> T:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_killed_twice_in_the_middle_of_training(undisturbed: tuple[Path, list[dict[str, object]]], tmp_path: Path) -> None:
    original, expected = undisturbed
    folder = copy_of(original, tmp_path / "study")
    for _ in range(2):
        with start_tuneoff("run", folder) as run:
            assert run.stderr is not None
            for line in run.stderr:
                if "accuracy" in line:  # A trial has ended: the next one is at work now.
                    break
            run.send_signal(signal.SIGKILL)
    assert tuneoff("run", folder).returncode == 0
    assert table(folder) == expected
    assert len(records(folder)) == 4
