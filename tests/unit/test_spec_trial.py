"""The identity of a trial: what decides its result is in its key, and nothing else."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tuneoff.spec import PretrainSpec, SearchSpec, TrainSpec, TrialSpec

FIELDS: dict[str, Any] = {
    "method": "lora",
    "config": {"r": 8, "learning_rate": 1e-4, "targets": ["q", "v"]},
    "seed": 0,
    "data": "d",
    "backbone": "b",
    "train": TrainSpec(),
    "metric_version": 1,
}

CHANGES: list[dict[str, Any]] = [
    {"method": "pretrain+lora"},
    {"config": {"r": 16, "learning_rate": 1e-4, "targets": ["q", "v"]}},
    {"config": {"r": 8, "learning_rate": 1.0001e-4, "targets": ["q", "v"]}},
    {"config": {"r": 8, "learning_rate": 1e-4, "targets": ["v", "q"]}},
    {"seed": 1},
    {"data": "e"},
    {"backbone": "c"},
    {"train": TrainSpec(epochs=4)},
    {"pretrain": PretrainSpec()},
    {"corpus": "c"},
    {"needs": ("pretrain-s0-0123456789",)},
    {"stage": "search"},
    {"search": SearchSpec(candidates=((1e-4, 1e-3),), shares=(0.5,))},
    {"search": SearchSpec(candidates=((1e-4, 2e-3),), shares=(0.5,))},
    {"metric_version": 2},
    {"trust_remote_code": True},
]


def test_each_change_of_what_matters_is_another_trial() -> None:
    keys = {TrialSpec(**FIELDS).key} | {TrialSpec(**FIELDS | change).key for change in CHANGES}
    assert len(keys) == len(CHANGES) + 1


def test_the_order_of_parameters_does_not_matter() -> None:
    turned = dict(reversed(FIELDS["config"].items()))
    assert TrialSpec(**FIELDS | {"config": turned}).key == TrialSpec(**FIELDS).key


def test_another_process_finds_the_same_key() -> None:
    trial = TrialSpec(**FIELDS)
    code = "import sys; from tuneoff.spec import TrialSpec; print(TrialSpec.model_validate_json(sys.argv[1]).key)"
    values = json.dumps(trial.model_dump(mode="json", exclude={"key"}))
    found = subprocess.run([sys.executable, "-c", code, values], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "5"})
    assert found.stdout.strip() == trial.key


@pytest.mark.parametrize("method", ["lora", "pretrain+lora", "a/b..\\c d", "방법"])
def test_the_folder_name_is_plain_and_carries_the_key(method: str) -> None:
    trial = TrialSpec(**FIELDS | {"method": method, "seed": 3})
    assert trial.name.endswith(f"-s3-{trial.key[:10]}")
    assert trial.name.isascii()
    assert not set(trial.name) & set("/\\ .")


def test_what_trials_build_on_is_a_stage() -> None:
    assert TrialSpec(**FIELDS | {"method": "pretrain", "stage": "pretrain"}).is_stage
    assert TrialSpec(**FIELDS | {"stage": "search"}).is_stage
    assert not TrialSpec(**FIELDS | {"method": "pretrain+full"}).is_stage


def test_a_search_is_told_from_the_trials_by_its_folder() -> None:
    assert TrialSpec(**FIELDS | {"stage": "search", "seed": -1}).name.startswith("search-lora-")
