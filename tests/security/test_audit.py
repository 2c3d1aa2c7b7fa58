"""``make audit`` asks about the pinned versions, and an audit that could not take place does not look like a clean one."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(importlib.util.find_spec("pip_audit") is None, reason="the extra `audit` is not installed")


def audit(constraints: Path) -> subprocess.CompletedProcess[str]:
    from tests.support.studies import environment

    # A proxy that nobody answers at: no advisory service can be asked.
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "scripts.audit", str(constraints)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment(**nowhere, NO_PROXY="", no_proxy=""), timeout=300, check=False
    )


def test_it_reads_the_constraints_and_says_that_nothing_was_checked() -> None:
    ran = audit(ROOT / "constraints.txt")
    pinned = sum("==" in line and not line.startswith("#") for line in (ROOT / "constraints.txt").read_text().splitlines())
    first, *_, last = ran.stderr.splitlines()
    assert ran.returncode == 3
    assert first == f"audit: {pinned} pinned versions of {ROOT / 'constraints.txt'}"
    assert last.startswith("audit: nothing was checked: the advisory service cannot be reached or did not answer (")
    assert "Traceback" not in last
    assert ran.stdout == ""


def test_the_make_target_is_this_audit() -> None:
    shown = subprocess.run(["make", "--dry-run", "audit", "READY="], capture_output=True, text=True, cwd=ROOT, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "-m scripts.audit constraints.txt" in shown.stdout
