"""The bundled sample: two languages of one data set, sizes as documented, nothing twice, nothing leaked."""

from collections import Counter
from pathlib import Path

import pytest

from tuneoff.data import SPLITS, Splits, describe, load_splits
from tuneoff.data.splits import duplicate_key
from tuneoff.spec import DataSpec

SAMPLES = ("finance-en", "finance-ko")


def load(name: str) -> Splits:
    return load_splits(DataSpec.model_validate({"train": f"sample:{name}"}), Path())


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sample_has_its_own_splits_and_unlabelled_text(name: str) -> None:
    splits = load(name)
    assert {split: len(splits[split]) for split in SPLITS} == {"train": 800, "validation": 160, "test": 400}
    assert len(splits.unlabelled) >= 800
    assert splits.labels == ["negative", "neutral", "positive"]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_split_has_every_class_in_like_shares(name: str) -> None:
    splits = load(name)
    whole = Counter(label for split in SPLITS for label in splits[split].labels)
    for split in SPLITS:
        counts = Counter(splits[split].labels)
        # Three percentage points: five rows of the smallest split.
        assert all(abs(counts[label] / len(splits[split]) - whole[label] / 1360) < 0.03 for label in splits.labels)


@pytest.mark.parametrize("name", SAMPLES)
def test_no_text_is_there_twice_and_the_data_check_finds_nothing(name: str) -> None:
    splits = load(name)
    texts = [duplicate_key(text) for split in SPLITS for text in splits[split].texts] + [duplicate_key((t,)) for t in splits.unlabelled]
    assert len(set(texts)) == len(texts)
    assert describe(splits).findings == []
    assert all(text.strip() == text and text for text in texts)


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_held_out_is_pretrained_on(name: str) -> None:
    splits = load(name)
    held_out = {text for split in ("validation", "test") for (text,) in splits[split].texts}
    assert not held_out & set(splits.corpus)
    assert len(splits.corpus) == len(splits.unlabelled) + 800


def test_both_languages_are_one_data_set() -> None:
    english, korean = (load(name) for name in SAMPLES)
    for split in SPLITS:
        assert english[split].labels == korean[split].labels
        assert [place.split(":")[-1] for place in english[split].places] == [place.split(":")[-1] for place in korean[split].places]
    assert len(english.unlabelled) == len(korean.unlabelled)
    assert english.content_hash != korean.content_hash


def test_each_language_is_written_in_its_script() -> None:
    english, korean = (load(name) for name in SAMPLES)
    hangul = [any("가" <= character <= "힣" for character in text) for split in SPLITS for (text,) in korean[split].texts]
    assert all(hangul)
    assert not any("가" <= character <= "힣" for split in SPLITS for (text,) in english[split].texts for character in text)


def test_a_sample_can_be_split_and_limited_like_a_file() -> None:
    spec = DataSpec.model_validate({"train": "sample:finance-en", "test": 0.25, "validation": 0.25, "limit": 50})
    splits = load_splits(spec, Path())
    assert {split: len(splits[split]) for split in SPLITS} == {"train": 50, "validation": 200, "test": 200}
