"""The fork server is started before anything needs it, and hears no signal that is meant for the run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.studies import environment

SCRIPT = """
import sys
from multiprocessing import forkserver
from tuneoff.fork_server import get_ready

get_ready()
get_ready()
assert "torch" not in sys.modules, "this process has not waited for it"
print(forkserver._forkserver._forkserver_pid, flush=True)
sys.stdin.read()
"""


def test_a_server_that_gets_ready_is_deaf_and_ends_with_the_run() -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert run.stdout is not None
    server = int(run.stdout.readline())
    status = Path(f"/proc/{server}/status").read_text()
    blocked = int(next(line for line in status.splitlines() if line.startswith("SigBlk")).split()[1], 16)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        assert blocked & 1 << (number - 1)
        os.kill(server, number)
    time.sleep(0.2)
    assert Path(f"/proc/{server}").exists()
    own = int(next(line for line in Path(f"/proc/{run.pid}/status").read_text().splitlines() if line.startswith("SigBlk")).split()[1], 16)
    assert own == 0, "the run itself hears as before"
    out, err = run.communicate("", timeout=60)
    assert (run.returncode, out, err) == (0, "", "")
    deadline = time.monotonic() + 60
    while Path(f"/proc/{server}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
