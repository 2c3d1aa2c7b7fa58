"""Ways of adapting a pretrained model, one file each. See ``docs/add_a_method.md``."""

from tuneoff.methods._base import (
    CONFIG_FILE,
    OWN_TYPE,
    WEIGHTS_FILE,
    Adapted,
    AnyMethod,
    LearningRates,
    Method,
    MethodConfig,
    MethodFacts,
    TextMethod,
    Variant,
    head_names,
)

__all__ = [
    "CONFIG_FILE",
    "OWN_TYPE",
    "WEIGHTS_FILE",
    "Adapted",
    "AnyMethod",
    "Chosen",
    "LearningRates",
    "Method",
    "MethodConfig",
    "MethodFacts",
    "TextMethod",
    "Variant",
    "all_own",
    "check_names",
    "choose",
    "choose_all",
    "head_names",
    "method_class",
    "method_names",
    "parameter_meaning",
]

from tuneoff.methods._describe import parameter_meaning
from tuneoff.methods._registry import Chosen, all_own, check_names, choose, choose_all, method_class, method_names
