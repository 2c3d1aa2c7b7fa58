"""Automatic mixed precision on the meta device, which has none: the casts that a GPU's autocast makes, and its cache of cast weights.

The lists are those of ``aten/src/ATen/autocast_mode.h``. A trainable weight is cast once in a forward pass and kept; a frozen
one is cast each time, and its copy stays alive with the graph.
"""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

#: By name, as torch functions and as tensor methods.
LOWER = frozenset(
    [
        "linear",
        "matmul",
        "__matmul__",
        "mm",
        "mv",
        "bmm",
        "addmm",
        "addmv",
        "addbmm",
        "baddbmm",
        "einsum",
        "conv1d",
        "conv2d",
        "conv3d",
        "prelu",
        "scaled_dot_product_attention",
    ]
)
FULL = frozenset(
    [
        "layer_norm",
        "group_norm",
        "softmax",
        "log_softmax",
        "exp",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "pow",
        "__pow__",
        "__rpow__",
        "rsqrt",
        "reciprocal",
        "sum",
        "prod",
        "cumsum",
        "cumprod",
        "norm",
        "nll_loss",
        "cross_entropy",
        "mse_loss",
        "l1_loss",
        "kl_div",
        "logsumexp",
        "softplus",
        "dist",
        "cdist",
    ]
)


class Autocast(TorchFunctionMode):
    """While active, products are computed in ``dtype`` and delicate functions in fp32.

    Args:
        dtype: of products.
        lower: names of functions computed in ``dtype``.
        full: names of functions computed in fp32.
    """

    def __init__(self, dtype: torch.dtype, lower: frozenset[str] = LOWER, full: frozenset[str] = FULL) -> None:
        super().__init__()
        self._dtype, self._lower, self._full = dtype, lower, full
        self._cache: dict[int, tuple[weakref.ref[torch.Tensor], torch.Tensor]] = {}

    def __enter__(self) -> "Autocast":
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *arguments: Any) -> None:
        self._cache.clear()
        super().__exit__(*arguments)  # type: ignore[no-untyped-call]

    def __torch_function__(self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Cast the arguments that the function's list asks for."""
        name = getattr(function, "__name__", "")
        options = kwargs or {}
        if name in self._lower:
            return function(*_each(args, self._to_lower), **{key: self._to_lower(value) for key, value in options.items()})
        if name in self._full:
            return function(*_each(args, _to_full), **{key: _to_full(value) for key, value in options.items()})
        return function(*args, **options)

    def _to_lower(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.dtype == self._dtype:
            return value
        if not (value.is_leaf and value.requires_grad and value.dtype == torch.float32):
            return value.to(self._dtype)
        # As torch's own cache: it holds the weight weakly, for another tensor may come to stand in the place of one that is gone.
        weight, cast = self._cache.get(id(value), (None, None))
        if weight is None or weight() is not value:
            cast = value.to(self._dtype)
            self._cache[id(value)] = weakref.ref(value), cast
        return cast


def _to_full(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def _each(values: tuple[Any, ...], cast: Callable[[Any], Any]) -> tuple[Any, ...]:
    return tuple(type(value)(map(cast, value)) if isinstance(value, list | tuple) else cast(value) for value in values)


class HalfAccelerator:
    """Of a rehearsal in fp16: autocast around the forward pass, a scaled loss, gradients unscaled in place.

    It stands for accelerate's, which has fp16 on GPUs only.
    """

    optimizer_step_was_skipped = False

    def __init__(self, make: Callable[[], Autocast] = lambda: Autocast(torch.float16)) -> None:
        self._make = make

    def prepare_optimizer(self, optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """As it is."""
        return optimiser

    def prepare_model(self, model: Any) -> nn.Module:
        """The model with its forward pass under autocast."""
        inner = model.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            with self._make():
                return inner(*args, **kwargs)

        model.forward = forward
        prepared: nn.Module = model
        return prepared

    def backward(self, loss: torch.Tensor) -> None:
        """Scale and go back."""
        torch.autograd.backward(loss * loss.new_ones(()))

    def clip_grad_norm_(self, parameters: list[nn.Parameter], norm: float) -> None:
        """Clip."""
        nn.utils.clip_grad_norm_(parameters, norm)
