"""Case 23: backbones with something amiss work, or are refused with the reason before anything trains."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.said import answer, refusals
from tests.support.studies import write_study
from tests.support.tiny import POSITIONS, edit_json, tiny_decoder, tiny_encoder


def study(folder: Path, methods: list[Any], **more: Any) -> Path:
    return write_study(folder, methods, seeds=1, train={"epochs": 1, "max_length": 16}, backbone="model", **more)


@pytest.mark.slow
def test_a_decoder_without_a_pad_token_trains(tmp_path: Path) -> None:
    folder = study(tmp_path, ["full"])
    tiny_decoder(folder / "model", "llama")
    run = answer("run", folder, "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["rows"][0]["reload"] == "same"


def test_a_tokenizer_with_nothing_to_pad_with_is_refused(tmp_path: Path) -> None:
    folder = study(tmp_path, ["full"])
    tiny_decoder(folder / "model", "llama")
    edit_json(folder / "model" / "tokenizer_config.json", bos_token=None, eos_token=None)
    english, korean = refusals("check", folder, code=3)
    assert english.startswith("model: the tokenizer has no token to pad with → ")
    assert "패딩할 토큰이 없습니다" in korean


def test_a_checkpoint_with_a_head_for_other_labels_is_taken_without_it(tmp_path: Path) -> None:
    folder = study(tmp_path, ["full"])
    tiny_encoder(folder / "model", "roberta")
    weights = load_file(folder / "model" / "model.safetensors")
    weights["classifier.out_proj.weight"], weights["classifier.out_proj.bias"] = torch.zeros(5, 32), torch.zeros(5)
    save_file(weights, folder / "model" / "model.safetensors", {"format": "pt"})
    edit_json(folder / "model" / "config.json", id2label={str(i): f"L{i}" for i in range(5)}, label2id={f"L{i}": i for i in range(5)})
    plan = json.loads(answer("plan", folder, "--json").out)
    assert plan["methods"][0]["parameters"]["head"] > 0
    run = answer("run", folder, "--json")
    assert run.code == 0, run.err
    assert set(json.loads(run.out)["rows"][0]["per_class_f1"]) == {"good", "bad"}


def test_a_length_beyond_the_backbones_positions_is_refused_with_its_place(tmp_path: Path) -> None:
    folder = study(tmp_path, ["full", {"prompt": {"tokens": 20}}])
    tiny_encoder(folder / "model", "bert")
    english, korean = refusals("run", folder, "--set", f"train.max_length={POSITIONS}", code=3)
    assert english.startswith(f"--set train.max_length={POSITIONS}: max_length {POSITIONS} and the 20 virtual tokens of `prompt` exceed")
    assert f"최대 위치 {POSITIONS}" in korean
    assert answer("check", folder, "--set", f"train.max_length={POSITIONS - 20}").code == 0


@pytest.mark.slow
def test_a_backbone_without_a_fast_tokenizer_trains(tmp_path: Path) -> None:
    """One whose files are those of a tokenizer in Python alone: a list of words."""
    folder = study(tmp_path, ["full"])
    tiny_encoder(folder / "model", "bert")
    tokenizer = json.loads((folder / "model" / "tokenizer.json").read_text(encoding="utf-8"))
    words = sorted(tokenizer["model"]["vocab"].items(), key=lambda pair: pair[1])
    (folder / "model" / "tokenizer.json").unlink()
    (folder / "model" / "vocab.txt").write_text("\n".join(word for word, _ in words) + "\n", encoding="utf-8")
    edit_json(folder / "model" / "tokenizer_config.json", tokenizer_class="BertTokenizer")
    run = answer("run", folder, "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["rows"][0]["state"] == "complete"


def test_a_method_that_the_backbone_cannot_take_is_a_row_with_the_reason_before_the_grid(tmp_path: Path) -> None:
    folder = study(tmp_path, ["majority", "prefix", "bitfit", "ia3"])
    tiny_encoder(folder / "model", "distilbert")
    check = answer("check", folder, "--json")
    assert check.code == 0, check.err
    assert "past keys" in json.loads(check.out)["refused"]["prefix"]
    decoder = study(tmp_path / "decoder", ["bitfit"])
    tiny_decoder(decoder / "model", "llama")
    assert "no biases" in json.loads(answer("check", decoder, "--json").out)["refused"]["bitfit"]
    run = answer("run", decoder, "--json")
    assert run.code == 4
    (row,) = json.loads(run.out)["rows"]
    assert (row["state"], row["error"]["key"]) == ("unsupported", "method.no_bias")
    assert "이 구조에는 편향(bias)이 없습니다" in (decoder / "README.ko.md").read_text(encoding="utf-8")


def test_a_backbone_that_is_no_text_model_is_refused(tmp_path: Path) -> None:
    folder = study(tmp_path, ["full"])
    tiny_encoder(folder / "model", "bert")
    edit_json(folder / "model" / "config.json", model_type="vit", architectures=["ViTModel"])
    english, korean = refusals("check", folder, code=3)
    assert english.startswith("vit: transformers has no sequence classifier for this architecture: ")
    assert "문장 분류 모델이 없습니다" in korean
