"""A backbone's name → configuration, tokenizer, weights with a head, and the facts methods need."""

from tuneoff.backbone.facts import BackboneFacts, empty_classifier, read_config, read_facts
from tuneoff.backbone.load import draw_missing, load_classifier, load_tokenizer, tokenizer_hash
from tuneoff.backbone.precision import Format, dtype_of, has_bf16, pick_device, pick_precision
from tuneoff.backbone.resolve import Resolved, check_weights, file_hash, resolve

__all__ = [
    "BackboneFacts",
    "Format",
    "Resolved",
    "check_weights",
    "draw_missing",
    "dtype_of",
    "empty_classifier",
    "file_hash",
    "has_bf16",
    "load_classifier",
    "load_tokenizer",
    "pick_device",
    "pick_precision",
    "read_config",
    "read_facts",
    "resolve",
    "tokenizer_hash",
]
