"""The texts to learn from: free of licences that bind, and of the test texts of NSMC and of the ministries as far as they can be found."""

import json
import random
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

#: Longest chunk of a statute, in characters; drawn for each, so that the model meets short, middling and long inputs.
CHUNKS = (90, 180, 420)
HEADING = re.compile(r"^제\d+조(의\d+)?\s*\(")
DIVISION = re.compile(r"^제\d+(편|장|절|관)(의\d+)?\s")
#: An article in which a test text's first so many characters stand is left out, however it goes on. Test texts that are
#: shorter stand in statutes by chance ("삭제"); they are removed where a whole article is the same.
START = 40
AMENDMENT = re.compile(r"<[^<>]*>")


@dataclass
class Counts:
    """What was read, and what was left out because a test text is in it."""

    reviews: int = 0
    reviews_removed_exact: int = 0
    reviews_removed_normalised: int = 0
    reviews_repeated: int = 0
    articles: int = 0
    articles_removed_exact: int = 0
    articles_removed_normalised: int = 0
    articles_removed_same_start: int = 0
    texts: int = 0
    characters: int = 0

    def as_dict(self) -> dict[str, int]:
        """Plain values for JSON."""
        return asdict(self)


def normalised(text: str) -> str:
    """NFC without any white space: what two copies of a text have in common."""
    return "".join(unicodedata.normalize("NFC", text).split())


def bare(article: str) -> str:
    """A statute's text, normalised, without the marks of its amendments (``<개정 2023.8.8>``), which editions differ in."""
    return normalised(AMENDMENT.sub("", article))


def has_any(text: str, starts: set[str]) -> bool:
    """Whether one of these strings of :data:`START` characters stands anywhere in a text."""
    return any(text[at : at + START] in starts for at in range(len(text) - START + 1))


def build(data: Path) -> tuple[list[str], Counts]:
    """Texts of the corpus in a fixed order, and what was counted on the way.

    Args:
        data: folder with ``nsmc`` and ``kr_statutes``.
    """
    counts = Counts()
    texts = _reviews(data / "nsmc", counts)
    statutes = data / "kr_statutes"
    tests = [json.loads(line)["text"] for line in _lines(statutes / "ministry_test.jsonl")]
    exact, same = set(tests), {bare(text) for text in tests}
    starts = {text[:START] for text in same if len(text) >= START}
    draw = random.Random(0)
    for file in sorted(statutes.glob("*_plain.txt")):
        for article in articles(file.read_text(encoding="utf-8").splitlines()):
            counts.articles += 1
            bodies = ["\n".join(article), "\n".join(article[1:])]
            if exact.intersection(bodies):
                counts.articles_removed_exact += 1
            elif same.intersection(map(bare, bodies)):
                counts.articles_removed_normalised += 1
            elif has_any(bare(bodies[0]), starts):
                counts.articles_removed_same_start += 1
            else:
                texts += chunks(article, draw)
    counts.texts, counts.characters = len(texts), sum(map(len, texts))
    return texts, counts


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as stream:
        yield from stream


def _reviews(folder: Path, counts: Counts) -> list[str]:
    tests = [json.loads(line)["text"] for line in _lines(folder / "test.jsonl")]
    exact, same = set(tests), {normalised(text) for text in tests}
    kept: dict[str, str] = {}
    for line in _lines(folder / "train.jsonl"):
        text = json.loads(line)["text"].strip()
        counts.reviews += 1
        key = normalised(text)
        if text in exact:
            counts.reviews_removed_exact += 1
        elif key in same:
            counts.reviews_removed_normalised += 1
        elif key in kept:
            counts.reviews_repeated += 1
        elif key:
            kept[key] = text
    return list(kept.values())


def articles(lines: Iterable[str]) -> Iterator[list[str]]:
    """Lines of a file of statutes, cut before each article, each division and each statute's name."""
    article: list[str] = []
    for line in map(str.strip, lines):
        if not line:
            continue
        if (HEADING.match(line) or DIVISION.match(line)) and article:
            yield article
            article = []
        article.append(line)
    if article:
        yield article


def chunks(article: list[str], draw: random.Random) -> Iterator[str]:
    """An article's lines joined into texts of a length drawn from :data:`CHUNKS`; a longer line stays whole."""
    chunk, limit = "", draw.choice(CHUNKS)
    for line in article:
        if chunk and len(chunk) + len(line) >= limit:
            yield chunk
            chunk, limit = "", draw.choice(CHUNKS)
        chunk = f"{chunk} {line}" if chunk else line
    if chunk:
        yield chunk
