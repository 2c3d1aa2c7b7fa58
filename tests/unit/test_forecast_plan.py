"""``tuneoff plan``: time, fits, budget, comparison, and what it says in both languages."""

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import RobertaConfig

from tests.support.rehearsals import Steps, build, scene
from tests.support.studies import tuneoff, write_rows, write_study
from tuneoff import Study
from tuneoff.backbone import known_backbone, read_facts
from tuneoff.cli.planning import outlook_json, planning_text
from tuneoff.errors import BackboneError, RefusedError
from tuneoff.forecast import GPUS, Rates, Target, Workload, compare, find_gpu, forecast_trial, probe, speed_of, this_device
from tuneoff.forecast.fitting import Fit
from tuneoff.forecast.measured import measure
from tuneoff.forecast.target import CONTEXT
from tuneoff.forecast.work import Operations, WorkLog
from tuneoff.forecast.workload import Part, estimated_lengths, evaluation_parts, steps_of
from tuneoff.kept import kept_outlook
from tuneoff.run import Outlook, Plan, keep_outlook, look_ahead
from tuneoff.run.admission import admit
from tuneoff.spec import TrainSpec
from tuneoff.strings import choose, say

#: A device that multiplies, moves and starts at plain rates.
PLAIN = Rates(half_flops=2e12, single_flops=1e12, bytes=1e11, dear_bytes=1e10, launch=0.0, overlaps=False)


# Operations


def counted(work: Any) -> Operations:
    from tuneoff.forecast.storages import Storages

    log = WorkLog()
    log.mark("all")
    with Storages("meta", on_operation=log):
        work()
    return log.phases[0][1]


def test_products_are_counted() -> None:
    left, right = torch.empty(3, 5, 7, device="meta"), torch.empty(7, 11, device="meta")
    layer = torch.nn.Linear(7, 11, device="meta")
    assert counted(lambda: left @ right).flops == 2 * 15 * 7 * 11
    assert counted(lambda: layer(left)).flops == 2 * 15 * 7 * 11
    assert counted(lambda: left + 1.0).flops == 0
    assert len(counted(lambda: left.transpose(0, 1)[0])) == 0  # Views.
    assert len(counted(lambda: left.transpose(0, 1).reshape(15, 7))) == 1  # The copy that it takes.


def test_time_is_products_or_memory_whichever_takes_longer() -> None:
    big = torch.empty(1000, 1000, device="meta")
    assert counted(lambda: big @ big).seconds(PLAIN) == pytest.approx(2e9 / 1e12)
    assert counted(lambda: big + big).seconds(PLAIN) == pytest.approx(3 * 4e6 / 1e11)
    assert counted(lambda: torch.nn.functional.gelu(big)).seconds(PLAIN) == pytest.approx(2 * 4e6 / 1e10)
    assert counted(lambda: big.bfloat16() @ big.bfloat16()).flops == 2e9


def test_a_gpu_queues_while_it_computes_and_a_cpu_waits() -> None:
    small = torch.empty(4, device="meta")
    many = counted(lambda: [small + 1.0 for _ in range(100)])
    assert many.seconds(replace(PLAIN, launch=1e-5)) > 1e-3
    queued = replace(PLAIN, launch=1e-5, overlaps=True)
    assert many.seconds(queued) == pytest.approx(1e-3)


def test_rates_are_ordered_and_said_where_from() -> None:
    here = probe(torch.device("cpu"))
    assert here.source == "probe"
    assert here.slow.single_flops < here.fast.single_flops
    assert here.slow.launch > here.fast.launch
    assert 1e8 < here.slow.single_flops < 1e15  # Any processor of this century.
    speeds = [speed_of(find_gpu(name)).fast.half_flops for name in ("T4", "A100", "H100")]
    assert all(slower < faster for slower, faster in pairwise(speeds))
    assert all(speed_of(gpu).source == "datasheet" for gpu in GPUS)


def test_a_real_step_takes_about_as_long_as_is_forecast() -> None:
    """A model of other sizes than the probe's. By its operations alone it took three times as long."""
    config = RobertaConfig(vocab_size=300, hidden_size=256, num_hidden_layers=6, num_attention_heads=4, intermediate_size=1024)
    facts, part = read_facts("small", "none", config), Part.of(np.full(24, 40), packed=True)
    work = Workload(((part,),), (part,), (part,), (), 300, 24, False, exact=True)
    found = forecast_trial(build("bitfit"), facts, this_device(), TrainSpec(batch_size=24), 1, work)

    def off() -> float:
        taken = measure(replace(found.scene, steps=((part,),) * 6)).seconds["step"]
        rates = probe(torch.device("cpu"))
        return taken / ((found.step_seconds(rates.slow) * found.step_seconds(rates.fast)) ** 0.5)

    # The machine's speed may change in between.
    assert any(0.5 < off() < 2 for _ in range(3))


