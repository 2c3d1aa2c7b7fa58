"""The string table: every message that the source says is there, in both languages, with the facts it needs; none is left over."""

import ast
import re
import string
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import tuneoff
from tuneoff import strings
from tuneoff.errors import DataError, Message, TuneoffError, UsageError, printable, short

SOURCE = Path(tuneoff.__file__).parent
TABLES = sorted(file.stem for file in (SOURCE / "strings").glob("*.toml"))
#: A literal of this form is a message, unless it ends like a file.
KEY = re.compile(rf"({'|'.join(TABLES)})\.([a-z0-9_]+)")
FILES = {"yaml", "toml", "json", "jsonl", "csv", "txt", "parquet", "safetensors", "html", "css", "md", "py"}

#: Dotted keys of a study file that the source names; they look like messages.
KEYS_OF_A_STUDY = {"data.limit", "data.content", "backbone.revision"}


@cache
def table(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads((SOURCE / "strings" / f"{name}.toml").read_text(encoding="utf-8"))


ENTRIES = [(name, entry) for name in TABLES for entry in table(name)]


def placeholders(template: str) -> set[str]:
    """Names of what is filled in; a template may use one twice."""
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@cache
def trees() -> list[tuple[Path, ast.Module]]:
    return [(file, ast.parse(file.read_text(encoding="utf-8"))) for file in sorted(SOURCE.rglob("*.py"))]


def nodes() -> Iterator[tuple[Path, ast.AST]]:
    return ((file, node) for file, tree in trees() for node in ast.walk(tree))


@cache
def used() -> dict[str, str]:
    """Every message named by a literal in the source, with a place where."""
    parts = {id(part) for _, node in nodes() if isinstance(node, ast.JoinedStr) for part in node.values}
    found: dict[str, str] = {}
    for file, node in nodes():
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in parts:
            continue
        match = KEY.fullmatch(node.value)
        if match and match[2] not in FILES and not match[2].endswith("_") and node.value not in KEYS_OF_A_STUDY:
            found.setdefault(node.value, f"{file.relative_to(SOURCE)}:{node.lineno}")
    return found


def composed() -> set[str]:
    """Beginnings of messages whose end is put together when the program runs: ``say(f"report.kind_{kind}")``."""
    firsts = {
        first.value
        for _, node in nodes()
        if isinstance(node, ast.JoinedStr) and node.values
        for first in node.values[:1]
        if isinstance(first, ast.Constant) and isinstance(first.value, str)
    }
    return firsts | {text for text in _literals() if text.endswith("_") and KEY.fullmatch(text)}


def test_both_languages_have_every_message_with_the_same_placeholders() -> None:
    assert ENTRIES
    wrong = []
    for name, entry in ENTRIES:
        texts = table(name)[entry]
        if set(texts) != set(strings.LANGUAGES) or not all(text.strip() for text in texts.values()):
            wrong.append(f"{name}.{entry}: {sorted(texts)}")
        elif placeholders(texts["en"]) != placeholders(texts["ko"]):
            wrong.append(f"{name}.{entry}: {placeholders(texts['en'])} and {placeholders(texts['ko'])}")
    assert wrong == []


def test_every_message_that_the_source_names_exists() -> None:
    found = used()
    # Fewer would mean that the search is broken, not that the program fell silent.
    assert len(found) > 100
    missing = {key: place for key, place in found.items() if key.partition(".")[2] not in table(key.partition(".")[0])}
    assert missing == {}


def test_every_table_that_the_source_names_exists() -> None:
    """A call that says or raises a message of a table that is not there would end in a traceback."""
    said = {
        (file.relative_to(SOURCE).as_posix(), node.args[0].value)
        for file, node in nodes()
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
        if _called(node).endswith("Error") or _called(node) in ("say", "Message", "wrong", "has")
        if re.fullmatch(r"[a-z]+\.[a-z0-9_]+", node.args[0].value)
    }
    assert len(said) > 80
    assert [(file, key) for file, key in sorted(said) if key.partition(".")[0] not in TABLES] == []


def test_no_message_is_left_over() -> None:
    names, beginnings = set(used()), composed()
    left = []
    for name, entry in ENTRIES:
        key = f"{name}.{entry.removesuffix('.next')}"
        ends = any(
            key.startswith(beginning) or key.partition(".")[2].startswith(beginning) for beginning in beginnings if len(beginning) > 3
        )
        # Some layers speak from one table only and name its entries alone.
        alone = _literals() & {entry}
        if key not in names and not ends and not (alone and name not in ("data", "study")):
            left.append(f"{name}.{entry}")
    assert left == []


@cache
def _literals() -> frozenset[str]:
    return frozenset(node.value for _, node in nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""


#: What these pass besides the keywords written.
GIVEN = {"wrong": {"value"}}


def test_every_message_gets_the_facts_that_it_needs() -> None:
    checked, wrong = 0, []
    for file, node in nodes():
        if not (
            isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
        ):
            continue
        key = node.args[0].value
        match = KEY.fullmatch(key)
        if not match or match[2] not in table(match[1]) or any(keyword.arg is None for keyword in node.keywords):
            continue
        facts = {keyword.arg for keyword in node.keywords} | GIVEN.get(_called(node), set())
        if _called(node) == "Message" and key in LATER:
            facts |= LATER[key]
        entries = [match[2], f"{match[2]}.next"]
        needed = {name for entry in entries if entry in table(match[1]) for name in placeholders(table(match[1])[entry]["en"])}
        checked += 1
        if needed - facts:
            wrong.append(f"{file.relative_to(SOURCE)}:{node.lineno}: {key} lacks {sorted(needed - facts)}")
    assert checked > 80
    assert wrong == []


#: Messages that get their line when the row's number is known.
LATER = {key: {"line"} for key in ("data.not_json", "data.json_key_twice", "data.not_an_object")}


@pytest.mark.parametrize("language", strings.LANGUAGES)
def test_every_message_can_be_said(language: str) -> None:
    for name, entry in ENTRIES:
        template = table(name)[entry][language]
        needed = placeholders(template)
        # Numbers where a number's format is asked for; a Hangul word where a particle depends on it.
        formats = {field: spec for _, field, spec, _ in string.Formatter().parse(template) if field is not None}
        facts = {field: 7 if re.search(r"[,.dfg%]", formats[field] or "") else "값" for field in needed}
        said = strings.say(f"{name}.{entry}", language, **facts)
        assert said.strip(), (name, entry)
        if needed:
            assert "{{" not in said, (name, entry)
            assert "}}" not in said, (name, entry)


OURS = [(name, entry) for name, entry in ENTRIES if name in ("data", "study")]


def test_korean_messages_are_korean_and_polite() -> None:
    for name, entry in OURS:
        text = table(name)[entry]["ko"]
        assert re.search("[가-힣]", text) or not re.search("[A-Za-z]", re.sub(r"\{\w+\}", "", text)), (name, entry)
        # No plain style: 해라체 beside 습니다 reads as if two people wrote it.
        assert not re.search(r"(한다|된다|있다|없다|아니다|이다|해라|하시오)(\.|$)", text), (name, entry)


def test_no_korean_particle_depends_on_a_value() -> None:
    """``"{x}"은`` is right for half of all values only; 열, 값, 라벨 behind it, or a word before brackets, do not depend on it."""
    pairs = "은|는|이|가|을|를|과|와|으로|로"
    wrong = [f"{name}.{entry}" for name, entry in OURS if re.search(rf"\{{\w+\}}[\"`]?({pairs})(?![가-힣])", table(name)[entry]["ko"])]
    assert wrong == []


# How errors speak.


def test_an_error_speaks_the_language_asked_for() -> None:
    error = DataError("data.no_column", where="t.csv", column="label", has='"a"', nearest="")
    assert error.text("en").startswith('t.csv: no column "label" (has: "a") → rename')
    assert error.text("ko").startswith('t.csv: "label" 열이 없습니다 (있는 열: "a") → ')


def test_a_message_inside_an_error_speaks_its_language() -> None:
    rows = [Message("data.ragged_row", line=3, fields=1, columns=2), "… (+4)"]
    error = DataError("data.bad_rows", where="t.csv", count=5, problems=rows)
    assert error.text("en").startswith("t.csv: unreadable rows (5): line 3: 1 field(s), the header has 2; … (+4) → ")
    assert error.text("ko").startswith("t.csv: 읽을 수 없는 행(5개): 3번째 줄: 필드 1개 (헤더는 2개); … (+4) → ")


def test_an_error_follows_the_language_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    error = DataError("data.empty", where="t.csv")
    strings.choose("ko")
    try:
        assert str(error).startswith("t.csv: 파일이 비어 있습니다 → ")
    finally:
        strings.choose(None)
    monkeypatch.setenv("TUNEOFF_LANG", "en")
    assert str(error).startswith("t.csv: the file is empty → ")
    monkeypatch.setenv("TUNEOFF_LANG", "ko_KR.UTF-8")
    assert str(error).startswith("t.csv: 파일이 비어 있습니다 → ")


def test_nothing_in_the_data_breaks_the_line_or_moves_the_cursor() -> None:
    error = DataError("data.no_column", where="a\nb.csv", column="\x1b[31mred\r\n", has="\ud83d\u202e", nearest="")
    assert error.text("en").isprintable()
    assert "\\x1b[31mred\\r\\n" in error.text("en")
    error.text("en").encode()  # A lone surrogate would fail here.


def test_printable_text_is_left_alone_and_short_text_too() -> None:
    assert printable('한글 "é" ✓') == '한글 "é" ✓'
    assert short("abc", 3) == "abc"
    assert short("abcd", 3) == "ab…"


def test_an_error_may_have_facts_of_any_name() -> None:
    error = UsageError("study.duplicate_key", where="study.yaml:1:1", key="data")
    assert error.text("en") == "study.yaml:1:1: `data` stands here twice → keep one of them"


def test_an_error_passes_between_processes() -> None:
    import pickle

    rows = [Message("data.open_quote", line=3)]
    error = DataError("data.bad_rows", where="t.csv", count=1, problems=rows)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is DataError
    assert [again.text(language) for language in strings.LANGUAGES] == [error.text(language) for language in strings.LANGUAGES]


def test_every_error_has_the_exit_code_that_the_docstring_draws() -> None:
    import tuneoff.errors

    drawn = dict(re.findall(r"(\w+Error) +(\d)", tuneoff.errors.__doc__ or ""))
    assert {name: getattr(tuneoff.errors, name).exit_code for name in drawn} == {name: int(code) for name, code in drawn.items()}
    assert len(drawn) == 4
    kinds = [kind for kind in vars(tuneoff.errors).values() if isinstance(kind, type) and issubclass(kind, TuneoffError)]
    assert all(kind.__name__ in (tuneoff.errors.__doc__ or "") for kind in kinds)
