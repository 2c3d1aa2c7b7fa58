"""The one string table: everything a user reads, in English and Korean.

A message is named ``table.entry``; the table is a TOML file beside this one and is read when first used,
so that ``tuneoff --help`` reads one small file. Each entry has ``en`` and ``ko`` with the same placeholders.
"""

import locale
import os
import tomllib
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Final

from tuneoff.strings.particles import ParticleFormatter

LANGUAGES: Final = ("en", "ko")
_formatter = ParticleFormatter()
_chosen: ContextVar[str | None] = ContextVar("language", default=None)


@cache
def table(name: str) -> dict[str, dict[str, str]]:
    """All entries of one table, by entry name."""
    return tomllib.loads((files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


def tables() -> list[str]:
    """Names of all tables."""
    return sorted(f.name.removesuffix(".toml") for f in files(__name__).iterdir() if f.name.endswith(".toml"))


def language() -> str:
    """The language in force: chosen, else ``TUNEOFF_LANG``, else the locale's, else English."""
    if chosen := _chosen.get():
        return chosen
    candidates = [os.environ.get("TUNEOFF_LANG", ""), os.environ.get("LC_ALL", ""), os.environ.get("LC_MESSAGES", "")]
    candidates += [os.environ.get("LANG", ""), locale.getlocale()[0] or ""]
    first = next((c for c in candidates if c), "")
    return "ko" if first.lower().startswith(("ko", "korean")) else "en"


def choose(name: str | None) -> None:
    """Set the language for this context; ``None`` goes back to the environment's."""
    if name is not None and name not in LANGUAGES:
        raise ValueError(f"language must be one of {LANGUAGES}, not {name!r}")
    _chosen.set(name)


def has(key: str) -> bool:
    """Whether the table has this message."""
    name, _, entry = key.partition(".")
    return entry in table(name)


def say(key: str, lang: str | None = None, /, **facts: object) -> str:
    """The message in one language, placeholders filled.

    Raises:
        KeyError: no such message, or a placeholder without a fact: a bug of ours.
    """
    name, _, entry = key.partition(".")
    template = table(name)[entry][lang or language()]
    return _formatter.format(template, **facts)
