"""Ten thousand trials with records: ``status`` and ``report`` in seconds, a run that resumes at once, little memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.calm import calm
from tests.support.inline import run_inline
from tests.support.many import fill, write_many
from tests.support.studies import environment
from tuneoff import Study

TRIALS = 10_000
#: Seconds of processor time after imports, and megabytes of the whole process; of one core of 2020 or later.
ANSWER, RESUME, MEGABYTES = 5.0, 1.0, 500

TIMED = """
import json, pathlib, sys, time

def timed(work):
    began = time.process_time()
    work()
    return time.process_time() - began

folder = sys.argv[1]
"""
LOOK = """
import tuneoff.analyse, tuneoff.report
from tuneoff import Study

found = {"status": timed(lambda: Study.load(folder).status()), "report": timed(lambda: Study.load(folder).report())}
status = pathlib.Path("/proc/self/status").read_text().splitlines()  # rusage has the peak of whoever forked this process.
found["megabytes"] = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
found["torch"] = "torch" in sys.modules
print(json.dumps(found))
"""
RESUMED = """
from tuneoff import Study
from tuneoff.run import Listener, run_plan

study = Study.load(folder)
plan = study.plan()
print(json.dumps({"resume": timed(lambda: run_plan(plan, study.store, Listener()))}))
study.outline  # Which the report at the end of a run keeps.
"""


@pytest.mark.slow
def test_ten_thousand_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_inline(monkeypatch)
    folder = write_many(tmp_path / "study", 10)
    with calm():
        Study.load(folder).run(max_trials=1)
    write_many(folder, TRIALS)
    assert fill(folder) == TRIALS
    found = measured(RESUMED, folder) | measured(LOOK, folder)
    assert found["status"] <= ANSWER, found
    assert found["report"] <= ANSWER, found
    assert found["resume"] <= RESUME, found
    assert found["megabytes"] <= MEGABYTES, found
    assert not found["torch"], "the plan that the run kept is enough"


def measured(script: str, folder: Path) -> dict[str, float]:
    alone = environment() | {"OPENBLAS_NUM_THREADS": "1"}  # Threads that wait for each other count as processor time.
    run = subprocess.run([sys.executable, "-c", TIMED + script, str(folder)], capture_output=True, text=True, env=alone, timeout=600)
    assert run.returncode == 0, run.stderr
    values: dict[str, float] = json.loads(run.stdout)
    return values
