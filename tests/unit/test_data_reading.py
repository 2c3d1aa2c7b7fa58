"""What the data check says of a tokenizer: a wrong one is a warning in both languages, a right one is none; numbers are exact."""

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tuneoff.backbone import load_tokenizer, resolve, tokenizer_hash
from tuneoff.data import DataReport, Finding, Reader, Rows, Splits, describe, load_splits, tokenise
from tuneoff.spec import DataSpec

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def sample(language: str) -> Splits:
    return load_splits(DataSpec.model_validate({"train": f"sample:finance-{language}"}), Path())


def word_pieces(language: str) -> PreTrainedTokenizerFast:
    """A tokenizer of the kind of KLUE's BERT, trained on the bundled texts of one language."""
    raw = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    raw.normalizer = normalizers.NFC()
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    splits = sample(language)
    raw.train_from_iterator(
        (text for name in ("train", "validation", "test") for (text,) in splits[name].texts),
        trainers.WordPieceTrainer(vocab_size=3000, special_tokens=SPECIAL, show_progress=False),
    )
    raw.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(tokenizer_object=raw, **{f"{name[1:-1].lower()}_token": name for name in SPECIAL})


def byte_pieces() -> PreTrainedTokenizerFast:
    """A tokenizer of the kind of GPT-2, trained on English: it knows every byte, and its unknown token has another duty."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    texts = (text for (text,) in sample("en").train.texts)
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False)
    raw.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<end>", eos_token="<end>", bos_token="<end>", pad_token="<end>")


@pytest.fixture(scope="module")
def english() -> Any:
    """The tokenizer of ``sample:en``."""
    return load_tokenizer(resolve("sample:en", Path(), False))


@pytest.fixture(scope="module")
def korean() -> Any:
    return word_pieces("ko")


def check(splits: Splits, tokenizer: Any, cache: Path, max_length: int = 128, room: int | None = 512) -> DataReport:
    return describe(splits, Reader(tokenizer, tokenizer_hash(tokenizer), max_length, room, cache))


def finding(report: DataReport, name: str) -> Finding:
    return next(finding for finding in report.findings if finding.name == name)


def test_an_english_tokenizer_on_korean_is_a_loud_warning_in_both_languages(english: Any, tmp_path: Path) -> None:
    report = check(sample("ko"), english, tmp_path)
    first, second = report.findings[:2]
    assert (first.name, first.severity) == ("spelled_out", "warning")
    assert (second.name, second.severity) == ("unknown", "warning")
    assert first.text("en").startswith("this tokenizer is not made for Korean: it cuts texts into single letters or bytes, ")
    assert "take a backbone made for Korean, such as klue/roberta-base" in first.next("en")
    assert first.text("ko").startswith("한국어에 맞지 않는 토크나이저입니다.")
    assert "한국어용 백본(예: klue/roberta-base)을 쓰세요" in first.next("ko")
    # Single letters, as the reader sees them.
    assert "ᄋ ##ᅵ" in first.text("ko") or "##ᅡ" in first.text("ko")
    assert "한국어용 백본" in second.next("ko")
    assert first.shares["test"] > 0.9
    assert all(counts.per_character > 1.2 for counts in report.tokens.values())
    assert all(counts.unknown > 0.01 for counts in report.tokens.values())


def test_an_english_tokenizer_on_english_is_no_finding(english: Any, tmp_path: Path) -> None:
    report = check(sample("en"), english, tmp_path)
    assert report.findings == []
    assert all(counts.per_character < 0.4 for counts in report.tokens.values())
    assert all(counts.unknown == 0 for counts in report.tokens.values())


def test_a_korean_tokenizer_on_korean_is_no_finding(korean: Any, tmp_path: Path) -> None:
    assert check(sample("ko"), korean, tmp_path).findings == []


def test_bytes_are_spelled_out_and_no_token_of_theirs_is_unknown(tmp_path: Path) -> None:
    tokenizer = byte_pieces()
    report = check(sample("ko"), tokenizer, tmp_path / "ko")
    assert [found.name for found in report.findings if found.severity == "warning"] == ["spelled_out", "truncated"]
    assert report.tokens["train"].per_character > 2
    assert all(counts.unknown == 0 for counts in report.tokens.values())
    assert check(sample("en"), tokenizer, tmp_path / "en").findings == []


def test_another_script_is_not_called_korean(english: Any, tmp_path: Path) -> None:
    texts = ["Компания увеличила прибыль в третьем квартале", "Продажи снизились по сравнению с прошлым годом", "Совет директоров избран"]
    rows = Rows([(text,) for text in texts], ["a", "b", "a"], [f"r.csv:{i}" for i in range(3)])
    odd = Rows([("ქართული ენა არის",)], ["a"], ["g.csv:2"])
    report = check(Splits(rows, rows, odd, ["a", "b"]), english, tmp_path)
    assert "unknown" in [found.name for found in report.findings]
    for found in report.findings:
        assert "Korean" not in found.markdown("en"), found.name
        assert "한국어" not in found.markdown("ko"), found.name


def rows(name: str, *texts: str) -> Rows:
    return Rows([(text,) for text in texts], ["ab"[i % 2] for i in range(len(texts))], [f"{name}.csv:{i + 2}" for i in range(len(texts))])


def word_level() -> PreTrainedTokenizerFast:
    """One token a word; two special ones around a text."""
    raw = Tokenizer(models.WordLevel({name: i for i, name in enumerate([*SPECIAL, *(f"w{i}" for i in range(100))])}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, **{f"{name[1:-1].lower()}_token": name for name in SPECIAL})


def words(count: int, first: int = 0) -> str:
    return " ".join(f"w{(first + i) % 100}" for i in range(count))


def test_numbers_of_tokens_are_exact_and_of_the_rows_before_they_are_cut(tmp_path: Path) -> None:
    train = rows("train", *(words(i, 7 * i) for i in range(1, 21)))  # 3 to 22 tokens with the two special ones.
    splits = Splits(train, rows("valid", "w1 w2 w3", "w4"), rows("test", "w1 nothing w3 nowhere", "w5 w6 w7 w8"), ["a", "b"])
    report = check(splits, word_level(), tmp_path, max_length=20)
    counts = report.tokens["train"]
    assert (counts.median, counts.p95, counts.longest, counts.length) == (12.5, 21, 22, 20)
    assert counts.truncated == 2 / 20
    assert counts.lost == (1 + 2) / sum(range(3, 23))
    characters = sum(len(text.replace(" ", "")) for (text,) in train.texts)
    assert counts.per_character == sum(range(1, 21)) / characters
    assert report.tokens["test"].unknown == 2 / 8
    assert report.tokens["validation"].unknown == 0
    truncated = finding(report, "truncated")
    assert (truncated.count, truncated.counts, truncated.severity) == (2, {"train": 2}, "warning")
    assert truncated.examples == ["train.csv:20 (21)", "train.csv:21 (22)"]
    unknown = finding(report, "unknown")
    assert (unknown.count, unknown.examples) == (1, ["test.csv:2"])
    assert "up to 25 %" in unknown.text("en")
    assert "nothing, nowhere" in unknown.text("ko")
    assert "median 12, 95 of 100 rows up to 21, longest 22 (cut at 20)" in report.tokens_line("en")


def long_rows(tmp_path: Path, room: int | None, max_length: int = 10) -> Finding:
    splits = Splits(rows("train", *(words(40, i) for i in range(20))), rows("valid", "w1"), rows("test", "w2"), ["a", "b"])
    return finding(check(splits, word_level(), tmp_path, max_length, room), "truncated")


@pytest.mark.parametrize(
    ("room", "advice"),
    [
        (None, "`max_length: 48` under `train` would cut at most one row in 100"),
        (492, "`max_length: 48` under `train` would cut at most one row in 100"),
        # 50 positions less 20 of a prompt: the length cannot be what the texts need.
        (30, "set `max_length: 30` under `train`: the backbone reads no more, virtual tokens of the methods deducted"),
        (10, "the backbone reads no more than 10 tokens, virtual tokens of the methods deducted"),
    ],
)
def test_the_length_advised_is_one_that_the_backbone_takes_beside_virtual_tokens(room: int | None, advice: str, tmp_path: Path) -> None:
    assert long_rows(tmp_path, room).next("en").startswith(advice)


def test_positions_that_virtual_tokens_take_are_cut_off_too(tmp_path: Path) -> None:
    found = long_rows(tmp_path, room=6)
    assert "rows longer than 6 tokens" in found.text("en")


def test_so_few_long_rows_need_nothing(tmp_path: Path) -> None:
    train = rows("train", *(words(3, i) for i in range(200)), words(60))
    report = check(Splits(train, rows("valid", "w1"), rows("test", "w2"), ["a", "b"]), word_level(), tmp_path, 32)
    truncated = finding(report, "truncated")
    assert truncated.severity == "note"
    assert truncated.next("en").startswith("so few can stay as they are")


def test_pairs_are_read_as_pairs(tmp_path: Path) -> None:
    pairs = Rows([("w1 w2", "w3"), ("w1 huh", "what huh")], ["a", "b"], ["p:1", "p:2"])
    report = check(Splits(pairs, pairs, pairs, ["a", "b"]), word_level(), tmp_path)
    assert report.tokens["train"].longest == 4 + 3
    assert report.tokens["train"].unknown == 3 / 7
    assert "huh, what" in finding(report, "unknown").text("en")


def test_decomposed_hangul_is_counted_in_syllables(korean: Any, tmp_path: Path) -> None:
    import unicodedata

    splits = sample("ko")
    raw = Tokenizer.from_str(korean.backend_tokenizer.to_str())
    raw.normalizer = normalizers.Sequence([])
    plain = PreTrainedTokenizerFast(tokenizer_object=raw, **{f"{name[1:-1].lower()}_token": name for name in SPECIAL})
    nfd = Rows([(unicodedata.normalize("NFD", text),) for (text,) in splits.train.texts], splits.train.labels, splits.train.places)
    composed = check(splits, korean, tmp_path).tokens["train"].per_character
    report = check(Splits(nfd, splits.validation, splits.test, splits.labels), korean, tmp_path)
    # Its own normaliser composes them, so that only the file is odd.
    assert report.tokens["train"].per_character == composed
    assert [found.name for found in report.findings] == ["decomposed"]
    # Without it, the tokenizer knows none of these words.
    unknown = check(Splits(nfd, splits.validation, splits.test, splits.labels), plain, tmp_path).tokens["train"].unknown
    assert unknown > 0.5


def test_a_study_whose_folder_cannot_be_written_can_be_checked(english: Any) -> None:
    # Nobody, root included, makes a folder there.
    report = check(sample("en"), english, Path("/proc/tuneoff"))
    assert report.tokens["train"].median > 0


def test_the_check_reads_the_token_arrays_that_trials_read(english: Any, tmp_path: Path) -> None:
    splits = sample("en")
    check(splits, english, tmp_path)
    written = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert len(written) == 3
    tokens = tokenise(splits.train.texts, english, tokenizer_hash(english), 128, tmp_path)
    assert len(tokens) == len(splits.train)
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == written