# Batches


def test_steps_are_those_of_the_training_code() -> None:
    lengths = np.array([10] * 30 + [40] * 2)
    steps = steps_of(lengths, "cpu", 8, None)
    assert len(steps) == 4
    assert sum(part.rows for step in steps for part in step) == 32
    assert max(part.length for step in steps for part in step) == 40
    assert all(part.rows <= 3 for step in steps_of(lengths, "cpu", 8, 3) for part in step)
    assert sum(part.rows for part in evaluation_parts(lengths)) == 32
    assert evaluation_parts(lengths)[0].length == 40


def test_lengths_are_guessed_by_script() -> None:
    korean, english, long = estimated_lengths([("영업이익이 늘었다",), ("profits rose sharply",), ("long " * 500,)], 64)
    assert 5 < korean < 12
    assert 4 < english < 10
    assert long == 64


# A study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    methods = ["majority", "feature_extraction", "full", {"lora": {"r": 2}}, {"lora": {"r": 2, "learning_rate": 1e-4}, "as": "slow"}]
    folder = write_study(tmp_path_factory.mktemp("plan") / "study", [*methods, "pretrain+full", "prefix"], seeds=2)
    return folder


@pytest.fixture(scope="module")
def planned(study: Path) -> tuple[Plan, Outlook]:
    plan = Study.load(study, ["budget.memory=1 MB"]).sketch()
    return plan, look_ahead(plan)


def test_every_method_with_a_backbone_is_forecast(planned: tuple[Plan, Outlook]) -> None:
    _, outlook = planned
    assert set(outlook.methods) == {"feature_extraction", "full", "lora", "slow", "pretrain+full", "prefix"}
    assert outlook.pretraining is not None
    assert outlook.exact
    assert outlook.methods["lora"] is outlook.methods["slow"]  # They differ in a learning rate: rehearsed once.
    for row in outlook.rows.values():
        assert 0 < row.duration.trial.low < row.duration.trial.high
        assert row.fit.verdict == "fits"
        assert set(row.fits) == {gpu.name for gpu in GPUS}
        assert all(fit.verdict == "fits" for fit in row.fits.values())
        assert row.forecast.train.held > row.forecast.train.bytes > 0


def test_what_is_timed_of_continued_pretraining_is_its_training(planned: tuple[Plan, Outlook]) -> None:
    """Its validation asks for the loss as well, once before the weights are cast."""
    _, outlook = planned
    assert outlook.pretraining is not None
    for forecast in (outlook.pretraining.forecast, outlook.methods["full"].forecast):
        assert forecast.load is not None
        products = [cost for cost in forecast.load.forward.costs if cost.flops]
        assert products
        assert all(cost.half == (forecast.scene.precision == "bf16") for cost in products)


def test_a_method_that_looks_at_values_has_no_forecast_and_takes_none_away(study: Path) -> None:
    vb_lora = "{peft: {type: VBLORA, vector_length: 16, num_vectors: 90}, as: vb}"
    plan = Study.load(study, [f"methods=[{{lora: {{r: 2}}}}, {vb_lora}]", "seeds=1"]).sketch()
    outlook = look_ahead(plan)
    assert set(outlook.methods) == {"lora"}
    assert set(outlook.unforeseen) == {"vb"}
    assert "VB-LoRA" in outlook.unforeseen["vb"]
    assert "! vb: " in planning_text(plan, {trial.name: "pending" for trial in plan.trials}, outlook, {})
    # What cannot be foreseen is not refused.
    assert admit(plan, Target("a tiny GPU", "cuda", True, (8, 0), CONTEXT + 1)).keys() == {plan.methods[0].trials[0].name}


def test_the_study_takes_what_its_trials_take(planned: tuple[Plan, Outlook]) -> None:
    _, outlook = planned
    assert outlook.pretraining is not None
    trials = sum(2 * row.duration.trial.low for row in outlook.methods.values())
    assert outlook.seconds.low == pytest.approx(trials + 2 * outlook.pretraining.duration.trial.low)


