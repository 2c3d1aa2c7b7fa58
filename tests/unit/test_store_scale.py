"""The store reads each record once, remembers what it read while a folder is unchanged, and sees every change."""

import os
import time
from pathlib import Path

import pytest

from tuneoff.store import Store, publish_record
from tuneoff.store import store as module
from tuneoff.store.files import sealed_state


class Counter:
    """Counts reads of records."""

    def __init__(self) -> None:
        self.reads = 0

    def look(self, file: str) -> str | None:
        self.reads += 1
        return sealed_state(file)

    def __call__(self, file: Path) -> dict[str, object]:
        self.reads += 1
        return self.read(file)

    read = staticmethod(module.read_record)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter()
    monkeypatch.setattr(module, "read_record", counter)
    monkeypatch.setattr(module, "sealed_state", counter.look)
    return counter


def make(results: Path, trials: int) -> list[str]:
    long_ago = time.time() - 60
    names = [f"trial-{number}" for number in range(trials)]
    for name in names:
        publish_record(results / name / "attempt-1.json", {"state": "complete", "name": name})
        os.utime(results / name, (long_ago, long_ago))
    return names


@pytest.mark.parametrize("trials", [100, 1000])
def test_one_read_a_record_then_none(trials: int, counter: Counter, tmp_path: Path) -> None:
    names = make(tmp_path / "results", trials)
    store = Store(tmp_path / "results")
    assert {store.state(name) for name in names} == {"complete"}
    assert counter.reads == trials
    assert not any(store.is_open(name) for name in names)
    assert {store.last_number(name) for name in names} == {1}
    assert {store.state(name) for name in names} == {"complete"}
    assert counter.reads == trials, "nothing changed, nothing is read again"
    assert all(store.result(name) for name in names)
    assert counter.reads == 2 * trials, "records themselves are not held in memory"
    again = Store(tmp_path / "results")
    assert all(again.result(name) for name in names)
    assert counter.reads == 3 * trials, "the first look for a record is the only one"


def test_a_change_is_seen_at_once(counter: Counter, tmp_path: Path) -> None:
    make(tmp_path / "results", 1)
    store, other = Store(tmp_path / "results"), Store(tmp_path / "results")
    assert store.state("trial-0") == "complete"
    number, _ = other.new_attempt("trial-1")
    assert store.state("trial-1") == "pending"
    for state in ("lost", "failed", "complete"):  # Faster than a time stamp ticks.
        assert other.publish("trial-1", number, {"state": state})
        assert store.state("trial-1") == state
        number, _ = other.new_attempt("trial-1")
    (tmp_path / "results" / "trial-0" / "attempt-1.json").unlink()
    assert store.state("trial-0") == "pending"


def test_numbers_are_never_given_twice(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    first, folder = store.new_attempt("trial")
    assert store.new_attempt("trial")[0] == 2, "the first has no record yet: it may be at work"
    assert store.publish("trial", first, {"state": "complete"})
    (store.folder("trial") / "attempt-1.json").write_text("cut")
    assert store.attempts("trial") == []
    assert len(store.quarantined) == 1
    assert store.new_attempt("trial")[0] == 3
    assert folder.exists(), "the files of a record in quarantine stay"
