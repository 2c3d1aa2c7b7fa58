"""Case 11: a record cut at any byte, emptied, changed, or of another schema is named, moved aside, and its trial planned again."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.studies import records, tuneoff, write_study
from tuneoff.store import Store, canonical, publish_record, read_record
from tuneoff.store.files import sealed_state


@pytest.fixture
def record(tmp_path: Path) -> Path:
    file = tmp_path / "results" / "trial" / "attempt-1.json"
    assert publish_record(file, {"state": "complete", "name": "한글"})
    return file


def test_cut_at_every_byte(record: Path) -> None:
    whole = record.read_bytes()
    for length in range(len(whole) - 1):  # Without its last newline a record is still whole.
        record.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"JSON|checksum"):
            read_record(record)
    record.write_bytes(whole)
    assert read_record(record)["state"] == "complete"


def test_every_bit_counts(record: Path) -> None:
    whole = bytearray(record.read_bytes())
    kept = read_record(record)
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 0x04
        record.write_bytes(bytes(changed))
        try:
            found = read_record(record)
        except ValueError:
            continue
        assert found == kept, f"byte {position}: a change that reads must be one of white space"


def test_a_record_that_was_sealed_by_its_values_is_read_and_checked(record: Path) -> None:
    """As the first version did."""
    values = {"schema": 1, "state": "complete", "name": "한글", "rate": 1e-5}
    checksum = hashlib.sha256(canonical(values)).hexdigest()
    record.write_text(json.dumps(values | {"checksum": checksum}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_record(record) == values
    record.write_text(record.read_text(encoding="utf-8").replace("한글", "한굴"), encoding="utf-8")
    with pytest.raises(ValueError, match="checksum"):
        read_record(record)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b'{"schema": 99, "checksum": "x"}'])
def test_bad_record_is_moved_aside_and_named(content: bytes, record: Path) -> None:
    record.write_bytes(content)
    store = Store(record.parent.parent)
    assert store.attempts("trial") == []
    assert store.is_open("trial")
    assert len(store.quarantined) == 1
    assert "trial/attempt-1.json" in store.quarantined[0]
    moved = list((store.results / "quarantine").iterdir())
    assert [file.read_bytes() for file in moved] == [content], "never deleted"


def test_a_state_is_read_off_an_unbroken_seal_alone(record: Path) -> None:
    body = {"name": '\n "state": "lost"', "inside": {"state": "failed"}, "state": "complete", "after": [{"state": "oom"}]}
    record.unlink()
    assert publish_record(record, body)
    assert sealed_state(record) == read_record(record)["state"] == "complete"
    whole = record.read_bytes()
    for place in range(len(whole)):
        record.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert sealed_state(record) is None
        assert Store(record.parents[1]).state("trial") == "pending"
        record.write_bytes(whole)


def test_first_writer_wins(record: Path) -> None:
    before = record.read_bytes()
    assert not publish_record(record, {"state": "failed"})
    assert record.read_bytes() == before


def test_study_goes_on(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority"], seeds=2)
    assert tuneoff("run", folder).returncode == 0
    first = sorted((folder / "results").glob("*/attempt-1.json"))[0]
    first.write_bytes(first.read_bytes()[:-20])
    report = tuneoff("report", folder, "--json")
    assert report.returncode == 4
    assert first.parent.name in report.stderr
    assert json.loads(report.stdout)["rows"][0]["trials"] == {"complete": 1, "pending": 1}
    assert tuneoff("run", folder).returncode == 0
    assert sorted(json.loads(r)["state"] for r in records(folder).values()) == ["complete", "complete"]
