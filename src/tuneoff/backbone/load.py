"""Weights and tokenizer of a resolved backbone, ready for a method."""

import hashlib
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tuneoff.backbone.facts import BackboneFacts
from tuneoff.backbone.resolve import Resolved
from tuneoff.errors import BackboneError


def load_tokenizer(resolved: Resolved, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer, with a pad token: its own, else the end-of-text token.

    Raises:
        BackboneError: there is no tokenizer, or nothing to pad with.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            resolved.folder, trust_remote_code=trust_remote_code, local_files_only=True
        )
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise BackboneError("backbone.no_tokenizer", where=resolved.name, reason=str(error).splitlines()[0]) from error
    if tokenizer.pad_token_id is None:
        fallback = tokenizer.eos_token or tokenizer.unk_token
        if fallback is None:
            raise BackboneError("backbone.no_pad", where=resolved.name)
        tokenizer.pad_token = fallback
    return tokenizer


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of what a fast tokenizer does."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    described = backend.to_str() if backend is not None else repr(sorted(tokenizer.get_vocab().items()))
    return hashlib.sha256(described.encode("utf-8", "surrogatepass")).hexdigest()


def load_classifier(
    resolved: Resolved,
    facts: BackboneFacts,
    pad_token_id: int,
    head_seed: int,
    dtype: torch.dtype = torch.float32,
    trust_remote_code: bool = False,
    **options: Any,
) -> PreTrainedModel:
    """The pretrained backbone with a head.

    Args:
        resolved: where it lies.
        facts: of the same backbone, with the study's number of labels.
        pad_token_id: set on the model's configuration.
        head_seed: head weights that the checkpoint lacks are drawn from this seed, the same for every method.
        dtype: of the weights.
        trust_remote_code: as in the study file.
        options: further arguments of ``from_pretrained``, such as ``quantization_config``.

    Raises:
        BackboneError: transformers cannot load it.
    """
    config = facts.config
    config.pad_token_id = pad_token_id
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            resolved.folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
            **options,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise BackboneError("backbone.cannot_load", where=resolved.name, reason=str(error).splitlines()[0]) from error
    lost = [name for name in info["missing_keys"] if name.startswith(facts.base_prefix + ".") and "pooler" not in name]
    if lost:
        raise BackboneError("backbone.incomplete", where=resolved.name, count=len(lost), first=lost[0])
    for part in facts.head:
        model.get_submodule(part).float()  # So that a head drawn for a bf16 backbone is the same as for an fp32 one.
    draw_missing(model, set(info["missing_keys"]), head_seed)
    return model


def draw_missing(model: nn.Module, names: set[str], seed: int) -> None:
    """Draw new weights in a fixed order from their own generator: matrices normal, biases zero, norms one."""
    generator = torch.Generator().manual_seed(seed)
    spread = float(getattr(model.config, "initializer_range", None) or 0.02)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if name not in names:
                continue
            if parameter.dim() > 1:
                parameter.copy_(torch.normal(0.0, spread, parameter.shape, generator=generator))
            else:
                parameter.fill_(1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0)
