"""LoRA on a backbone held in 4 bits."""

import importlib.util
from typing import TYPE_CHECKING, Any

from tuneoff.methods._base import Adapted, MethodFacts
from tuneoff.methods.lora import Lora

if TYPE_CHECKING:
    from torch import nn

    from tuneoff.backbone import BackboneFacts


class Qlora(Lora):
    """LoRA over NF4 weights with double quantisation (Dettmers et al. 2023, arXiv:2305.14314).

    The head and a pooler stay unquantised: a 4-bit layer there fails in the forward pass; a pooler has its low-rank update, as in LoRA.
    Nothing else is changed: no gradient checkpointing and no cast to fp32 behind the scenes, so that rows stay comparable.
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
        """4-bit NF4, double quantisation, products in the format that the device is good at."""
        from transformers import BitsAndBytesConfig

        from tuneoff.backbone import dtype_of, pick_device, pick_precision

        return {
            "quantization_config": BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=dtype_of(pick_precision("auto", pick_device())),
                llm_int8_skip_modules=[*backbone.head, *(name for name in backbone.linear if "pooler" in name)],
            )
        }

    def declare(self, wrapped: "nn.Module") -> Adapted:
        """As always, once what bitsandbytes would change in the first forward passes is settled.

        It casts biases to the format of the products, which is done here, before anything is counted or compared. On CPUs with
        AVX512-BF16 it rearranges the weights at the first evaluation: scales are rounded to bf16 and no gradient passes the
        layer any more, so that every epoch after a validation would train on wrong gradients. That is turned off.
        """
        for module in wrapped.modules():
            if hasattr(module, "support_avx512bf16_for_cpu"):
                four_bit: Any = module
                four_bit.support_avx512bf16_for_cpu = False
                if four_bit.bias is not None:
                    four_bit.bias.data = four_bit.bias.data.to(four_bit.compute_dtype)
        return super().declare(wrapped)
