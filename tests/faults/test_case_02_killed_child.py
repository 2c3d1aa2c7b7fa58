"""Case 2: a child is killed, or leaves without a word. Its trial is lost, the others go on, and it is tried again."""

import json
from pathlib import Path

from tests.support.studies import records, tuneoff, write_study


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
    assert "SIGKILL" in run.stderr
    again = tuneoff("run", folder)
    assert again.returncode == 0, "the same command goes on once the cause is gone"


def test_child_leaves_with_a_code(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["full"], seeds=1)
    run = tuneoff("run", folder, TUNEOFF_FAULT="mid-step:1:exit=7")
    assert run.returncode == 4
    assert "code 7" in run.stderr
    assert states(folder) == ["lost"] * 3
    readme = (folder / "README.en.md" if (folder / "README.en.md").exists() else folder / "README.md").read_text(encoding="utf-8")
    assert "code 7" in readme, "the report says why"
