"""The bundled parallel sample set: financial sentences in English and Korean, written for this project."""

import json
from functools import cache
from importlib.resources import files

from tuneoff.data.splits import Rows
from tuneoff.errors import DataError
from tuneoff.spec import nearest

SAMPLES = {"finance-en": "en", "finance-ko": "ko"}


def check_name(name: str) -> None:
    """Refuse a sample that is not bundled.

    Raises:
        DataError: with the names there are.
    """
    if name not in SAMPLES:
        known = ", ".join(f"sample:{known}" for known in SAMPLES)
        raise DataError("data.unknown_sample", where=f"sample:{name}", nearest=nearest(name, SAMPLES), known=known)


@cache
def _lines(file: str) -> list[dict[str, str]]:
    text = (files("tuneoff") / "samples" / "finance" / file).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def sample_rows(name: str, split: str) -> Rows:
    """One fixed split (``train``, ``validation``, ``test``) of a bundled sample."""
    check_name(name)
    language = SAMPLES[name]
    chosen = [(number, row) for number, row in enumerate(_lines("labelled.jsonl"), start=1) if row["split"] == split]
    places = [f"sample:{name}:{number}" for number, _ in chosen]
    return Rows([(row[language],) for _, row in chosen], [row["label"] for _, row in chosen], places)


def sample_unlabelled(name: str) -> list[str]:
    """Unlabelled sentences of the same domain."""
    check_name(name)
    return [row[SAMPLES[name]] for row in _lines("unlabelled.jsonl")]
