"""A token is never written down and never said, whatever is asked for and whatever goes wrong."""

import os
from pathlib import Path

from tests.support.said import answer
from tests.support.studies import environment, tuneoff, write_study

TOKEN = "hf_Marker0123456789abcdefMARKER"
#: Where the token is, and what else machines keep in their environment.
SECRETS = {"HF_TOKEN": TOKEN, "HUGGING_FACE_HUB_TOKEN": TOKEN, "MLFLOW_TRACKING_PASSWORD": TOKEN, "AWS_SECRET_ACCESS_KEY": TOKEN}


def holding(folder: Path, secret: str) -> list[str]:
    found = []
    for file in folder.rglob("*"):
        if file.is_file() and secret.encode() in file.read_bytes():
            found.append(str(file.relative_to(folder)))
    return found


def test_a_token_is_in_no_file_and_in_no_output(tmp_path: Path) -> None:
    broken = {"full": {"learning_rate": 1e30, "head_learning_rate": 1e30}, "as": "broken"}
    folder = write_study(tmp_path / "study", ["majority", "lora", broken], seeds=1, train={"epochs": 1, "clip": 1e30, "warmup": 0.0})
    settings = SECRETS | {"HF_HOME": str(tmp_path / "home")}
    run = tuneoff("run", folder, "--json", "--debug", **settings)
    assert run.returncode == 4, run.stderr
    said = run.stdout + run.stderr
    (artefact,) = (folder / "results").glob("lora-s0-*")
    for arguments in (("report", folder), ("status", folder), ("check", folder), ("doctor",), ("export", artefact, tmp_path / "exported")):
        told = answer(*arguments, "--json", "--debug", **settings)
        said += told.out + told.err
    for command in (("check", folder, "--set", "backbone=owner/none"), ("check", folder, "--set", "train.epochs=x"), ("predict", tmp_path)):
        told = answer(*command, "--debug", **settings)
        assert told.code in (2, 3)
        assert "Traceback" in told.err, "the traceback is what is searched"
        said += told.err
    assert TOKEN not in said
    assert len(list(folder.rglob("log.txt"))) == 3, "logs are there to be searched"
    assert holding(tmp_path, TOKEN) == []


def test_the_search_would_find_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file.bin").write_bytes(b"\0" + TOKEN.encode() + b"\0")
    assert holding(tmp_path, TOKEN) == ["deep/file.bin"]
    assert TOKEN in {**environment(**SECRETS)}.values()
    assert TOKEN not in os.environ.values()
