"""Archives from workers: what is packed comes back, and nothing that leads out of the folder is ever written."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from tuneoff.errors import TrialError
from tuneoff.run.executors.ray import _take
from tuneoff.run.packing import digest, pack, packed, unpack
from tuneoff.store import Store
from tuneoff.store.files import PARTIAL


def archive(*members: tuple[str | tarfile.TarInfo, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for what, content in members:
            member = what if isinstance(what, tarfile.TarInfo) else tarfile.TarInfo(what)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    stream.seek(0)
    return stream


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_a_folder_comes_back_byte_for_byte(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "artefact" / "깊은 폴더").mkdir(parents=True)
    (source / "artefact" / "깊은 폴더" / "weights").write_bytes(os.urandom(3 << 20))
    (source / "result.json").write_text("{}")
    (source / "job.json").write_text("stays")
    unpack(io.BytesIO(packed(source, leave={"job.json"})), tmp_path / "target")
    (source / "job.json").unlink()
    assert contents(tmp_path / "target") == contents(source)
    assert len(contents(source)) == 2


def contents(folder: Path) -> dict[Path, bytes]:
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_same_content_is_the_same_archive(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        for file in sorted(("a", "b"), reverse=name == "one"):
            (tmp_path / name / file).write_text(file)
    os.utime(tmp_path / "one" / "a", (1, 1))
    assert packed(tmp_path / "one") == packed(tmp_path / "other")
    assert digest(io.BytesIO(packed(tmp_path / "one"))) == digest(io.BytesIO(packed(tmp_path / "other")))


MALICIOUS = {
    "absolute": [("/etc/tuneoff-was-here", b"x")],
    "above": [("../above", b"x")],
    "above, inside": [("a/../../above", b"x")],
    "drive": [("C:\\above", b"x")],
    "stream": [("a:b", b"x")],
    "unprintable": [("a\x1b[2J", b"x")],
    "no name": [("", b"x")],
    "too long a name": [("a" * 300, b"x")],
    "symbolic link": [(special("link", tarfile.SYMTYPE, "/etc"), b""), ("link/file", b"x")],
    "hard link": [(special("link", tarfile.LNKTYPE, "/etc/passwd"), b"")],
    "device": [(special("null", tarfile.CHRTYPE), b"")],
    "pipe": [(special("pipe", tarfile.FIFOTYPE), b"")],
    "sparse": [(special("sparse", tarfile.GNUTYPE_SPARSE), b"")],
    "the same name twice": [("a", b"x"), ("a", b"y")],
    "below a file": [("a", b"x"), ("a/b", b"y")],
}


@pytest.mark.parametrize("what", MALICIOUS)
def test_a_malicious_archive_leaves_nothing(what: str, tmp_path: Path) -> None:
    with pytest.raises(TrialError) as found:
        unpack(archive(("first", b"fine"), *MALICIOUS[what]), tmp_path / "below" / "target")
    assert found.value.key in ("cluster.unsafe_archive", "cluster.cut_archive")
    assert found.value.text("en")
    assert found.value.text("ko")
    assert not list((tmp_path / "below").iterdir()), "whole or not at all"
    assert list(tmp_path.iterdir()) == [tmp_path / "below"], "nothing outside"


def test_an_archive_has_a_size(tmp_path: Path) -> None:
    stream = archive(("a", b"x" * 600), ("b", b"x" * 600))
    with pytest.raises(TrialError) as found:
        unpack(stream, tmp_path / "target", most_bytes=1000)
    assert found.value.key == "cluster.large_archive"
    assert not list(tmp_path.iterdir())


def test_a_compressed_bomb_is_no_archive(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        member = tarfile.TarInfo("zeros")
        member.size = 1 << 20
        tar.addfile(member, io.BytesIO(bytes(1 << 20)))
    with pytest.raises(TrialError) as found:
        unpack(io.BytesIO(stream.getvalue()), tmp_path / "target")
    assert found.value.key == "cluster.cut_archive"


@pytest.mark.parametrize("kept", [0, 100, 700, 1500])
def test_a_cut_archive_is_found_out(kept: int, tmp_path: Path) -> None:
    content = archive(("a", b"x" * 600), ("b", b"y" * 600)).getvalue()
    with pytest.raises(TrialError) as found:
        unpack(io.BytesIO(content[:kept]), tmp_path / "target")
    assert found.value.key == "cluster.cut_archive"


def test_packing_goes_through_links(tmp_path: Path) -> None:
    """The hub's cache is a folder of links; what travels is their content."""
    (tmp_path / "blob").write_text("weights")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "model.safetensors").symlink_to(tmp_path / "blob")
    with (tmp_path / "archive").open("w+b") as stream:
        pack(tmp_path / "source", stream)
        stream.seek(0)
        unpack(stream, tmp_path / "target")
    file = tmp_path / "target" / "model.safetensors"
    assert file.read_text() == "weights"
    assert not file.is_symlink()


def test_an_attempt_takes_the_place_of_the_folder_that_was_made_for_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "curve.jsonl").write_text("{}")
    (tmp_path / "results").mkdir()
    number, folder = Store(tmp_path / "results").new_attempt("lora-s0")
    assert list(folder.iterdir()), "it names who is at work"
    _take(packed(source), folder)
    assert (number, contents(folder)) == (1, contents(source))


def test_a_run_sweeps_what_was_half_unpacked(tmp_path: Path) -> None:
    """Its driver was killed meanwhile; the next run must start all the same."""
    store = Store(tmp_path / "results")
    half = store.folder("lora-s0") / f".attempt-1.0123456789abcdef{PARTIAL}"
    half.mkdir(parents=True)
    (half / "curve.jsonl").write_text("{}")
    os.utime(half, (0, 0))
    store.sweep()
    assert not half.exists()
