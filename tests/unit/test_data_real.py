"""Real data from outside the project: what the data check finds in it, counted here by other means, and how long it takes."""

import csv
import json
import re
import time
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from tuneoff.backbone import load_tokenizer, resolve, tokenizer_hash
from tuneoff.data import SPLITS, DataReport, Finding, Reader, Splits, describe, load_prepared, load_splits, save_prepared
from tuneoff.data.near import Twins
from tuneoff.errors import DataError
from tuneoff.spec import DataSpec

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no data folder beside the checkout ({DATA.relative_to(DATA.parents[1])})"),
]


def load(**data: Any) -> Splits:
    return load_splits(DataSpec.model_validate(data), DATA)


def finding(report: DataReport, name: str) -> Finding:
    return next(finding for finding in report.findings if finding.name == name)


def csv_rows(name: str, encoding: str = "utf-8") -> list[dict[str, str]]:
    with (DATA / name).open(encoding=encoding, newline="") as stream:
        return list(csv.DictReader(stream))


def json_rows(name: str) -> list[dict[str, Any]]:
    with (DATA / name).open(encoding="utf-8", newline="\n") as stream:
        return [json.loads(line) for line in stream]


@pytest.mark.parametrize(("column", "torn"), [("sentence", 2), ("kor_sentence", 3)])
def test_the_phrase_bank_is_read_exactly_and_its_texts_with_two_labels_are_found(column: str, torn: int) -> None:
    splits = load(train="finance_phrasebank/finance_data.csv", text=column, label="labels")
    expected = csv_rows("finance_phrasebank/finance_data.csv")
    texts = [text for name in SPLITS for (text,) in splits[name].texts]
    assert Counter(texts) == Counter(row[column] for row in expected)
    labels = defaultdict(set)
    for row in expected:
        labels[row[column]].add(row["labels"])
    assert sum(len(found) > 1 for found in labels.values()) == torn
    report = describe(splits)
    assert finding(report, "two_labels").count == torn
    assert finding(report, "duplicates").count >= torn
    assert report.rows == {"train": 3392, "validation": 485, "test": 969}
    # A split of our own leaks no text; near twins can part.
    assert "overlap" not in [found.name for found in report.findings]
    shares = Counter(row["labels"] for row in expected)
    for name in SPLITS:
        counts = Counter(splits[name].labels)
        # Within three rows: one by rounding, the rest by texts that stay together.
        assert all(abs(counts[label] - shares[label] * len(splits[name]) / 4846) < 3 for label in shares)


@pytest.mark.parametrize(("column", "at_least"), [("sentence", 100), ("kor_sentence", 20)])
def test_near_twins_of_the_phrase_bank_are_those_of_all_its_pairs(column: str, at_least: int) -> None:
    """Jaccard index of every pair of 4,800 texts by a product of sparse matrices."""
    texts = list(dict.fromkeys(row[column] for row in csv_rows("finance_phrasebank/finance_data.csv")))
    plain = ["".join(c for c in unicodedata.normalize("NFC", text) if c.isalnum()).casefold() for text in texts]
    pieces = re.compile("(?=([\u1100-\uffff].|[^\u1100-\uffff]..))")
    vectorizer = CountVectorizer(analyzer=lambda text: set(pieces.findall(f"<{text}>")), binary=True)
    counts = vectorizer.fit_transform(plain)
    sizes = np.asarray(counts.sum(axis=1)).ravel()
    both = (counts @ counts.T).tocoo()
    near = both.data >= 0.8 * (sizes[both.row] + sizes[both.col] - both.data)
    expected = {(i, j) for i, j in zip(both.row[near].tolist(), both.col[near].tolist(), strict=True) if i != j}
    twins = Twins([(text,) for text in texts])
    found = {(text, other) for text in twins.having() for other, _ in twins.of(text)}
    assert found <= expected
    assert len(expected) >= at_least
    # Of pairs at the threshold one in 500 may escape: here at most one, which counts from both sides.
    assert len(found) >= len(expected) - 2


def check_with_sample_backbone(splits: Splits, cache: Path) -> DataReport:
    tokenizer = load_tokenizer(resolve("sample:en", Path(), False))
    return describe(splits, Reader(tokenizer, tokenizer_hash(tokenizer), 128, 512, cache))


def test_an_english_backbone_is_fit_for_the_english_phrase_bank_and_not_for_the_korean_one(tmp_path: Path) -> None:
    """One column is the translation of the other."""
    names = {}
    for column in ("sentence", "kor_sentence"):
        splits = load(train="finance_phrasebank/finance_data.csv", text=column, label="labels", limit=1200)
        names[column] = {found.name for found in check_with_sample_backbone(splits, tmp_path).findings if found.severity == "warning"}
    assert not names["sentence"] & {"spelled_out", "unknown"}
    assert names["kor_sentence"] >= {"spelled_out", "unknown"}


def test_an_english_backbone_on_korean_reviews_is_a_loud_warning(tmp_path: Path) -> None:
    splits = load(train="nsmc/test.jsonl", limit={"train": 3000, "validation": 500, "test": 500})
    first, second = check_with_sample_backbone(splits, tmp_path).findings[:2]
    assert (first.name, second.name) == ("spelled_out", "unknown")
    assert "한국어용 백본" in first.next("ko")
    assert "made for Korean" in second.next("en")
    assert first.shares["train"] > 0.75
    assert second.shares["train"] > 0.8


def test_the_phrase_bank_as_pairs() -> None:
    splits = load(train="finance_phrasebank/finance_data.csv", text=["sentence", "kor_sentence"], label="labels")
    by_place = {place: text for name in SPLITS for place, text in zip(splits[name].places, splits[name].texts, strict=True)}
    first = csv_rows("finance_phrasebank/finance_data.csv")[0]
    assert by_place["finance_phrasebank/finance_data.csv:2"] == (first["sentence"], first["kor_sentence"])


