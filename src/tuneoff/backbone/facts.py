"""What the methods need to know of a backbone, read off its configuration on the meta device: no weights."""

import inspect
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from tuneoff.backbone.resolve import Resolved
from tuneoff.errors import BackboneError

#: What a linear layer does, by how the architectures of transformers call it; first match wins.
_ROLES = (
    ("query", r"(?:^|\.)(?:query|q_proj|q_lin|query_proj|Wqkv|query_key_value|c_attn|qkv_proj)$"),
    ("key", r"(?:^|\.)(?:key|k_proj|k_lin|key_proj|Wqkv|query_key_value|c_attn|qkv_proj)$"),
    ("value", r"(?:^|\.)(?:value|v_proj|v_lin|value_proj|Wqkv|query_key_value|c_attn|qkv_proj)$"),
    ("attention_out", r"(?:attention\.output\.dense|attention\.dense|attn\.Wo|out_lin|o_proj|out_proj|attn\.c_proj)$"),
    ("feed_forward_in", r"(?:intermediate\.dense|lin1|up_proj|gate_proj|mlp\.Wi|fc1|dense_h_to_4h|c_fc|gate_up_proj)$"),
    ("feed_forward_out", r"(?:output\.dense|lin2|down_proj|mlp\.Wo|fc2|dense_4h_to_h|mlp\.c_proj)$"),
)


@dataclass(frozen=True)
class BackboneFacts:
    """A pretrained model as the methods see it.

    Attributes:
        name: as in the study file.
        revision: commit or hash of the weights.
        config: of transformers, with the study's number of labels.
        kind: reads both ways (encoder) or left to right (decoder).
        head: top-level modules of the classifier that are not the backbone.
        linear: full names of the backbone's linear layers.
        takes_past: the forward pass accepts past keys and values.
        total_parameters: of the backbone without a head.
        head_parameters: of the classifier's own head.
    """

    name: str
    revision: str
    config: PreTrainedConfig
    kind: Literal["encoder", "decoder"]
    base_prefix: str
    head: tuple[str, ...]
    linear: tuple[str, ...]
    takes_past: bool
    positions: int | None
    total_parameters: int
    head_parameters: int

    @property
    def hidden(self) -> int:
        """Width of the residual stream."""
        return int(self.config.hidden_size)

    @property
    def layers(self) -> int:
        """Number of transformer blocks."""
        return int(self.config.num_hidden_layers)

    @property
    def model_type(self) -> str:
        """The architecture's name in transformers."""
        return str(self.config.model_type)

    @cached_property
    def roles(self) -> dict[str, tuple[str, ...]]:
        """Linear layers by what they do: query, key, value, attention_out, feed_forward_in, feed_forward_out."""
        found: dict[str, list[str]] = {role: [] for role, _ in _ROLES}
        for name in self.linear:
            attention = "attention" in name or "attn" in name
            for role, pattern in _ROLES:
                if role == "feed_forward_out" and attention:
                    continue
                if re.search(pattern, name):
                    found[role].append(name)
                    if role not in ("query", "key"):
                        break
        return {role: tuple(names) for role, names in found.items()}

    @property
    def fused_attention(self) -> bool:
        """Whether one linear layer makes queries, keys and values."""
        return bool(set(self.roles["query"]) & set(self.roles["value"]))

    def longest(self, extra_tokens: int = 0) -> int | None:
        """Longest input in tokens when ``extra_tokens`` virtual ones stand beside it; ``None`` without a limit."""
        return None if self.positions is None else self.positions - extra_tokens


def read_config(resolved: Resolved, trust_remote_code: bool = False) -> PreTrainedConfig:
    """The configuration of a resolved backbone.

    Raises:
        BackboneError: the architecture is unknown, or needs the repository's own code.
    """
    try:
        return AutoConfig.from_pretrained(resolved.folder, trust_remote_code=trust_remote_code, local_files_only=True)
    except (ValueError, OSError, KeyError) as error:
        key = "backbone.remote_code" if "trust_remote_code" in str(error) else "backbone.unknown_architecture"
        raise BackboneError(key, where=resolved.name, reason=str(error).splitlines()[0]) from error


def empty_classifier(config: PreTrainedConfig, trust_remote_code: bool = False, attention: str = "sdpa") -> PreTrainedModel:
    """A classifier without memory, on the meta device.

    Raises:
        BackboneError: transformers has no sequence classifier for this architecture.
    """
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    with torch.device("meta"):
        try:
            return AutoModelForSequenceClassification.from_config(config, attn_implementation=attention, **options)
        except ValueError as error:
            if "attn_implementation" not in str(error) and "scaled_dot_product" not in str(error):
                raise BackboneError("backbone.no_classifier", where=str(config.model_type), reason=str(error).splitlines()[0]) from error
        return AutoModelForSequenceClassification.from_config(config, attn_implementation="eager", **options)


def read_facts(name: str, revision: str, config: PreTrainedConfig, trust_remote_code: bool = False) -> BackboneFacts:
    """Facts of a backbone from its configuration alone.

    Args:
        name: as in the study file.
        revision: pinned revision.
        config: with ``num_labels`` set.
        trust_remote_code: as in the study file.
    """
    model = empty_classifier(config, trust_remote_code)
    prefix = model.base_model_prefix
    base = model.base_model
    head = tuple(child for child, module in model.named_children() if child != prefix and any(True for _ in module.parameters()))
    linear = tuple(f"{prefix}.{inner}" for inner, module in base.named_modules() if isinstance(module, nn.Linear))
    head_parameters = sum(p.numel() for part in head for p in model.get_submodule(part).parameters())
    return BackboneFacts(
        name=name,
        revision=revision,
        config=config,
        kind="encoder" if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES else "decoder",
        base_prefix=prefix,
        head=head,
        linear=linear,
        takes_past="past_key_values" in inspect.signature(base.forward).parameters,
        positions=_positions(config, base),
        total_parameters=sum(p.numel() for p in base.parameters()),
        head_parameters=head_parameters,
    )


def _positions(config: PreTrainedConfig, base: nn.Module) -> int | None:
    limit = getattr(config, "max_position_embeddings", None)
    if limit is None or limit <= 0:
        return None
    for name, module in base.named_modules():
        # RoBERTa counts positions from padding_idx + 1.
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return int(limit) - module.padding_idx - 1
    return int(limit)
