"""The forecast's peak of live tensors is the real one: every method on every architecture, rehearsed on the meta device and on the CPU."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.rehearsals import ARCHITECTURES, Steps, build, count, peaks, scene, tiny_facts
from tests.support.studies import write_study
from tuneoff import Study
from tuneoff.backbone import known_backbone, read_facts
from tuneoff.data import save_prepared
from tuneoff.forecast.scene import Part
from tuneoff.forecast.storages import Storages
from tuneoff.methods import Method, method_class, method_names
from tuneoff.run.job import Job, Rates
from tuneoff.run.trial import run_job
from tuneoff.store import cache_folder

#: The issue's own bound. What is left of it is the formats of a layer's statistics and single numbers, far below.
ON_THE_CPU = 0.01
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.* is deprecated:FutureWarning")

METHODS = [name for name in method_names() if issubclass(method_class(name), Method)]
#: Every method on one encoder and one decoder, every architecture with methods that differ most in what they keep.
PAIRS = sorted({(architecture, method) for architecture in ("bert", "llama") for method in METHODS}) + [
    (architecture, method)
    for architecture in ARCHITECTURES
    if architecture not in ("bert", "llama")
    for method in ("full", "lora", "prompt", "feature_extraction")
]


def close(forecast: int, real: int) -> bool:
    return abs(forecast / real - 1) <= ON_THE_CPU


def test_every_method_and_architecture_is_tried() -> None:
    assert {method for _, method in PAIRS} == set(METHODS)
    assert {architecture for architecture, _ in PAIRS} == set(ARCHITECTURES)
    assert len(METHODS) >= 12


@pytest.mark.parametrize(("architecture", "method"), PAIRS, ids=lambda part: part)
def test_peak_equals_the_real_one(architecture: str, method: str) -> None:
    facts, built = tiny_facts(architecture), build(method)
    if reason := built.unsupported(facts):
        pytest.skip(reason)
    precision = ("fp32", "bf16")[(len(architecture) + len(method)) % 2]
    what = scene(built, facts, precision)
    for forecast, real in zip(peaks(what, "meta"), peaks(what, "cpu"), strict=True):
        assert close(forecast.bytes, real.bytes), f"{forecast.bytes} forecast, {real.bytes} real, in {real.phase}"


@pytest.mark.parametrize(("architecture", "method"), [*(("bert", name) for name in METHODS), ("llama", "lora"), ("llama", "prefix")])
def test_the_peak_alone_takes_less_and_is_the_same(architecture: str, method: str) -> None:
    facts, built = tiny_facts(architecture), build(method)
    if reason := built.unsupported(facts):
        pytest.skip(reason)
    whole = scene(built, facts, ("fp32", "bf16")[len(method) % 2])
    short = replace(whole, steps=((), *whole.steps[1:]), whole=False)
    (trained, evaluated), (peak, _) = peaks(whole, "meta"), peaks(short, "meta")
    assert close(peak.bytes, trained.bytes)
    assert evaluated.bytes <= peak.bytes


VARIANTS = {
    "one row": Steps(batch_size=1, evaluation_rows=1),
    "micro-batches": Steps(micro_batch=2, evaluation_rows=2),
    "checkpointing": Steps(checkpointing=True, evaluation_rows=2),
    "one epoch": Steps(epochs=1, evaluation_rows=2),
    "pairs": Steps(pairs=True, batch_size=5, length=17),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("architecture", "method", "precision"), [("bert", "full", "bf16"), ("llama", "lora", "fp32")])
def test_peak_of_other_batches(architecture: str, method: str, precision: str, variant: str) -> None:
    if variant == "pairs" and architecture == "llama":
        pytest.skip("a decoder has no token types")
    what = scene(build(method), tiny_facts(architecture), precision, VARIANTS[variant])
    for forecast, real in zip(peaks(what, "meta"), peaks(what, "cpu"), strict=True):
        assert close(forecast.bytes, real.bytes)


LENGTHS = np.array([24, 19, 18, 9, 9, 8, 3, 2])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", ["full", "lora", "adapter", "prefix", "prompt"])
@pytest.mark.parametrize("architecture", ["bert", "roberta", "electra", "distilbert"])
def test_peak_of_rows_laid_end_to_end(architecture: str, method: str, precision: str) -> None:
    facts, built = tiny_facts(architecture), build(method)
    if reason := built.unsupported(facts):
        pytest.skip(reason)
    steps = ((Part.of(LENGTHS, packed=True),), (Part.of(LENGTHS[::-1] // 2 + 1, packed=True),))
    what = replace(scene(built, facts, precision), steps=steps)
    for forecast, real in zip(peaks(what, "meta"), peaks(what, "cpu"), strict=True):
        assert close(forecast.bytes, real.bytes), f"{forecast.bytes} forecast, {real.bytes} real, in {real.phase}"


@pytest.mark.parametrize("architecture", ["bert", "modernbert", "llama"])
def test_peak_of_continued_pretraining(architecture: str) -> None:
    what = scene(None, tiny_facts(architecture), "bf16")
    forecast, real = (peaks(what, device)[0] for device in ("meta", "cpu"))
    # How many words are hidden is drawn at random on the CPU, 29 ± 5 of 192; a logit of each for each of 300 words is a part of the whole.
    assert forecast.bytes == pytest.approx(real.bytes, rel=0.04)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_peak_at_real_sizes(method: str) -> None:
    entry = known_backbone("sample:en")
    assert entry is not None
    config = entry.read_config()
    config.num_labels = 3
    what = scene(build(method), read_facts("sample:en", "none", config), "fp32", Steps(batch_size=4, length=48, evaluation_rows=4))
    forecast, real = (peaks(what, device)[0] for device in ("meta", "cpu"))
    assert forecast.bytes == pytest.approx(real.bytes, rel=0.02)  # The bound.


#: Bytes of the 100 of 300 words that the training texts do not use, each 32 wide, in fp32.
UNUSED_WORDS = 4 * 100 * 32


def test_parts_are_what_they_say() -> None:
    facts = tiny_facts("bert")
    full, _ = peaks(scene(build("full"), facts, "fp32"), "meta")
    trained = 4 * (facts.total_parameters + facts.head_parameters) - UNUSED_WORDS
    assert sum(full.parts.values()) == full.bytes
    # Adam has two numbers for each that trains, and a count for each tensor: 40 of 4 bytes.
    assert full.parts["optimiser"] == pytest.approx(2 * trained, rel=0.01)
    assert full.parts["best_epoch"] == trained
    lora, _ = peaks(scene(build("lora", r=1), facts, "fp32"), "meta")
    assert lora.parts["gradients"] + lora.parts["optimiser"] < full.parts["optimiser"] / 4
    assert lora.parts["activations"] > 10 * lora.parts["gradients"]


def test_masters_and_moments_are_counted_in_bf16() -> None:
    facts = tiny_facts("roberta")
    single, half = (peaks(scene(build("full"), facts, precision), "meta")[0].parts for precision in ("fp32", "bf16"))
    # Moments are fp32 in both; in bf16 the fp32 masters are the optimiser's as well.
    assert half["optimiser"] == pytest.approx(1.5 * single["optimiser"], rel=0.01)
    # The weights that compute are half as large; the table of all words, which only evaluation reads, stays in fp32.
    table = 4 * 300 * 32
    assert half["weights"] - table == pytest.approx((single["weights"] - table) / 2, rel=0.05)


def test_checkpointing_trades_activations() -> None:
    facts = tiny_facts("llama")
    kept, again = (
        count(scene(build("lora"), facts, "fp32", Steps(checkpointing=flag, evaluation_rows=1)), "meta")[0].peaks("start", "evaluate")[0]
        for flag in (False, True)
    )
    assert again.bytes < kept.bytes
    assert again.parts["activations"] < 0.6 * kept.parts["activations"]


def job_of(plan: Any, label: str, folder: Path) -> Job:
    """As the runner makes it."""
    trial = next(method for method in plan.methods if method.label == label).trials[0]
    folder.mkdir()
    rates = Rates(trial.config["learning_rate"], trial.config["head_learning_rate"])
    prepared = save_prepared(plan.splits, cache_folder(plan.study.folder))
    places = (folder, prepared, cache_folder(plan.study.folder), plan.resolved, plan.study.spec.backbone, None)
    return Job(trial, *places, plan.study.spec.data.text_columns, rates=(rates,))


@pytest.mark.parametrize("method", ["full", "prefix", "feature_extraction"])
def test_a_whole_trial_peaks_where_its_plan_says(tmp_path: Path, method: str) -> None:
    """The trial itself, under the counter, from its job to its result: what the rehearsal leaves out must not matter."""
    folder = write_study(tmp_path / "study", [method], seeds=1, train={"epochs": 2, "batch_size": 48, "precision": "fp32"})
    study = Study.load(folder)
    forecast = study.forecast().methods[method].forecast
    job = job_of(study.plan(), method, tmp_path / "attempt")
    storages = Storages("cpu")
    with storages:
        run_job(job)
    assert json.loads((job.folder / "result.json").read_text())["state"] == "complete"
    alive = torch.tensor([size for _, size in storages.log.events]).cumsum(0)
    # Loading, saving and what stays of other tests' garbage stand beside a model of 200 kB; the real bound is that of a real size.
    assert max(forecast.train.bytes, forecast.evaluate.bytes) == pytest.approx(int(alive.max()), rel=0.05)
