"""Quantities as people write them in a study file: ``16 GB``, ``30 min``."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "hour": 3600, "hours": 3600}
_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_QUANTITY = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*$")


def _quantity(units: dict[str, float], example: str) -> Any:
    def convert(value: object) -> object:
        if not isinstance(value, str):
            return value
        found = _QUANTITY.match(value)
        if not found or found[2].lower() not in units:
            raise ValueError(f"write a number and a unit ({', '.join(units)}), such as {example}")
        return float(found[1]) * units[found[2].lower()]

    return convert


def _whole(value: object) -> object:
    return round(value) if isinstance(value, float) else value


#: A time span in seconds; text carries its unit.
Seconds = Annotated[float, BeforeValidator(_quantity(_SECONDS, "30 min")), PlainSerializer(float)]
#: A size in bytes; text carries its unit, decimal (GB) or binary (GiB).
Bytes = Annotated[int, BeforeValidator(lambda v: _whole(_quantity(_BYTES, "16 GB")(v)))]
