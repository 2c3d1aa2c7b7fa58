"""Architectures that come with the project are those that were published: their parameters are counted."""

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from tests.support.tiny import tiny_encoder
from tuneoff.backbone import UNSEEN, Known, known_backbone, known_backbones, look_up, read_facts
from tuneoff.errors import BackboneError

PUBLISHED = [entry for entry in known_backbones() if entry.published]


def test_the_families_that_users_ask_for_are_there() -> None:
    names = " ".join(name for entry in known_backbones() for name in entry.names)
    families = "klue/roberta klue/bert koelectra xlm-roberta bert-base roberta-large deberta-v3 modernbert meta-llama-3 llama-3.1 llama-3.2"
    for family in (*families.split(), "qwen2.5", "qwen3", "gemma-2", "gemma-3", "exaone", "polyglot-ko"):
        assert family in names, family
    assert len(PUBLISHED) > 35
    every = [name for entry in known_backbones() for name in entry.names]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_parameters_are_those_that_were_published(entry: Known) -> None:
    config = entry.read_config()
    kind: Any = AutoModel if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES else AutoModelForCausalLM
    with torch.device("meta"):
        model = kind.from_config(config)
    model.tie_weights()
    assert sum(parameter.numel() for parameter in model.parameters()) == entry.published


def classifier(name: str, classes: int) -> Any:
    entry = known_backbone(name)
    assert entry is not None
    config = entry.read_config()
    config.num_labels = classes
    return read_facts(name, UNSEEN, config)


@pytest.mark.parametrize(
    ("name", "millions"),
    # "KLUE: Korean Language Understanding Evaluation" (arXiv:2105.09680) and the model pages print millions.
    [
        ("klue/roberta-small", 68),
        ("klue/roberta-base", 111),
        ("klue/roberta-large", 337),
        ("monologg/koelectra-base-v3-discriminator", 112),
        ("monologg/koelectra-small-v3-discriminator", 14),
        ("LGAI-EXAONE/EXAONE-4.0-1.2B", 1280),
    ],
)
def test_parameters_of_which_only_millions_were_published(name: str, millions: int) -> None:
    entry = known_backbone(name)
    assert entry is not None
    with torch.device("meta"):
        model = AutoModel.from_config(entry.read_config())
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.9)


def test_klue_roberta_large_with_seven_labels() -> None:
    facts = classifier("klue/roberta-large", 7)
    assert facts.total_parameters + facts.head_parameters == 336_663_559  # One row of token types; see test_parameter_counts.


def test_gated_ones_are_marked() -> None:
    for entry in known_backbones():
        assert entry.gated == entry.name.startswith(("meta-llama/", "google/gemma")), entry.name


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for a connection fails; nobody is to ask."""

    def refuse(*_: object) -> None:
        raise AssertionError("no connection is made for what is known")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("_no_network")
def test_looking_up_asks_nobody_for_what_is_here_or_known(tmp_path: Path) -> None:
    tiny_encoder(tmp_path / "mine")
    config, resolved = look_up("mine", tmp_path)
    assert resolved is not None
    assert config.hidden_size == 32
    for name in ("klue/roberta-large", "meta-llama/Meta-Llama-3-8B", "roberta-base", "KLUE/RoBERTa-large@main"):
        config, resolved = look_up(name, tmp_path)
        assert resolved is None
        assert config.hidden_size >= 768


def test_a_configuration_alone_will_do(tmp_path: Path) -> None:
    entry = known_backbone("klue/roberta-small")
    assert entry is not None
    entry.read_config().save_pretrained(tmp_path / "mine")
    config, resolved = look_up("mine", tmp_path)
    assert resolved is None
    assert config.num_hidden_layers == 6


def test_what_is_neither_here_nor_known_is_asked_of_the_hub_and_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for name in ("nobody/nothing", "./not-there", "sample:xx"):
        with pytest.raises(BackboneError):
            look_up(name, tmp_path)
