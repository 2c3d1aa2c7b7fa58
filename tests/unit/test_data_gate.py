"""The data check as a study meets it: planned with the study's backbone and methods, printed, and written into its report."""

from pathlib import Path

import pytest

from tests.support.tiny import POSITIONS, tiny_encoder
from tuneoff import Study, strings
from tuneoff.cli.tables import check_text
from tuneoff.data import Reader, tokenise

UP, DOWN = "The company number {} says that its profit rose, {}", "Sales of the company {} fell short of {}"
THINGS = ["plans", "hopes", "what was asked", "the year before", "all forecasts", "its rivals", "our guess", "the market"]


def study(folder: Path, methods: str) -> Study:
    tiny_encoder(folder / "tiny", "bert")
    texts = [((UP if i % 2 else DOWN).format(i * 7919, THINGS[i % 8] * (1 + i % 3)), "up" if i % 2 else "down") for i in range(48)]
    # Two test rows stand in train: one exactly, one but for its case.
    test = [texts[3], (texts[4][0].upper(), texts[4][1]), ("Nothing like the others at all", "up"), (" ".join(["long"] * 60), "down")]
    for name, rows in (("train", texts), ("test", test)):
        lines = ["text,label", *(f'"{text}",{label}' for text, label in rows)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "study.yaml").write_text(
        "study: gate\nbackbone: tiny\ndata: {train: train.csv, validation: test.csv, test: test.csv}\n"
        f"methods: [{methods}]\ntrain: {{max_length: 32}}\n",
        encoding="utf-8",
    )
    return Study.load(folder)


def test_a_check_says_what_a_person_needs_in_their_language(tmp_path: Path) -> None:
    opened = study(tmp_path, "majority, full, {prompt: {tokens: 12}}")
    strings.choose("en")
    try:
        english = check_text(opened.plan()).splitlines()
        strings.choose("ko")
        korean = check_text(opened.plan()).splitlines()
    finally:
        strings.choose(None)
    assert len(english) == len(korean)
    at = next(i for i, line in enumerate(english) if line.startswith("! Warning: rows whose text stands in train as well"))
    assert english[at].startswith("! Warning: rows whose text stands in train as well: validation 1 (25 %), test 1 (25 %).")
    assert english[at + 1].startswith('    test.csv:2 = train.csv:5 "The company number')
    assert english[at + 3].startswith("    → ")
    assert korean[at].startswith("! 경고: 학습 데이터에 같은 글이 있는 행: 검증 1건(25 %), 테스트 1건(25 %).")
    assert korean[at + 1] == english[at + 1]
    assert sum(line.startswith("! Warning: rows of which train has nearly the same text") for line in english) == 1
    assert sum(line.startswith("Tokens a training row: median ") for line in english) == 1
    assert sum(line.startswith("학습 데이터의 행당 토큰 수: 중앙값 ") for line in korean) == 1


def test_the_mask_of_test_rows_without_overlap_is_there_for_the_analysis(tmp_path: Path) -> None:
    clean = study(tmp_path, "majority").check().clean_test
    assert clean is not None
    assert clean.tolist() == [False, False, True, True]


def test_without_a_backbone_nothing_is_said_of_tokens(tmp_path: Path) -> None:
    report = study(tmp_path, "majority, tfidf").check()
    assert report.tokens == {}
    assert not {"truncated", "unknown", "spelled_out"} & {finding.name for finding in report.findings}


@pytest.mark.parametrize(
    ("methods", "room"), [("full", POSITIONS), ("full, {prompt: {tokens: 12}}, {prefix: {tokens: 20}}", POSITIONS - 20)]
)
def test_the_length_advised_leaves_room_for_the_virtual_tokens_of_the_study(methods: str, room: int, tmp_path: Path) -> None:
    opened = study(tmp_path, methods)
    reader = opened.plan().reader
    assert isinstance(reader, Reader)
    assert reader.room == room
    (truncated,) = (finding for finding in opened.check().findings if finding.name == "truncated")
    # The longest row needs more than the backbone has positions.
    assert f"set `max_length: {room}` under `train`" in truncated.next("en")


def test_a_plan_reads_no_text_and_a_check_reads_what_trials_will(tmp_path: Path) -> None:
    """``status`` and ``plan`` stay quick: what the check finds is worked out when somebody asks."""
    opened = study(tmp_path, "full")
    reader, splits = opened.plan().reader, opened.plan().splits
    assert reader is not None
    assert not reader.cache.exists()
    opened.check()
    before = sorted(reader.cache.iterdir())
    # Validation and test are the same file here.
    assert len(before) == 2
    tokenise(splits.train.texts, reader.tokenizer, reader.identity, 32, reader.cache)
    assert sorted(reader.cache.iterdir()) == before
