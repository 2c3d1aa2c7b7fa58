"""The model card says what the record says, in both languages, and what nobody knows it leaves out."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard as HubCard

from tuneoff.report.card import ModelCard
from tuneoff.run.artefact import Description
from tuneoff.run.export import Exported, Source
from tuneoff.spec import StudySpec
from tuneoff.strings import LANGUAGES

RECORD: dict[str, Any] = {
    "study": "reviews",
    "began": "2026-03-04T05:06:07+00:00",
    "trial": {
        "method": "lora",
        "config": {"learning_rate": None, "head_learning_rate": None, "epochs": 3, "r": 16, "alpha": 32.0, "targets": "all-linear"},
        "seed": 2,
        "data": "7f13" * 16,
        "train": {"batch_size": 16, "max_length": 128},
        "pretrain": None,
    },
    "parameters": {"adapter": 1_327_104, "head": 1538, "base": 0, "total": 124_055_040, "trainable": 1_328_642, "percent": 1.071},
    "memory": {"train": {"bytes": 2_345_678_901, "counter": "cuda_max_memory_allocated", "reserved_bytes": None}},
    "energy": {"train": None},
    "quality": {
        "validation": {"accuracy": 0.8765, "macro_f1": 0.87},
        "test": {"accuracy": 0.91234, "macro_f1": 0.90123, "mcc": 0.81, "ece": 0.0456, "per_class_f1": {"bad": 0.9, "good": 0.9025}},
    },
    "rates": {"learning_rate": 5e-4, "head_learning_rate": 1e-3},
    "best_epoch": 2,
    "precision": "bf16",
    "artefact_bytes": 5_300_000,
    "phases": {"warmup": 1.0, "train": 61.0, "load": 9.0},
    "environment": {
        "python": "3.12.1",
        "platform": "Linux x86_64",
        "packages": {"tuneoff": "0.1.0", "torch": "2.9.0", "transformers": "5.23.0", "peft": "0.21.2", "tokenizers": "0.23.3"},
        "device_name": "NVIDIA T4",
        "cores": 8,
    },
    "collapse": {"reason": None, "retries": []},
    "reload": {"rows": 256, "largest_difference": 0.0012, "same_label": 1.0, "same": True}
    | {"merged": {"rows": 32, "largest_difference": 2.5e-6, "same_label": 1.0, "same": True}},
    "state": "complete",
}
SAID = Description("lora", {}, ["bad", "good"], ("text",), 128, "bf16", "owner/model@main", "c0ffee")
EXPORTED = {
    "said": SAID,
    "title": {"en": "LoRA", "ko": "LoRA"},
    "reference": "Hu et al. (2021). LoRA. arXiv:2106.09685",
    "layout": "peft",
    "library": "peft",
    "relation": "adapter",
    "base_model": "owner/model",
    "brings_backbone": False,
    "merged": False,
    "usage": ("python", "print(1)\n"),
    "largest_difference": 3e-7,
}


def card(
    lang: str = "en", record: dict[str, Any] | None = None, data: dict[str, Any] | None = None, best_of: int | None = None, **more: Any
) -> str:
    spec = StudySpec.model_validate(
        {"study": "reviews", "backbone": "owner/model", "data": data or {"train": "a.csv"}, "methods": ["lora"]}
    )
    source = Source(Path("results/lora-s2-abc/attempt-1/artefact"), RECORD | (record or {}), {"validation": 300, "test": 1500}, best_of)
    return ModelCard(source, Exported(**(EXPORTED | more)), spec, lang).text()


def header(text: str) -> dict[str, Any]:
    values: dict[str, Any] = HubCard(text).data.to_dict()
    assert yaml.safe_load(text.split("---")[1]) == values
    return values


def section(text: str, heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, text
    return found[1]


def rows(text: str) -> dict[str, list[str]]:
    """Rows of all tables by their first cell."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| ")]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines}


def test_the_numbers_are_the_records() -> None:
    text = card()
    found = rows(text)
    assert found["Accuracy"] == ["0.912", "test, n = 1500"]
    assert found["Macro-F1"] == ["0.901", "test, n = 1500"]
    assert found["Accuracy on validation"][0] == "0.876"  # 0.8765 lies just below in binary.
    assert found["F1 of good"][0] == "0.902"
    assert found["Trainable parameters"][0] == "1,328,642"
    assert found["Peak memory, training"] == ["2.35 GB", "PyTorch's peak of allocated GPU memory"]
    assert found["Training time"] == ["62.0 s", "training steps only, on NVIDIA T4, bf16"]
    assert found["Artefact"][0] == "5.3 MB"
    training = section(text, "Training")
    assert "Its parameters: r = 16, alpha = 32, targets = all-linear" in training
    assert "Learning rate 0.0005, of the head 0.001" in training
    assert "3 epochs, of which epoch 2 was kept; batches of 16, 128 tokens at most" in training
    assert "* Seed 2" in training
    assert f"`{'7f13' * 16}`" in section(text, "Data")
    assert "`lora-s2-abc`, 2026-03-04, tuneoff 0.1.0" in text
    assert "largest difference 1.2e-03" in text
    assert "at most 2.5e-06 on 32 test rows" in text
    assert "measured in bf16; this code computes in fp32" in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_nothing_is_blank_or_invented(lang: str) -> None:
    text = card(lang)
    for word in ("None", "null", "nan", "{", "}"):
        assert word not in text, word
    assert all(all(cell for cell in cells) for cells in rows(text).values())
    # Not measured, so not there.
    assert len(rows(text)) == len(rows(card("en")))
    assert ("Energy, training" if lang == "en" else "학습 에너지") not in text
    used = record_with(energy={"train": {"gpu_joules": 54_321.0, "cpu_joules": None}})
    assert rows(card(lang, used))["Energy, training" if lang == "en" else "학습 에너지"][0] == "54.3 kJ"


