"""Korean particles that follow the last sound of the word before them: ``{method:은/는}``."""

import re
import string
from typing import Any, Final

_FIRST, _LAST, _FINALS = ord("가"), ord("힣"), 28
_GIYEOK, _NIEUN, _RIEUL, _MIEUM, _BIEUP, _SIOT, _IEUNG = 1, 4, 8, 16, 17, 19, 21
#: Final consonant in Hangul's order (0: none, 8: ㄹ) of what is read aloud for a digit.
_DIGITS: Final = dict(zip("0123456789", (_IEUNG, _RIEUL, 0, _MIEUM, 0, 0, _GIYEOK, _RIEUL, _RIEUL, 0), strict=True))  # 영 일 이 삼 사 오 …
_SIGNS: Final = {"%": 0, "³": _MIEUM, "²": 0}  # 퍼센트, 삼, 이
#: Capitals are read by their names: 엘, 엠, 엔, 알.
_CAPITALS: Final = dict.fromkeys(string.ascii_uppercase, 0) | {"L": _RIEUL, "M": _MIEUM, "N": _NIEUN, "R": _RIEUL}
#: Small letters as the end of a word: full 풀, bottom 텀, prune 는 …; a stop behind one short vowel closes its syllable: fit 핏.
_SMALL: Final = dict.fromkeys(string.ascii_lowercase, 0) | {"l": _RIEUL, "m": _MIEUM, "n": _NIEUN}
_STOPS: Final = {"k": _GIYEOK, "c": _GIYEOK, "p": _BIEUP, "t": _SIOT}
#: Abbreviations behind a number are read as words: 시간, 분, 원.
_UNITS: Final = {"h": _NIEUN, "min": _NIEUN, "KRW": _NIEUN}
_UNIT: Final = re.compile(r"\d\s?(h|min|KRW)$")
_SHORT: Final = re.compile(r"(?:^|[^aeiou])[aeiouy]c?([kcpt])$")
_BRACKETS: Final = re.compile(r"\s*\([^()]*\)$")


def final_consonant(word: str) -> int:
    """Number of the final consonant of a word as a Korean reads it; 0 for an open syllable.

    Brackets at its end do not count: the particle follows the word before them.
    """
    heard = word.rstrip()
    while (shorter := _BRACKETS.sub("", heard)) and shorter != heard:
        heard = shorter
    # Quotes, stars and the like are not read.
    heard = re.sub(r"[^\w%³²]+$", "", heard) or heard
    if found := _UNIT.search(heard):
        return _UNITS[found[1]]
    last = heard[-1:]
    if last and _FIRST <= ord(last) <= _LAST:
        return (ord(last) - _FIRST) % _FINALS
    if last in _SMALL:
        return _read(re.split(r"[^A-Za-z]", heard)[-1].lower())
    return next((table[last] for table in (_DIGITS, _SIGNS, _CAPITALS) if last in table), 0)


def _read(word: str) -> int:
    """An English word in small letters, as it is taken into Korean."""
    if word.endswith("ng"):
        return _IEUNG
    if found := _SHORT.search(word):
        return _STOPS[found[1]]
    return _SMALL[word[-1]]


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
