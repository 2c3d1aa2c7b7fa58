"""What may stand in a study file, in words: every key with its kind of value, its default and its meaning."""

import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tuneoff.spec.study import HubDataset, Source, StudySpec
from tuneoff.spec.units import Bytes, Money, Seconds
from tuneoff.strings import has, say

#: Models whose keys are described by themselves, not under the key that holds them: one can stand in several places.
APART: Final = (Source, HubDataset)
_UNITS = {id(argument): name for kind, name in ((Bytes, "bytes"), (Seconds, "seconds")) for argument in get_args(kind)[1:]}


@dataclass(frozen=True)
class Key:
    """One key that a person may write.

    Attributes:
        path: dotted, as ``--set`` takes it.
        field: the model's.
        holds: the model of what stands under it, if it is a block.
    """

    path: str
    field: FieldInfo
    holds: type[BaseModel] | None

    def meaning(self, lang: str, table: str = "") -> str:
        """What it is for; ``table`` goes before the path in the string table.

        Raises:
            LookupError: the string table does not have it.
        """
        key = f"field.{table}{self.path}"
        if not has(key):
            raise LookupError(f"strings/field.toml says nothing of `{table}{self.path}`")
        return say(key, lang)

    def kind(self, lang: str) -> str:
        """What it may hold."""
        return kind_of(self.field, lang)

    @property
    def default(self) -> Any:
        """The value it has when it is left out; ``None`` also where one has to be written, and of a block."""
        default = None if self.required else self.field.get_default(call_default_factory=True)
        return None if isinstance(default, BaseModel) else default

    @property
    def required(self) -> bool:
        """Whether it has to be written."""
        return self.field.is_required()


def keys_of(model: type[BaseModel] = StudySpec, prefix: str = "") -> Iterator[Key]:
    """Every key of a model and of the blocks in it, outer ones first."""
    for name, field in model.model_fields.items():
        held = next((kind for kind in _models_in(field.annotation) if kind not in APART), None)
        yield Key(prefix + name, field, held)
        if held is not None and get_origin(field.annotation) is not tuple:
            yield from keys_of(held, f"{prefix}{name}.")


def kind_of(field: FieldInfo, lang: str) -> str:
    """What a field may hold, in words: its type within its bounds."""
    return _words(field.annotation, field.metadata, lang)


def _words(annotation: Any, metadata: Sequence[Any], lang: str) -> str:
    unit = next((_UNITS[id(part)] for part in metadata if id(part) in _UNITS), None)
    if unit:
        return say(f"field.kind_{unit}", lang)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0], [*arguments[1:], *metadata], lang)
    if origin in (Union, types.UnionType):
        return _choice([part for part in arguments if part is not types.NoneType], metadata, lang)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if annotation is bool:
        return say("field.kind_truth", lang)
    if annotation in (int, float):
        return _bounded(say("field.kind_whole" if annotation is int else "field.kind_number", lang), metadata, lang)
    if isinstance(annotation, type) and issubclass(annotation, Source):
        return say("field.kind_source", lang)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return say("field.kind_block", lang)
    if annotation is Money:
        return say("field.kind_money", lang)
    if origin is tuple:
        return say("field.kind_names" if arguments[0] is str else "field.kind_list", lang)
    if origin is dict:
        return say("field.kind_mapping", lang)
    assert annotation is str, f"no words for {annotation}: add them here and to strings/field.toml"
    return say("field.kind_text", lang)


def _choice(parts: list[Any], metadata: Sequence[Any], lang: str) -> str:
    if len(parts) == 1:
        return _words(parts[0], metadata, lang)
    if parts == [str, tuple[str, str]]:
        return say("field.kind_columns", lang)
    said = [_words(part, metadata, lang) for part in parts]
    while len(said) > 1:
        said[:2] = [say("field.kind_or", lang, first=said[0], second=said[1])]
    return said[0]


def _bounded(kind: str, metadata: Sequence[Any], lang: str) -> str:
    """The kind with its lower and upper bound, where it has them."""
    bounds: dict[type, Any] = {}
    for part in metadata:
        for sort in (Ge, Gt, Le, Lt):
            if isinstance(part, sort):
                bounds[sort] = getattr(part, sort.__name__.lower())
    forms = {
        (): None,
        (Ge,): "at_least",
        (Gt,): "above",
        (Ge, Le): "between",
        (Ge, Lt): "from_below",
        (Gt, Lt): "inside",
    }
    form = forms[tuple(bounds)]
    if form is None:
        return kind
    values = dict(zip(("low", "high"), bounds.values(), strict=False))
    return say(f"field.kind_{form}", lang, kind=kind, **values)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in _models_in(argument)]
