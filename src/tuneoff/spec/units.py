"""Quantities as people write them in a study file: ``16 GB``, ``30 min``, ``0.35 USD``."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo

from tuneoff.spec.wrong import wrong

#: Validation context of values that a person wrote: a bare number is refused there, for nobody can tell what it counts.
WRITTEN: Final = "written"

_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "hour": 3600, "hours": 3600, "d": 86400}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_PRICE = re.compile(r"\s*([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(\.[0-9]+)?\s*([A-Za-z]{3})\s*")
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")


def _quantity(units: Mapping[str, float], example: str) -> Any:
    scales = {name.lower(): scale for name, scale in units.items()}

    def convert(value: object, info: ValidationInfo) -> object:
        if isinstance(value, str):
            found = _QUANTITY.fullmatch(value)
            if found and found[2].lower() in scales:
                return float(found[1]) * scales[found[2].lower()]
        elif isinstance(value, int | float) and not (info.context or {}).get(WRITTEN):
            return value
        raise wrong("study.quantity", value, units=", ".join(units), example=example)

    return convert


def _whole(value: object) -> object:
    return round(value) if isinstance(value, float) else value


#: A time span in seconds; text carries its unit.
Seconds = Annotated[float, BeforeValidator(_quantity(_SECONDS, "30 min")), PlainSerializer(float)]
#: A size in bytes; text carries its unit, decimal (GB) or binary (GiB).
Bytes = Annotated[int, BeforeValidator(_whole), BeforeValidator(_quantity(_BYTES, "16 GB"))]


@dataclass(frozen=True)
class Money:
    """An amount in a currency, by its three letters (ISO 4217)."""

    amount: float
    currency: str


def _price(value: object) -> object:
    if isinstance(value, Money):
        return value
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        value = "{amount:f} {currency}".format(**value)
    found = _PRICE.fullmatch(value) if isinstance(value, str) else None
    if found is None or not (amount := float(found[1].replace(",", "") + (found[2] or ""))):
        raise wrong("study.price", value)
    return Money(amount, found[3].upper())


#: Money above zero; text carries its currency.
Price = Annotated[Money, BeforeValidator(_price), PlainSerializer(asdict)]
