"""Case 7: the kernel kills a trial for want of memory. ``lost``, with the memory it held and what there is; tried once more, alone."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.studies import environment, records, write_study
from tuneoff.measure.host import memory_kills, memory_limit, resident_bytes

GROUPS = Path("/sys/fs/cgroup")
MEGABYTES = 1800


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with little memory, for the test's processes alone."""
    first = (GROUPS / "memory", "memory.limit_in_bytes")
    parent, limit = first if first[0].is_dir() else (GROUPS, "memory.max")
    folder = parent / f"tuneoff-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / limit).write_text(str(MEGABYTES << 20))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    yield folder
    for _ in range(50):
        try:
            folder.rmdir()
            return
        except OSError:  # Its last process is still leaving.
            time.sleep(0.1)


@pytest.mark.slow
def test_killed_by_the_kernel(group: Path, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["full", "majority"], seeds=1)
    before = memory_kills()
    run = subprocess.run(
        [sys.executable, "-m", "tuneoff", "run", str(folder), "--json"],
        preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())),
        env=environment(TUNEOFF_FAULT=f"mid-step:1:memory={2 * MEGABYTES}"),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 4, run.stderr
    assert before is not None
    assert (memory_kills() or 0) >= before + 2, "it was the kernel"
    found = [json.loads(record) for record in records(folder).values()]
    lost = [record for record in found if record["trial"]["method"] == "full"]
    assert [record["state"] for record in lost] == ["lost", "lost"], "tried once more, not twice"
    facts = lost[-1]["error"]["facts"]  # The line on the screen is about the last one.
    assert 100 << 20 < facts["resident"] <= facts["limit"] == MEGABYTES << 20
    assert f"killed by SIGKILL, likely host memory: RSS {facts['resident']:,} of {facts['limit']:,} bytes" in run.stderr
    assert [record["state"] for record in found if record["trial"]["method"] == "majority"] == ["complete"]


def test_what_the_machine_says() -> None:
    held = resident_bytes(os.getpid())
    limit = memory_limit()
    if not sys.platform.startswith("linux"):
        assert (held, limit) == (None, None)
        return
    assert held is not None
    assert limit is not None
    assert 1 << 20 < held < limit
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert resident_bytes(ended.pid) is None
