"""Products with bias and GELU in one pass: the same numbers, nothing left behind, gradients as ever."""

import copy

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from tuneoff.train.fused import able, fused_products

pytestmark = pytest.mark.skipif(not able(), reason="this processor has no products in bf16")
SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 256, "vocab_size": 300}
DISTILBERT = {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 256, "vocab_size": 300}
IDS = torch.arange(5, 45).view(2, 20)


def model(architecture: str = "bert", **more: object) -> nn.Module:
    torch.manual_seed(0)
    sizes = DISTILBERT if architecture == "distilbert" else SIZES
    made: nn.Module = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(architecture, **sizes | more))
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2)  # Biases too, which a new model has at zero.
    return made.eval()


def operations(made: nn.Module) -> list[str]:
    with torch.profiler.profile() as profile, torch.inference_mode():
        made(IDS)
    return [event.name for event in profile.events()]


@pytest.mark.parametrize("architecture", ["bert", "roberta", "electra", "distilbert"])
def test_the_same_numbers(architecture: str) -> None:
    exact, half = model(architecture), model(architecture).bfloat16()
    with torch.inference_mode():
        truth, plain = exact(IDS).logits, half(IDS).logits.float()
        with fused_products(half):
            fused = half(IDS).logits.float()
            assert "aten::gelu" not in operations(half) or architecture == "electra"  # Whose head has one of its own.
            assert "aten::addmm" not in operations(half)
        again = half(IDS).logits.float()
    assert torch.equal(again, plain)
    assert not any("forward" in vars(module) for module in half.modules())
    # Both are rounded to bf16 layer by layer; one no farther from the truth than the other.
    assert (fused - truth).abs().max() <= 1.5 * (plain - truth).abs().max() + 0.02 * truth.abs().max()


@pytest.mark.parametrize("activation", ["relu", "gelu_new", "silu"])
def test_other_activations_are_left_to_themselves(activation: str) -> None:
    half = model(hidden_act=activation).bfloat16()
    with torch.inference_mode():
        plain = half(IDS).logits
        with fused_products(half):
            assert torch.allclose(half(IDS).logits, plain, atol=0.02 * float(plain.abs().max()))


def test_who_asks_for_gradients_gets_them() -> None:
    half = model().bfloat16()
    other = copy.deepcopy(half)
    with fused_products(half):
        half(IDS).logits.sum().backward()
    other(IDS).logits.sum().backward()
    for mine, its in zip(half.parameters(), other.parameters(), strict=True):
        assert (mine.grad is None) == (its.grad is None)
        assert mine.grad is None or torch.equal(mine.grad, its.grad)


def test_full_precision_is_computed_as_before() -> None:
    exact = model()
    with torch.inference_mode():
        plain = exact(IDS).logits
        with fused_products(exact):
            assert torch.equal(exact(IDS).logits, plain)
