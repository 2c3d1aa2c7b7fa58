"""Several trials at once on one machine, and shares of a study for a job array."""

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.calm import calm
from tests.support.studies import records, start_tuneoff, table, tuneoff, write_study
from tuneoff import Study
from tuneoff.errors import UsageError
from tuneoff.run import LocalExecutor, Progress
from tuneoff.run.executors.local import Slot, slots

METHODS = ["majority", "full"]


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = write_study(tmp_path_factory.mktemp("one"), METHODS)
    assert run(folder).done == 4
    return folder, table(folder)


def run(folder: Path, **how: Any) -> Progress:
    with calm():
        return Study.load(folder).run(**how)


def copy_of(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("results", "assets", "README*", "report*"))
    return target


def bodies(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(record) for record in records(folder).values()]


def test_shares_by_two_workers_give_the_same_table(one_by_one: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    """Like two tasks of a job array."""
    original, expected = one_by_one
    folder = copy_of(original, tmp_path / "study")
    first = run(folder, workers=2, max_trials=3)
    assert (first.ended, first.left) == (["complete"] * 3, 1)
    assert len(records(folder)) == 3
    second = run(folder, max_trials=3)
    assert (second.ended, second.left) == (["complete"], 0)
    assert table(folder) == expected
    assert len(records(folder)) == 4, "none ran twice"
    assert {body["workers"] for body in bodies(original)} == {1}
    assert max(body["workers"] for body in bodies(folder)) == 2
    assert not list((folder / "results").glob("*/claim"))
    assert not list((folder / "results" / "cache" / "at-work").iterdir())
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "Trials at once" in readme
    assert "Times are not comparable" in readme
    assert "Times are not comparable" not in (original / "README.md").read_text(encoding="utf-8")


def test_a_signal_ends_all_workers(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["full"], seeds=2)
    at_work = folder / "results" / "cache" / "at-work"
    # Held in the middle of training: on a busy machine both could be through before they were seen.
    with start_tuneoff("run", folder, "--workers", "2", TUNEOFF_FAULT="mid-step:1:signal=STOP") as started:
        while not at_work.is_dir() or len(list(at_work.iterdir())) < 2:
            assert started.poll() is None, "both were at work at once"
            time.sleep(0.05)
        started.send_signal(signal.SIGINT)
        assert started.stderr is not None
        rest = started.stderr.read()
        assert started.wait(60) == 130, rest
    assert not list((folder / "results").glob("*/claim")), "claims are released"
    assert not records(folder)
    assert not list(at_work.iterdir())


@pytest.mark.slow
def test_exit_codes_of_a_share(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["full", "majority"], seeds=1)
    failed = tuneoff("run", folder, "--max-trials", "1", TUNEOFF_FAULT="mid-step:1:exit=7")
    assert failed.returncode == 4
    assert {body["state"] for body in bodies(folder)} == {"lost"}
    done = tuneoff("run", folder, "--max-trials", "1")
    assert done.returncode == 0
    assert "Trials left in the study: 1;" in done.stderr
    assert tuneoff("run", folder, "--max-trials", "5").returncode == 0
    nothing = tuneoff("run", folder, "--max-trials", "5")
    assert nothing.returncode == 0
    assert "Trials left" not in nothing.stderr


# Dividing a machine


def test_cores_and_gpus_are_divided() -> None:
    assert slots(1, None, 1, [], 8) == [Slot(None, None)], "one worker has it all"
    assert slots(2, None, 1, [], 8) == [Slot(None, 4), Slot(None, 4)]
    assert slots(3, None, 1, [], 2) == [Slot(None, 1)] * 3
    assert slots(2, 3, 1, [], 8) == [Slot(None, 3)] * 2, "as told"
    assert slots(2, None, 1, ["3", "5"], 8) == [Slot("3", 4), Slot("5", 4)]
    assert slots(2, None, 2, ["0", "1", "2", "3"], 8) == [Slot("0,1", 4), Slot("2,3", 4)]
    assert slots(1, None, 2, ["0", "1", "2"], 8) == [Slot("0,1", 8)]
    assert slots(1, None, 2, [], 8) == [Slot(None, None)], "ranks on a CPU share it"
    assert [slot.gpus for slot in slots(3, None, 1, ["0", "1"], 8)] == ["0", "1", "0"], "shared by as few as can be"
    with pytest.raises(UsageError) as found:
        slots(2, None, 2, ["0", "1", "2"], 8)
    assert "4 GPUs" in found.value.text("en")


class _Fake:
    """A trial under way."""

    def __init__(self, name: str, slot: Slot) -> None:
        self.ended, self.slot = False, slot
        self.job = type("Job", (), {"trial": type("Trial", (), {"name": name})})

    def stop(self) -> None:
        self.ended = True


def test_two_that_do_not_fit_together_run_one_after_the_other() -> None:
    executor = LocalExecutor(2, threads=1)
    executor._usable, executor._needs = 100, {"large": 70, "small": 20, "huge": 130}
    assert executor.has_room("huge"), "alone it may run: admission has the say in that"
    running: Any = _Fake("large", executor.slots[0])
    executor._tasks = [running]
    assert executor.has_room("small")
    assert executor.has_room("not foreseen")
    assert not executor.has_room("large")
    running.ended = True
    assert executor.has_room("large")
