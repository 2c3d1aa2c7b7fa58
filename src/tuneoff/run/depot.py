"""Where an artefact lies that is too large to travel with its trial: under its hash at a URL, with a pointer in its place."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tuneoff.errors import RefusedError, TrialError
from tuneoff.run.packing import digest, pack, unpack

#: Beside where the artefact would be.
POINTER = "artefact.json"
_COPY_BYTES = 8 << 20


@dataclass(frozen=True)
class Pointer:
    """An archive at a URL, with what it must be."""

    url: str
    sha256: str
    bytes: int


def send(artefact: Path, base: str) -> Pointer:
    """Put an artefact under a URL, by its content: sent once, however often a trial is tried.

    Args:
        artefact: its folder.
        base: ``artefacts`` of the study, as fsspec understands it (``s3://bucket/prefix``, ``file:///shared/folder``).

    Raises:
        TrialError: the URL cannot be written.
    """
    with TemporaryFile() as archive:
        pack(artefact, archive)
        size, sha256 = archive.tell(), digest(archive)
        pointer = Pointer(f"{base.rstrip('/')}/{sha256}.tar", sha256, size)
        try:
            import fsspec

            system, path = fsspec.core.url_to_fs(pointer.url)
            if system.exists(path) and system.size(path) == size:
                return pointer
            system.makedirs(system._parent(path), exist_ok=True)
            with system.transaction, system.open(path, "wb") as target:  # It is seen when it is whole.
                shutil.copyfileobj(archive, target, _COPY_BYTES)
        except Exception as error:  # Each file system of fsspec has errors of its own.
            raise TrialError("cluster.cannot_send", where=pointer.url, reason=_reason(error)) from error
    return pointer


def fetch(pointer: Pointer, folder: Path) -> None:
    """Have an artefact in a folder that is not there yet: whole and as it was sent, or not at all.

    Raises:
        RefusedError: the URL cannot be read, or holds something else.
    """
    with TemporaryFile() as archive:
        try:
            import fsspec

            with fsspec.open(pointer.url, "rb") as source:
                while archive.tell() <= pointer.bytes and (part := source.read(_COPY_BYTES)):
                    archive.write(part)
        except Exception as error:  # Each file system of fsspec has errors of its own.
            raise RefusedError("cluster.cannot_fetch", where=pointer.url, reason=_reason(error)) from error
        if digest(archive) != pointer.sha256:
            raise RefusedError("cluster.other_artefact", where=pointer.url, expected=pointer.sha256)
        unpack(archive, folder, pointer.bytes)


def write_pointer(attempt: Path, pointer: Pointer) -> None:
    """Say in an attempt's folder where its artefact lies."""
    (attempt / POINTER).write_text(json.dumps(asdict(pointer), indent=1) + "\n", encoding="utf-8")


def pointer_of(artefact: Path) -> Pointer | None:
    """Where an artefact lies whose folder is not there; ``None`` where nothing says so.

    Raises:
        TrialError: the pointer is damaged.
    """
    file = artefact.parent / POINTER
    if not file.exists():
        return None
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return Pointer(str(values["url"]), str(values["sha256"]), int(values["bytes"]))
    except (ValueError, KeyError, TypeError) as error:
        raise TrialError("cluster.bad_pointer", where=str(file)) from error


def recall(artefact: Path) -> None:
    """Have an artefact here, if it lies at a URL.

    Raises:
        RefusedError: the URL cannot be read, or holds something else.
    """
    if not artefact.exists() and (pointer := pointer_of(artefact)):
        fetch(pointer, artefact)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
