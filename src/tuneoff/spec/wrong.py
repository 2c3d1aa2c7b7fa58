"""What is wrong with one value, as a :class:`~tuneoff.errors.Message`: ours where we know better, else from pydantic's type."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from tuneoff.errors import Message, short
from tuneoff.strings import has, say

#: Pydantic's type of error → our message and the facts it takes from pydantic's context.
_MESSAGES: dict[str, tuple[str, str]] = {
    "int_type": ("study.whole_number", ""),
    "int_parsing": ("study.whole_number", ""),
    "int_from_float": ("study.whole_number", ""),
    "float_type": ("study.number", ""),
    "float_parsing": ("study.number", ""),
    "finite_number": ("study.number", ""),
    "string_type": ("study.text", ""),
    "string_too_short": ("study.blank", ""),
    "bool_type": ("study.truth", ""),
    "bool_parsing": ("study.truth", ""),
    "tuple_type": ("study.list", ""),
    "list_type": ("study.list", ""),
    "too_short": ("study.empty_list", ""),
    "model_type": ("study.mapping", ""),
    "dict_type": ("study.mapping", ""),
    "greater_than": ("study.more_than", "gt"),
    "greater_than_equal": ("study.at_least", "ge"),
    "less_than": ("study.less_than", "lt"),
    "less_than_equal": ("study.at_most", "le"),
    "literal_error": ("study.choice", "expected"),
}


def wrong(key: str, **facts: object) -> PydanticCustomError:
    """An error for a pydantic validator to raise that :func:`explain` turns into this message again."""
    return PydanticCustomError(key, say(key, "en", **facts).replace("{", "{{"), facts)  # type: ignore[arg-type]


def explain(problem: Mapping[str, Any]) -> Message:
    """One entry of ``ValidationError.errors()`` as a message that ends ``key: …``."""
    kind, context = problem["type"], problem.get("ctx", {})
    if "." in kind and has(kind):
        return Message(kind, **context)
    value = shown(problem["input"])
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"]) or [context["expected"]]
        return Message("study.choice", value=value, choices=", ".join(choices))
    if kind in _MESSAGES:
        key, fact = _MESSAGES[kind]
        return Message(key, value=value, **({"bound": context[fact]} if fact else {}))
    return Message("study.other", problem=problem["msg"].removeprefix("Value error, "))


def shown(value: object) -> Message | str:
    """A value as a person wrote it in YAML, short."""
    match value:
        case None:
            return Message("study.nothing")
        case bool():
            return str(value).lower()
        case str():
            return f'"{short(value)}"'
        case list() | tuple():
            return Message("study.a_list")
        case dict():
            return Message("study.a_mapping")
    return short(str(value))
