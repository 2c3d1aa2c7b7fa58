"""Case 3: a signal stops the run at once, finished trials are safe, and the message names the command that resumes."""

import signal
from pathlib import Path

import pytest

from tests.support.studies import records, start_tuneoff, tuneoff, write_study


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_then_resume(number: signal.Signals, code: int, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority", "full"], seeds=1)
    with start_tuneoff("run", folder) as run:
        assert run.stderr is not None
        line = next(line for line in run.stderr if "accuracy" in line)
        assert "[1/2]" in line
        run.send_signal(number)
        rest = run.stderr.read()
        assert run.wait(60) == code
    assert f"tuneoff run {folder}" in rest
    assert not list((folder / "results").glob("*/claim")), "claims are released"
    assert (folder / "README.md").exists(), "a stopped run has a report"
    before = records(folder)
    assert tuneoff("run", folder).returncode == 0
    assert before.items() <= records(folder).items()
