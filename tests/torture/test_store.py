"""The store alone under hundreds of SIGKILLs: eight processes that claim and publish, on a disk that is full now and then."""

import hashlib
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support import store_worker
from tests.support.disks import small_disk
from tests.support.studies import environment
from tuneoff.store import Store

TRIALS, WORKERS = 60, 8


def torture(disk: Path, kills: int, seed: int) -> Counter[str]:
    chance = random.Random(seed)
    results, acks = disk / "study" / "results", disk.parent / "acks"
    results.parent.mkdir(exist_ok=True)
    acks.unlink(missing_ok=True)
    command = [sys.executable, store_worker.__file__, str(results), str(TRIALS), "--seconds", "0.02"]
    counts: Counter[str] = Counter()
    env = environment(PYTHONPATH=str(Path.cwd()))

    def start() -> subprocess.Popen[bytes]:
        with acks.open("ab") as out:
            return subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=env)

    workers = [start() for _ in range(WORKERS)]
    while counts["kills"] < kills:
        time.sleep(chance.uniform(0.0, 0.05))
        if chance.random() < 0.05:
            fill(disk)
            counts["full disks"] += 1
        else:
            place = chance.randrange(WORKERS)
            if workers[place].poll() is None:
                workers[place].send_signal(signal.SIGKILL)
                counts["kills"] += 1
        for place, worker in enumerate(workers):
            if worker.poll() is not None:
                workers[place] = start()
    for worker in workers:
        worker.kill()
        worker.wait()
    assert subprocess.run(command, capture_output=True, env=env).returncode == 0
    told = [line.split()[1] for line in acks.read_text().splitlines() if line.startswith("published")]
    assert len(told) == len(set(told)), "no number was published twice"
    store = Store(results)
    kept = {f"{trial}/attempt-{attempt.number}.json": attempt for trial in store.trials() for attempt in store.attempts(trial)}
    assert not store.quarantined
    assert set(told) <= set(kept), "acknowledged and lost"
    assert Counter(attempt.record["trial"] for attempt in kept.values()) == Counter({f"trial-{i:03d}": 1 for i in range(TRIALS)}), (
        "every trial once: none ran to its end twice"
    )
    for attempt in kept.values():
        files = (attempt.folder / "predictions").read_bytes()
        assert files == store_worker.content(attempt.record["trial"])
        assert attempt.record["sha256"] == hashlib.sha256(files).hexdigest()
    store.sweep()
    assert not [*results.rglob("*.part"), *results.rglob("claim*")]
    counts["acknowledged"] = len(told)
    return counts


def fill(disk: Path) -> None:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 65536)
        except OSError:
            pass
    time.sleep(0.05)
    filler.unlink()


def test_sixty_kills(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        assert torture(disk, 60, 0)["kills"] == 60


@pytest.mark.slow
def test_two_thousand_kills(tmp_path: Path) -> None:
    for seed in range(10):
        with small_disk(tmp_path / "disk", "4m") as disk:
            assert torture(disk, 200, seed)["kills"] == 200
