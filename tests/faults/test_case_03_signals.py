"""Case 3: the first signal stops claiming, releases, reports and names the command that resumes; the second one stops now.

Terminals and schedulers send a signal to every process of a job at once: no trial may be recorded as lost for it.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.studies import environment, records, tuneoff, write_study


def start(folder: Path) -> subprocess.Popen[str]:
    """The command line in a process group of its own, deaf to no signal, whatever this process ignores."""

    def hear() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, "-m", "tuneoff", "run", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment(),
        start_new_session=True,
        preexec_fn=hear,
    )


def states(folder: Path) -> set[str]:
    return {json.loads(record)["state"] for record in records(folder).values()}


OTHERS = [pytest.param(number, 128 + number, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGHUP)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), *OTHERS])
def test_once_to_all_processes_then_resume(number: signal.Signals, code: int, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "my study", ["majority", "full"], seeds=1, train={"epochs": 30})
    with start(folder) as run:
        assert run.stderr is not None
        line = next(line for line in run.stderr if "accuracy" in line)
        assert "[1/2]" in line
        os.killpg(run.pid, number)
        rest = run.stderr.read()
        assert run.wait(60) == code
    assert f"tuneoff run '{folder}'" in rest, "the command can be pasted, blanks and all"
    assert "Traceback" not in rest
    assert not list((folder / "results").glob("*/claim*")), "claims are released"
    assert (folder / "README.md").exists(), "a stopped run has a report"
    assert states(folder) == {"complete"}, "what was stopped is not lost: it has no record"
    before = records(folder)
    if number == signal.SIGINT:
        assert tuneoff("run", folder).returncode == 0
        assert before.items() <= records(folder).items()


def test_twice_is_now(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority", "full"], seeds=1, train={"epochs": 30})
    with start(folder) as run:
        assert run.stderr is not None
        next(line for line in run.stderr if "accuracy" in line)
        run.send_signal(signal.SIGINT)
        run.send_signal(signal.SIGTERM)
        rest = run.stderr.read()
        assert run.wait(60) in (130, 143)
    assert "To go on" in rest
    assert "Traceback" not in rest
    assert states(folder) == {"complete"}
    assert not list((folder / "results").glob("*/claim*"))


def test_before_anything_runs(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority"], seeds=1)
    with start(folder) as run:
        assert run.stderr is not None
        next(line for line in run.stderr if "Checking" in line)
        run.send_signal(signal.SIGINT)
        rest = run.stderr.read()
        assert run.wait(60) == 130
    assert f"tuneoff run {folder}" in rest
    assert "Traceback" not in rest
