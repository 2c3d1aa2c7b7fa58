"""What a run keeps beside its records: the outline of its plan and the forecasts. To read it takes neither PyTorch nor the backbone."""

from tuneoff.kept.foresight import FORECASTS, Foresight, keep_foresight, kept_foresight, kept_outlook
from tuneoff.kept.outline import BackboneCard, MethodCard, MethodOutline, Outline, in_order
from tuneoff.kept.plans import keep_outline, kept_outline
from tuneoff.kept.range import NOTHING, Range

__all__ = [
    "FORECASTS",
    "NOTHING",
    "BackboneCard",
    "Foresight",
    "MethodCard",
    "MethodOutline",
    "Outline",
    "Range",
    "in_order",
    "keep_foresight",
    "keep_outline",
    "kept_foresight",
    "kept_outline",
    "kept_outlook",
]
