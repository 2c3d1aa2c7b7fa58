"""Case 2: a child is killed, or leaves without a word. Its trial is lost, the others go on, and it is tried again."""

import json
import os
import signal
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.studies import records, start_tuneoff, tuneoff, write_study
from tuneoff.run.attempt import _verified


def states(folder: Path) -> list[str]:
    return sorted(json.loads(record)["state"] for record in records(folder).values())


def test_child_killed_every_time(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority", "full"], seeds=1)
    run = tuneoff("run", folder, "--json", TUNEOFF_FAULT="mid-step:1")
    assert run.returncode == 4
    assert states(folder) == ["complete", "lost", "lost", "lost"], "tried again at most twice"
    rows = {row["label"]: row for row in json.loads(run.stdout)["rows"]}
    assert rows["majority"]["state"] == "complete"
    assert rows["full"]["state"] == "lost"
    assert "killed by SIGKILL, and not by the kernel for want of memory (RSS" in run.stderr
    again = tuneoff("run", folder)
    assert again.returncode == 0, "the same command goes on once the cause is gone"


@pytest.mark.parametrize(("how", "said"), [("exit=7", "code 7"), pytest.param("signal=SEGV", "SIGSEGV", marks=pytest.mark.slow)])
def test_child_leaves_in_another_way(how: str, said: str, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["full"], seeds=1)
    run = tuneoff("run", folder, TUNEOFF_FAULT=f"mid-step:1:{how}")
    assert run.returncode == 4
    assert said in run.stderr
    assert states(folder) == ["lost"] * 3
    readme = (folder / "README.en.md" if (folder / "README.en.md").exists() else folder / "README.md").read_text(encoding="utf-8")
    assert said in readme, "the report says why"


@pytest.mark.slow
def test_the_reload_proof_is_killed_once(tmp_path: Path) -> None:
    """The trial is trained by then: only its proof is made again, and the record says that it holds."""
    folder = write_study(tmp_path / "study", ["full"], seeds=1)
    with start_tuneoff("run", folder) as run:
        attempt = None
        while run.poll() is None:
            attempt = attempt or next(iter((folder / "results").glob("full-*/attempt-1/result.json")), None)
            if attempt and (proving := at_work_below(attempt.parent, besides=attempt)):
                os.kill(proving, signal.SIGKILL)
                break
        assert run.wait(120) == 0
        assert run.stderr is not None
        run.communicate()
    record = json.loads(next(iter(records(folder).values())))
    assert record["state"] == "complete"
    assert record["reload"]["same"] is True


@pytest.mark.parametrize(("death", "state"), [("run.killed", "lost"), ("run.starved", "complete"), ("run.signal", "complete")])
def test_a_proof_that_never_ends(death: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever kills it every time may as well have killed the training; what happens by itself would happen again."""
    ends = {"state": "lost", "error": {"key": death, "facts": {}}}

    def dies(job: object, verify: bool) -> Any:
        yield None
        return dict(ends)

    monkeypatch.setattr("tuneoff.run.attempt._process", dies)
    proving = _verified(cast("Any", None), {"state": "complete", "phases": {}})
    result: dict[str, Any] = {}

    def through() -> Generator[Any, None, None]:
        result.update((yield from proving))

    assert len(list(through())) == 3, "tried again at most twice"
    assert result["state"] == state
    assert (result if state == "lost" else result["reload"])["error"]["key"] == death


def at_work_below(folder: Path, besides: Path) -> int | None:
    """A process that logs into this folder and was started after a file there was written."""
    made = besides.stat().st_mtime
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and Path(os.readlink(process / "fd" / "1")).parent == folder and process.stat().st_ctime > made:
                return int(process.name)
    return None
