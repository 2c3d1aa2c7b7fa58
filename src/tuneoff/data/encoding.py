"""Bytes → text, or the line, the byte and the likely encoding. The whole file is tried, never its head alone.

Wrong text is worse than none: a file is refused where a codec decodes it but another is plainly meant.
"""

import codecs
from typing import Final

from tuneoff.errors import DataError

UTF8: Final = "utf-8"
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Above it UTF-8 takes three bytes or more. Such a sequence does not come about by accident in another encoding.
_TWO_BYTES_END = "\u07ff"


def decode(raw: bytes, encoding: str, shown: str) -> str:
    """Decode a whole file; a byte-order mark is dropped, nothing else is changed.

    Args:
        raw: the file's bytes.
        encoding: a Python codec name; a study that does not say otherwise means UTF-8.
        shown: the file's name in messages.

    Raises:
        DataError: not in that encoding, plainly in another, or holding NUL characters.
    """
    codec = _codec(encoding, shown)
    if codec == UTF8:
        if found := next((name for mark, name in _MARKS if raw.startswith(mark)), None):
            raise DataError("data.wrong_encoding", where=f"{shown}:1", byte=1, encoding=encoding, guess=found)
    else:
        _check_choice(raw, codec, encoding, shown)
    body = raw.removeprefix(codecs.BOM_UTF8) if codec == UTF8 else raw
    try:
        text = body.decode(codec)
    except UnicodeDecodeError as error:
        before = body[: error.start].decode(codec, "ignore")
        line, byte = before.count("\n") + 1, error.start - len(before[: before.rfind("\n") + 1].encode(codec)) + 1
        guess = likely_encoding(raw)
        key = "data.wrong_encoding" if guess not in (None, codec) else "data.mixed_encoding" if is_mixed(raw) else "data.not_decodable"
        raise DataError(key, where=f"{shown}:{line}", byte=byte, encoding=encoding, guess=guess) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        guess = likely_encoding(raw)
        if guess not in (None, codec):
            raise DataError("data.wrong_encoding", where=f"{shown}:{line}", byte=raw.index(b"\0") + 1, encoding=encoding, guess=guess)
        raise DataError("data.nul", where=f"{shown}:{line}")
    return text.removeprefix("\ufeff")


def _codec(encoding: str, shown: str) -> str:
    try:
        codec = codecs.lookup(encoding).name
        b"text".decode(codec, "ignore")  # Refuses what is a codec but not of text, such as hex.
    except (LookupError, UnicodeError) as error:
        raise DataError("data.unknown_encoding", where=shown, encoding=encoding) from error
    return UTF8 if codec == "utf-8-sig" else codec


def _check_choice(raw: bytes, codec: str, encoding: str, shown: str) -> None:
    """Refuse an encoding that decodes the file into nonsense: a study's ``encoding`` outlives the file it was right for."""
    guess = UTF8 if _surely_utf8(raw, codec) else likely_encoding(raw) if _decodes_anything(codec) else None
    if guess == UTF8 and raw.isascii():
        raise DataError("data.is_ascii", where=shown, encoding=encoding)
    if guess is not None:
        raise DataError("data.other_encoding", where=shown, encoding=encoding, guess=guess)
    if not _is_wide(codec) and is_mixed(raw):
        number, line = next((n, line) for n, line in enumerate(raw.split(b"\n"), start=1) if _is_utf8(line))
        byte = next(i for i, value in enumerate(line, start=1) if value > 127)
        raise DataError("data.mixed_encoding", where=f"{shown}:{number}", byte=byte, encoding=encoding, guess=None)


def _is_wide(codec: str) -> bool:
    return codec.startswith(("utf-16", "utf-32"))


def _decodes_anything(codec: str) -> bool:
    """Whether any bytes are text to it, so that it never says that it is the wrong one."""
    try:
        return len(bytes(range(256)).decode(codec, "replace")) == 256
    except UnicodeError:
        return False


def _surely_utf8(raw: bytes, codec: str) -> bool:
    if raw.isascii():
        return _is_wide(codec) and b"\0" not in raw
    if _is_utf8(raw, beyond=_TWO_BYTES_END):
        return True
    # Two-byte sequences alone may be the Hangul of a few words in CP949.
    return _is_utf8(raw) and not _mostly_hangul(raw.decode(codec, "replace"))


def _is_utf8(raw: bytes, beyond: str = "\x7f") -> bool:
    """Whether these bytes are UTF-8 with a character beyond the given one."""
    if raw.isascii():
        return False
    try:
        return max(raw.decode()) > beyond
    except UnicodeDecodeError:
        return False


def is_mixed(raw: bytes) -> bool:
    """Whether some lines are UTF-8 and others are not: two files were joined, or one was damaged."""
    utf8 = other = 0
    surely = False
    for line in raw.split(b"\n"):
        if _is_utf8(line):
            utf8 += 1
            surely = surely or _is_utf8(line, beyond=_TWO_BYTES_END)
        elif not line.isascii():
            other += 1
    return other > 0 and (surely or utf8 > other)


def likely_encoding(raw: bytes) -> str | None:
    """The encoding, other than UTF-8, in which the whole of these bytes is text beyond doubt.

    UTF-16 betrays itself by its NULs, CP949 by Hangul. Single-byte encodings cannot be told apart, so none is named:
    a wrong name would be followed, and the text would be nonsense.
    """
    if b"\0" in raw:
        return _likely_utf16(raw)
    if is_mixed(raw):
        return None
    try:
        text = raw.decode("cp949")
    except UnicodeDecodeError:
        return None
    return "cp949" if _mostly_hangul(text) else None


def _likely_utf16(raw: bytes) -> str | None:
    if _is_utf8(raw):
        return None
    # Line feeds, blanks and Latin letters are there in any file, and in the other order of bytes they are hardly anything that is written.
    plain = {codec: _count_ascii(raw, codec) for codec in ("utf-16-le", "utf-16-be")}
    for codec, other in (("utf-16-le", "utf-16-be"), ("utf-16-be", "utf-16-le")):
        if plain[codec] > 20 * plain[other] and plain[codec] > (0.9 if max(raw) < 128 else 0.02) * len(raw) / 2:
            return codec
    return None


def _count_ascii(raw: bytes, codec: str) -> int:
    """Characters of a text file that are ASCII; none where the bytes are no text in this encoding."""
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        return 0
    return sum(character.isascii() and (character.isprintable() or character in "\t\r\n") for character in text)


def _mostly_hangul(text: str) -> bool:
    wide = [character for character in text if ord(character) > 127]
    return bool(wide) and sum("가" <= character <= "힣" for character in wide) >= 0.5 * len(wide)
