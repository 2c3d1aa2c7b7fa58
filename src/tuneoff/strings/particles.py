"""Korean particles that follow the last sound of the word before them: ``{method:은/는}``."""

import string
from typing import Any

_FIRST, _LAST, _FINALS = ord("가"), ord("힣"), 28
_RIEUL = 8
#: Final consonant in Hangul's order (0: none, 8: ㄹ) of what is read aloud for a digit or a Latin letter.
_DIGITS = dict(zip("0123456789", (21, 8, 0, 16, 0, 0, 1, 8, 8, 0), strict=True))  # 영 일 이 삼 사 오 육 칠 팔 구
_SIGNS = {"%": 0, "³": 16, "²": 0}  # 퍼센트, 삼, 이
_LETTERS = dict.fromkeys("abcdefghijkoqsuvwxyz", 0) | {"l": _RIEUL, "m": 16, "n": 4, "p": 17, "r": 0, "t": 0, "g": 1}


def final_consonant(word: str) -> int:
    """Number of the final consonant of a word as a Korean reads it; 0 for an open syllable."""
    for character in reversed(word.rstrip()):
        if _FIRST <= ord(character) <= _LAST:
            return (ord(character) - _FIRST) % _FINALS
        for table in (_DIGITS, _SIGNS, _LETTERS):
            if character.lower() in table:
                return table[character.lower()]
    return 0


def with_particle(word: str, pair: str) -> str:
    """A word and the right one of ``은/는``, ``이/가``, ``을/를``, ``과/와``, ``으로/로``, ``이라/라``.

    >>> with_particle("어댑터", "은/는"), with_particle("전체 미세조정", "은/는"), with_particle("서울", "으로/로")
    ('어댑터는', '전체 미세조정은', '서울로')
    """
    closed, opened = pair.split("/")
    final = final_consonant(word)
    if closed == "으로" and final == _RIEUL:
        return word + opened
    return word + (closed if final else opened)


class ParticleFormatter(string.Formatter):
    """``str.format`` that understands a particle pair as a format."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Hangul with a slash is a pair; anything else is Python's own."""
        if "/" in format_spec and _FIRST <= ord(format_spec[0]) <= _LAST:
            return with_particle(str(value), format_spec)
        return str(super().format_field(value, format_spec))
