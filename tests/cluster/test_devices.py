"""One trial on several devices: the same losses as on one, and artefacts that load on one. Two processes of the CPU stand for two GPUs."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.calm import calm
from tests.support.studies import records, tuneoff, write_study
from tests.support.tiny import tiny_encoder
from tuneoff import Study
from tuneoff.strings import say

#: Sums over two ranks add the same numbers in another order: a rounding in the 24th bit.
TOLERANCE = 1e-5


def study_of(folder: Path, methods: list[Any], **train: Any) -> Path:
    """Without dropout: ranks draw other masks than one process does."""
    folder.mkdir()
    tiny_encoder(folder / "tiny")
    config = json.loads((folder / "tiny" / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "tiny" / "config.json").write_text(json.dumps(config))
    # 72 training rows in batches of 14: the last one has 2, and micro-batches of 3 leave ranks with different numbers of parts.
    return write_study(folder, methods, seeds=1, train={"batch_size": 14, "micro_batch": 3, "epochs": 3, **train})


def losses(folder: Path, method: str) -> list[float]:
    (curve,) = (folder / "results").glob(f"{method}-*/attempt-1/curve.jsonl")
    points = [json.loads(line) for line in curve.read_text().splitlines()]
    return [point["loss"] for point in points] + [point["validation_loss"] for point in points if point["validation_loss"] is not None]


def run(folder: Path) -> dict[str, dict[str, Any]]:
    """Run in this process, whose fork server serves all tests; returns the records by method."""
    with calm():
        progress = Study.load(folder).run(threads=1)
    found = {body["trial"]["method"]: body for body in map(json.loads, records(folder).values())}
    assert progress.done == progress.total, [body.get("error") for body in found.values()]
    return found


def compare(tmp_path: Path, methods: list[Any], **several: Any) -> dict[str, dict[str, Any]]:
    """Run on one device and on two; returns the records of the latter."""
    one, two = study_of(tmp_path / "one", methods), study_of(tmp_path / "two", methods, devices=2, **several)
    alone, together = run(one), run(two)
    for method in together:
        np.testing.assert_allclose(losses(two, method), losses(one, method), rtol=TOLERANCE)
        assert together[method]["steps"] == alone[method]["steps"]
        assert together[method]["reload"]["same"], "a single process loads it"
        assert together[method]["quality"]["test"]["accuracy"] == pytest.approx(alone[method]["quality"]["test"]["accuracy"], abs=0.05)
        assert (alone[method]["devices"], together[method]["devices"]) == (1, 2)
    leftovers = {path.name for path in (two / "results").glob("*/attempt-1/*") if path.name.startswith(("rank-", "meeting"))}
    assert not leftovers
    return together


def test_two_ranks_learn_what_one_does(tmp_path: Path) -> None:
    compare(tmp_path, ["full"])


@pytest.mark.slow
def test_a_model_in_two_halves_learns_what_a_whole_one_does(tmp_path: Path) -> None:
    compare(tmp_path, ["full", {"lora": {"r": 2}}], strategy="fsdp")


@pytest.mark.slow
def test_methods_that_look_at_gradients_and_stages(tmp_path: Path) -> None:
    """AdaLoRA's ranks, prefixes that start after a first gradient; a baseline and a head on features keep to one process."""
    study = study_of(tmp_path / "two", ["majority", "feature_extraction", "prefix", "adalora"], devices=2)
    found = run(study)
    assert {method: body["devices"] for method, body in found.items()} == {
        "majority": 1,
        "feature_extraction": 1,
        "prefix": 2,
        "adalora": 2,
    }
    (tmp_path / "corpus.txt").write_text("profit rose again and sales grew\n" * 40)
    more = {"unlabelled": str(tmp_path / "corpus.txt")}
    pretrained = write_study(tmp_path / "stage", ["pretrain+full"], seeds=1, data=more, pretrain={"epochs": 2}, train={"devices": 2})
    stage = run(pretrained)["pretrain"]
    assert stage["devices"] == 2
    assert stage["loss_after"] < stage["loss_before"]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_in_bf16(strategy: str, tmp_path: Path) -> None:
    study = study_of(tmp_path / "two", ["full", {"lora": {"r": 2}}], devices=2, strategy=strategy, precision="bf16")
    for body in run(study).values():
        assert body["precision"] == "bf16"
        assert body["reload"]["same"]


@pytest.mark.slow
def test_when_one_rank_dies_the_attempt_is_lost_and_no_rank_is_left(tmp_path: Path) -> None:
    study = study_of(tmp_path / "two", ["full"], devices=2)
    done = tuneoff("run", study, TUNEOFF_FAULT="mid-step:2:exit=7")
    assert done.returncode == 4
    assert "code 7" in done.stderr
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert str(study) not in process.read_text()
        except OSError:
            continue
    again = run(study)
    assert any(body["state"] == "complete" for body in again.values())
    assert os.listdir(next((study / "results").glob("full-*/attempt-1"))), "logs of what failed stay"


def test_what_cannot_be_divided_says_so(tmp_path: Path) -> None:
    study = study_of(tmp_path / "two", ["majority", "prompt"], devices=2, strategy="fsdp")
    with calm():
        (_, prompt) = Study.load(study).sketch().methods
    assert prompt.unsupported
    assert "strategy: ddp" in say(prompt.unsupported, "en")
