"""What is known of each of PyTorch's operations from its schema."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import torch

#: Views and empty memory move nothing.
_FREE = frozenset(("empty", "empty_like", "new_empty", "empty_strided", "detach", "_unsafe_view", "lift_fresh"))
#: For each element these compute a root, an exponential or a sum over a row: on a CPU much dearer than reading it.
_DEAR = ("gelu", "softmax", "layer_norm", "tanh", "silu", "sigmoid", "exp", "pow", "rsqrt", "erf", "native_dropout", "bernoulli_")


@dataclass(frozen=True)
class OperationFacts:
    """Of one overload.

    Attributes:
        name: without overload and without ``aten::``.
        composite: made of other operations; without autograd it arrives whole.
        effect: it only makes new tensors, only changes its first argument, or anything else (views, lists, several at once).
        free: it moves no memory.
        dear: it computes more than it moves.
    """

    name: str
    composite: bool
    effect: Literal["new", "in place", "other"]
    free: bool
    dear: bool


_known: Final[dict[int, OperationFacts]] = {}


def facts_of(operation: Any) -> OperationFacts:
    """Read off the schema once; overloads live as long as the process."""
    found = _known.get(id(operation))
    if found is None:
        found = _known[id(operation)] = _read(operation)
    return found


def _read(operation: Any) -> OperationFacts:
    schema = operation._schema
    name = schema.name.removeprefix("aten::")
    key = torch._C.DispatchKey.CompositeImplicitAutograd
    composite = isinstance(operation, torch._ops.OpOverload) and torch._C._dispatch_has_kernel_for_dispatch_key(operation.name(), key)
    returned = [value.alias_info for value in schema.returns]
    view = bool(returned) and all(alias is not None and not alias.is_write for alias in returned)
    return OperationFacts(name, composite, _effect(schema, returned), view or name in _FREE, any(part in name for part in _DEAR))


def _effect(schema: Any, returned: list[Any]) -> Literal["new", "in place", "other"]:
    if not schema.is_mutable and returned and all(alias is None for alias in returned):
        return "new" if all(str(value.type) in ("Tensor", "Optional[Tensor]") for value in schema.returns) else "other"
    first = schema.arguments[0].alias_info if schema.arguments else None
    changed = [argument for argument in schema.arguments if argument.alias_info is not None and argument.alias_info.is_write]
    written = len(returned) == 1 and returned[0] is not None and returned[0].is_write
    return "in place" if written and first is not None and first.is_write and len(changed) == 1 else "other"
