"""``study.yaml`` and ``--set`` overrides → :class:`StudySpec`, or one clear line on what is wrong."""

import difflib
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from tuneoff.errors import UsageError
from tuneoff.spec.lines import Document, parse, read
from tuneoff.spec.study import StudySpec

STUDY_FILE = "study.yaml"


@dataclass(frozen=True)
class StudyFile:
    """A validated study, the folder it lives in, and where each key stands."""

    folder: Path
    spec: StudySpec
    document: Document

    def where_method(self, index: int, *path: str) -> str:
        """Place of the ``index``-th method entry, or of a parameter inside it."""
        name = self.spec.methods[index].method
        return self.document.where(("methods", index, name, *path) if path else ("methods", index))


def load(path: Path, overrides: Iterable[str] = ()) -> StudyFile:
    """Read a study from its file or its folder.

    Args:
        path: ``study.yaml`` or the folder that holds it.
        overrides: ``a.b=value`` strings, the value written as in YAML.

    Raises:
        UsageError: with file, line, column and the nearest name that would have been right.
    """
    file = path / STUDY_FILE if path.is_dir() else path
    document = read(file)
    for override in overrides:
        document = _override(document, override)
    return StudyFile(file.resolve().parent, validate(document), document)


def validate(document: Document) -> StudySpec:
    """Turn plain values into a :class:`StudySpec`.

    Raises:
        UsageError: the first thing wrong, in the order of the file.
    """
    try:
        return StudySpec.model_validate(document.values)
    except ValidationError as error:
        problems = error.errors()
        order = {key: position for position, key in enumerate(document.places)}
        first = min(problems, key=lambda p: (p["type"] != "extra_forbidden", order.get(document.nearest_key(p["loc"]) or (), 0)))
        raise _explain(document, dict(first)) from error


def _explain(document: Document, problem: dict[str, Any]) -> UsageError:
    loc: tuple[str | int, ...] = problem["loc"]
    where = document.where(loc)
    name = ".".join(str(part) for part in loc)
    match problem["type"]:
        case "extra_forbidden":
            key = str(loc[-1])
            known = _fields(StudySpec, loc[:-1])
            return UsageError("study.unknown_key", where=where, key=key, nearest=nearest(key, known), known=", ".join(known))
        case "missing":
            return UsageError("study.missing_key", where=where, key=name)
        case kind:
            message = problem["msg"].removeprefix("Value error, ")
            value = problem["input"] if isinstance(problem["input"], str | int | float | bool) else type(problem["input"]).__name__
            hint = "" if kind == "value_error" else f" ({value!r})"
            return UsageError("study.bad_value", where=where, key=name or "study", problem=message + hint)


def nearest(name: str, known: Iterable[str]) -> str:
    """`` (did you mean `x`?)`` for a name that is close to a known one, else nothing."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (→ `{found[0]}`?)" if found else ""


def _fields(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Field names allowed at a path below a model."""
    here: Any = model
    for part in path:
        options = [option for option in _models(here) if isinstance(part, str) and part in option.model_fields]
        if options:
            here = options[0].model_fields[str(part)].annotation
        elif isinstance(part, int):
            here = next(iter(get_args(here)), here)
    return sorted({name for option in _models(here) for name in option.model_fields})


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType) or get_args(annotation):
        return [model for argument in get_args(annotation) for model in _models(argument)]
    return []


def _override(document: Document, text: str) -> Document:
    """Apply one ``a.b=value``; the path may name a key that the file leaves at its default."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise UsageError("study.bad_override", text=text)
    keys = path.strip().split(".")
    if keys[0] not in StudySpec.model_fields:
        known = sorted(StudySpec.model_fields)
        raise UsageError("study.unknown_key", where=f"--set {text}", key=keys[0], nearest=nearest(keys[0], known), known=", ".join(known))
    parsed = parse(f"value: {value}" if value.strip() else "value: ''", f"--set {text}").values["value"]
    values = yaml.safe_load(yaml.safe_dump(document.values, allow_unicode=True)) if document.values else {}
    here = values
    for depth, key in enumerate(keys[:-1]):
        below = here.get(key)
        if key == "limit" and isinstance(below, int):
            below = {"train": below}
        if below is not None and not isinstance(below, dict):
            raise UsageError("study.override_not_a_mapping", where=f"--set {text}", key=".".join(keys[: depth + 1]))
        here[key] = below or {}
        here = here[key]
    here[keys[-1]] = parsed
    places = {key: place for key, place in document.places.items() if key[: len(keys)] != tuple(keys)}
    return replace(document, values=values, places=places | {tuple(keys): f"--set {text}"})
