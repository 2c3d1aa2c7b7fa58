"""Artefacts at a URL: sent once, fetched when asked for, and never anything else in their place."""

import json
from pathlib import Path

import pytest

from tests.support.studies import write_study
from tuneoff import Study
from tuneoff.errors import RefusedError, TrialError, UsageError
from tuneoff.run.depot import POINTER, fetch, pointer_of, recall, send, write_pointer


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "trial" / "attempt-1" / "artefact"
    (folder / "backbone").mkdir(parents=True)
    (folder / "tuneoff.json").write_text("{}")
    (folder / "backbone" / "model.safetensors").write_bytes(bytes(range(256)) * 100)
    return folder


def test_sent_fetched_and_the_same(artefact: Path, tmp_path: Path) -> None:
    pointer = send(artefact, (tmp_path / "depot").as_uri())
    assert send(artefact, (tmp_path / "depot").as_uri() + "/") == pointer, "by content: once is enough"
    assert len(list((tmp_path / "depot").iterdir())) == 1
    write_pointer(artefact.parent, pointer)
    artefact.rename(tmp_path / "original")
    recall(artefact)
    assert {file.relative_to(artefact): file.read_bytes() for file in artefact.rglob("*") if file.is_file()} == {
        file.relative_to(tmp_path / "original"): file.read_bytes() for file in (tmp_path / "original").rglob("*") if file.is_file()
    }
    recall(artefact)  # It is here: the URL is not asked.


def test_something_else_in_its_place_is_refused(artefact: Path, tmp_path: Path) -> None:
    pointer = send(artefact, (tmp_path / "depot").as_uri())
    (stored,) = (tmp_path / "depot").iterdir()
    content = stored.read_bytes()
    stored.write_bytes(content.replace(b"\x01\x02", b"\x02\x01", 1))
    with pytest.raises(RefusedError) as found:
        fetch(pointer, tmp_path / "here")
    assert found.value.key == "cluster.other_artefact"
    stored.write_bytes(content + bytes(1 << 24))
    with pytest.raises(RefusedError):
        fetch(pointer, tmp_path / "here")
    stored.unlink()
    with pytest.raises(RefusedError) as gone:
        fetch(pointer, tmp_path / "here")
    assert "cannot be fetched" in gone.value.text("en")
    assert not (tmp_path / "here").exists()


def test_what_cannot_be_written_ends_the_trial_with_the_place(artefact: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrialError) as found:
        send(artefact, (tmp_path / "file" / "below").as_uri())
    assert "file/below" in found.value.text("en")


def test_a_damaged_pointer_is_named(artefact: Path) -> None:
    assert pointer_of(artefact) is None
    (artefact.parent / POINTER).write_text(json.dumps({"url": "file:///x"}))
    with pytest.raises(TrialError) as found:
        pointer_of(artefact)
    assert POINTER in found.value.text("en")


@pytest.mark.parametrize("url", ["s3://key:secret@bucket/a", "bucket/a", "s3://bucket/a?token=secret", "simplecache::s3://bucket/a"])
def test_an_address_with_a_secret_is_refused_without_repeating_it(url: str, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority"], artefacts=url)
    with pytest.raises(UsageError) as found:
        Study.load(folder)
    assert "artefacts" in found.value.text("en")
    assert "secret" not in found.value.text("en")


def test_where_artefacts_go_is_no_part_of_a_trial(tmp_path: Path) -> None:
    names = [
        [trial.name for trial in Study.load(write_study(tmp_path / "study", ["majority"], **more)).plan().trials]
        for more in ({}, {"artefacts": "s3://bucket/a"}, {"train": {"devices": 2, "strategy": "fsdp"}})
    ]
    assert names[0] == names[1] == names[2]
