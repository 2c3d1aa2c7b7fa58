"""Any tuner of the PEFT library."""

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Self, get_type_hints

from pydantic import create_model, field_validator, model_validator

from tuneoff.methods._base import MethodConfig, MethodFacts, Variant, misfit
from tuneoff.methods._norms import norm_names
from tuneoff.methods._peft import PeftMethod, no_linear_role
from tuneoff.methods._peft_types import MATRICES, MATRIX_HEADS, TRIED, UNTRIED, Tried
from tuneoff.spec import Frozen, nearest
from tuneoff.spec.wrong import wrong

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig
    from torch import nn

    from tuneoff.backbone import BackboneFacts
    from tuneoff.methods._base import Adapted


class _Strict(Frozen, strict=True):
    """PEFT itself checks no types, so that a number in quotes would fail much later."""


@cache
def peft_types() -> dict[str, type["PeftConfig"]]:
    """Types of tuner of the installed PEFT, each with the class of its configuration."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    return {str(getattr(kind, "value", kind)): config for kind, config in sorted(PEFT_TYPE_TO_CONFIG_MAPPING.items())}


@cache
def parameters_of(kind: str) -> type[Frozen]:
    """The parameters of a type, which refuse unknown names and wrong types; without what is not the user's to say."""
    from peft import PeftConfig

    config = peft_types()[kind]
    ours = {field.name for field in dataclasses.fields(PeftConfig)} | {"modules_to_save"}
    hints = get_type_hints(config)
    fields: dict[str, Any] = {field.name: (hints[field.name], None) for field in dataclasses.fields(config) if field.name not in ours}
    return create_model(config.__name__, __base__=_Strict, **fields)


class PeftParameters(MethodConfig, extra="allow"):
    """A type of PEFT and, beside it, any parameter of its configuration under PEFT's own name."""

    type: str = "LORA"

    @field_validator("type", mode="before")
    @classmethod
    def _is_a_type(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        name = value.strip().upper().replace("-", "_")
        if name not in peft_types():
            raise wrong("method.unknown_type", value, nearest=nearest(name, peft_types()), known=", ".join(peft_types()))
        return name

    @model_validator(mode="after")
    def _are_its_parameters(self) -> Self:
        written = self.model_extra or {}
        parameters_of(self.type).model_validate(written)
        tried = TRIED.get(self.type, UNTRIED)
        for name in tried.asks:
            if name not in written:
                raise misfit(name, wrong("method.type_asks", None, type=self.type))
        if tried.works:
            try:
                peft_types()[self.type](task_type="SEQ_CLS", **copy.deepcopy({**tried.defaults, **written}))
            except (ValueError, TypeError) as error:
                raise misfit("type", wrong("study.other", self.type, problem=" ".join(str(error).split()))) from error
        return self

    @classmethod
    def known(cls, written: Mapping[str, Any]) -> list[str]:
        """Ours and those of the type."""
        kind = cls._is_a_type(written.get("type", cls.model_fields["type"].default))
        return sorted({*cls.model_fields, *parameters_of(str(kind)).model_fields})


class Peft(PeftMethod):
    """Any of PEFT's tuners by the name of its type. What each does is written in ``_peft_types.py`` and tested there."""

    Config = PeftParameters
    learning_rates = MATRICES
    head_learning_rates = MATRIX_HEADS
    facts = MethodFacts(
        title={"en": "Any PEFT type", "ko": "임의의 PEFT 유형"},
        summary={"en": "any tuner of the PEFT library, by its type", "ko": "PEFT 라이브러리의 모든 튜너를 유형 이름으로 지정"},
    )

    def __init__(self, config: MethodConfig) -> None:
        super().__init__(config)
        self.tried: Tried = TRIED.get(self.config.type, UNTRIED)
        name = self.tried.title or self.config.type
        self.facts = replace(
            self.facts,
            title={"en": f"{name} (PEFT)", "ko": f"{name} (PEFT)"},
            reference=f"{name}. {self.tried.paper}" if self.tried.paper else self.facts.reference,
            identity_at_start=self.tried.identity,
            mergeable=self.tried.mergeable,
            gradient_checkpointing=self.tried.checkpointing,
            virtual_tokens="num_virtual_tokens" if self.tried.virtual else None,
            needs_weights=self.tried.values,
            head_matters=self.tried.rates is not MATRICES,
        )
        self.learning_rates, self.head_learning_rates = self.tried.rates, self.tried.head_rates

    @classmethod
    def variants(cls) -> list[Variant]:
        """Its types, as tried."""
        return [
            Variant(name, tried.title, tried.paper, {k: why for k, why in (("encoder", tried.encoder), ("decoder", tried.decoder)) if why})
            for name, tried in TRIED.items()
        ]

    @property
    def parameters(self) -> dict[str, Any]:
        """As written, over what PEFT wants and has no default for."""
        return copy.deepcopy({**self.tried.defaults, **(self.config.model_extra or {})})

    def num_virtual_tokens(self) -> int:
        """As written, or the default."""
        return int(self.parameters["num_virtual_tokens"]) if self.tried.virtual else 0

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """What the trial of the type found, and what this backbone lacks for it."""
        found = self.tried.encoder if backbone.kind == "encoder" else self.tried.decoder
        if found or "target_modules" in self.parameters:
            return found
        match self.tried.targets:
            case "linear":
                return None if backbone.linear else "method.no_modules"
            case "scales":
                return "method.fused_attention" if backbone.fused_attention else no_linear_role(backbone, _SCALED)
            case "past":
                return None if backbone.takes_past else "method.no_past"
            case "own":
                return None if self._has_a_place(backbone) else "method.peft_layers"
        return None

    def _has_a_place(self, backbone: "BackboneFacts") -> bool:
        import torch

        from tuneoff.backbone import empty_classifier

        try:
            with torch.device("meta"):
                self.attach(empty_classifier(backbone.config), backbone, torch.Generator())
        except (ValueError, AttributeError):
            return False
        return True

    def peft_config(self, backbone: "BackboneFacts") -> "PeftConfig":
        """The type's own, with its place in this backbone unless the user says where."""
        parameters = self.parameters
        if self.tried.blocks:
            parameters.setdefault(self.tried.blocks, backbone.layers)
        if "target_modules" not in parameters and "target_modules" in parameters_of(self.config.type).model_fields:
            parameters |= self._targets(backbone)
        return peft_types()[self.config.type](task_type="SEQ_CLS", **parameters)

    def _targets(self, backbone: "BackboneFacts") -> dict[str, list[str]]:
        match self.tried.targets:
            case "linear":
                return {"target_modules": list(backbone.linear)}
            case "scales":
                scaled = dict.fromkeys(name for role in _SCALED for name in backbone.roles[role])
                return {"target_modules": list(scaled), "feedforward_modules": list(backbone.roles["feed_forward_out"])}
            case "norms":
                from tuneoff.backbone import empty_classifier

                return {"target_modules": norm_names(empty_classifier(backbone.config), backbone)}
        return {}

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> "Adapted":
        """PEFT's wrapper.

        Raises:
            ValueError: PEFT cannot take these parameters on this backbone.
        """
        try:
            return super().attach(model, backbone, generator)
        except (AssertionError, AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{self.config.type}: {error}") from error


#: Layers whose results IA³ scales; of the last it is the input.
_SCALED = ("key", "value", "feed_forward_out")
