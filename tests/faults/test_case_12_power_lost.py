"""Case 12: the power is cut and what was not synced is gone. Every acknowledged record is present and whole, with its files.

The system calls of a real program are recorded, and every state that a cut after any of them could leave is built and read.
"""

import hashlib
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support import crash, store_worker
from tests.support.studies import environment, table, tuneoff, write_study
from tuneoff.store import Store

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def acknowledged(printed: str) -> list[str]:
    return re.findall(r"published (\S+)\n", printed)


def test_every_state_that_a_cut_can_leave(tmp_path: Path) -> None:
    results = tmp_path / "study" / "results"
    results.parent.mkdir()
    worker = [sys.executable, store_worker.__file__, str(results), "4"]
    crash.record(worker, tmp_path / "trace", environment(PYTHONPATH=f"{Path.cwd()}"))
    seen: set[tuple[str, str]] = set()
    most = 0
    for state in crash.states(tmp_path / "trace", results.parent):
        left = hashlib.sha256(repr(sorted(state.files.items())).encode()).hexdigest()
        told = acknowledged(state.printed)
        if (left, state.printed) in seen:
            continue
        seen.add((left, state.printed))
        most = max(most, len(told))
        store = Store(state.build(tmp_path / "after") / "results")
        found = {f"{trial}/attempt-{a.number}.json": a for trial in store.trials() for a in store.attempts(trial)}
        assert not store.quarantined, f"{state.kind}: a half record was visible: {store.quarantined}"
        assert set(told) <= set(found), f"{state.kind}: acknowledged and lost"
        for name, attempt in found.items():
            files = (attempt.folder / "predictions").read_bytes()
            assert files == store_worker.content(attempt.record["trial"]), f"{state.kind}: {name} is there without its files"
    assert most == 4
    assert len(seen) > 50, "a cut was tried after every call"


@pytest.mark.slow
def test_every_state_that_a_cut_can_leave_of_a_whole_run(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority", "full"], seeds=1)
    command = [sys.executable, "-m", "tuneoff", "run", str(folder)]
    printed = crash.record(command, tmp_path / "trace", environment(), timeout=1200)
    assert printed.count("accuracy") >= 2
    expected = table(folder)
    results, seen, last = folder / "results", set(), None
    whole = {str(file.relative_to(results)): file.read_bytes() for file in results.glob("*/attempt-*.json")}
    for state in crash.states(tmp_path / "trace", results):
        told = len(re.findall(r"\[\d/2\]", state.printed))
        records = {name: data for name, data in state.files.items() if re.fullmatch(r"[^/]+/attempt-\d+\.json", name)}
        key = (state.kind, told, *sorted(records), len(state.files))
        if key in seen:
            continue
        seen.add(key)
        assert all(whole[name] == data for name, data in records.items()), f"{state.kind}: a half record was visible"
        assert len(records) >= told, f"{state.kind}: acknowledged and lost"
        for name in records:
            files = state.files[name.removesuffix(".json") + "/predictions.safetensors"]
            assert hashlib.sha256(files).hexdigest().encode() in records[name], f"{state.kind}: {name} without its predictions"
        if told == 1 and state.kind == "only what was synced":
            last = state
    assert last is not None
    shutil.rmtree(results)
    last.build(results)
    run = tuneoff("run", folder)
    assert run.returncode == 0, run.stderr
    assert table(folder) == expected, "the same command goes on after the cut"
