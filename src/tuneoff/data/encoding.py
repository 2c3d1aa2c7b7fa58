"""Bytes → text, or the line, the byte and the likely encoding. The whole file is tried, never its head alone."""

import codecs
from pathlib import Path

from tuneoff.errors import DataError

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path, encoding: str, shown: str) -> str:
    """Decode a whole file; a UTF-8 byte-order mark is dropped, nothing else is changed.

    Args:
        path: the file.
        encoding: a Python codec name; a study that does not say otherwise means UTF-8.
        shown: the file's name in messages.

    Raises:
        DataError: missing, unreadable, not in that encoding, or holding NUL characters.
    """
    raw = read_bytes(path, shown)
    try:
        codec = codecs.lookup(encoding).name
    except LookupError as error:
        raise DataError("data.unknown_encoding", where=shown, encoding=encoding) from error
    if codec == "utf-8":
        if found := next((name for mark, name in _MARKS if raw.startswith(mark)), None):
            raise DataError("data.wrong_encoding", where=f"{shown}:1", byte=1, codec="utf-8", guess=found)
        codec = "utf-8-sig"
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        guess = likely_encoding(raw)
        key = "data.wrong_encoding" if guess and guess != encoding else "data.mixed_encoding"
        raise DataError(key, where=f"{shown}:{line}", byte=byte, codec=encoding, guess=guess) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError("data.nul", where=f"{shown}:{line}")
    return text


def read_bytes(path: Path, shown: str) -> bytes:
    """The file's bytes.

    Raises:
        DataError: the file is missing, a folder, empty, or cannot be read.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError("data.missing", where=shown, folder=path.parent) from error
    except OSError as error:
        raise DataError("data.unreadable", where=shown, reason=error.strerror) from error
    if not raw.strip():
        raise DataError("data.empty", where=shown)
    return raw


def likely_encoding(raw: bytes) -> str | None:
    """The encoding in which the whole of these bytes reads as text; Korean first, because the users' files are."""
    try:
        text = raw.decode("cp949")
    except UnicodeDecodeError:
        pass
    else:
        wide = [character for character in text if ord(character) > 127]
        hangul = sum("가" <= character <= "힣" for character in wide)
        if wide and hangul >= 0.5 * len(wide):
            return "cp949"
    from charset_normalizer import from_bytes

    best = from_bytes(raw).best()
    return best.encoding if best else None
