"""Texts → token arrays, once per content, tokenizer and length; kept on disk and read back."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from tuneoff.data.files import publish
from tuneoff.data.splits import digest_of

ENCODE_ROWS = 4096


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that this module uses."""

    eos_token_id: int | None
    pad_token_id: int | None

    def __call__(self, text: list[str], text_pair: list[str] | None = None, **options: object) -> dict[str, list[list[int]]]:
        """Token ids (and segment numbers) of each text or pair."""


@dataclass(frozen=True)
class Tokens:
    """Rows of token ids, flat: row ``i`` is ``ids[offsets[i]:offsets[i + 1]]``. ``types`` marks the second text of a pair.

    ``needed`` is the length of each row before it was cut to the length allowed, int32 of shape [rows].
    """

    ids: np.ndarray
    offsets: np.ndarray
    types: np.ndarray | None
    needed: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int64 of shape [rows]."""
        return np.diff(self.offsets)

    @property
    def cut(self) -> int:
        """How many rows were longer than the length allowed."""
        return int((self.needed > self.lengths).sum())

    def row(self, i: int) -> np.ndarray:
        """Token ids of one row."""
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    def row_types(self, i: int) -> np.ndarray:
        """Segment numbers of one row; only for pairs."""
        assert self.types is not None
        return self.types[self.offsets[i] : self.offsets[i + 1]]


def tokenise(
    texts: Sequence[tuple[str, ...]], tokenizer: Tokenizer, tokenizer_hash: str, max_length: int, cache: Path, split_long: bool = False
) -> Tokens:
    """Token arrays of texts, from the cache where the same texts were tokenised before.

    Args:
        texts: one or two strings a row.
        tokenizer: a fast tokenizer.
        tokenizer_hash: identity of the tokenizer's files.
        max_length: longest row in tokens, special tokens included; longer rows are cut.
        cache: folder for token files; a file is published whole or not at all.
        split_long: go on with what was cut as further rows, as continued pretraining wants it.
    """
    digest = digest_of(["with lengths needed", tokenizer_hash, max_length, split_long, texts])
    file = cache / f"{digest[:32]}.safetensors"
    try:
        arrays = load_file(file)
    except (FileNotFoundError, SafetensorError):
        arrays = _split(texts, tokenizer, max_length) if split_long else _encode(texts, tokenizer, max_length)
        content = save(arrays)
        publish(file, lambda temporary: temporary.write_bytes(content))
    return Tokens(arrays["ids"], arrays["offsets"], arrays.get("types"), arrays["needed"])


def _encode(texts: Sequence[tuple[str, ...]], tokenizer: Tokenizer, max_length: int) -> dict[str, np.ndarray]:
    pairs = bool(texts) and len(texts[0]) == 2
    options = {"padding": False, "return_attention_mask": False, "return_token_type_ids": pairs, "verbose": False}

    def encode(part: Sequence[tuple[str, ...]], **more: object) -> tuple[list[list[int]], list[list[int]]]:
        second = [text[1] for text in part] if pairs else None
        encoded = tokenizer([text[0] for text in part], second, **options, **more)
        return encoded["input_ids"], encoded.get("token_type_ids", [])

    rows: list[list[int]] = []
    types: list[list[int]] = []
    needed: list[int] = []
    for start in range(0, len(texts), ENCODE_ROWS):
        part = texts[start : start + ENCODE_ROWS]
        ids, kinds = encode(part, truncation=False)
        needed += [max(1, len(row)) for row in ids]
        if long := [i for i, row in enumerate(ids) if len(row) > max_length]:
            short, short_kinds = encode([part[i] for i in long], truncation=True, max_length=max_length)
            for n, i in enumerate(long):
                ids[i] = short[n]
                if kinds:
                    kinds[i] = short_kinds[n]
        for i in (i for i, row in enumerate(ids) if not row):
            # An empty text and a tokenizer that adds nothing: a model cannot read a row of no tokens.
            ids[i] = [_filler(tokenizer)]
            if kinds:
                kinds[i] = [0]
        rows += ids
        types += kinds
    arrays = _arrays(rows, needed)
    if types:
        arrays["types"] = _flat(types)
    return arrays


def _filler(tokenizer: Tokenizer) -> int:
    found = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.pad_token_id
    assert found is not None, "a tokenizer is loaded with a pad token"
    return found


def _split(texts: Sequence[tuple[str, ...]], tokenizer: Tokenizer, max_length: int) -> dict[str, np.ndarray]:
    rows: list[list[int]] = []
    for start in range(0, len(texts), ENCODE_ROWS):
        part = [" ".join(text) for text in texts[start : start + ENCODE_ROWS]]
        rows += tokenizer(part, truncation=True, max_length=max_length, return_overflowing_tokens=True, return_attention_mask=False)[
            "input_ids"
        ]
    return _arrays(rows, list(map(len, rows)))


def _flat(rows: list[list[int]]) -> np.ndarray:
    return np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=sum(map(len, rows)))


def _arrays(rows: list[list[int]], needed: list[int]) -> dict[str, np.ndarray]:
    return {
        "ids": _flat(rows),
        "offsets": np.cumsum([0, *map(len, rows)]).astype(np.int64),
        "needed": np.array(needed, dtype=np.int32),
    }
