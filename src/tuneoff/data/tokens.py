"""Texts → token arrays, once per content, tokenizer and length; kept on disk and read back by memory map."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors.numpy import load_file, save_file

ENCODE_ROWS = 4096


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that this module uses."""

    def __call__(self, text: list[str], text_pair: list[str] | None = None, **options: object) -> dict[str, list[list[int]]]: ...


@dataclass(frozen=True)
class Tokens:
    """Rows of token ids, flat: row ``i`` is ``ids[offsets[i]:offsets[i + 1]]``. ``types`` marks the second text of a pair.

    ``cut`` counts the rows that were longer than the length allowed.
    """

    ids: np.ndarray
    offsets: np.ndarray
    types: np.ndarray | None
    cut: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int64 of shape [rows]."""
        return np.diff(self.offsets)

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
    digest = hashlib.sha256(f"{tokenizer_hash}\x1d{max_length}\x1d{split_long}\x1d".encode())
    for text in texts:
        digest.update("\x1e".join(text).encode("utf-8", "surrogatepass") + b"\x1f")
    file = cache / f"{digest.hexdigest()[:32]}.safetensors"
    if not file.exists():
        _publish(_split(texts, tokenizer, max_length) if split_long else _encode(texts, tokenizer, max_length), file)
    arrays = load_file(file)
    return Tokens(arrays["ids"], arrays["offsets"], arrays.get("types"), int(arrays["cut"][0]))


def _encode(texts: Sequence[tuple[str, ...]], tokenizer: Tokenizer, max_length: int) -> dict[str, np.ndarray]:
    pairs = bool(texts) and len(texts[0]) == 2
    ids: list[np.ndarray] = []
    types: list[np.ndarray] = []
    cut = 0
    for start in range(0, len(texts), ENCODE_ROWS):
        part = texts[start : start + ENCODE_ROWS]
        first, second = [text[0] for text in part], [text[1] for text in part] if pairs else None
        options = {"padding": False, "return_attention_mask": False, "return_token_type_ids": pairs, "verbose": False}
        encoded = tokenizer(first, second, truncation=False, **options)
        for i, row in enumerate(encoded["input_ids"]):
            kinds = encoded["token_type_ids"][i] if "token_type_ids" in encoded else None
            if len(row) > max_length:
                cut += 1
                short = tokenizer(first[i : i + 1], second and second[i : i + 1], truncation=True, max_length=max_length, **options)
                row, kinds = short["input_ids"][0], short["token_type_ids"][0] if kinds is not None else None
            ids.append(np.asarray(row, dtype=np.int32))
            if kinds is not None:
                types.append(np.asarray(kinds, dtype=np.int32))
    arrays = _arrays(ids, cut)
    if types:
        arrays["types"] = np.concatenate(types)
    return arrays


def _split(texts: Sequence[tuple[str, ...]], tokenizer: Tokenizer, max_length: int) -> dict[str, np.ndarray]:
    ids: list[np.ndarray] = []
    for start in range(0, len(texts), ENCODE_ROWS):
        part = [" ".join(text) for text in texts[start : start + ENCODE_ROWS]]
        encoded = tokenizer(part, truncation=True, max_length=max_length, return_overflowing_tokens=True, return_attention_mask=False)
        ids += [np.asarray(row, dtype=np.int32) for row in encoded["input_ids"]]
    return _arrays(ids, 0)


def _arrays(ids: list[np.ndarray], cut: int) -> dict[str, np.ndarray]:
    return {
        "ids": np.concatenate(ids) if ids else np.zeros(0, np.int32),
        "offsets": np.cumsum([0, *map(len, ids)]).astype(np.int64),
        "cut": np.array([cut], dtype=np.int64),
    }


def _publish(arrays: dict[str, np.ndarray], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".part")
    os.close(handle)
    save_file(arrays, temporary)
    os.replace(temporary, file)
