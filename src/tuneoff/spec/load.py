"""``study.yaml`` and ``--set`` overrides → :class:`StudySpec`, or one clear line on what is wrong."""

import copy
import difflib
import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tuneoff.errors import UsageError
from tuneoff.spec.lines import Document, parse, read
from tuneoff.spec.study import StudySpec
from tuneoff.spec.units import WRITTEN
from tuneoff.spec.wrong import explain, shown

STUDY_FILE: Final = "study.yaml"
#: What runs and reports write below a study's folder.
WRITTEN_FOLDERS: Final = ("results", "assets", "notebooks")
#: Looked for beside ``epochs`` by many, but each method has its own.
LEARNING_RATES: Final = ("lr", "learning_rate", "head_learning_rate")


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
    study = StudyFile(file.resolve().parent, validate(document), document)
    _check_links(study.folder)
    return study


def _check_links(folder: Path) -> None:
    """Refuse to write through links that lead out of the study: whoever made the study is not always who runs it."""
    for name in WRITTEN_FOLDERS:
        inside = folder / name
        if not inside.resolve().is_relative_to(folder):
            raise UsageError("study.link_out", where=str(inside), target=str(inside.resolve()))
        try:
            linked = sorted(entry.path for entry in os.scandir(inside) if entry.is_symlink())
        except OSError:
            continue  # Not there yet; or who writes in it will say what is wrong with it.
        for path in linked:
            if not Path(path).resolve().is_relative_to(folder):
                raise UsageError("study.link_out", where=path, target=str(Path(path).resolve()))


def validate(document: Document) -> StudySpec:
    """Turn plain values into a :class:`StudySpec`.

    Raises:
        UsageError: the first thing wrong: unknown keys first, then in the order of the file.
    """
    try:
        return StudySpec.model_validate(document.values, context={WRITTEN: True})
    except ValidationError as error:
        problems = error.errors(include_url=False)
        # A list whose entries are wrong is called empty as well: what lies deeper says more.
        problems = [p for p in problems if not any(q["loc"][: len(p["loc"])] == p["loc"] != q["loc"] for q in problems)]
        order = {key: position for position, key in enumerate(document.places)}
        first = min(problems, key=lambda p: (p["type"] != "extra_forbidden", order.get(document.nearest_key(p["loc"]), 0)))
        raise _explain(document, first) from error


def _explain(document: Document, problem: ErrorDetails) -> UsageError:
    loc = problem["loc"]
    where = document.where(loc)
    match problem["type"]:
        case "extra_forbidden" if loc[-1] in LEARNING_RATES:
            return UsageError("study.learning_rate", where=where, key=loc[-1])
        case "extra_forbidden":
            key, known = str(loc[-1]), _fields(StudySpec, loc[:-1])
            return UsageError("study.unknown_key", where=where, key=key, nearest=_nearest_key(key, known), known=", ".join(known))
        case "missing":
            return UsageError("study.missing_key", where=where, key=".".join(map(str, loc)))
    return UsageError("study.bad_value", where=where, key=_written_path(document.values, loc), problem=explain(problem))


def _written_path(values: Any, loc: Sequence[str | int]) -> str:
    """The part of pydantic's location that a person wrote: not the inner fields that short forms stand for."""
    written: list[str] = []
    for part in loc:
        if isinstance(values, dict) and part in values:
            written.append(str(part))
        elif isinstance(values, list) and isinstance(part, int):
            written.append(f"{written.pop()} #{part + 1}")
        else:
            break
        values = values[part]
    return ".".join(written)


def nearest(name: str, known: Iterable[str]) -> str:
    """`` (→ `x`?)`` for a name that is close to a known one, upper and lower case alike, else nothing."""
    forms = {_plain(candidate): candidate for candidate in known}
    found = difflib.get_close_matches(_plain(name), list(forms), n=1, cutoff=0.5)
    return f" (→ `{forms[found[0]]}`?)" if found else ""


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()


def _nearest_key(key: str, siblings: list[str]) -> str:
    """The nearest sibling; where none is near, a key of the same name elsewhere in a study file."""
    elsewhere = [path for path in _paths(StudySpec) if path.rsplit(".", 1)[-1] == _plain(key)]
    return nearest(key, siblings) or (f" (→ `{elsewhere[0]}`?)" if elsewhere else "")


def _paths(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Dotted path of every key that a study file may have."""
    return [
        path
        for name, field in model.model_fields.items()
        for path in (prefix + name, *(p for below in _models(field.annotation) for p in _paths(below, f"{prefix}{name}.")))
        if name != "methods"
    ]


def _fields(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Field names allowed at a path below a model."""
    here: list[type[BaseModel]] = [model]
    for part in path:
        fields = [option.model_fields[part] for option in here if isinstance(part, str) and part in option.model_fields]
        here = [below for field in fields for below in _models(field.annotation)] if fields else here
    return sorted({name for option in here for name in option.model_fields})


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


def _override(document: Document, text: str) -> Document:
    """Apply one ``a.b=value``; the path may name a key that the file leaves at its default."""
    path, equals, written = text.partition("=")
    keys, where = path.strip().split("."), f"--set {text}"
    if not equals or not all(keys):
        raise UsageError("study.bad_override", where=where)
    try:
        value = parse(f"value: {written}" if written.strip() else "value: ''", where).values["value"]
    except UsageError as error:
        raise UsageError(error.key, where=where, **error.facts) from error
    if keys[0] not in StudySpec.model_fields:
        known = sorted(StudySpec.model_fields)
        raise UsageError("study.unknown_key", where=where, key=keys[0], nearest=_nearest_key(keys[0], known), known=", ".join(known))
    values = copy.deepcopy(document.values)
    here = values
    for depth, key in enumerate(keys[:-1]):
        below = here.get(key)
        if key == "limit" and isinstance(below, int):
            below = {"train": below}
        if below is not None and not isinstance(below, dict):
            raise UsageError("study.override_inside", where=where, key=".".join(keys[: depth + 1]), value=shown(below))
        here[key] = below or {}
        here = here[key]
    here[keys[-1]] = value
    places = {key: place for key, place in document.places.items() if key[: len(keys)] != tuple(keys)}
    return replace(document, values=values, places=places | {tuple(keys): where})
