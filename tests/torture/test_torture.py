"""The torture run in short: some kills on a small study. ``make torture`` is the long form."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.studies import environment

ROOT = Path(__file__).parents[2]


def torture(folder: Path, kills: int, seeds: int, timeout: float) -> dict[str, object]:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs Linux and leave to mount a small disk")
    command = [sys.executable, "-m", "tests.torture.torture", str(folder), "--kills", str(kills), "--seeds", str(seeds), "--seed", "1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment(), cwd=ROOT)
    if "Skipped" in run.stderr:
        pytest.skip(run.stderr.strip().splitlines()[-1])
    assert run.stdout, run.stderr
    figures: dict[str, object] = json.loads(run.stdout)
    assert run.returncode == 0, run.stdout
    return figures


@pytest.mark.slow
def test_a_few_kills(tmp_path: Path) -> None:
    figures = torture(tmp_path, 15, 3, 240)
    assert figures["clean"] is True
    assert figures["kills"] == 15
    assert figures["trials_a_round"] == 9
    acknowledged = figures["acknowledged_records"]
    assert isinstance(acknowledged, int)
    assert acknowledged >= 9


@pytest.mark.slow
def test_a_thousand_kills(tmp_path: Path) -> None:
    assert torture(tmp_path, 1000, 20, 7200)["clean"] is True