@pytest.fixture(scope="module")
def reviews() -> tuple[Splits, DataReport, float]:
    """NSMC, checked, and the seconds of processor time that took."""
    start = time.process_time()
    splits = load(train="nsmc/train.jsonl", validation="nsmc/test.jsonl", test="nsmc/test.jsonl")
    report = describe(splits)
    return splits, report, time.process_time() - start


def test_nsmc_is_read_exactly(reviews: tuple[Splits, DataReport, float]) -> None:
    splits, _, _ = reviews
    for name, file in (("train", "train"), ("test", "test")):
        expected = json_rows(f"nsmc/{file}.jsonl")
        assert splits[name].texts == [(row["text"],) for row in expected]
        assert splits[name].labels == [str(row["label"]) for row in expected]
        assert splits[name].places[-1] == f"nsmc/{file}.jsonl:{len(expected)}"


def test_the_leak_between_the_splits_of_nsmc_is_reported(reviews: tuple[Splits, DataReport, float]) -> None:
    _, report, _ = reviews
    known = {" ".join(row["text"].split()) for row in json_rows("nsmc/train.jsonl")}
    leaked = sum(" ".join(row["text"].split()) in known for row in json_rows("nsmc/test.jsonl"))
    overlap = finding(report, "overlap")
    assert overlap.shares["test"] == leaked / 20_000
    assert 0.034 < overlap.shares["test"] < 0.036
    assert all(example.startswith("nsmc/test.jsonl:") and " = nsmc/train.jsonl:" in example for example in overlap.examples)
    near = finding(report, "near_overlap")
    # Punctuation, blanks and runs of ㅋ: as many again stand in train but for these.
    assert 0.02 < near.shares["test"] < 0.03
    assert report.clean_test is not None
    assert (~report.clean_test).sum() == overlap.counts["test"] + near.counts["test"]


def test_180000_rows_are_read_and_checked_in_seconds(reviews: tuple[Splits, DataReport, float]) -> None:
    # Measured 10 s of processor time on the 2-core development machine; the room is for slower and busier ones.
    assert reviews[2] < 40


def test_180000_rows_pass_through_the_cache(reviews: tuple[Splits, DataReport, float], tmp_path: Path) -> None:
    splits, _, _ = reviews
    again = load_prepared(save_prepared(splits, tmp_path))
    assert again == splits


@pytest.mark.slow
def test_nsmc_limited_and_split(reviews: tuple[Splits, DataReport, float]) -> None:
    splits = load(train="nsmc/train.jsonl", test="nsmc/test.jsonl", limit={"train": 2000, "test": 500})
    assert (len(splits.train), len(splits.test)) == (2000, 500)
    counts = Counter(reviews[0].train.labels)
    assert abs(Counter(splits.train.labels)["1"] / 2000 - counts["1"] / len(reviews[0].train)) < 0.01


def test_banking77_has_77_classes_in_every_split() -> None:
    splits = load(train="banking77/train.csv", test="banking77/test.csv", label="category")
    assert len(splits.labels) == 77
    assert {name: len(set(splits[name].labels)) for name in SPLITS} == {"train": 77, "validation": 77, "test": 77}
    assert {name: len(splits[name]) for name in SPLITS} == {"train": 9003, "validation": 1000, "test": 3080}
    expected = csv_rows("banking77/test.csv")
    assert splits.test.texts == [(row["text"],) for row in expected]
    assert splits.test.labels == [row["category"] for row in expected]
    report = describe(splits)
    assert finding(report, "overlap").counts == {"test": 7}
    assert 0.04 < finding(report, "near_overlap").shares["test"] < 0.05
    limited = load(train="banking77/train.csv", test="banking77/test.csv", label="category", limit=100)
    assert len(set(limited.train.labels)) == 77


def test_statutes_keep_test_articles_out_of_the_corpus() -> None:
    splits = load(
        train="kr_statutes/ministry_train.jsonl", test="kr_statutes/ministry_test.jsonl", unlabelled="kr_statutes/finance_plain.txt"
    )
    assert len(splits.labels) == 15
    lines = (DATA / "kr_statutes/finance_plain.txt").read_text(encoding="utf-8").split("\n")
    assert splits.unlabelled == [line for line in lines if line.strip()]
    held_out = {text for name in ("validation", "test") for (text,) in splits[name].texts}
    assert held_out & {text for (text,) in splits.train.texts}, "seven test articles stand in train as well"
    assert not held_out & set(splits.corpus)
    assert finding(describe(splits), "overlap").count == 9, "with their near twins"


def test_a_real_cp949_file_is_refused_until_its_encoding_is_set_and_then_read_right() -> None:
    source: dict[str, Any] = {"train": "cp949_reviews/reviews_cp949.csv", "text": "review", "label": "sentiment"}
    with pytest.raises(DataError) as caught:
        load(**source)
    assert caught.value.text("en") == (
        "cp949_reviews/reviews_cp949.csv:2: byte 12 of the line is not utf-8; the file looks like cp949"
        " → set `encoding: cp949` under `data`, or save the file as UTF-8"
    )
    assert "`encoding: cp949`" in caught.value.text("ko")
    splits = load(**source, encoding="cp949")
    expected = csv_rows("cp949_reviews/reviews_cp949.csv", "cp949")
    assert Counter(text for name in SPLITS for (text,) in splits[name].texts) == Counter(row["review"] for row in expected)
    hangul = [any("가" <= character <= "힣" for character in row["review"]) for row in expected]
    assert sum(hangul) > 0.98 * len(expected)
    with pytest.raises(DataError, match="cp949"):
        load(**source, encoding="latin-1")
