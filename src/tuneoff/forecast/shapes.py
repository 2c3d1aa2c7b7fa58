"""Results of operations on the meta device, remembered by the shapes of their arguments.

A model repeats its layers, and a study its model: most operations have been asked for before. Computing a result's shape costs
torch 100 µs where this takes 10.
"""

from typing import Any, Final

import torch

from tuneoff.forecast.operation import facts_of

#: A result as its kind and what makes it again: shape, strides, format.
_known: Final[dict[Any, list[Any] | tuple[Any, ...]]] = {}
_MOST = 200_000


def compute(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation's result on meta tensors."""
    effect = facts_of(operation).effect
    if effect == "in place":
        return args[0]
    if effect == "other":
        return operation(*args, **kwargs)
    try:
        key = id(operation), *map(_key, args), *((name, _key(value)) for name, value in kwargs.items())
        known = _known.get(key)
    except _UnknownError:
        return operation(*args, **kwargs)
    if known is not None:
        made = [None if one is None else torch.empty_strided(one[0], one[1], dtype=one[2], device="meta") for one in known]
        return made[0] if isinstance(known, list) else tuple(made)
    result = operation(*args, **kwargs)
    parts = result if isinstance(result, tuple) else (result,)
    # Some share their argument's memory without saying so (``_unsafe_view``).
    given = {argument.untyped_storage()._cdata for argument in args if isinstance(argument, torch.Tensor)}
    if len(_known) < _MOST and all(part is None or (_is_plain(part) and part.untyped_storage()._cdata not in given) for part in parts):
        remembered = [None if part is None else (part.shape, part.stride(), part.dtype) for part in parts]
        _known[key] = tuple(remembered) if isinstance(result, tuple) else remembered
    return result


class _UnknownError(Exception):
    """An argument that cannot be part of a key."""


def _key(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        if value.device.type != "meta":
            raise _UnknownError
        return value.shape, value.stride(), value.dtype
    if isinstance(value, list | tuple):
        return tuple(map(_key, value))
    if value is None or isinstance(value, int | float | str | torch.dtype | torch.device | torch.layout | torch.memory_format):
        return type(value), value
    raise _UnknownError


def _is_plain(value: Any) -> bool:
    return type(value) is torch.Tensor and value.device.type == "meta" and value.layout == torch.strided and not value.storage_offset()
