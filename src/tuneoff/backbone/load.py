"""Weights and tokenizer of a resolved backbone, ready for a method."""

import copy
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from tuneoff.backbone.facts import BackboneFacts
from tuneoff.backbone.resolve import Resolved
from tuneoff.errors import BackboneError, short
from tuneoff.hub import SHOWN_CHARACTERS


def load_tokenizer(resolved: Resolved, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer, with a pad token: its own, else the end-of-text token.

    Raises:
        BackboneError: there is no tokenizer, it knows no words, it needs the repository's own code, or there is nothing to pad with.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            resolved.folder, trust_remote_code=trust_remote_code, local_files_only=True
        )
    except Exception as error:  # tokenizers raises bare Exception for a broken file.
        key = "backbone.remote_code" if not trust_remote_code and _has_own_tokenizer(resolved) else "backbone.no_tokenizer"
        raise BackboneError(key, where=resolved.name, reason=_reason(error)) from error
    # For a repository without tokenizer files transformers makes one that knows nothing but its special tokens.
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise BackboneError("backbone.no_vocabulary", where=resolved.name)
    if tokenizer.pad_token_id is None:
        fallback = tokenizer.eos_token or tokenizer.unk_token
        if fallback is None:
            raise BackboneError("backbone.no_pad", where=resolved.name)
        tokenizer.pad_token = fallback
    return tokenizer


def _has_own_tokenizer(resolved: Resolved) -> bool:
    try:
        return "AutoTokenizer" in json.loads((resolved.folder / "tokenizer_config.json").read_bytes())["auto_map"]
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _reason(error: Exception) -> str:
    return short(" ".join(str(error).split()) or type(error).__name__, SHOWN_CHARACTERS)


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of what a fast tokenizer does."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    described = backend.to_str() if backend is not None else repr(sorted(tokenizer.get_vocab().items()))
    return hashlib.sha256(described.encode("utf-8", "surrogatepass")).hexdigest()


def classifier_config(config: PreTrainedConfig, pad_token_id: int) -> PreTrainedConfig:
    """A copy with the pad token, and without the cache of keys and values that decoders keep for generating.

    A classifier reads each row once: on Llama-2-7B the cache would hold 2 GB in evaluation, and copies of it in training.
    """
    copied = copy.deepcopy(config)
    copied.pad_token_id = pad_token_id
    if getattr(copied, "use_cache", False):
        copied.use_cache = False
    return copied


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
        head_seed: head weights that the checkpoint lacks, or has for another number of labels, are drawn from this seed,
            the same for every method.
        dtype: of the weights.
        trust_remote_code: as in the study file.
        options: further arguments of ``from_pretrained``, such as ``quantization_config``.

    Raises:
        BackboneError: transformers cannot load it, weights of the backbone are missing or of another shape, or the
            tokenizer pads with a token that the backbone has no embedding for.
    """
    vocabulary = getattr(facts.config, "vocab_size", None)
    if vocabulary is not None and pad_token_id >= vocabulary:
        raise BackboneError("backbone.pad_outside", where=resolved.name, token=pad_token_id, vocabulary=vocabulary)
    config = classifier_config(facts.config, pad_token_id)
    try:
        with quiet_transformers():
            model, info = AutoModelForSequenceClassification.from_pretrained(
                resolved.folder,
                config=config,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **options,
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise BackboneError("backbone.cannot_load", where=resolved.name, reason=_reason(error)) from error
    base = facts.base_prefix + "."
    lost = sorted(name for name in info["missing_keys"] if name.startswith(base) and "pooler" not in name)
    if lost:
        raise BackboneError("backbone.incomplete", where=resolved.name, count=len(lost), first=lost[0])
    misshapen = sorted((name, tuple(has), tuple(wants)) for name, has, wants in info["mismatched_keys"])
    for name, has, wants in misshapen:
        if name.startswith(base):
            raise BackboneError("backbone.wrong_shape", where=resolved.name, first=name, has=has, wants=wants)
    for part in facts.head:
        model.get_submodule(part).float()  # So that a head drawn for a bf16 backbone is the same as for an fp32 one.
    new = set(info["missing_keys"]) | {name for name, _, _ in misshapen}
    inside = {name for name in new if name.startswith(base)}
    # A pooler that the checkpoint lacks belongs to the backbone: the same for every seed, so that an artefact finds it again.
    draw_missing(model, inside, 0)
    draw_missing(model, new - inside, head_seed)
    return model


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without transformers' table of missing weights and its bars: what matters of them is checked by who loads."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


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
