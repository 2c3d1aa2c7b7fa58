"""What PEFT's types of tuner do to a sequence classifier, as found by trying each of them.

The types themselves come from PEFT's registry. This table adds what only a trial tells; ``tests/contract/test_peft_types.py`` makes
that trial for every type of the installed PEFT, on an encoder and on a decoder, and fails where the table says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tuneoff.methods._base import LearningRates

#: The version that the table was made with.
TRIED_WITH: Final = "0.21.2"

#: Of types that train matrices, vectors, or coefficients of a transform: factors of ten lie between them. The middle of these
#: ranges is where PEFT's examples and its method comparison train; a study's search looks further.
MATRICES: Final = LearningRates(1e-5, 1e-2, {384: 1e-3, 768: 5e-4, 1024: 3e-4, 4096: 1e-4})
VECTORS: Final = LearningRates(1e-4, 1e-1, {384: 1e-2, 768: 5e-3, 1024: 3e-3, 4096: 1e-3})
COEFFICIENTS: Final = LearningRates(1e-3, 1.0, {384: 1e-1, 768: 6e-2, 1024: 4e-2, 4096: 1e-2})
#: Of the weights' own singular vectors, which want smaller steps than anything added.
SPECTRA: Final = LearningRates(5e-6, 5e-3, {384: 3e-4, 768: 1e-4, 1024: 5e-5, 4096: 2e-5})
MATRIX_HEADS: Final = LearningRates(1e-5, 1e-2, {384: 1e-3, 768: 1e-3, 1024: 5e-4, 4096: 1e-4})
VECTOR_HEADS: Final = LearningRates(1e-5, 1e-1, {384: 1e-2, 768: 2e-3, 1024: 1e-3, 4096: 5e-4})

Refusal = Literal[
    "method.peft_batch",
    "method.peft_language_model",
    "method.peft_layers",
    "method.peft_padding",
    "method.peft_steps",
    "method.peft_task_ids",
    "method.peft_trained_adapters",
]


@dataclass(frozen=True)
class Tried:
    """One type of tuner.

    Attributes:
        title: as its authors write it.
        paper: where it comes from.
        rates: of its parameters.
        targets: what it changes unless the user says: ``linear`` layers of the backbone, ``norms``, what IA³ ``scales``, the input
            (``tokens``), ``past`` keys and values, or what PEFT knows to be its ``own`` place in some architectures.
        defaults: parameters that PEFT wants and gives no default for.
        blocks: a parameter that takes the number of blocks, likewise.
        asks: parameters that only the user can give.
        encoder: why it does not work on an encoder; ``None`` where it does.
        decoder: likewise.
        identity: attaching changes no logit.
        mergeable: folds into the weights of any backbone.
        checkpointing: can run with gradient checkpointing.
        values: attaching computes with the pretrained weights, so that nothing can be counted before they are there.
    """

    title: str
    paper: str = ""
    rates: LearningRates = MATRICES
    targets: Literal["linear", "norms", "scales", "tokens", "past", "own"] = "linear"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    blocks: str = ""
    asks: tuple[str, ...] = ()
    encoder: Refusal | None = None
    decoder: Refusal | None = None
    identity: bool = True
    mergeable: bool = True
    checkpointing: bool = True
    values: bool = False

    @property
    def works(self) -> bool:
        """On one kind of backbone at least."""
        return self.encoder is None or self.decoder is None

    @property
    def head_rates(self) -> LearningRates:
        """Of the head beside it."""
        return MATRIX_HEADS if self.rates is MATRICES else VECTOR_HEADS

    @property
    def virtual(self) -> bool:
        """Whether it takes positions of the input."""
        return self.targets in ("tokens", "past")


#: A type that a newer PEFT has: nothing is claimed of it.
UNTRIED: Final = Tried("", identity=False, mergeable=False, checkpointing=False, values=True)


def _everywhere(reason: Refusal, title: str, paper: str = "", **more: Any) -> Tried:
    return Tried(title, paper, encoder=reason, decoder=reason, identity=False, mergeable=False, **more)


def _tokens(title: str, paper: str, targets: Literal["tokens", "past"], **more: Any) -> Tried:
    """Virtual tokens: nothing to fold, and the logits change at once."""
    return Tried(title, paper, VECTORS, targets, {"num_virtual_tokens": 20}, identity=False, mergeable=False, **more)


TRIED: Final[Mapping[str, Tried]] = {
    "ADALORA": _everywhere("method.peft_steps", "AdaLoRA", "arXiv:2303.10512"),
    "ADAMSS": Tried("AdaMSS", "openreview:8ZdWmpYxT0", values=True),
    "ADAPTION_PROMPT": Tried(
        "LLaMA-Adapter",
        "arXiv:2303.16199",
        VECTORS,
        "own",
        {"adapter_len": 10},
        "adapter_layers",
        encoder="method.peft_layers",
        mergeable=False,
    ),
    "BEFT": Tried("BEFT", "arXiv:2509.15974", VECTORS, mergeable=False),
    "BOFT": Tried("BOFT", "arXiv:2311.06243", values=True),
    "C3A": Tried("C³A", "arXiv:2407.19342", COEFFICIENTS, identity=False),
    "CARTRIDGE": _tokens("Cartridges", "arXiv:2506.06266", "past", checkpointing=False),
    "CPT": _everywhere("method.peft_language_model", "CPT", "arXiv:2410.17222", targets="tokens"),
    "DEFT": Tried("DEFT", "NeurIPS 2025"),
    "DELORA": Tried("DeLoRA", "arXiv:2503.18225"),
    "FOURIERFT": Tried("FourierFT", "arXiv:2405.03003", COEFFICIENTS, identity=False),
    "FROD": Tried("FRoD", "doi:10.1609/aaai.v40i31.39813", VECTORS, defaults={"progressbar": False}, values=True),
    "GLORA": Tried("GLoRA", "arXiv:2306.07967"),
    "GRALORA": Tried("GraLoRA", "arXiv:2505.20355"),
    "HIRA": Tried("HiRA", "openreview:TwJrTz9cRS", VECTORS),
    "HRA": Tried("HRA", "arXiv:2405.17484"),
    "IA3": Tried("IA³", "arXiv:2205.05638", VECTORS, "scales"),
    "LILY": _everywhere("method.peft_batch", "Lily", "arXiv:2407.09946"),
    "LN_TUNING": Tried("LayerNorm tuning", "arXiv:2312.11420", VECTORS, "norms"),
    "LOHA": Tried("LoHa", "arXiv:2108.06098"),
    "LOKR": Tried("LoKr", "arXiv:2309.14859", VECTORS),
    "LORA": Tried("LoRA", "arXiv:2106.09685"),
    "MISS": Tried("MiSS", "arXiv:2409.15371"),
    "MULTITASK_PROMPT_TUNING": _everywhere(
        "method.peft_task_ids", "Multitask prompt tuning", "arXiv:2303.02861", targets="tokens", defaults={"num_virtual_tokens": 20}
    ),
    "OFT": Tried("OFT", "arXiv:2306.07280"),
    "OSF": Tried("OSF", "arXiv:2504.07097", SPECTRA),
    "PEANUT": Tried("PEANuT", "arXiv:2410.01870"),
    "POLY": _everywhere("method.peft_task_ids", "Poly", "arXiv:2202.13914"),
    "PREFIX_TUNING": _tokens("Prefix tuning", "arXiv:2101.00190", "past", checkpointing=False),
    "PROMPT_TUNING": _tokens("Prompt tuning", "arXiv:2104.08691", "tokens", decoder="method.peft_padding"),
    "PSOFT": Tried("PSOFT", "openreview:FSHrinMArK"),
    "PVERA": Tried("PVeRA", "arXiv:2512.07703", VECTORS),
    "P_TUNING": _tokens("P-tuning", "arXiv:2103.10385", "tokens", decoder="method.peft_padding"),
    "RANDLORA": Tried("RandLoRA", "arXiv:2502.00987", VECTORS),
    "ROAD": Tried("RoAd", "arXiv:2409.00119", VECTORS),
    "SHADOW": Tried("ShadowPEFT", "arXiv:2604.19254", targets="own", encoder="method.peft_layers", mergeable=False),
    "SHIRA": Tried("SHiRA", "arXiv:2406.13175", values=True),
    "SUPERTUNING": Tried("Supertuning", "arXiv:2607.09287"),
    "TINYLORA": Tried("TinyLoRA", "arXiv:2602.04118", VECTORS),
    "TRAINABLE_TOKENS": Tried("Trainable tokens", rates=VECTORS, targets="own", asks=("token_indices",)),
    "UNILORA": Tried("Uni-LoRA", "arXiv:2506.00799", VECTORS, identity=False, values=True),
    "VBLORA": Tried("VB-LoRA", "arXiv:2405.15179", VECTORS, identity=False),
    "VERA": Tried("VeRA", "arXiv:2310.11454", VECTORS),
    "WAVEFT": Tried("WaveFT", "arXiv:2505.12532", VECTORS),
    "XLORA": _everywhere("method.peft_trained_adapters", "X-LoRA", "arXiv:2402.07148", targets="own"),
}
