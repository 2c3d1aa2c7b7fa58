"""The bytes of all live tensors while code runs: what a program asks of memory, before an allocator adds its own."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class LiveStorages(TorchDispatchMode):
    """While active, notices every storage of one device type that is born; when one ends is noticed always.

    Tensors are views of storages, and only storages take memory. What a kernel allocates and frees inside itself is not seen.

    Args:
        device: type of the device whose storages count.
        on_change: told the number of a storage and its bytes when it is born, and the same with the bytes negative when it ends.
    """

    def __init__(self, device: str, on_change: Callable[[int, int], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._device, self._on_change = device, on_change
        self._alive: dict[int, tuple[int, weakref.ref[Any]]] = {}
        self._count = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and guarding against it would take longer than all else in this class."""
        return False

    def add(self, tensor: torch.Tensor) -> None:
        """Notice a tensor's storage unless it is known already."""
        if tensor.device.type != self._device:
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._alive:
            return
        number, size = self._count, storage.nbytes()
        self._count += 1
        self._on_change(number, size)

        def end(_: Any) -> None:
            del self._alive[key]
            self._on_change(number, -size)

        self._alive[key] = number, weakref.ref(storage, end)

    def add_all(self, tensors: Iterable[torch.Tensor]) -> None:
        """Notice tensors that were there before."""
        for tensor in tensors:
            self.add(tensor)

    def number(self, tensor: torch.Tensor) -> int | None:
        """The number of a tensor's storage, ``None`` where it was never seen."""
        found = self._alive.get(tensor.untyped_storage()._cdata)
        return None if found is None else found[0]

    def notice(self, result: Any) -> None:
        """Notice what an operation made."""
        if isinstance(result, torch.Tensor):
            self.add(result)
        elif isinstance(result, list | tuple):
            for part in result:
                if isinstance(part, torch.Tensor):
                    self.add(part)

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Run one operation and notice what it reads, which may have been made elsewhere (by NumPy, or while nobody looked), and makes."""
        for argument in args:
            self.notice(argument)
        result = operation(*args, **(kwargs or {}))
        self.notice(result)
        return result


class LivePeak(LiveStorages):
    """The highest sum of live storages, in bytes."""

    def __init__(self, device: str) -> None:
        super().__init__(device, self._add)
        self.bytes = self.peak = 0

    def _add(self, number: int, size: int) -> None:
        self.bytes += size
        self.peak = max(self.peak, self.bytes)