def record_with(**more: Any) -> dict[str, Any]:
    return copy.deepcopy(RECORD) | more


def test_memory_that_was_not_measured_is_a_dash() -> None:
    memory = {"train": {"bytes": None, "counter": "not_measured", "reserved_bytes": None}}
    assert rows(card(record=record_with(memory=memory)))["Peak memory, training"] == ["–", "not measured on this system"]


def test_the_header_is_what_the_hub_reads() -> None:
    values = header(card())
    assert values == {
        "base_model": "owner/model",
        "base_model_relation": "adapter",
        "library_name": "peft",
        "metrics": ["accuracy", "f1"],
        "pipeline_tag": "text-classification",
        "tags": ["tuneoff", "lora"],
    }


def test_what_is_not_known_is_not_in_the_header() -> None:
    values = header(card(base_model=None, data={"train": "sample:finance-ko"}))
    assert not {"base_model", "base_model_relation", "license", "datasets"} & set(values)
    assert values["language"] == "ko"
    assert header(card(data={"train": {"hub": {"path": "owner/data"}}}))["datasets"] == ["owner/data"]


def test_costs_of_stages_and_the_choice_of_a_seed_are_told() -> None:
    trial = RECORD["trial"] | {"method": "pretrain+lora", "pretrain": {"epochs": 2, "learning_rate": 1e-4}}
    stages = {
        "pretraining": {"trial": "pretrain-s2", "phases": {"train": 100.0, "load": 20.0}},
        "search": {"trial": "search", "phases": {"search": 30.0}, "candidates": [{}, {}, {}, {}], "chosen": 1},
    }
    said = Description("pretrain+lora", {}, ["bad", "good"], ("text",), 128, "bf16", "owner/model", "c0ffee")
    text = card(record=record_with(trial=trial, **stages), said=said, best_of=3)
    assert "# reviews: Continued pretraining + LoRA" in text
    assert rows(text)["Continued pretraining before it"][0] == "2.0 min"
    assert rows(text)["Search of learning rates before it"][0] == "30.0 s"
    assert "the best of 4 tried on validation" in text
    assert "2 epochs at learning rate 0.0001" in text
    assert "Of 3 seeds this one was the best on validation." in text
    assert "Of " not in section(card(best_of=1), "Results").partition("|")[0]
    assert header(text)["tags"] == ["tuneoff", "pretrain", "lora"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_bad_news_stands_on_top(lang: str) -> None:
    words = {"en": ("did not train", "Careful", "**not**"), "ko": ("학습되지 않았습니다", "주의", "**못했습니다**")}[lang]
    assert not [word for word in words if word in card(lang)]
    reload = RECORD["reload"] | {"same": False}
    text = card(lang, record_with(collapse={"reason": "constant", "retries": []}, reload=reload))
    top = text[: text.index("\n## ")]
    assert words[0] in top
    assert words[1] in top
    assert words[2] in text
    unproven = card(lang, record_with(reload={"error": "OSError"}))
    assert {"en": "not proven", "ko": "확인하지 못함"}[lang] in unproven


def test_names_of_classes_break_no_table() -> None:
    labels = ["a|b", "c\nd", "**e**"]
    scores = RECORD["quality"]["test"] | {"per_class_f1": dict.fromkeys(labels, 0.5)}
    said = Description("lora", {}, labels, ("text",), 128, "bf16", "owner/model", "c0ffee")
    text = card(record=record_with(quality=RECORD["quality"] | {"test": scores}), said=said)
    assert all(len(cells) == 2 for cells in rows(text).values())
    assert rows(text)["F1 of a\\|b"][0] == "0.500"
    assert "c\\nd" in text


def test_many_classes_are_not_listed() -> None:
    labels = [f"class {number}" for number in range(150)]
    scores = RECORD["quality"]["test"] | {"per_class_f1": dict.fromkeys(labels, 0.5)}
    said = Description("lora", {}, labels, ("text",), 128, "bf16", "owner/model", "c0ffee")
    text = card(record=record_with(quality=RECORD["quality"] | {"test": scores}), said=said)
    assert "150 classes" in text
    assert "class 20" not in text
