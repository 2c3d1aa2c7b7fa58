"""Case 6: the GPU is full. Half the micro-batch, twice the accumulation, the same update, recorded and shown; at one row, ``oom``.

PyTorch's own exception is raised where a forward pass asks for memory; on a machine with a GPU it comes from there by itself.
"""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from tests.support.calm import calm
from tests.support.inline import run_inline
from tests.support.studies import records, tuneoff, write_study
from tuneoff import Study
from tuneoff.report.telling import outcome


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    run_inline(monkeypatch)
    monkeypatch.setattr("tuneoff.faults._passed", Counter())


def run(folder: Path) -> dict[str, dict[str, Any]]:
    with calm():
        Study.load(folder).run()
    found = [json.loads(record) for record in records(folder).values()]
    return {record["trial"]["stage"] or record["trial"]["method"]: record for record in found}


def logits(folder: Path, method: str) -> bytes:
    return bytes(load_file(next((folder / "results").glob(f"{method}-s*/attempt-1")) / "predictions.safetensors")["test.logits"])


def test_smaller_micro_batches_and_the_same_update(inline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = write_study(tmp_path / "asked", ["full"], seeds=1, train={"micro_batch": 4})
    by_hand = run(asked)["full"]
    assert "shrunk" not in by_hand
    shutil.copytree(asked / "tiny", tmp_path / "study" / "tiny")  # A vocabulary that is trained again may be in another order.
    folder = write_study(tmp_path / "study", ["full"], seeds=1)
    monkeypatch.setenv("TUNEOFF_FAULT", "forward:1+:oom>4")
    record = run(folder)["full"]
    assert record["state"] == "complete"
    assert record["shrunk"] == {"batch_size": 16, "micro_batch": 4, "accumulation": 4, "evaluation_tokens": None}
    assert logits(folder, "full") == logits(asked, "full"), "as if the study had said micro_batch: 4, to the bit"
    assert record["steps"] == by_hand["steps"]
    assert "4 passes of 4 rows" in outcome(record, "en")
    curve = next((folder / "results").glob("full-*/attempt-1/curve.jsonl")).read_text().splitlines()
    steps = [json.loads(line)["step"] for line in curve]
    assert steps == sorted(set(steps)), "nothing of what was given up is in the curve"


def test_evaluation_in_smaller_batches(inline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEOFF_FAULT", "evaluate:1+:oom>8")
    folder = write_study(tmp_path / "study", ["full", "feature_extraction"], seeds=1)
    for record in run(folder).values():
        assert record["state"] == "complete"
        assert record["shrunk"]["accumulation"] == 1
        assert 8 <= record["shrunk"]["evaluation_tokens"] < 4096
        assert "smaller batches" in outcome(record, "en")


def test_search_and_pretraining_shrink_too(inline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEOFF_FAULT", "forward:1+:oom>8")
    more = {"tuning": {"trials": 2}, "pretrain": {"epochs": 1, "batch_size": 16, "max_length": 24}}
    found = run(write_study(tmp_path / "study", ["pretrain+full"], seeds=1, **more))
    assert set(found) == {"pretrain", "search", "pretrain+full"}
    for record in found.values():
        assert record["state"] == "complete", record.get("error")
        assert (record["shrunk"]["micro_batch"], record["shrunk"]["accumulation"]) == (8, 2)


def test_one_row_does_not_fit(inline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEOFF_FAULT", "forward:1+:oom")
    folder = write_study(tmp_path / "study", ["full", "majority"], seeds=1)
    found = run(folder)
    assert found["full"]["state"] == "oom"
    assert found["full"]["error"]["facts"]["peak"] > 0
    said = found["full"]["error"]["text"]
    assert "one row a pass" in said
    assert "train.max_length" in said
    assert found["majority"]["state"] == "complete", "the next trial starts clean"
    monkeypatch.delenv("TUNEOFF_FAULT")
    assert run(folder)["full"]["state"] == "oom", "it would not fit the next time either: not tried again"


@pytest.mark.slow
def test_on_the_command_line(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["full", "majority"], seeds=1)
    full = tuneoff("run", folder, TUNEOFF_FAULT="forward:1+:oom")
    assert full.returncode == 4
    assert "one row a pass" in full.stderr
    shrunk = tuneoff("run", write_study(tmp_path / "other", ["full"], seeds=1), TUNEOFF_FAULT="forward:1+:oom>2")
    assert shrunk.returncode == 0
    assert "8 passes of 2 rows" in shrunk.stderr


@pytest.mark.skipif(not __import__("torch").cuda.is_available(), reason="needs a GPU")
def test_a_real_gpu_that_is_full(tmp_path: Path) -> None:
    import torch

    total = torch.cuda.get_device_properties(0).total_memory
    folder = write_study(tmp_path / "study", ["full"], seeds=1, train={"batch_size": 4096, "fit": "try"})
    run = tuneoff("run", folder, PYTORCH_CUDA_ALLOC_CONF=f"per_process_memory_fraction:{64e6 / total}")
    assert run.returncode == 0
    assert "passes of" in run.stderr
