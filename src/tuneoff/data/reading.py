"""What the backbone's tokenizer makes of the texts: how long they are, what is cut, what it does not know, what it spells out."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from tuneoff.data.finding import SHOWN, Finding, Row, of_rows, percent, place
from tuneoff.data.splits import SPLITS, Splits
from tuneoff.data.tokens import Tokens, tokenise
from tuneoff.errors import Message, StorageError, short

#: Unknown tokens are told of from this part of a split's rows on, and are a warning from the next part of its tokens on.
TOLD, UNKNOWN = 0.005, 0.01
#: Part of a split's rows, cut or spelled out, from which that is a warning.
CUT, SPELLED_OUT = 0.05, 0.1
#: Rows with unknown tokens that are read once more, and characters of each, to say what these tokens stand for.
SAMPLED: Final = 1000
SHOWN_PIECES: Final = 8
_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")


@dataclass(frozen=True)
class Reader:
    """A study's way of reading texts.

    Attributes:
        tokenizer: of transformers.
        identity: hash of what it does.
        max_length: tokens of a row, special ones included.
        room: tokens that the backbone takes beside the virtual tokens of the study's methods; ``None`` without a limit.
        cache: folder of token arrays; the trials read the same.
    """

    tokenizer: Any
    identity: str
    max_length: int
    room: int | None
    cache: Path

    @property
    def length(self) -> int:
        """Tokens of a row that are read."""
        return self.max_length if self.room is None else min(self.max_length, self.room)

    @property
    def special(self) -> set[int]:
        """Tokens that stand for no text, and so are never unknown: not the unknown token, unless it has another duty too."""
        duties = {self.tokenizer.bos_token_id, self.tokenizer.eos_token_id, self.tokenizer.cls_token_id, self.tokenizer.sep_token_id}
        return (set(self.tokenizer.all_special_ids) - {self.tokenizer.unk_token_id}) | (duties - {None})

    @property
    def unknown(self) -> int | None:
        """The token that stands for what has no other."""
        token: int | None = self.tokenizer.unk_token_id
        return None if token in self.special else token

    def read(self, texts: list[tuple[str, ...]]) -> Tokens:
        """Token arrays, from the cache or for it; a study whose folder cannot be written can be checked all the same."""
        try:
            return tokenise(texts, self.tokenizer, self.identity, self.max_length, self.cache)
        except StorageError:
            with TemporaryDirectory() as folder:
                return tokenise(texts, self.tokenizer, self.identity, self.max_length, Path(folder))


@dataclass(frozen=True)
class TokenCounts:
    """Tokens of one split's rows, special ones included, before any row is cut.

    Attributes:
        median: tokens of a row.
        p95: 95 of 100 rows have no more.
        longest: the most.
        length: tokens that are read.
        truncated: part of the rows that is longer.
        lost: part of all tokens that is cut away.
        unknown: part of the tokens read that stand for something the tokenizer does not know.
        per_character: tokens for each character that is no blank.
    """

    median: float
    p95: float
    longest: int
    length: int
    truncated: float
    lost: float
    unknown: float
    per_character: float

    def facts(self) -> dict[str, Any]:
        """For words."""
        return asdict(self) | {"unknown": percent(self.unknown)}


class Reading:
    """Every split, read once.

    Args:
        splits: the data.
        reader: how it is read.
    """

    def __init__(self, splits: Splits, reader: Reader) -> None:
        self.splits, self.reader = splits, reader
        self.tokens = {name: reader.read(splits[name].texts) for name in SPLITS}
        self.characters = {name: np.array([_characters(text) for text in splits[name].texts]) for name in SPLITS}
        pair = len(splits.train.texts[0]) > 1
        added = reader.tokenizer.num_special_tokens_to_add(pair=pair)
        self.own = {name: tokens.needed - added for name, tokens in self.tokens.items()}

    def counts(self) -> dict[str, TokenCounts]:
        """Numbers of each split."""
        return {name: self._counts(name) for name in SPLITS}

    def findings(self) -> list[Finding]:
        """What a tokenizer of another language, or too short a length, does to these texts."""
        found = [self._spelled_out(), self._unknown(), self._truncated()]
        return [finding for finding in found if finding is not None]

    def _counts(self, name: str) -> TokenCounts:
        tokens, length = self.tokens[name], self.reader.length
        return TokenCounts(
            median=float(np.median(tokens.needed)),
            p95=float(np.percentile(tokens.needed, 95, method="inverted_cdf")),
            longest=int(tokens.needed.max()),
            length=length,
            truncated=float((tokens.needed > length).mean()),
            lost=float(np.maximum(tokens.needed - length, 0).sum() / tokens.needed.sum()),
            unknown=self._unknown_share(tokens),
            per_character=float(self.own[name].sum() / max(1, self.characters[name].sum())),
        )

    def _unknown_share(self, tokens: Tokens) -> float:
        if self.reader.unknown is None:
            return 0.0
        read = len(tokens.ids) - int(np.isin(tokens.ids, list(self.reader.special)).sum())
        return int((tokens.ids == self.reader.unknown).sum()) / max(1, read)

    def _unknown(self) -> Finding | None:
        """Rows with something that the tokenizer has no token for, and what that most often is."""
        unknown = {name: self._rows_with(tokens, self.reader.unknown) for name, tokens in self.tokens.items()}
        if all(flags.mean() < TOLD for flags in unknown.values()):
            return None
        share = max(map(self._unknown_share, self.tokens.values()))
        rows = _rows(unknown)
        pieces = self._unknown_pieces(rows[:SAMPLED])
        return of_rows(
            "unknown",
            self.splits,
            rows,
            [place(self.splits, row) for row in rows[:SHOWN]],
            severity="warning" if share >= UNKNOWN else "note",
            remedy="korean" if _is_korean(pieces.elements()) else "",
            share=percent(share),
            pieces=", ".join(short(piece, 20) for piece, _ in pieces.most_common(SHOWN)) or "–",
        )

    def _rows_with(self, tokens: Tokens, token: int | None) -> np.ndarray:
        found = np.zeros(len(tokens), dtype=bool)
        found[np.searchsorted(tokens.offsets, np.flatnonzero(tokens.ids == token), side="right") - 1] = True
        return found

    def _unknown_pieces(self, rows: Sequence[Row]) -> Counter[str]:
        """The texts behind the unknown tokens of some rows; none where the tokenizer does not keep places."""
        if not self.reader.tokenizer.is_fast:
            return Counter()
        texts = [part[:SAMPLED] for row in rows for part in _text(self.splits, row)]
        read = self.reader.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return Counter(
            text[start:stop]
            for text, ids, places in zip(texts, read["input_ids"], read["offset_mapping"], strict=True)
            for token, (start, stop) in zip(ids, places, strict=True)
            if token == self.reader.unknown
        )

    def _spelled_out(self) -> Finding | None:
        """Rows of more tokens than characters: the tokenizer has no pieces for this script and writes its letters or bytes."""
        longer = {name: (self.own[name] > self.characters[name]) & (self.characters[name] > 0) for name in SPLITS}
        if all(flags.mean() < SPELLED_OUT for flags in longer.values()):
            return None
        rows = _rows(longer)
        korean = _is_korean(part for row in rows[:SAMPLED] for part in _text(self.splits, row))
        split, first = rows[0]
        pieces = [token for token in self.tokens[split].row(first).tolist() if token not in self.reader.special][:SHOWN_PIECES]
        return of_rows(
            "spelled_out",
            self.splits,
            rows,
            [place(self.splits, row) for row in rows[:SHOWN]],
            severity="warning",
            remedy="korean" if korean else "",
            script=Message("data.script_korean" if korean else "data.script_other"),
            ratio=sum(own.sum() for own in self.own.values()) / max(1, sum(each.sum() for each in self.characters.values())),
            pieces=" ".join(self.reader.tokenizer.convert_ids_to_tokens(pieces)),
        )

    def _truncated(self) -> Finding | None:
        """Rows whose end no method sees. The next step depends on how much further the backbone could read."""
        reader = self.reader
        rows = _rows({name: tokens.needed > reader.length for name, tokens in self.tokens.items()})
        if not rows:
            return None
        needed = np.concatenate([tokens.needed for tokens in self.tokens.values()])
        fits = int(np.ceil(np.percentile(needed, 99, method="inverted_cdf") / 8) * 8)
        if fits <= reader.length:
            remedy = "truncated_few"
        elif reader.room is None or fits <= reader.room:
            remedy = ""
        else:
            remedy = "truncated_more" if reader.room > reader.max_length else "truncated_full"
        found = of_rows(
            "truncated",
            self.splits,
            rows,
            [f"{place(self.splits, row)} ({self.tokens[row[0]].needed[row[1]]})" for row in rows[:SHOWN]],
            remedy=remedy,
            length=reader.length,
            lost=percent(float(np.maximum(needed - reader.length, 0).sum() / needed.sum())),
            fits=fits,
            room=reader.room,
        )
        return replace(found, severity="warning" if max(found.shares.values()) >= CUT else "note")


def _rows(flags: dict[str, np.ndarray]) -> list[Row]:
    return [(name, int(i)) for name in SPLITS for i in np.flatnonzero(flags[name])]


def _text(splits: Splits, row: Row) -> tuple[str, ...]:
    return splits[row[0]].texts[row[1]]


def _characters(text: tuple[str, ...]) -> int:
    """Characters as a reader counts them, without blanks: a decomposed syllable is one."""
    return sum(len("".join(unicodedata.normalize("NFC", part).split())) for part in text)


def _is_korean(texts: Iterable[str]) -> bool:
    """Whether at least half of the letters are Hangul."""
    letters = [character for text in texts for character in text if character.isalpha()]
    return bool(letters) and 2 * sum(bool(_HANGUL.match(letter)) for letter in letters) >= len(letters)