def test_searching_takes_its_trainings_as_well(study: Path) -> None:
    seconds = [look_ahead(Study.load(study, [f"tuning.trials={trials}", "methods=[full]"]).sketch()) for trials in (1, 4)]
    once = seconds[0].methods["full"].duration.trial.low
    # Four candidates for a quarter and two for a half are two whole trainings beside the trials of both seeds.
    assert seconds[1].seconds.low / seconds[1].methods["full"].duration.trial.low == pytest.approx(4, rel=0.01)
    assert seconds[0].seconds.low == pytest.approx(2 * once)


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_table_says_it_all(planned: tuple[Plan, Outlook], lang: str) -> None:
    plan, outlook = planned
    choose(lang)
    try:
        text = planning_text(plan, {trial.name: "pending" for trial in plan.trials}, outlook, {})
    finally:
        choose(None)
    for label in outlook.methods:
        assert sum(line.startswith(label) for line in text.splitlines()) >= 3, label  # Parameters, memory and time, GPUs.
    assert all(gpu.name in text for gpu in GPUS)
    assert text.count("budget.memory") == len(outlook.rows)  # A megabyte is nothing.
    assert "None" not in text


def test_json_has_what_the_table_has(planned: tuple[Plan, Outlook]) -> None:
    plan, outlook = planned
    values = json.loads(json.dumps(outlook_json(plan, outlook, {})))
    assert set(values["forecasts"]) == {*outlook.methods, "pretrain"}
    full = values["forecasts"]["full"]
    assert sum(full["train"]["parts"].values()) == full["train"]["bytes"]
    assert full["over_budget"] is True
    assert full["fits"]["T4"]["verdict"] == "fits"
    assert full["step_flops"] > 0


