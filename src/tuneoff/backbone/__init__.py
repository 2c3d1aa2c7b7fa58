"""A backbone's name → configuration, tokenizer, weights with a head, and the facts methods need."""

from tuneoff.backbone.facts import BackboneFacts, empty_classifier, read_config, read_facts
from tuneoff.backbone.known import UNSEEN, Known, known_backbone, known_backbones, look_up
from tuneoff.backbone.load import (
    classifier_config,
    draw_missing,
    load_classifier,
    load_tokenizer,
    quiet_transformers,
    tokenizer_hash,
)
from tuneoff.backbone.precision import Format, dtype_of, has_bf16, pick_device, pick_precision
from tuneoff.backbone.resolve import Resolved, check_weights, file_hash, resolve

__all__ = [
    "UNSEEN",
    "BackboneFacts",
    "Format",
    "Known",
    "Resolved",
    "check_weights",
    "classifier_config",
    "draw_missing",
    "dtype_of",
    "empty_classifier",
    "file_hash",
    "has_bf16",
    "known_backbone",
    "known_backbones",
    "load_classifier",
    "load_tokenizer",
    "look_up",
    "pick_device",
    "pick_precision",
    "quiet_transformers",
    "read_config",
    "read_facts",
    "resolve",
    "tokenizer_hash",
]
