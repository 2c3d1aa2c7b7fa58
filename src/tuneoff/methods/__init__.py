"""Ways of adapting a pretrained model, one file each. See ``docs/add_a_method.md``."""

from tuneoff.methods._base import Adapted, AnyMethod, LearningRates, Method, MethodConfig, MethodFacts, TextMethod, head_names

__all__ = [
    "Adapted",
    "AnyMethod",
    "Chosen",
    "LearningRates",
    "Method",
    "MethodConfig",
    "MethodFacts",
    "TextMethod",
    "choose",
    "choose_all",
    "head_names",
    "method_class",
    "method_names",
]

from tuneoff.methods._registry import Chosen, choose, choose_all, method_class, method_names
