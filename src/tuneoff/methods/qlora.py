"""LoRA on a backbone held in 4 bits."""

import importlib.util
from typing import TYPE_CHECKING, Any

from tuneoff.methods._base import MethodFacts
from tuneoff.methods.lora import Lora

if TYPE_CHECKING:
    from peft import LoraConfig

    from tuneoff.backbone import BackboneFacts


class Qlora(Lora):
    """LoRA over NF4 weights with double quantisation (Dettmers et al. 2023, arXiv:2305.14314).

    The head and a pooler stay unquantised: a 4-bit layer there fails in the forward pass. Nothing else is changed:
    no gradient checkpointing and no cast to fp32 behind the scenes, so that rows stay comparable.
    """

    facts = MethodFacts(
        title={"en": "QLoRA", "ko": "QLoRA"},
        summary={"en": "LoRA over a backbone in 4-bit NF4", "ko": "4비트(NF4)로 양자화한 백본 위의 LoRA"},
        reference="Dettmers et al. (2023). QLoRA: Efficient Finetuning of Quantized LLMs. arXiv:2305.14314",
        quantised=True,
    )

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """What LoRA needs, and bitsandbytes."""
        return super().unsupported(backbone) or (None if importlib.util.find_spec("bitsandbytes") else "method.no_bitsandbytes")

    def load_options(self, backbone: "BackboneFacts") -> dict[str, Any]:
        """4-bit NF4, double quantisation, products in bf16."""
        import torch
        from transformers import BitsAndBytesConfig

        return {
            "quantization_config": BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=torch.bfloat16,
                llm_int8_skip_modules=[*backbone.head, "pooler"],
            )
        }

    def peft_config(self, backbone: "BackboneFacts") -> "LoraConfig":
        """LoRA's, without the unquantised pooler."""
        config = super().peft_config(backbone)
        config.target_modules = {name for name in config.target_modules or () if "pooler" not in name}
        return config
