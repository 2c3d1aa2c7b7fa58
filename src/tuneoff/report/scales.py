"""Axes of costs: where the ticks stand and how they are read, in Vega-Lite."""

import math
from collections.abc import Sequence
from typing import Any, Final

#: From this ratio of the largest to the smallest value on an axis is logarithmic.
LOGARITHMIC: Final = 8.0
#: Units of time: from how many seconds on, seconds of one, name.
_TIMES: Final = ((7200.0, 3600.0, "h"), (120.0, 60.0, "min"), (0.9995, 1.0, "s"), (0.0009995, 1e-3, "ms"), (0.0, 1e-6, "µs"))
_SUFFIX: Final = {"bytes": "B", "joules": "J", "count": ""}
#: Kind of an axis by the cost that it shows.
KINDS: Final = {
    "memory": "bytes",
    "seconds": "time",
    "artefact": "bytes",
    "parameters": "count",
    "latency": "time",
    "energy": "joules",
}


def cost_axis(kind: str, values: Sequence[float]) -> dict[str, Any]:
    """Scale and axis of a channel.

    Args:
        kind: ``bytes``, ``time`` (seconds), ``count`` or ``joules``.
        values: all that will stand on it, above zero.

    Returns:
        ``scale`` and ``axis`` of an encoding; logarithmic where the values span much.
    """
    low, high = (min(values), max(values)) if values else (1.0, 1.0)
    steep = high >= LOGARITHMIC * low
    scale: dict[str, Any] = {"type": "log", "nice": False, "padding": 24} if steep else {"zero": False, "nice": True, "padding": 24}
    if kind != "time":
        # d3 writes 1k and 22.7M; a unit stands apart, its prefix with it.
        label = "format(datum.value, '~s')"
        if suffix := _SUFFIX[kind]:
            label = f"replace({label}, regexp('([A-Za-zµ]?)$'), ' $1{suffix}')"
        unit = 1.0
    else:
        _, unit, name = next(entry for entry in _TIMES if math.sqrt(low * high) >= entry[0])
        label = f"format(datum.value / {unit!r}, '~g') + ' {name}'"
    axis: dict[str, Any] = {"labelExpr": label, "tickCount": 6, "labelOverlap": "greedy", "labelFlush": False}
    if steep:
        axis["values"] = ticks(low / unit, high / unit, unit)
    return {"scale": scale, "axis": axis}


def ticks(low: float, high: float, unit: float = 1.0) -> list[float]:
    """Round numbers of a unit for a logarithmic axis: 1, 2, 5 and their tens; only tens where there would be too many.

    >>> ticks(1.5, 60), ticks(3, 80_000)
    ([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0], [1.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    return [float(f"{step * 10.0**power * unit:.12g}") for power in range(first, last + 1) for step in steps if step == 1 or power < last]
