"""Token arrays: right, cached by content, cut at the length without losing special tokens, long texts split without loss."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tuneoff.data import Tokens, tokenise

WORDS = [f"w{i}" for i in range(200)]
SPECIAL = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}
CLS, SEP = SPECIAL["[CLS]"], SPECIAL["[SEP]"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """One id a word, ``[CLS] text [SEP] second [SEP]``, as BERT has it."""
    vocabulary = SPECIAL | {word: number for number, word in enumerate(WORDS, start=len(SPECIAL))}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=64
    )


def ids(first: int, count: int) -> list[int]:
    return [len(SPECIAL) + number for number in range(first, first + count)]


def words(first: int, count: int) -> str:
    return " ".join(WORDS[first : first + count])


def rows(tokens: Tokens) -> list[list[int]]:
    return [tokens.row(i).tolist() for i in range(len(tokens))]


class Never:
    """Stands for a tokenizer that must not be asked."""

    def __call__(self, *texts: Any, **options: Any) -> Any:
        raise AssertionError("tokenised although it was in the cache")


def test_rows_of_any_length_come_back_as_the_tokenizer_makes_them(tokenizer: Any, tmp_path: Path) -> None:
    lengths = [3, 0, 10, 1]
    tokens = tokenise([(words(i, n),) for i, n in enumerate(lengths)], tokenizer, "h", 32, tmp_path)
    assert rows(tokens) == [[CLS, *ids(i, n), SEP] for i, n in enumerate(lengths)]
    assert tokens.lengths.tolist() == [n + 2 for n in lengths]
    assert tokens.cut == 0
    assert tokens.types is None
    assert tokens.ids.dtype == np.int32


def test_a_long_row_is_cut_and_keeps_its_special_tokens(tokenizer: Any, tmp_path: Path) -> None:
    tokens = tokenise([(words(0, 6),), (words(0, 7),), (words(50, 100),)], tokenizer, "h", 8, tmp_path)
    assert rows(tokens) == [[CLS, *ids(0, 6), SEP], [CLS, *ids(0, 6), SEP], [CLS, *ids(50, 6), SEP]]
    assert tokens.cut == 2


def test_pairs_have_segment_numbers(tokenizer: Any, tmp_path: Path) -> None:
    tokens = tokenise([(words(0, 2), words(10, 3)), (words(5, 1), words(20, 1))], tokenizer, "h", 32, tmp_path)
    assert rows(tokens) == [[CLS, *ids(0, 2), SEP, *ids(10, 3), SEP], [CLS, *ids(5, 1), SEP, *ids(20, 1), SEP]]
    assert tokens.types is not None
    assert tokens.row_types(0).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert tokens.row_types(1).tolist() == [0, 0, 0, 1, 1]


def test_a_long_pair_loses_from_its_longer_text_and_keeps_three_special_tokens(tokenizer: Any, tmp_path: Path) -> None:
    tokens = tokenise([(words(0, 50), words(60, 2)), (words(0, 1), words(60, 1))], tokenizer, "h", 10, tmp_path)
    assert rows(tokens)[0] == [CLS, *ids(0, 5), SEP, *ids(60, 2), SEP]
    assert tokens.row_types(0).tolist() == [0] * 7 + [1] * 3
    assert tokens.row_types(1).tolist() == [0, 0, 0, 1, 1]
    assert tokens.cut == 1


@pytest.mark.parametrize("length", [5, 8, 33])
def test_a_long_text_is_split_into_rows_that_lose_nothing(tokenizer: Any, tmp_path: Path, length: int) -> None:
    texts = [(words(0, 40),), (words(60, 1),), (words(70, 3 * (length - 2)),)]
    tokens = tokenise(texts, tokenizer, "h", length, tmp_path, split_long=True)
    assert all(row[0] == CLS and row[-1] == SEP and len(row) <= length for row in rows(tokens))
    assert [token for row in rows(tokens) for token in row[1:-1]] == ids(0, 40) + ids(60, 1) + ids(70, 3 * (length - 2))
    assert tokens.cut == 0


def test_more_rows_than_are_encoded_at_once(tokenizer: Any, tmp_path: Path) -> None:
    texts = [(words(i % 100, i % 13),) for i in range(9000)]
    tokens = tokenise(texts, tokenizer, "h", 10, tmp_path)
    assert len(tokens) == 9000
    for i in (0, 4095, 4096, 8191, 8192, 8999):
        assert rows(tokens)[i] == [CLS, *ids(i % 100, min(i % 13, 8)), SEP]
    assert tokens.cut == sum(i % 13 > 8 for i in range(9000))


def test_an_empty_text_is_one_token_where_the_tokenizer_adds_none(tokenizer: Any, tmp_path: Path) -> None:
    raw = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    raw.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B:1", special_tokens=[])
    bare = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="[PAD]", eos_token="[SEP]")
    assert rows(tokenise([("",), (words(0, 2),), ("  ",)], bare, "h", 8, tmp_path)) == [[SEP], ids(0, 2), [SEP]]
    pairs = tokenise([("", ""), ("w1", "")], bare, "h", 8, tmp_path)
    assert (rows(pairs), pairs.row_types(0).tolist()) == ([[SEP], ids(1, 1)], [0])


def test_no_texts_are_no_rows(tokenizer: Any, tmp_path: Path) -> None:
    assert len(tokenise([], tokenizer, "h", 8, tmp_path)) == 0


# The cache.

TEXTS = [(words(0, 5),), (words(7, 30),)]


def test_the_same_texts_are_tokenised_once(tokenizer: Any, tmp_path: Path) -> None:
    first = tokenise(TEXTS, tokenizer, "h", 16, tmp_path / "cache")
    again = tokenise(TEXTS, Never(), "h", 16, tmp_path / "cache")
    assert rows(again) == rows(first)
    assert again.cut == first.cut == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_segment_numbers_of_pairs_come_from_the_cache_too(tokenizer: Any, tmp_path: Path) -> None:
    pairs = [(words(0, 2), words(10, 3))]
    first = tokenise(pairs, tokenizer, "h", 16, tmp_path)
    again = tokenise(pairs, Never(), "h", 16, tmp_path)
    assert again.row_types(0).tolist() == first.row_types(0).tolist()


CHANGED: list[dict[str, Any]] = [
    {"texts": [(words(0, 5),), (words(7, 29),)]},
    {"texts": list(reversed(TEXTS))},
    {"texts": [(words(0, 5), words(7, 30))]},
    {"tokenizer_hash": "other"},
    {"max_length": 15},
    {"split_long": True},
]


@pytest.mark.parametrize("change", CHANGED, ids=[", ".join(change) for change in CHANGED])
def test_anything_else_is_tokenised_anew(tokenizer: Any, tmp_path: Path, change: dict[str, Any]) -> None:
    base: dict[str, Any] = {"texts": TEXTS, "tokenizer_hash": "h", "max_length": 16, "cache": tmp_path}
    tokenise(tokenizer=tokenizer, **base)
    with pytest.raises(AssertionError, match="tokenised although"):
        tokenise(tokenizer=Never(), **base | change)


def test_texts_that_join_to_the_same_are_not_the_same(tokenizer: Any, tmp_path: Path) -> None:
    tokenise([("w1\x1ew2",)], tokenizer, "h", 16, tmp_path)
    assert rows(tokenise([("w1", "w2")], tokenizer, "h", 16, tmp_path)) == [[CLS, *ids(1, 1), SEP, *ids(2, 1), SEP]]
    tokenise([("w1\x1f",), ("w2",)], tokenizer, "h", 16, tmp_path)
    assert len(tokenise([("w1",), ("w2",)], tokenizer, "h", 16, tmp_path)) == 2


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_cache_file_that_was_cut_is_made_again(tokenizer: Any, tmp_path: Path, length: int) -> None:
    first = tokenise(TEXTS, tokenizer, "h", 16, tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:length])
    assert rows(tokenise(TEXTS, tokenizer, "h", 16, tmp_path)) == rows(first)
    assert file.read_bytes() == whole
