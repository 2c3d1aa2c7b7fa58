"""Splits on disk for the processes of a run: byte-identical, once per content, never half."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuneoff.data import SPLITS, Rows, Splits, load_prepared, load_splits, save_prepared
from tuneoff.errors import StorageError
from tuneoff.spec import DataSpec

ODD = [
    *("NA", "null", "None", "nan", "007", "1e5", "TRUE", "", "   ", "a\r\nb", "\x1e\x1f\x00", "😀👩‍👩‍👧", "שלום"),
    *("\u1112\u1161\u11ab", "한", "\u2028", '"', "\ufeff"),
]


def odd_splits(pairs: bool = False) -> Splits:
    texts: list[tuple[str, ...]] = [(text, text[::-1]) if pairs else (text,) for text in ODD]
    labels = ["NA" if i % 2 else "1.0" for i in range(len(ODD))]
    rows = {name: Rows(texts, labels, [f"{name} file.csv:{i}" for i in range(len(ODD))]) for name in ("train", "validation", "test")}
    return Splits(rows["train"], rows["validation"], rows["test"], ["1.0", "NA"], list(ODD))


@pytest.mark.parametrize("pairs", [False, True], ids=["one text", "pairs"])
def test_everything_comes_back_byte_identical(tmp_path: Path, pairs: bool) -> None:
    splits = odd_splits(pairs)
    again = load_prepared(save_prepared(splits, tmp_path))
    assert again == splits
    assert again.content_hash == splits.content_hash
    assert again.corpus_hash == splits.corpus_hash


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_a_text_is_byte_identical_from_the_file_to_the_trial(tmp_path: Path, name: str) -> None:
    kept = [text for text in ODD if "\0" not in text]
    rows = [{"text": f"{text}", "label": "ab"[i % 2]} for i, text in enumerate(kept)]
    match name:
        case "t.csv":
            with (tmp_path / name).open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream).writerows([["text", "label"], *(row.values() for row in rows)])
        case "t.jsonl":
            (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        case _:
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    splits = load_splits(DataSpec.model_validate({"train": name, "validation": 0.2, "test": 0.2}), tmp_path)
    again = load_prepared(save_prepared(splits, tmp_path / "cache"))
    found = [text for split in SPLITS for (text,) in again[split].texts]
    assert sorted(text.encode() for text in found) == sorted(text.encode() for text in kept)
    assert min(len(again[split]) for split in SPLITS) > 1


def test_a_large_corpus_comes_back(tmp_path: Path) -> None:
    # Thirty megabytes: as metadata of the file it would meet a limit of the format.
    corpus = [f"{i} " + "긴 문장입니다 " * 500 for i in range(3000)]
    splits = replace(odd_splits(), unlabelled=corpus)
    file = save_prepared(splits, tmp_path)
    assert load_prepared(file).unlabelled == corpus
    assert load_prepared(file, unlabelled=False) == replace(splits, unlabelled=[])


def test_a_split_may_be_empty_on_the_way(tmp_path: Path) -> None:
    splits = replace(odd_splits(), validation=Rows([], [], []), unlabelled=[])
    assert load_prepared(save_prepared(splits, tmp_path)) == splits


def test_the_same_content_is_written_once(tmp_path: Path) -> None:
    first = save_prepared(odd_splits(), tmp_path)
    stamp = first.stat().st_mtime_ns, first.stat().st_ino
    assert save_prepared(odd_splits(), tmp_path) == first
    assert (first.stat().st_mtime_ns, first.stat().st_ino) == stamp
    assert [file.name for file in tmp_path.iterdir()] == [first.name]


def test_other_content_corpus_or_places_are_another_file(tmp_path: Path) -> None:
    base = odd_splits()
    other_text = replace(base, test=replace(base.test, texts=[("x",), *base.test.texts[1:]]))
    other_place = replace(base, test=replace(base.test, places=["elsewhere.csv:1", *base.test.places[1:]]))
    files = {save_prepared(splits, tmp_path) for splits in (base, other_text, other_place, replace(base, unlabelled=["x"]))}
    assert len(files) == 4
    assert load_prepared(save_prepared(other_place, tmp_path)).test.places[0] == "elsewhere.csv:1"


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_a_file_that_was_cut_is_written_again(tmp_path: Path, length: int) -> None:
    file = save_prepared(odd_splits(), tmp_path)
    file.write_bytes(file.read_bytes()[:length])
    assert load_prepared(save_prepared(odd_splits(), tmp_path)) == odd_splits()


def test_a_cache_that_cannot_be_written_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(StorageError) as caught:
        save_prepared(odd_splits(), tmp_path / "cache")
    assert str(tmp_path / "cache") in caught.value.text("en")
    assert "bytes free" in caught.value.text("en")
    assert caught.value.exit_code == 5


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_a_storage_error_and_leaves_nothing(tmp_path: Path) -> None:
    from tuneoff.data.files import publish

    with pytest.raises(StorageError, match="No space left on device"):
        publish(tmp_path / "x", lambda temporary: Path("/dev/full").write_bytes(b"x" * 10_000))
    assert list(tmp_path.iterdir()) == []
