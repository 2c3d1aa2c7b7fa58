"""Names of a report's files in both languages: the study's own language has the plain names."""

from collections.abc import Iterator
from typing import Final

from tuneoff.strings import LANGUAGES

#: Names of the languages in themselves.
LANGUAGE_NAMES: Final = {"en": "English", "ko": "한국어"}


def readme_name(lang: str, main: str) -> str:
    """File name of the README in a language, ``README.md`` in the study's own, ``main``."""
    return "README.md" if lang == main else f"README.{lang}.md"


def page_name(lang: str, main: str) -> str:
    """File name of the page in a language, ``report.html`` in the study's own, ``main``."""
    return "report.html" if lang == main else f"report.{lang}.html"


def by_language(main: str) -> Iterator[tuple[str, str, str]]:
    """A language's name in itself, its README and its page; the study's own language first."""
    for lang in sorted(LANGUAGES, key=lambda one: one != main):
        yield LANGUAGE_NAMES[lang], readme_name(lang, main), page_name(lang, main)
