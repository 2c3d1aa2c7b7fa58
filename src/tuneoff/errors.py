"""Every error that a user can meet, as one small tree.

    TuneoffError              1   ours: a bug, or an invariant that broke
    ├── UsageError            2   the command line or the study file
    ├── RefusedError          3   refused before anything ran
    │   ├── DataError             a data file
    │   ├── BackboneError         a pretrained model
    │   └── MethodError           a method on this backbone
    ├── StorageError          5   the study folder cannot be written or read
    └── TrialError                ends one trial, never the study
        ├── DivergedError         the loss is not a number
        └── OutOfMemoryError      the device is full at the smallest micro-batch

The number is the exit code. An error is a key of the string table and the facts that fill it, so that
one error speaks every language; :meth:`TuneoffError.text` puts it into words.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from tuneoff.strings import has, say

SHOWN_CHARACTERS = 60


class Message:
    """A sentence of the string table that is said later: as a fact of an error it speaks the error's language.

    Args:
        key: name of the message, such as ``data.ragged_row``.
        facts: values for the message's placeholders.
    """

    def __init__(self, key: str, /, **facts: object) -> None:
        self.key, self.facts = key, facts

    def text(self, language: str | None = None) -> str:
        """The sentence in one language."""
        return say(self.key, language, **in_words(self.facts, language))

    def __str__(self) -> str:
        return self.text()


def in_words(facts: Mapping[str, object], language: str | None = None) -> dict[str, Any]:
    """Facts as they stand in a line of text: messages said, lists joined, nothing that breaks the line. Numbers stay numbers."""

    def words(value: object) -> object:
        match value:
            case int() | float() | None:
                return value
            case Message():
                return value.text(language)
            case list() | tuple():
                return "; ".join(str(words(part)) for part in value)
        return printable(str(value))

    return {name: words(value) for name, value in facts.items()}


def printable(text: str) -> str:
    """Text on one line: line breaks, control characters and lone surrogates as escapes, so that no data moves the cursor."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def short(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """The beginning of a text, for a message."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


class TuneoffError(Exception):
    """What is wrong, where, why, and the next step.

    Args:
        key: name of the message, such as ``study.unknown_key``.
        where: place in the user's terms: ``file:line:column``, or a trial.
        facts: values for the message's placeholders; a :class:`Message` or a list of them where a part is itself a sentence.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, key: str, /, *, where: str | None = None, **facts: object) -> None:
        self.key, self.where, self.facts = key, where, facts
        super().__init__(key)

    def text(self, language: str | None = None) -> str:
        """One line to read, with the next step behind an arrow where there is one."""
        facts = in_words(self.facts, language)
        words = say(self.key, language, **facts)
        if has(f"{self.key}.next"):
            words += " → " + say(f"{self.key}.next", language, **facts)
        return f"{printable(self.where)}: {words}" if self.where else words

    def as_dict(self) -> dict[str, Any]:
        """What a record keeps of it: plain facts, and the words in English; :func:`retold` says it again."""
        facts = {name: value if isinstance(value, int | float | str) else str(value) for name, value in self.facts.items()}
        return {"key": self.key, "where": self.where, "facts": facts, "text": self.text("en")}

    def __str__(self) -> str:
        return self.text()

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.key, self.where, self.facts))


def _rebuild(kind: type[TuneoffError], key: str, where: str | None, facts: dict[str, object]) -> TuneoffError:
    return kind(key, where=where, **facts)


def retold(error: Mapping[str, Any], language: str | None = None) -> str:
    """The error of a record in words."""
    return say(error["key"], language, **error.get("facts", {}))


class UsageError(TuneoffError):
    """The command line or the study file is wrong."""

    exit_code = 2


class RefusedError(TuneoffError):
    """Refused before anything ran."""

    exit_code = 3


class DataError(RefusedError):
    """A data file cannot be used as it is."""


class BackboneError(RefusedError):
    """A pretrained model cannot be had or used."""


class MethodError(RefusedError):
    """A method cannot be applied as asked."""


class StorageError(TuneoffError):
    """The study folder cannot be written or read."""

    exit_code = 5


class TrialError(TuneoffError):
    """Ends one trial and becomes its state; the study goes on."""

    state: ClassVar[str] = "failed"


class DivergedError(TrialError):
    """The loss is not a number."""

    state = "diverged"


class OutOfMemoryError(TrialError):
    """The device is full even at the smallest micro-batch."""

    state = "oom"
