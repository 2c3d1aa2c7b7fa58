"""Rows laid end to end teach and tell what padded rows do: for every method, on every architecture that is packed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.contract.pairs import ARCHITECTURES, CPU, Attached, Backbone, attach, build, make_backbone
from tuneoff.methods import Method, method_class, method_names
from tuneoff.methods._peft_types import TRIED
from tuneoff.methods.peft import peft_types
from tuneoff.train import TokenRows, extract, forward, packs, predict, train_on_cpu
from tuneoff.train.attention import use_fast_dropout
from tuneoff.train.batches import END_TO_END, EVALUATION_TOKENS, end_to_end_batches
from tuneoff.train.packed import ENCODERS, READING_STEP, pack_rows

PACKED = [name for name in ARCHITECTURES if name in ENCODERS]
METHODS = [name for name in method_names() if issubclass(method_class(name), Method) and name not in ("peft", "feature_extraction")]
#: Draws what it adds while it trains anew for every token.
NOISY = ("PVERA",)
PEFT_TYPES = [f"peft:{kind}" for kind in peft_types() if kind in TRIED and kind not in NOISY]
#: On every architecture what differs most in how it gets into the model; on BERT everything.
FEW = ("full", "lora", "adapter", "prompt", "p_tuning", "prefix", "top_layers")
PAIRS = [(kind, name) for kind in PACKED for name in (METHODS if kind == "bert" else FEW)] + [("roberta", name) for name in PEFT_TYPES]
#: Sums of fp32 in another order: as a part of a tensor's largest number, or where all of it is rounding (a bias of keys).
RELATIVE, ABSOLUTE = 1e-4, 2e-6

WORDS = ["profit", "loss", "fell", "rose", "board", "meets", "매출이", "영업이익이", "늘었다"]
TEXTS = [(" ".join(WORDS[(row + place) % len(WORDS)] for place in range(count)),) for row, count in enumerate((1, 7, 2, 4, 7, 1))]
TARGETS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Backbone]:
    folder = tmp_path_factory.mktemp("packed")
    return {kind: make_backbone(folder / kind, kind) for kind in PACKED}


def without_dropout(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def lesson(attached: Attached, packed: bool, firsts_alone: bool = False) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits and gradients of one batch in training."""
    model: Any = attached.adapted.model
    without_dropout(model)
    use_fast_dropout(model, 0)
    shapes: list[torch.Size] = []
    if packed:
        pack_rows(model, firsts_alone)
    for name, module in model.named_modules():
        if name.endswith(("attention.output.LayerNorm", "sa_layer_norm")):
            module.register_forward_hook(lambda module, arguments, output: shapes.append(output.shape))
    model.train()
    rows: TokenRows = attached.rows(TEXTS, TARGETS)
    batch = rows.batch(np.arange(len(TEXTS)))
    torch.manual_seed(0)
    logits = forward(model, batch)
    assert batch.targets is not None
    nn.functional.cross_entropy(logits, batch.targets).backward()
    assert shapes, "no layer was seen"
    assert all(len(shape) == 3 and (shape[0] == 1) == packed for shape in shapes)
    return logits.detach(), {name: p.grad for name, p in model.named_parameters() if p.requires_grad and p.grad is not None}


@pytest.mark.parametrize(("architecture", "method"), PAIRS, ids=lambda part: part)
def test_same_logits_and_gradients(architecture: str, method: str, backbones: dict[str, Backbone]) -> None:
    backbone = backbones[architecture]
    if reason := build(method).unsupported(backbone.facts):
        pytest.skip(reason)
    padded, wanted = lesson(attach(method, backbone), packed=False)
    assert wanted
    for firsts_alone in (False, True):
        packed, found = lesson(attach(method, backbone), True, firsts_alone)
        assert found.keys() == wanted.keys()
        for name, tensor in {"logits": padded, **wanted}.items():
            other = packed if name == "logits" else found[name]
            assert float((other - tensor).abs().max()) <= max(ABSOLUTE, RELATIVE * float(tensor.abs().max())), name


def test_architectures_are_packed_on_a_cpu_alone() -> None:
    assert len(PACKED) >= 5
    for kind in PACKED:
        assert packs(kind, CPU.type)
        assert not packs(kind, "cuda")
        assert not packs(kind, CPU.type, gradient_checkpointing=True)
    assert not packs("llama", CPU.type)


def hidden_shapes(model: nn.Module) -> set[int]:
    """Tokens that go through each layer, from now on."""
    shapes: set[int] = set()
    for name, module in model.named_modules():
        if name.endswith(("output.LayerNorm", "output_layer_norm")) and "attention" not in name:
            module.register_forward_hook(lambda module, arguments, output: shapes.add(output.shape[0] * output.shape[1]))
    return shapes


@pytest.mark.parametrize("architecture", PACKED)
def test_a_frozen_backbone_reads_the_same_features(architecture: str, backbones: dict[str, Backbone]) -> None:
    """In long rows of few lengths, whatever rows meet in them; afterwards it reads padded rows as before."""
    attached = attach("feature_extraction", backbones[architecture])
    encode: Any = attached.adapted.encode
    rows: TokenRows = attached.rows(TEXTS * 60, None)
    shapes = hidden_shapes(encode)
    padded = extract(encode, rows)
    assert shapes
    assert not any(shape % READING_STEP == 0 for shape in shapes)
    shapes.clear()
    torch.testing.assert_close(extract(encode, rows, on_cpu=True), padded, rtol=1e-4, atol=1e-5)
    assert all(shape % READING_STEP == 0 for shape in shapes)
    assert torch.equal(extract(encode, rows), padded)


@pytest.mark.parametrize(("architecture", "method"), PAIRS, ids=lambda part: part)
def test_same_answers(architecture: str, method: str, backbones: dict[str, Backbone]) -> None:
    """With training's own hooks in place or in a fresh model."""
    backbone = backbones[architecture]
    if reason := build(method).unsupported(backbone.facts):
        pytest.skip(reason)
    attached = attach(method, backbone)
    model, rows = attached.adapted.model, attached.rows(TEXTS, TARGETS)
    wanted = predict(model, rows)
    np.testing.assert_allclose(predict(model, rows, on_cpu=True), wanted, rtol=RELATIVE, atol=RELATIVE)
    assert train_on_cpu(model, 0, firsts_alone=True)
    np.testing.assert_allclose(predict(model, rows, on_cpu=True), wanted, rtol=RELATIVE, atol=RELATIVE)


def test_batches_that_are_laid_end_to_end_hold_every_row_once() -> None:
    lengths = np.random.default_rng(0).integers(1, 400, 1000)
    for tokens in (1, 100, EVALUATION_TOKENS):
        batches = list(end_to_end_batches(lengths, tokens))
        assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
        assert all(len(batch) == 1 or lengths[batch].sum() < tokens // END_TO_END for batch in batches)


def test_a_backbone_that_is_not_packed_is_read_as_it_is(tmp_path: Path) -> None:
    attached = attach("feature_extraction", make_backbone(tmp_path / "llama", "llama"))
    encode: Any = attached.adapted.encode
    rows: TokenRows = attached.rows(TEXTS, None)
    assert torch.equal(extract(encode, rows, on_cpu=True), extract(encode, rows))
