"""A log of every tensor storage that is born and freed while code runs, on real tensors or on the meta device.

On the meta device operations compute shapes only, so that a training step of any size costs a second and no memory. What a
program would read off its numbers there is answered here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from tuneoff.forecast.operation import facts_of
from tuneoff.forecast.shapes import compute
from tuneoff.measure.live import LiveStorages

aten = torch.ops.aten


@dataclass
class Log:
    """What happened, in order: ``(storage, bytes)`` for a birth, ``(storage, -bytes)`` for an end.

    ``marks`` are names given to moments: the number of events before it, and the name.
    """

    events: list[tuple[int, int]] = field(default_factory=list)
    marks: list[tuple[int, str]] = field(default_factory=list)

    def mark(self, name: str) -> None:
        """Name this moment."""
        self.marks.append((len(self.events), name))


class Storages(LiveStorages):
    """While active, logs storages of one device type; those of other devices are nobody's concern here.

    ``padded`` says whether the present batch has padding: on the meta device nobody can look.

    Args:
        device: type of the device whose storages count.
        chosen: share of the positions that a mask of positions lets through.
        half_statistics: layer norm keeps its statistics in the input's format, as on a CPU; a GPU keeps them in fp32.
        hidden: bytes that an operation allocates and frees inside itself, unseen from outside.
        on_operation: told of every operation, its arguments and its result.
    """

    def __init__(
        self,
        device: str,
        chosen: float = 1.0,
        half_statistics: bool = False,
        hidden: Callable[[Any, tuple[Any, ...]], int] | None = None,
        on_operation: Callable[[Any, tuple[Any, ...], Any], None] | None = None,
    ) -> None:
        self.log = Log()
        super().__init__(device, lambda number, size: self.log.events.append((number, size)))
        self._chosen, self._hidden, self._on_operation = chosen, hidden, on_operation
        self._half_statistics = half_statistics
        self.padded = True

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Run one operation and log what it made."""
        kwargs = kwargs or {}
        if facts_of(operation).composite:
            # Without autograd these arrive whole, and what they allocate inside would not be seen.
            with self:
                return operation.decompose(*args, **kwargs)
        answer, result = _ANSWERS.get(operation), NotImplemented
        if answer is not None and isinstance(args[0], torch.Tensor) and args[0].device.type == "meta":
            result = answer(self, operation, args, kwargs)
        if result is NotImplemented:
            result = compute(operation, args, kwargs) if self._device == "meta" else operation(*args, **kwargs)
        if self._hidden is not None and (size := self._hidden(operation, args)):
            self.log.events += [(self._count, size), (self._count, -size)]
            self._count += 1
        self.notice(result)
        if self._on_operation is not None:
            self._on_operation(operation, args, result)
        return result

    # What cannot be computed from shapes alone.

    def _number(self, _: Any, args: tuple[Any, ...], __: dict[str, Any]) -> Any:
        """A condition on a whole mask ("is nothing padded?") is answered by ``padded``, any other by yes; any other number is 1."""
        first = args[0]
        if first.dtype == torch.bool:
            return not (self.padded and getattr(first, "_of_mask", False))
        return 1.0 if first.is_floating_point() else 1

    def _over_mask(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A sum over a mask, and a comparison with it, are known by their origin."""
        first = args[0]
        if operation is aten.eq.Scalar and not getattr(first, "_of_mask", False):
            return NotImplemented
        if operation is not aten.eq.Scalar and (first.is_floating_point() or first.dim() < 2):
            return NotImplemented
        result = operation(*args, **kwargs)
        result._of_mask = True
        return result

    def _copy(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A copy to the host is zeros."""
        if kwargs.get("device") is None or torch.device(kwargs["device"]).type != "cpu":
            return NotImplemented
        return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)

    def _layer_norm(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Statistics in the format of the input, where the device keeps them so."""
        if not self._half_statistics:
            return NotImplemented
        out, *statistics = compute(operation, args, kwargs)
        return out, *(torch.empty_strided(one.shape, one.stride(), dtype=args[0].dtype, device="meta") for one in statistics)

    def _pick(self, _: Any, args: tuple[Any, ...], __: dict[str, Any]) -> Any:
        """A mask that picks positions picks the share ``chosen``."""
        first, mask = args[0], args[1][0]
        if mask is None or mask.dtype != torch.bool:
            return NotImplemented
        rows = max(1, round(self._chosen * mask.numel()))
        return first.new_empty((rows, *first.shape[mask.dim() :]))


#: By operation; ``NotImplemented`` where shapes do tell.
_ANSWERS: Final[dict[Any, Callable[[Storages, Any, tuple[Any, ...], dict[str, Any]], Any]]] = {
    aten._local_scalar_dense.default: Storages._number,
    aten.all.default: Storages._over_mask,
    aten.sum.default: Storages._over_mask,
    aten.eq.Scalar: Storages._over_mask,
    aten._to_copy.default: Storages._copy,
    aten.native_layer_norm.default: Storages._layer_norm,
    aten.index.Tensor: Storages._pick,
}