def test_unknown_lengths_mean_full_rows_for_memory(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    write_rows(folder / "rows.csv")
    document = {"study": "far", "backbone": "klue/roberta-small", "data": {"train": "rows.csv"}, "methods": ["lora"], "seeds": 1}
    (folder / "study.yaml").write_text(json.dumps(document | {"train": {"batch_size": 4, "max_length": 32}}))
    outlook = Study.load(folder).forecast("T4")
    assert not outlook.exact
    workload = outlook.methods["lora"].forecast.workload
    assert {part.length for part in workload.parts} == {32}
    assert workload.filled < 0.6  # Rows of a few words.
    assert list(outlook.methods["lora"].fits) == ["T4"]


def test_what_cannot_be_planned_is_refused_with_the_reason(study: Path) -> None:
    with pytest.raises(RefusedError, match="max_length"):
        Study.load(study, ["backbone=klue/bert-base", "train.max_length=600"]).sketch()
    with pytest.raises(BackboneError):
        Study.load(study, ["backbone=./nothing"]).sketch()
    plan = Study.load(study, ["backbone=microsoft/deberta-v3-base", "methods=[prefix]"]).sketch()
    assert plan.methods[0].unsupported == "method.no_past"
    assert look_ahead(plan).methods == {}


def test_from_the_command_line_and_without_a_network(study: Path) -> None:
    options = ("--backbone", "meta-llama/Llama-3.2-1B", "--gpu", "t4", "--json", "--lang", "ko")
    ran = tuneoff("plan", study, *options, "--set", "methods=[qlora]", "--set", "train.precision=auto")
    assert ran.returncode == 0, ran.stderr
    values = json.loads(ran.stdout)
    assert values["device"]["name"] == "T4"
    assert values["backbone"] is None
    assert values["forecasts"]["qlora"]["precision"] == "fp16"
    assert values["methods"][0]["parameters"]["total"] == 1_235_814_400
    wrong = tuneoff("plan", study, "--gpu", "T5")
    assert wrong.returncode == 2
    assert "T4" in wrong.stderr


# What a run does about it


def offered(folder: Path, usable: int, *overrides: str) -> dict[str, Any]:
    """Admissions to a GPU with so much room, by method."""
    small = [
        "backbone=klue/roberta-small",
        "methods=[majority, full, lora]",
        "seeds=1",
        "train.batch_size=32",
        "train.max_length=64",
        "train.precision=auto",
    ]
    plan = Study.load(folder, [*small, *overrides]).sketch()
    names = {trial.name: trial.method for trial in plan.trials}
    target = Target("a small GPU", "cuda", True, (8, 0), usable + CONTEXT)
    return {names[name]: admission for name, admission in admit(plan, target).items()}


def test_a_trial_that_does_not_fit_is_shrunk_or_refused(study: Path) -> None:
    # LoRA's frozen weights are some 140 MB in bf16; full fine-tuning has 22 bytes for each of 68 million, less for unused words.
    lots = offered(study, 8 << 30)
    assert lots == {}
    some = offered(study, 300 << 20)
    assert some["lora"].micro_batch in (1, 2, 4, 8, 16)
    assert some["lora"].refusal is None
    assert some["full"].refusal["key"] == "forecast.refused_too_large"
    assert set(some) == {"lora", "full"}
    strict = offered(study, 300 << 20, "fit=refuse")
    assert strict["lora"].micro_batch is None
    assert strict["lora"].refusal["facts"]["rows"] == some["lora"].micro_batch
    for admission in (strict["lora"], strict["full"]):
        for lang in ("en", "ko"):
            assert "a small GPU" in say(admission.refusal["key"], lang, **admission.refusal["facts"])
    assert offered(study, 300 << 20, "fit=try") == {}


def test_small_models_are_not_looked_at(study: Path) -> None:
    assert admit(Study.load(study).sketch()) == {}


# Measuring, and comparing


def test_two_real_steps_are_measured() -> None:
    entry = known_backbone("sample:en")
    assert entry is not None
    facts = read_facts("sample:en", "random", entry.read_config())
    what = scene(build("full"), facts, "fp32", Steps(batch_size=2, length=8, evaluation_rows=2))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:  # Earlier tests leave room where it would go unseen.
        measured = fresh.submit(measure, what).result()
    assert measured.train.counter == "peak_own_memory_above_start"
    assert measured.train.bytes is not None
    # 4 bytes for gradient, two moments and a copy of each of 22.7 million, less the words that no text uses.
    assert 100e6 < measured.train.bytes < 1e9
    assert measured.seconds["step"] == pytest.approx(sum(measured.seconds[name] for name in ("forward", "backward", "update")))
    assert measured.seconds["backward"] > 0


def forecast(**more: Any) -> dict[str, Any]:
    peak = {"bytes": 100, "held": 150, "phase": "forward", "parts": {}}
    return {"train": peak, "evaluate": peak, "seconds": {"train": {"low": 10, "high": 20}, "evaluate": {"low": 1, "high": 2}}} | more


def test_on_a_gpu_each_counter_meets_its_own_forecast() -> None:
    peak = {"bytes": 80, "counter": "cuda_max_memory_allocated", "reserved_bytes": 200}
    record = {"memory": {"train": peak, "evaluate": peak}, "phases": {"warmup": 5.0, "train": 20.0, "validate": 0.5, "evaluate": 1.0}}
    found = {one.quantity: one for one in compare(forecast(), record)}
    assert found["train_allocated"].off_percent == pytest.approx(25)
    assert found["train_held"].off_percent == pytest.approx(-25)
    assert found["train_seconds"].off_percent == pytest.approx(-20)  # 25 s, where 20 was the slowest guess.
    assert found["evaluate_seconds"].off_percent == 0  # Inside.
    assert len(found) == 6


def test_on_a_cpu_resident_memory_is_compared_and_nothing_else() -> None:
    peak = {"bytes": 150, "counter": "peak_own_memory_above_start", "reserved_bytes": None}
    found = compare(forecast(), {"memory": {"train": peak, "evaluate": {"bytes": None, "counter": "not_measured"}}, "phases": {}})
    assert [(one.quantity, one.off_percent) for one in found] == [("train_held", 0.0)]


def test_forecasts_are_kept_by_the_key_of_their_trial(planned: tuple[Plan, Outlook]) -> None:
    plan, outlook = planned
    folder = plan.study.folder
    assert kept_outlook(folder) == {}
    keep_outlook(plan, outlook)
    kept = kept_outlook(folder)
    lora = next(method for method in plan.methods if method.label == "lora")
    assert {trial.key for trial in lora.trials} < set(kept)
    assert all(stage.key in kept for stage in plan.stages)
    peak = {"bytes": outlook.methods["lora"].forecast.train.held, "counter": "peak_own_memory_above_start", "reserved_bytes": None}
    found = compare(kept[lora.trials[0].key], {"memory": {"train": peak}, "phases": {"train": 1e9}})
    assert [(one.quantity, round(one.off_percent)) for one in found] == [("train_held", 0), ("train_seconds", -100)]


def test_a_fit_says_whether_there_is_a_way() -> None:
    assert Fit("micro_batch", 1, 2, 1).possible
    assert not Fit("too_large", 3, 2).possible
    assert Part(2, 3).tokens == 6
