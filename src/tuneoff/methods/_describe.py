"""What a method's parameters mean, in words."""

from tuneoff.methods._registry import method_class
from tuneoff.strings import has, say


def parameter_meaning(method: str, parameter: str, lang: str) -> str | None:
    """The meaning of a parameter of a method: that of the method's own, else of all that have one of this name.

    A method of another package has no place in the string table: its pydantic ``description`` is taken, or ``None``.
    """
    for key in (f"{method}.{parameter}", parameter):
        if has(f"parameter.{key}"):
            return say(f"parameter.{key}", lang)
    return method_class(method).Config.model_fields[parameter].description
