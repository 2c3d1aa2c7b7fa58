"""YAML with the place of every key, for messages that say ``study.yaml:12:3``.

PyYAML is read as YAML 1.2 wherever 1.1 surprises people: ``1e-4`` is a number, ``no`` and ``off`` are text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from tuneoff.errors import UsageError

KeyPath: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """Plain values of a YAML file and the place of each key, in the order of the file."""

    name: str
    values: dict[str, Any]
    places: dict[KeyPath, str] = field(default_factory=dict)

    def nearest_key(self, path: Sequence[str | int]) -> KeyPath | None:
        """The key itself if the file has it, else the nearest enclosing one."""
        return next((key for n in range(len(path), 0, -1) if (key := tuple(path[:n])) in self.places), None)

    def where(self, path: Sequence[str | int]) -> str:
        """``file:line:column`` of a key, or of the nearest enclosing one."""
        key = self.nearest_key(path)
        return self.places[key] if key else self.name


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 numbers and booleans."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:float", "tag:yaml.org,2002:bool")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+|[0-9]+\.[0-9]*|\.[0-9]+|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"),
    list("-+0123456789."),
)


def parse(text: str, name: str) -> Document:
    """Read one YAML mapping.

    Raises:
        UsageError: not YAML, not a mapping, or a key twice; with line and column.
    """
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        places: dict[KeyPath, str] = {}
        if root is None:
            return Document(name, {}, places)
        if not isinstance(root, yaml.MappingNode):
            raise UsageError("study.not_a_mapping", where=f"{name}:1:1")
        _walk(root, (), places, name)
        values = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise UsageError("study.not_yaml", where=where, problem=error.problem or error.context) from error
    except yaml.YAMLError as error:
        raise UsageError("study.not_yaml", where=name, problem=" ".join(str(error).split())) from error
    finally:
        loader.dispose()
    return Document(name, values, places)


def read(path: Path, name: str | None = None) -> Document:
    """Read a YAML file in UTF-8.

    Raises:
        UsageError: the file is missing, unreadable, not UTF-8 or not YAML.
    """
    name = name or path.name
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError("study.missing", path=path) from error
    except UnicodeDecodeError as error:
        raise UsageError("study.not_utf8", where=name, byte=error.start) from error
    except OSError as error:
        raise UsageError("study.unreadable", path=path, reason=error.strerror) from error
    return parse(text, name)


def _walk(node: yaml.Node, path: KeyPath, places: dict[KeyPath, str], name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            where = _place(key, name)
            if key.value in seen:
                raise UsageError("study.duplicate_key", where=where, key=key.value)
            seen.add(key.value)
            places[(*path, key.value)] = where
            _walk(value, (*path, key.value), places, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            places[(*path, index)] = _place(value, name)
            _walk(value, (*path, index), places, name)


def _place(node: yaml.Node, name: str) -> str:
    return f"{name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
