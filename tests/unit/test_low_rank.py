"""LoRA and DoRA in the passes of their products: what PEFT computes, with its gradients, and PEFT itself wherever more stands between."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, BitsAndBytesConfig

from tuneoff.forecast.four_bit import quantise
from tuneoff.methods._peft import _known_warnings, load_peft
from tuneoff.train.low_rank import fuse_low_rank

SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96, "vocab_size": 300}
QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
IDS = torch.arange(5, 45).view(2, 20)


def model(four_bit: bool = False, **options: Any) -> Any:
    load_peft()
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    inner = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("bert", **SIZES, **QUIET))
    if four_bit:
        quantised = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
        quantise(inner, BitsAndBytesConfig(**quantised, llm_int8_skip_modules=["classifier"]))
        inner.is_loaded_in_4bit = True
    config = {"r": 4, "target_modules": "all-linear", "modules_to_save": ["classifier"], "task_type": "SEQ_CLS"} | options
    with _known_warnings():
        wrapped = get_peft_model(inner, LoraConfig(**config))
    for parameter in (p for p in wrapped.parameters() if p.is_floating_point()):
        nn.init.normal_(parameter, std=0.1)  # What starts at zero too.
    return wrapped.train()


def lesson(wrapped: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    logits = wrapped(IDS).logits
    logits.square().sum().backward()
    return logits.detach(), {name: p.grad for name, p in wrapped.named_parameters() if p.grad is not None}


def passes(wrapped: Any) -> int:
    """How many layers computed their update in the passes of their products."""
    with torch.profiler.profile() as profile:
        wrapped(IDS)
    return sum(event.name == "_LowRank" for event in profile.events())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", [{}, {"lora_alpha": 3}, {"use_rslora": True}, {"use_dora": True}, {"use_dora": True, "lora_alpha": 3}])
def test_what_peft_computes(options: dict[str, Any], dtype: torch.dtype) -> None:
    plain = model(**options).to(dtype)
    fused = copy.deepcopy(plain)
    fuse_low_rank(fused)
    assert passes(plain) == 0
    assert passes(fused) == 6 * SIZES["num_hidden_layers"] + 1  # And the pooler.
    (truth, wanted), (logits, found) = lesson(plain), lesson(fused)
    close = 1e-10 if dtype == torch.float64 else 2e-3
    assert torch.allclose(logits, truth, rtol=close, atol=close * float(truth.abs().max()))
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert torch.allclose(found[name], gradient, rtol=close, atol=close * float(gradient.abs().max())), name


def test_on_four_bits() -> None:
    plain = model(four_bit=True)
    fused = copy.deepcopy(plain)
    fuse_low_rank(fused)
    assert (passes(plain), passes(fused)) == (0, 6 * SIZES["num_hidden_layers"] + 1)
    (truth, wanted), (logits, found) = lesson(plain), lesson(fused)
    assert torch.allclose(logits, truth, atol=2e-3 * float(truth.abs().max()))
    for name, gradient in wanted.items():
        assert torch.allclose(found[name], gradient, rtol=2e-3, atol=2e-3 * float(gradient.abs().max())), name


@pytest.mark.parametrize("options", [{}, {"use_dora": True}])
def test_no_farther_from_the_truth_in_bf16(options: dict[str, Any]) -> None:
    exact = model(**options)
    plain = copy.deepcopy(exact).bfloat16()
    fused = copy.deepcopy(plain)
    fuse_low_rank(fused)
    _, truth = lesson(exact)
    far = [
        torch.stack([(found[name].float() - gradient).norm() / gradient.norm() for name, gradient in truth.items()]).median()
        for _, found in (lesson(plain), lesson(fused))
    ]
    assert far[1] <= 1.2 * far[0]


@pytest.mark.parametrize("options", [{"lora_dropout": 0.5}, {"lora_bias": True}, {"bias": "all"}, {"bias": "lora_only"}])
def test_others_are_left_to_peft(options: dict[str, Any]) -> None:
    wrapped = model(**options)
    fuse_low_rank(wrapped)
    assert passes(wrapped) == 0


def test_layers_without_update_have_none() -> None:
    wrapped = model()
    fuse_low_rank(wrapped)
    with wrapped.disable_adapter():
        assert passes(wrapped) == 0
        without = wrapped(IDS).logits
    assert not torch.allclose(without, wrapped(IDS).logits)
    wrapped.merge_adapter()
    assert passes(wrapped) == 0


def test_answers_are_peft_own() -> None:
    plain = model().eval()
    fused = copy.deepcopy(plain)
    fuse_low_rank(fused)
    assert passes(fused) == 0
    with torch.no_grad():
        assert torch.equal(plain(IDS).logits, fused(IDS).logits)


def test_several_adapters_are_left_to_peft() -> None:
    from peft import LoraConfig
    from peft.tuners.lora import LoraLayer

    wrapped = model()
    wrapped.add_adapter("other", LoraConfig(r=2, target_modules="all-linear", task_type="SEQ_CLS"))
    for module in wrapped.modules():
        if isinstance(module, LoraLayer):
            module.set_adapter(["default", "other"])
    fuse_low_rank(wrapped)
    assert passes(wrapped) == 0


def test_without_peft_nothing_changes() -> None:
    inner = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("bert", **SIZES))
    fuse_low_rank(inner)
    assert not any("forward" in vars(module) for module in inner.modules())
