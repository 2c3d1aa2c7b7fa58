"""What is wrong with one value, as a :class:`~tuneoff.errors.Message`: ours where we know better, else from pydantic's type."""

import re

from pydantic_core import ErrorDetails, PydanticCustomError

from tuneoff.errors import Message, short
from tuneoff.strings import has

#: Pydantic's type of error → our message.
_MESSAGES = {
    "int_type": "study.whole_number",
    "int_parsing": "study.whole_number",
    "int_from_float": "study.whole_number",
    "float_type": "study.number",
    "float_parsing": "study.number",
    "finite_number": "study.number",
    "string_type": "study.text",
    "string_too_short": "study.empty",
    "bool_type": "study.truth",
    "bool_parsing": "study.truth",
    "tuple_type": "study.list",
    "too_short": "study.empty",
    "model_type": "study.mapping",
    "dict_type": "study.mapping",
    "greater_than": "study.more_than",
    "greater_than_equal": "study.at_least",
    "less_than": "study.less_than",
    "less_than_equal": "study.at_most",
}


def wrong(key: str, value: object, **facts: object) -> PydanticCustomError:
    """An error for a pydantic validator to raise; :func:`explain` turns it into this message again."""
    facts |= {"value": shown(value)}
    return PydanticCustomError(key, str(Message(key, **facts)), facts)


def explain(problem: ErrorDetails) -> Message:
    """One entry of ``ValidationError.errors()`` as the end of a sentence that begins with the key."""
    kind, context = problem["type"], problem.get("ctx", {})
    if "." in kind and has(kind):
        return Message(kind, **context)
    value = shown(problem["input"])
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"]) or [context["expected"]]
        return Message("study.choice", value=value, choices=", ".join(choices))
    if kind in _MESSAGES:
        bound = next((f"{context[name]:g}" for name in ("gt", "ge", "lt", "le") if name in context), None)
        return Message(_MESSAGES[kind], value=value, bound=bound)
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
