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
#: Seconds of processor time and megabytes, after the libraries are loaded (PyTorch and transformers alone are 540 MB of which half
#: is mapped from their files); of one core of 2020 or later, and a busy machine does not change them.
ANSWER, RESUME, MEGABYTES = 5.0, 1.0, 500

SCRIPT = """
import json, resource, sys, time
import tuneoff.report
from tuneoff import Study
from tuneoff.run import Listener, run_plan

def timed(work):
    began = time.process_time()
    work()
    return time.process_time() - began

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

folder, found, libraries = sys.argv[1], {}, peak()
found["status"] = timed(lambda: Study.load(folder).status())
study = Study.load(folder)
plan = study.plan()
found["resume"] = timed(lambda: run_plan(plan, study.store, Listener()))
found["report"] = timed(study.report)
found["megabytes"] = peak() - libraries
print(json.dumps(found))
"""


@pytest.mark.slow
def test_ten_thousand_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_inline(monkeypatch)
    folder = write_many(tmp_path / "study", 10)
    with calm():
        Study.load(folder).run(max_trials=1)
    write_many(folder, TRIALS)
    assert fill(folder) == TRIALS
    alone = environment() | {"OPENBLAS_NUM_THREADS": "1"}  # Threads that wait for each other count as processor time.
    run = subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True, env=alone, timeout=600)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["status"] <= ANSWER, found
    assert found["report"] <= ANSWER, found
    assert found["resume"] <= RESUME, found
    assert found["megabytes"] <= MEGABYTES, found
