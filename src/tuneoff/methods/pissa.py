"""Low-rank adaptation of the principal singular values."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tuneoff.methods._base import WEIGHTS_FILE, Adapted, LearningRates, MethodConfig, MethodFacts
from tuneoff.methods._peft import ADAPTER, PeftMethod, Targets, lacks_targets, target_modules

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig
    from torch import nn

    from tuneoff.backbone import BackboneFacts


class PissaParameters(MethodConfig):
    """How many singular values train, and of which layers."""

    r: int = Field(default=16, ge=1)
    targets: Targets = "all-linear"


class Pissa(PeftMethod):
    """The ``r`` largest singular values of each weight and their vectors train, the rest stays (Meng et al. 2024, arXiv:2404.02948).

    Attaching changes the pretrained weights: the principal part moves from W into B₀A₀. The artefact is a plain LoRA of twice the
    rank, whose update BA - B₀A₀ stands on the original weights and which PEFT loads as any other. Loaded here, its second half
    takes the principal part out of W again, by the same product as in training, so that the very same numbers come out in bf16
    too, where W - B₀A₀ is rounded.
    """

    Config = PissaParameters
    learning_rates = LearningRates(5e-6, 5e-3, {384: 1e-3, 768: 3e-4, 1024: 1e-4, 4096: 2e-5})
    head_learning_rates = LearningRates(1e-5, 1e-2, {384: 1e-3, 768: 1e-3, 1024: 5e-4, 4096: 1e-4})
    facts = MethodFacts(
        title={"en": "PiSSA", "ko": "PiSSA"},
        summary={"en": "the largest singular values of each weight train", "ko": "가중치마다 가장 큰 특잇값 성분만 학습"},
        reference="Meng et al. (2024). PiSSA: Principal Singular Values and Singular Vectors Adaptation of Large Language Models. "
        "arXiv:2404.02948",
        identity_at_start=True,
        mergeable=True,
    )

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """Needs linear layers."""
        return lacks_targets(self.config.targets, backbone)

    def peft_config(self, backbone: "BackboneFacts") -> "LoraConfig":
        """A LoRA of scale 1, drawn as usual."""
        from peft import LoraConfig

        targets = target_modules(self.config.targets, backbone)
        return LoraConfig(task_type="SEQ_CLS", r=self.config.r, lora_alpha=self.config.r, target_modules=targets)

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """Move the principal part of each weight into the factors."""
        import torch

        adapted = super().attach(model, backbone, generator)
        for layer in _layers(adapted):
            down, up = _factors(layer)
            weight = layer.get_base_layer().weight.detach().float()
            left, values, right = torch.linalg.svd(weight, full_matrices=False)
            if not len(down) <= len(values):
                raise ValueError(f"a layer has {len(values)} singular values, fewer than r = {len(down)}")
            root = values[: len(down)].sqrt()
            down.data.copy_(root.unsqueeze(1) * right[: len(down)])
            up.data.copy_(left[:, : len(down)] * root)
            _take_out(layer, up, down)
        self._start = {name: parameter.detach().clone() for name, parameter in _named_factors(adapted).items()}
        return adapted

    def save(self, adapted: Adapted, folder: Path) -> None:
        """As a LoRA of twice the rank on the original weights."""
        import torch
        from peft import get_peft_model_state_dict
        from safetensors.torch import save_file

        model: Any = adapted.model
        tensors = get_peft_model_state_dict(model, save_embedding_layers=False)
        for name, start in self._start.items():
            key = name.replace(f".{ADAPTER}.", ".")
            start = start.to(tensors[key].device)
            tensors[key] = torch.cat([tensors[key], start], 0) if ".lora_A." in key else torch.cat([tensors[key], -start], 1)
        save_file({key: tensor.detach().contiguous().cpu() for key, tensor in tensors.items()}, folder / WEIGHTS_FILE)
        config = model.peft_config[ADAPTER]
        rank, training = config.r, config.inference_mode
        config.r = config.lora_alpha = 2 * rank
        config.inference_mode = True
        config.save_pretrained(folder)
        config.r = config.lora_alpha = rank
        config.inference_mode = training

    def load(self, model: "nn.Module", backbone: "BackboneFacts", folder: Path) -> Adapted:
        """Take the principal part out of the weights, then the trained factors and the head.

        Raises:
            KeyError: the folder lacks a declared parameter.
        """
        from safetensors.torch import load_file

        adapted = self.declare(self._wrap(model, backbone, self.peft_config(backbone)))
        tensors, rank = load_file(folder / WEIGHTS_FILE), self.config.r
        self._start = {}
        for name in _named_factors(adapted):
            key = name.replace(f".{ADAPTER}.", ".")
            both = tensors[key]
            tensors[key], start = (both[:rank], both[rank:]) if ".lora_A." in key else (both[:, :rank], -both[:, rank:])
            self._start[name] = start
        for prefix, layer in _named_layers(adapted).items():
            place = layer.get_base_layer().weight.device
            up, down = (self._start[f"{prefix}.lora_{part}.{ADAPTER}.weight"].to(place) for part in "BA")
            _take_out(layer, up, down)
        self.take(adapted, tensors, folder)
        return adapted


def _named_layers(adapted: Adapted) -> dict[str, Any]:
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in adapted.model.named_modules() if isinstance(module, LoraLayer)}


def _layers(adapted: Adapted) -> list[Any]:
    return list(_named_layers(adapted).values())


def _named_factors(adapted: Adapted) -> "dict[str, nn.Parameter]":
    return {name: parameter for name, parameter in adapted.model.named_parameters() if ".lora_" in name}


def _factors(layer: Any) -> "tuple[nn.Parameter, nn.Parameter]":
    return layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight


def _take_out(layer: Any, up: "torch.Tensor", down: "torch.Tensor") -> None:
    weight = layer.get_base_layer().weight
    weight.data = (weight.detach().float() - up.detach() @ down.detach()).to(weight.dtype)
