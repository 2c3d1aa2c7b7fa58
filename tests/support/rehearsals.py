"""The same few steps of training twice: on the meta device, and for real on the CPU, both under the same counter."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from transformers import AutoConfig

from tuneoff.backbone import BackboneFacts, read_facts
from tuneoff.forecast import this_device
from tuneoff.forecast.four_bit import dequantised_bytes
from tuneoff.forecast.kernels import attention, on_cpu
from tuneoff.forecast.memory import PeakForecast, Timeline
from tuneoff.forecast.rehearse import rehearse
from tuneoff.forecast.scene import Part, Scene
from tuneoff.forecast.storages import Storages
from tuneoff.forecast.watch import Watch
from tuneoff.methods import Method, method_class
from tuneoff.spec import PretrainSpec, TrainSpec

HIDDEN, VOCABULARY, POSITIONS = 32, 300, 64
_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": POSITIONS + 2,
    "pad_token_id": 1,
}
_GROUPED = {"num_key_value_heads": 2}
_GEMMA = _GROUPED | {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 16}
_DEBERTA = {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"], "share_att_key": True}
#: Architectures by what is particular to them.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {},
    "electra": {"embedding_size": 16},
    "distilbert": {"dim": HIDDEN, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "deberta-v2": _DEBERTA | {"norm_rel_ebd": "layer_norm", "position_biased_input": False, "type_vocab_size": 0},
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 16, "cls_token_id": 1, "sep_token_id": 2},
    "llama": _GROUPED,
    "qwen2": _GROUPED,
    "qwen3": _GROUPED | {"head_dim": 8},
    "gemma2": _GEMMA,
    "gemma3_text": _GEMMA,
    "gpt_neox": {},
}


@cache
def tiny_facts(architecture: str) -> BackboneFacts:
    """Two layers, 32 wide."""
    dropped = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size") if architecture == "distilbert" else ()
    sizes = {name: value for name, value in _SIZES.items() if name not in dropped}
    return read_facts(architecture, "none", AutoConfig.for_model(architecture, num_labels=3, **sizes | ARCHITECTURES[architecture]))


def build(method: str, **parameters: Any) -> Method:
    """A method with these parameters."""
    kind = method_class(method)
    built = kind(kind.Config.model_validate(parameters))
    assert isinstance(built, Method)
    return built


@dataclass(frozen=True)
class Steps:
    """The scene's particulars."""

    batch_size: int = 8
    length: int = 24
    micro_batch: int | None = None
    checkpointing: bool = False
    epochs: int = 2
    pairs: bool = False
    evaluation_rows: int = 16


def scene(method: Method | None, facts: BackboneFacts, precision: Any = "fp32", steps: Steps | None = None) -> Scene:
    """A trial of these steps on this machine's CPU; without a method, continued pretraining."""
    given = steps or Steps()
    rows = given.micro_batch or given.batch_size
    parts = (Part(rows, given.length),) * (given.batch_size // rows)
    return Scene(
        method=method,
        facts=facts,
        target=this_device(),
        precision=precision,
        train=TrainSpec(batch_size=given.batch_size, gradient_checkpointing=given.checkpointing),
        epochs=given.epochs,
        steps=(parts, parts),
        evaluation=Part(given.evaluation_rows, given.length),
        used_rows=200,
        pairs=given.pairs,
        stored_rows=100,
        pretrain=PretrainSpec(batch_size=given.batch_size) if method is None else None,
    )


def count(what: Scene, device: str) -> tuple[Timeline, Watch]:
    """Run it on ``meta`` or ``cpu`` and count live tensors."""
    meta = device == "meta"
    storages = Storages(device, _predicted(what), meta, dequantised_bytes)
    watch = Watch(storages, None, partial(attention, on_cpu)) if meta else Watch(storages)
    torch.manual_seed(0)
    rehearse(what, torch.device(device), watch)
    return Timeline(storages.log, watch.kinds), watch


def peaks(what: Scene, device: str) -> list[PeakForecast]:
    """Of training and of evaluation."""
    return count(what, device)[0].peaks("start", "evaluate", "end")


def _predicted(what: Scene) -> float:
    """Share of the positions that a language model predicts: on a decoder all that are followed by a word, padding counted off."""
    if what.pretrain is None or what.facts.kind == "encoder":
        return 0.15
    part = what.steps[0][0]
    return 1.0 - (2 * part.rows - 1) / part.tokens
