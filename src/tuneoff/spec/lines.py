"""YAML with the place of every key, for messages that say ``study.yaml:12:3``.

PyYAML is read as YAML 1.2 wherever 1.1 surprises people: ``1e-4`` is a number, ``no``, ``1:30`` and ``2024-01-01`` are
text, ``010`` is ten.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from yaml.reader import ReaderError

from tuneoff.errors import Message, UsageError

KeyPath: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """Plain values of a YAML file and the place of each key, in the order of the file; ``()`` is the file itself."""

    name: str
    values: dict[str, Any]
    places: dict[KeyPath, str] = field(default_factory=dict)

    def nearest_key(self, path: Sequence[str | int]) -> KeyPath:
        """The key itself if the file has it, else the nearest enclosing one."""
        return next((key for n in range(len(path), 0, -1) if (key := tuple(path[:n])) in self.places), ())

    def where(self, path: Sequence[str | int]) -> str:
        """``file:line:column`` of a key, or of the nearest enclosing one."""
        return self.places.get(self.nearest_key(path), f"{self.name}:1:1")


class _Loader(yaml.SafeLoader):
    """SafeLoader with the numbers, booleans and texts of YAML 1.2."""


_SCALARS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+|[0-9]+\.[0-9]*|\.[0-9]+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
}
_REPLACED = {f"tag:yaml.org,2002:{name}" for name in (*_SCALARS, "timestamp", "value")}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), list(_first))


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(node.value, 0) if node.value.startswith(("0o", "0x")) else int(node.value)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)

#: What PyYAML says → what a person should look for.
_EXPLAINED = {
    "mapping values are not allowed here": "study.stray_colon",
    "found character '\\t' that cannot start any token": "study.tab",
    "could not find expected ':'": "study.no_colon",
    "expected <block end>, but found": "study.indentation",
    "found unexpected end of stream": "study.open_bracket",
    "expected ',' or ']'": "study.open_bracket",
    "expected ',' or '}'": "study.open_bracket",
    "found undefined alias": "study.star",
    "could not determine a constructor for the tag": "study.tag",
}


def parse(text: str, name: str) -> Document:
    """Read one YAML mapping.

    Raises:
        UsageError: not YAML, not a mapping, or a key twice; with line and column.
    """
    try:
        loader = _Loader(text)
    except ReaderError as error:
        raise UsageError("study.control_character", where=_spot(text, error.position, name), code=f"U+{error.character:04X}") from error
    try:
        root = loader.get_single_node()
        places = _Places(name)
        if root is None:
            return Document(name, {}, places.found)
        if not isinstance(root, yaml.MappingNode):
            raise UsageError("study.not_a_mapping", where=f"{name}:1:1")
        places.walk(root)
        values = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"
        raise UsageError("study.not_yaml", where=where, problem=_explain(error.problem or error.context or "?")) from error
    except RecursionError as error:
        raise UsageError("study.too_deep", where=f"{name}:1:1") from error
    except ValueError as error:
        # Out of a constructor: a number too long for Python, a broken !!binary.
        raise UsageError("study.not_yaml", where=f"{name}:1:1", problem=str(error)) from error
    finally:
        loader.dispose()
    return Document(name, values, places.found)


def _explain(problem: str) -> Message | str:
    return next((Message(key) for words, key in _EXPLAINED.items() if problem.startswith(words)), problem)


def read(path: Path, name: str | None = None) -> Document:
    """Read a YAML file in UTF-8.

    Raises:
        UsageError: the file is missing, unreadable, not UTF-8 or not YAML.
    """
    name = name or path.name
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError("study.missing", where=str(path)) from error
    except OSError as error:
        raise UsageError("study.unreadable", where=str(path), reason=error.strerror) from error
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise UsageError("study.not_utf8", where=_spot(raw[: error.start].decode(), None, name)) from error
    return parse(text.removeprefix("\ufeff"), name)


def _spot(text: str, position: int | None, name: str) -> str:
    """Place of a position in a text, or of its end."""
    before = text[:position]
    return f"{name}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


class _Places:
    """The place of every key below a node."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: dict[KeyPath, str] = {(): f"{name}:1:1"}
        self.done: set[int] = set()

    def of(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def walk(self, node: yaml.Node, path: KeyPath = (), inside: tuple[int, ...] = ()) -> None:
        """``inside`` are the nodes around this one: an alias may name one of them, or a node that was walked before."""
        if id(node) in inside:
            raise UsageError("study.circle", where=self.of(node))
        if id(node) in self.done:
            return
        self.done.add(id(node))
        inside = (*inside, id(node))
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, path, inside)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.found[(*path, index)] = self.of(value)
                self.walk(value, (*path, index), inside)
        elif any("\ud800" <= character <= "\udfff" for character in node.value):
            raise UsageError("study.surrogate", where=self.of(node))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, inside: tuple[int, ...]) -> None:
        seen: set[str] = set()
        for key, value in node.value:
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                raise UsageError("study.key_not_text", where=self.of(key))
            if key.value in seen:
                raise UsageError("study.duplicate_key", where=self.of(key), key=key.value)
            seen.add(key.value)
            self.found[(*path, key.value)] = self.of(key)
            self.walk(value, (*path, key.value), inside)
