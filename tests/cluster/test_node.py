"""What a node does with an order, without a cluster around it: bytes in, bytes out, no path of whoever gave it."""

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.calm import calm
from tests.support.studies import write_study
from tuneoff import Study
from tuneoff.data import save_prepared
from tuneoff.errors import RefusedError, TrialError
from tuneoff.run.executors.node import CACHE_VARIABLE, Order, carry_out, have
from tuneoff.run.job import Job, Rates
from tuneoff.run.packing import digest, packed, unpack


class Sender:
    """Archives by hash, and how often each was asked for."""

    def __init__(self) -> None:
        self.archives: dict[str, bytes] = {}
        self.asked: list[str] = []

    def add(self, source: Path) -> str:
        archive = packed(source)
        key = digest(io.BytesIO(archive))
        self.archives[key] = archive
        return key

    def __call__(self, key: str) -> Iterator[bytes]:
        self.asked.append(key)
        archive = self.archives[key]
        yield from (archive[start : start + 1000] for start in range(0, len(archive), 1000))


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "node"))
    return tmp_path / "node"


def order_of(folder: Path, sender: Sender, artefacts: str | None = None) -> Order:
    with calm():
        plan = Study.load(folder).plan()
    assert plan.resolved
    trial = next(trial for trial in plan.trials if trial.method == "full")
    cache = folder / "results" / "cache"
    prepared = save_prepared(plan.splits, cache)
    rates = (Rates(trial.config["learning_rate"], trial.config["head_learning_rate"]),)
    job = Job(trial, folder / "attempt", prepared, cache, plan.resolved, "tiny", None, ("text",), rates=rates, threads=1)
    return Order.of(job, {"prepared": sender.add(prepared), "backbone": sender.add(plan.resolved.folder)}, None, artefacts)


def test_an_attempt_comes_back_whole(node: Path, tmp_path: Path) -> None:
    folder, sender = write_study(tmp_path / "study", ["full"], seeds=1), Sender()
    order = order_of(folder, sender, artefacts=(tmp_path / "depot").as_uri())
    assert str(tmp_path) not in json.dumps(order.job), "no path of this machine travels"
    result, archive = carry_out(order.text(), sender)
    found = json.loads(result)
    assert (found["state"], found["workers"]) == ("complete", 1), found
    assert found["reload"]["same"]
    unpack(io.BytesIO(archive), tmp_path / "back")
    names = {file.name for file in (tmp_path / "back").iterdir()}
    assert {"curve.jsonl", "predictions.safetensors", "log.txt", "artefact.json"} <= names
    assert not {"artefact", "job.json"} & names
    pointer = json.loads((tmp_path / "back" / "artefact.json").read_text())
    (stored,) = (tmp_path / "depot").iterdir()
    assert pointer == {"url": stored.as_uri(), "sha256": hashlib.sha256(stored.read_bytes()).hexdigest(), "bytes": stored.stat().st_size}
    assert set(sender.asked) == set(sender.archives)
    assert not list((node / "attempts").iterdir()), "nothing is left of the attempt"


def test_what_a_node_has_is_not_sent_again(node: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    sender = Sender()
    key = sender.add(tmp_path / "file")
    for _ in range(2):
        assert (have(key, node, sender) / "file").read_text() == "content"
    assert sender.asked == [key]


def test_what_arrives_is_what_was_sent(node: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    sender = Sender()
    key = sender.add(tmp_path / "file")
    sender.archives[key] = sender.archives[key].replace(b"content", b"CONTENT")
    with pytest.raises(TrialError):
        have(key, node, sender)
    for name in ("../../etc", "", key.upper()):
        with pytest.raises(TrialError):
            have(name, node, sender)
    assert not [file for file in node.rglob("*") if file.is_file()]


def test_another_version_is_refused(node: Path, tmp_path: Path) -> None:
    sender = Sender()
    order = order_of(write_study(tmp_path / "study", ["full"], seeds=1), sender)
    with pytest.raises(RefusedError) as found:
        carry_out(replace(order, version="0.0.1").text(), sender)
    assert "0.0.1" in found.value.text("en")
    assert not sender.asked


def test_what_killed_attempts_left_is_swept(node: Path, tmp_path: Path) -> None:
    code = "from tuneoff.store.owner import this_process; print(this_process().text())"
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name, owner in (("dead", gone), ("alive", None)):
        scratch = node / "attempts" / name
        scratch.mkdir(parents=True)
        from tuneoff.store.owner import this_process

        (scratch / "owner.json").write_text(owner or this_process().text())
    from tuneoff.run.executors.node import _sweep

    _sweep(node / "attempts")
    assert os.listdir(node / "attempts") == ["alive"]
