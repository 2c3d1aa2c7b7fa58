"""The command line against a hub on localhost: several commands in one fresh process, whose client knows no other hub."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.hub_server import start

SCRIPT = """
import json, sys, time
from tests.support.said import answer
for step in json.loads(sys.argv[1]):
    began = time.monotonic()
    said = answer(*step["argv"], lang=step.get("lang", "en"), **step.get("environment", {}))
    print(json.dumps({"code": said.code, "out": said.out, "err": said.err, "seconds": time.monotonic() - began}))
"""
#: Seconds; imports take most of them where other tests share the cores.
LONGEST = 300


@dataclass(frozen=True)
class Told:
    """What one command said, and how long it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def line(self) -> str:
        """The last line of its talk, without the program's name."""
        return self.err.splitlines()[-1].removeprefix("tuneoff: ")


def tell(steps: Sequence[dict[str, Any]], endpoint: str, home: Path, **environment: str) -> tuple[list[Told], str]:
    """Run the commands one after the other; what each said, and whatever else the process put on stderr."""
    with start(SCRIPT, json.dumps(steps), endpoint=endpoint, home=home, **environment) as process:
        try:
            out, talk = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0, talk
    return [Told(**json.loads(line)) for line in out.splitlines()], talk


def hub_study(folder: Path, backbone: str, methods: Sequence[str] = ("majority", "full")) -> Path:
    """A study on a hub's backbone; returns its folder."""
    from tests.support.studies import write_rows

    folder.mkdir(parents=True)
    write_rows(folder / "rows.csv")
    train = {"epochs": 1, "batch_size": 16, "max_length": 24, "precision": "fp32"}
    study = {"study": "hub", "backbone": backbone, "data": {"train": "rows.csv"}, "methods": list(methods), "seeds": 1, "train": train}
    (folder / "study.yaml").write_text(json.dumps(study), encoding="utf-8")
    return folder
