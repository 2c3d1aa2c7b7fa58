"""Readers under odd input: the kept corpus, made-up files of the right shape, and a short run of the coverage-guided fuzzer."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import run, targets
from tuneoff.data.table import read_table
from tuneoff.errors import DataError
from tuneoff.spec import StudySpec
from tuneoff.store import canonical, publish_record, read_record

#: The same examples every time in the default suite, and nothing written beside the tests.
SHORT = settings(derandomize=True, database=None, deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
LONG = settings(SHORT, derandomize=False, max_examples=2000)

CORPUS = sorted(file for file in run.CORPUS.rglob("*") if file.is_file())


def test_every_target_has_a_corpus() -> None:
    assert {file.parent.name for file in CORPUS} == set(targets.TARGETS) == set(run.NAMES)


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_corpus_is_read_or_refused(file: Path) -> None:
    targets.run(file.parent.name, file.read_bytes())


#: What people put into a study file, rightly or wrongly.
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2000),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["full", "0.1", "1e-4", "15 GB", "t.csv"]),
)
KEYS = st.one_of(
    st.sampled_from([*StudySpec.model_fields, "train", "file", "hub", "path", "lora", "as", "r", "epochs", "limit", "memory"]),
    st.text(max_size=4),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)
STUDIES = st.fixed_dictionaries(
    {"study": SCALARS | st.just("s"), "backbone": SCALARS | st.just("b"), "data": VALUES | st.just({"train": "t.csv"}), "methods": VALUES},
    optional={name: VALUES for name in StudySpec.model_fields if name not in ("study", "backbone", "data", "methods")},
)
CELLS = st.text(st.characters(codec="utf-8"), max_size=12)
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=8)
RECORDS = st.dictionaries(
    st.text(max_size=6).filter(lambda name: name not in ("schema", "checksum")),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    ),
    max_size=5,
)


def check_study(values: dict[str, Any]) -> None:
    targets.study(yaml.safe_dump(values, allow_unicode=True).encode("utf-8", "surrogatepass"))


def check_table(rows: list[list[str]], name: str) -> None:
    """What is written is read back byte for byte, or refused with a reason."""
    file = targets.FOLDER / name
    columns = ("text", "label")
    if name.endswith("jsonl"):
        content = "".join(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)
    else:
        content = "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [list(columns), *rows]) + "\n"
    file.write_bytes(content.encode())
    if name.endswith("csv") and any("\0" in cell for row in rows for cell in row):
        with pytest.raises(DataError) as caught:
            read_table(file, columns, "utf-8", name)
        assert caught.value.key == "data.nul"
        return
    table = read_table(file, columns, "utf-8", name)
    assert [list(row) for row in zip(table.columns["text"], table.columns["label"], strict=True)] == rows


def check_record(values: dict[str, Any]) -> None:
    file = targets.FOLDER / "made.json"
    file.unlink(missing_ok=True)
    assert publish_record(file, values)
    assert canonical(read_record(file)) == canonical({"schema": 1, **values})


@SHORT
@given(STUDIES)
def test_a_study_of_any_values_is_read_or_refused(values: dict[str, Any]) -> None:
    check_study(values)


@SHORT
@given(TABLES, st.sampled_from(["t.csv", "t.jsonl"]))
def test_a_table_of_any_text_comes_back_as_it_was(rows: list[list[str]], name: str) -> None:
    check_table(rows, name)


@SHORT
@given(RECORDS)
def test_a_record_of_any_values_comes_back_as_it_was(values: dict[str, Any]) -> None:
    check_record(values)


@SHORT
@given(st.sampled_from(run.NAMES), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    targets.run(name, data)


@pytest.mark.slow
def test_the_same_for_longer() -> None:
    LONG(given(STUDIES)(check_study))()
    LONG(given(TABLES, st.sampled_from(["t.csv", "t.jsonl"]))(check_table))()
    LONG(given(RECORDS)(check_record))()
    LONG(given(st.sampled_from(run.NAMES), st.binary(max_size=2000))(targets.run))()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="the extra `fuzz` is not installed")
def test_the_coverage_guided_fuzzer_runs_and_finds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.run", "all", "3", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=run.CORPUS.parents[2], timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert f"fuzz: {len(run.NAMES)} readers, 3 s each; finds in: none" in ran.stderr
    assert ran.stderr.count("stat::number_of_executed_units") == len(run.NAMES), "each did run"
