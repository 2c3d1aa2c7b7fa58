"""Methods by name: found by the presence of their file, imported when used; others come by entry points."""

import importlib
import inspect
import pkgutil
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from pydantic import ValidationError

import tuneoff.methods as package
from tuneoff.errors import UsageError
from tuneoff.methods._base import AnyMethod, Method, MethodConfig
from tuneoff.spec import MethodEntry, StudyFile, explain, nearest

ENTRY_POINTS = "tuneoff.methods"
PRETRAIN = "pretrain"


def _outside() -> dict[str, EntryPoint]:
    return _found_on(tuple(sys.path))


@cache
def _found_on(path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Methods of other packages; looking through all that are installed takes a while."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def method_names() -> list[str]:
    """Every method there is, sorted."""
    own = {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}
    return sorted(own | _outside().keys())


@cache
def method_class(name: str) -> type[AnyMethod]:
    """The class behind a name.

    Raises:
        KeyError: no such method.
    """
    if point := _outside().get(name):
        found: type[AnyMethod] = point.load()
    elif name in method_names():
        module = importlib.import_module(f"{package.__name__}.{name}")
        found = next(
            value
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, AnyMethod)
            and value.__module__ == module.__name__
            and not inspect.isabstract(value)
        )
    else:
        raise KeyError(name)
    found.name = name
    return found


@dataclass(frozen=True)
class Chosen:
    """One method of a study with its parameters checked. ``pretrain``: continued pretraining comes first."""

    label: str
    name: str
    pretrain: bool
    config: MethodConfig

    def build(self) -> AnyMethod:
        """The method, ready to attach."""
        return method_class(self.name)(self.config)

    @property
    def full_name(self) -> str:
        """The name as a person writes it in a study file."""
        return f"{PRETRAIN}+{self.name}" if self.pretrain else self.name


def choose(entry: MethodEntry, where: str = "methods", parameter_where: dict[str, str] | None = None) -> Chosen:
    """Check one entry of a study.

    Args:
        entry: name and parameters as written.
        where: place of the entry, for messages.
        parameter_where: place of each parameter, for messages.

    Raises:
        UsageError: unknown method or parameter, with the nearest, or a bad value.
    """
    name, pretrain = _named(entry, where)
    kind = method_class(name)
    if pretrain and not issubclass(kind, Method):
        raise UsageError("method.no_pretrain", where=where, name=name)
    try:
        config = kind.Config.model_validate(entry.parameters)
    except ValidationError as error:
        problem = error.errors()[0]
        key = str(problem["loc"][0]) if problem["loc"] else name
        place = (parameter_where or {}).get(key, where)
        if problem["type"] == "extra_forbidden":
            fields = kind.Config.known(entry.parameters)
            raise UsageError(
                "method.unknown_parameter", where=place, method=name, key=key, nearest=nearest(key, fields), known=", ".join(fields)
            ) from error
        raise UsageError("method.bad_parameter", where=place, method=name, key=key, problem=explain(problem)) from error
    return Chosen(entry.label, name, pretrain, config)


def _named(entry: MethodEntry, where: str) -> tuple[str, bool]:
    """The method that an entry names, and whether continued pretraining comes first; nothing is imported."""
    first, plus, rest = entry.method.partition("+")
    name, pretrain = (rest, True) if plus and first == PRETRAIN else (entry.method, False)
    names = method_names()
    if name not in names:
        known = [*names, *(f"{PRETRAIN}+{n}" for n in names)]
        raise UsageError("method.unknown", where=where, name=entry.method, nearest=nearest(entry.method, known), known=", ".join(names))
    return name, pretrain


def check_names(study: StudyFile) -> None:
    """Whether all methods of a study exist: told before libraries are loaded, which takes seconds.

    Raises:
        UsageError: with the place in the study file and the nearest name.
    """
    for index, entry in enumerate(study.spec.methods):
        _named(entry, study.where_method(index))


def all_own(study: StudyFile) -> bool:
    """Whether all methods of a study are files of this package; nothing is imported.

    Raises:
        UsageError: as :func:`check_names`.
    """
    outside = _outside()
    return not any(_named(entry, study.where_method(index))[0] in outside for index, entry in enumerate(study.spec.methods))


def choose_all(study: StudyFile) -> list[Chosen]:
    """Every method of a study, checked, with places in the study file."""
    chosen = []
    for index, entry in enumerate(study.spec.methods):
        places = {key: study.where_method(index, key) for key in entry.parameters}
        chosen.append(choose(entry, study.where_method(index), places))
    return chosen
