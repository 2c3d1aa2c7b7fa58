"""A folder as one file that travels, and back. What arrives is not trusted: only plain files inside the folder come out."""

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import IO
from uuid import uuid4

from tuneoff.errors import TrialError

#: The largest archive that is taken, and the most files in it. Archives are not compressed, so that none unpacks to more than it is.
MOST_BYTES, MOST_FILES = 64 << 30, 10_000
_COPY_BYTES = 1 << 20
_NAME_CHARACTERS = 255


def pack(source: Path, stream: IO[bytes], leave: Collection[str] = (), take: Collection[str] | None = None) -> None:
    """Write a file, or the files below a folder, as a tar archive: the same content gives the same bytes.

    Args:
        source: what to pack; links in it are followed.
        stream: where to.
        leave: names on the folder's top level that stay behind.
        take: patterns of the top level's files that alone are packed.
    """
    files = [source] if source.is_file() else sorted(file for file in source.rglob("*") if file.is_file())
    root = source.parent if source.is_file() else source
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            name = file.relative_to(root)
            chosen = take is None or (len(name.parts) == 1 and any(name.match(pattern) for pattern in take))
            if name.parts[0] in leave or not chosen:
                continue
            member = tarfile.TarInfo(name.as_posix())
            with file.open("rb") as content:
                member.size = os.fstat(content.fileno()).st_size
                archive.addfile(member, content)


def packed(source: Path, leave: Collection[str] = ()) -> bytes:
    """As :func:`pack`, in memory."""
    stream = io.BytesIO()
    pack(source, stream, leave)
    return stream.getvalue()


def unpack(stream: IO[bytes], folder: Path, most_bytes: int = MOST_BYTES) -> None:
    """Unpack an archive into a folder that is not there yet: whole or not at all.

    Args:
        stream: the archive, at its beginning.
        folder: where to.
        most_bytes: of all files together.

    Raises:
        TrialError: a name leads out of the folder, something is no plain file, there is too much, or the archive is cut.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.{uuid4().hex}.part")
    fresh.mkdir()
    try:
        _extract(stream, fresh, most_bytes)
        os.replace(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _extract(stream: IO[bytes], folder: Path, most_bytes: int) -> None:
    total = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for number, member in enumerate(archive, start=1):
                if member.isdir():
                    continue
                name = _checked(member)
                total += member.size
                if total > most_bytes or number > MOST_FILES:
                    raise TrialError("cluster.large_archive", most=most_bytes, files=MOST_FILES)
                content = archive.extractfile(member)
                assert content is not None
                target = folder.joinpath(*name.parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    shutil.copyfileobj(content, file, _COPY_BYTES)
                if target.stat().st_size != member.size:
                    raise TrialError("cluster.cut_archive")
    except (tarfile.TarError, EOFError) as error:
        raise TrialError("cluster.cut_archive") from error
    except (FileExistsError, NotADirectoryError) as error:
        raise TrialError("cluster.unsafe_archive", name=str(error.filename)) from error


def _checked(member: tarfile.TarInfo) -> PurePosixPath:
    """The name of a plain file inside the folder."""
    name = PurePosixPath(member.name)
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and member.sparse is None
    inside = bool(name.parts) and not name.is_absolute() and all(map(_is_plain, name.parts))
    if not plain or not inside:
        raise TrialError("cluster.unsafe_archive", name=member.name)
    return name


def _is_plain(part: str) -> bool:
    """Whether a part of a name is one on every system: no way up, no drive, no stream, nothing unprintable."""
    return part != ".." and part.isprintable() and not set(part) & set('\\:*?"<>|') and len(part.encode()) <= _NAME_CHARACTERS


def digest(stream: IO[bytes]) -> str:
    """SHA-256 of a file, hex; the stream is read from its beginning and left there."""
    stream.seek(0)
    found = hashlib.sha256()
    while part := stream.read(_COPY_BYTES):
        found.update(part)
    stream.seek(0)
    return found.hexdigest()
