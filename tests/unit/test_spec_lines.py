"""Reading a study's YAML: values as people mean them, and the place of everything that is wrong."""

from pathlib import Path

import pytest

from tuneoff.errors import UsageError
from tuneoff.spec.lines import parse, read

VALUES = [
    ("1e-4", 1e-4),
    ("1E4", 1e4),
    ("-2.5e+3", -2500.0),
    ("2e-4 # a comment", 2e-4),
    ("3", 3),
    ("010", 10),
    ("0x10", 16),
    (".5", 0.5),
    ("5.", 5.0),
    ("no", "no"),
    ("off", "off"),
    ("y", "y"),
    ("1:30", "1:30"),
    ("2024-01-01", "2024-01-01"),
    ("1_000", "1_000"),
    ("=", "="),
    ("true", True),
    ("FALSE", False),
    ("~", None),
    ("", None),
    ("null", None),
    ("16 GB", "16 GB"),
    ('"007"', "007"),
    ("감성 분석", "감성 분석"),
    ("[a, 1e-3, yes]", ["a", 1e-3, "yes"]),
]


@pytest.mark.parametrize(("written", "meant"), VALUES, ids=[written or "blank" for written, _ in VALUES])
def test_a_value_is_what_a_person_means(written: str, meant: object) -> None:
    value = parse(f"key: {written}\n", "study.yaml").values["key"]
    assert value == meant
    assert type(value) is type(meant)


def test_every_key_knows_its_line_and_column() -> None:
    document = parse("a: 1\nb:\n  c:\n    - d: 2\n    - e\n", "study.yaml")
    assert document.where(("a",)) == "study.yaml:1:1"
    assert document.where(("b", "c")) == "study.yaml:3:3"
    assert document.where(("b", "c", 0, "d")) == "study.yaml:4:7"
    assert document.where(("b", "c", 1)) == "study.yaml:5:7"


def test_a_key_that_is_not_there_has_the_place_of_what_encloses_it() -> None:
    document = parse("a: 1\nb:\n  c: 1\n", "study.yaml")
    assert document.where(("b", "c", "x", 3)) == "study.yaml:3:3"
    assert document.where(("z",)) == "study.yaml:1:1"


def test_a_merge_fills_in_what_the_anchor_says() -> None:
    assert parse("a: &base {x: 1}\nb:\n  <<: *base\n  y: 2\n", "s").values["b"] == {"x": 1, "y": 2}


WRONG = [
    ("a: b: c", "study.yaml:1:5", "second colon"),
    ("a:\n\tb: 1", "study.yaml:2:1", "a tab"),
    ('a: "open\nb: 1\n', "study.yaml:3:1", "not closed"),
    ("a: [1, 2\nb: 3\n", "study.yaml:2:2", "not closed"),
    ("a: 1\n  b: 2\n", "study.yaml:2:4", "second colon"),
    ("a:\n    b: 1\n  c: 2\n", "study.yaml:3:3", "indented"),
    ("text\nb: 1\n", "study.yaml:2:2", "second colon"),
    ("a: *stars", "study.yaml:1:4", "in quotes"),
    ("a: !!python/object/apply:os.system [echo]", "study.yaml:1:4", "tags"),
    ("- a\n- b\n", "study.yaml:1:1", "`key: value` lines"),
    ("just text", "study.yaml:1:1", "`key: value` lines"),
    ("1: a", "study.yaml:1:1", "key must be text"),
    ("? [a, b]\n: c\n", "study.yaml:1:3", "key must be text"),
    ("a: {{ template }}", "study.yaml:1:5", "key must be text"),
    ("a: 1\nb: 2\na: 3\n", "study.yaml:3:1", "`a` stands here twice"),
    ("x:\n  a: 1\n  a: 2\n", "study.yaml:3:3", "`a` stands here twice"),
    ("a: &x [*x]", "study.yaml:1:4", "alias"),
    ("a: ok\nb: bell\x07\n", "study.yaml:2:8", "U+0007"),
    ('a: "\\ud800"', "study.yaml:1:4", "half a character"),
    ("a: 1\n---\nb: 2\n", "study.yaml:2:1", "another document"),
    ("a: " + "9" * 5000, "study.yaml:1:1", "not readable"),
    ("[" * 3000, "study.yaml:1:1", "levels deep"),
]


@pytest.mark.parametrize(("text", "where", "words"), WRONG, ids=[text[:20].encode("unicode_escape").decode() for text, _, _ in WRONG])
def test_what_is_not_yaml_is_refused_in_one_line_with_its_place(text: str, where: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "study.yaml")
    said = caught.value.text("en")
    assert said.startswith(f"{where}: ")
    assert words in said
    assert said.isprintable()  # No line break, no control character.
    assert any("가" <= character <= "힣" for character in caught.value.text("ko"))


def test_aliases_of_aliases_are_read_once() -> None:
    # Ten to the ninth leaves if every alias were followed.
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    document = parse("\n".join(lines), "s")
    assert len(document.values) == 10
    assert len(document.places) < 200


def test_a_file_may_have_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    document = read(file)
    assert document.values == {"a": 1, "b": 2}
    assert document.where(("b",)) == "study.yaml:2:1"


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        ("a: 1\nb: 값\n".encode("cp949"), "study.yaml:2:4"),
        ("a: 1\n".encode("utf-16"), "study.yaml:1:1"),
        (b"a: caf\xe9\n", "study.yaml:1:7"),
    ],
    ids=["cp949", "utf-16", "latin-1"],
)
def test_a_study_in_another_encoding_is_refused_at_its_first_byte(tmp_path: Path, raw: bytes, where: str) -> None:
    (tmp_path / "study.yaml").write_bytes(raw)
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "study.yaml")
    assert caught.value.text("en") == f"{where}: not UTF-8 → save the study file as UTF-8"


def test_utf16_without_a_mark_is_refused_as_well(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_bytes("a: 1\n".encode("utf-16-le"))
    with pytest.raises(UsageError, match=r"study\.yaml:1:2"):
        read(tmp_path / "study.yaml")


def test_a_missing_study_names_the_path_and_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "study.yaml")
    assert str(tmp_path / "study.yaml") in caught.value.text("en")
    assert "tuneoff init" in caught.value.text("en")
    assert caught.value.exit_code == 2


def test_a_folder_called_study_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").mkdir()
    with pytest.raises(UsageError, match=r"study\.yaml"):
        read(tmp_path / "study.yaml")
