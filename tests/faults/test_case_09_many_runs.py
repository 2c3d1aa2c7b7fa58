"""Case 9: two, then eight runs on one study. Each trial once while claims live; a paused owner loses nothing and overwrites nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support import store_worker
from tests.support.studies import environment, records, start_tuneoff, table, tuneoff, write_study
from tuneoff.store import Store

WORKER = [sys.executable, store_worker.__file__]


def start(*command: str, **extra: str) -> subprocess.Popen[str]:
    env = environment(PYTHONPATH=str(Path.cwd()), **extra)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)


def published(workers: list[subprocess.Popen[str]]) -> list[str]:
    outs = [worker.communicate(timeout=120)[0] for worker in workers]
    for worker, out in zip(workers, outs, strict=True):
        assert worker.returncode in (0, -signal.SIGKILL), out
    return [line.split()[1] for out in outs for line in out.splitlines() if line.startswith("published")]


def check_all(results: Path, trials: int) -> Store:
    store = Store(results)
    assert [store.state(f"trial-{number:03d}") for number in range(trials)] == ["complete"] * trials
    for trial in store.trials():
        for attempt in store.attempts(trial):
            assert (attempt.folder / "predictions").read_bytes() == store_worker.content(trial)
    assert not store.quarantined
    assert not [*results.rglob("claim*"), *results.rglob("*.part")], "nothing is left behind"
    return store


@pytest.mark.parametrize("runs", [2, 8])
def test_each_trial_once(runs: int, tmp_path: Path) -> None:
    results = tmp_path / "results"
    workers = [start(*WORKER, str(results), "24", "--seconds", "0.02") for _ in range(runs)]
    said = published(workers)
    store = check_all(results, 24)
    assert sorted(said) == [f"trial-{number:03d}/attempt-1.json" for number in range(24)], "none ran twice, none under a second number"
    assert all(len(store.attempts(trial)) == 1 for trial in store.trials())


def test_dead_owners_are_replaced_by_exactly_one(tmp_path: Path) -> None:
    results = tmp_path / "results"
    workers = [start(*WORKER, str(results), "24", "--seconds", "0.02") for _ in range(4)]
    # Each of these dies holding a claim, at another moment of its work; the others take over while they run.
    hooks = ("claim:1", "before-write:2", "after-write:2", "after-link:3")
    workers += [start(*WORKER, str(results), "24", "--seconds", "0.02", TUNEOFF_FAULT=hook) for hook in hooks]
    published(workers)
    Store(results).sweep()  # As the next run begins.
    store = check_all(results, 24)
    counts = Counter(len(store.attempts(trial)) for trial in store.trials())
    assert counts == {1: 24}, "a record that was published is never made again"


def test_temporary_files_of_the_living_stay(tmp_path: Path) -> None:
    """A run that starts sweeps; another one is between writing its temporary file and publishing it."""
    results = tmp_path / "results"
    paused = start(*WORKER, str(results), "1", TUNEOFF_FAULT="after-write:1:signal=STOP")
    wait_for_stop(paused)
    part = next(results.rglob("*.part"))
    Store(results).sweep()
    assert part.exists()
    paused.send_signal(signal.SIGKILL)
    paused.communicate()
    Store(results).sweep()
    assert not part.exists()
    assert not (results / "trial-000" / "claim").exists()


def wait_for_stop(process: subprocess.Popen[str]) -> None:
    stat = Path(f"/proc/{process.pid}/stat")
    deadline = time.monotonic() + 60
    while stat.read_text().rsplit(")", 1)[1].split()[0] != "T":
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)


def namespaces_work() -> bool:
    unshare = shutil.which("unshare")
    return bool(unshare) and subprocess.run([unshare, "--uts", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(sys.platform != "linux" or not namespaces_work(), reason="another host's name needs a namespace of one's own")
def test_paused_owner_on_another_machine_publishes_a_second_attempt(tmp_path: Path) -> None:
    results = tmp_path / "results"
    elsewhere = ["unshare", "--uts", "sh", "-c", 'hostname node-a; exec "$@"', "sh", *WORKER, str(results), "1"]
    paused = start(*elsewhere, TUNEOFF_FAULT="before-write:1:signal=STOP")
    wait_for_stop(paused)
    claim = results / "trial-000" / "claim"
    here = start(*WORKER, str(results), "1")
    time.sleep(1.0)
    assert here.poll() is None, "the lease has not run out: the trial is another machine's"
    long_ago = time.time() - 121
    os.utime(claim, (long_ago, long_ago))
    assert published([here]) == ["trial-000/attempt-2.json"]
    before = (results / "trial-000" / "attempt-2.json").read_bytes()
    paused.send_signal(signal.SIGCONT)
    assert published([paused]) == ["trial-000/attempt-1.json"]
    assert (results / "trial-000" / "attempt-2.json").read_bytes() == before
    store = check_all(results, 1)
    assert len(store.attempts("trial-000")) == 2


def test_two_runs_share_a_study(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority", "tfidf"], seeds=3)
    both = [start_tuneoff("run", folder) for _ in range(2)]
    said = [run.communicate(timeout=240) for run in both]
    assert [run.returncode for run in both] == [0, 0], said
    made = records(folder)
    assert len(made) == 6, "each trial once"
    assert all(name.endswith("attempt-1.json") for name in made)
    assert tuneoff("run", folder).returncode == 0
    assert records(folder) == made


@pytest.mark.slow
def test_eight_runs_share_a_study(tmp_path: Path) -> None:
    alone = write_study(tmp_path / "alone", ["majority", "full"], seeds=6)
    assert tuneoff("run", alone).returncode == 0
    folder = tmp_path / "study"
    shutil.copytree(alone, folder, ignore=shutil.ignore_patterns("results", "assets", "README*"))
    runs = [start_tuneoff("run", folder) for _ in range(8)]
    paused = runs[0]
    time.sleep(20)
    paused.send_signal(signal.SIGSTOP)
    time.sleep(5)
    paused.send_signal(signal.SIGCONT)
    said = [run.communicate(timeout=900) for run in runs]
    assert [run.returncode for run in runs] == [0] * 8, said
    assert len(records(folder)) == 12
    assert table(folder) == table(alone)
