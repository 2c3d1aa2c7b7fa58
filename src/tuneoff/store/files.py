"""Whole files or none: publishing, checksums, quarantine."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuneoff.errors import StorageError
from tuneoff.store.faults import fault

SCHEMA = 1
PARTIAL = ".part"


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into a :class:`StorageError` that names the path and the room left."""
    try:
        yield
    except OSError as error:
        existing = next((p for p in (path, *path.parents) if p.exists()), Path.cwd())
        free = shutil.disk_usage(existing).free
        raise StorageError("store.refused", where=str(error.filename or path), reason=error.strerror or str(error), free=free) from error


def canonical(values: dict[str, Any]) -> bytes:
    """One spelling of a JSON object, for hashing."""
    return json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def publish_record(file: Path, body: dict[str, Any]) -> bool:
    """Write an immutable record with its checksum; the first writer wins.

    Returns:
        Whether this call published it: ``False`` when it was there already.

    Raises:
        StorageError: the disk is full, read-only or gone.
    """
    values = {"schema": SCHEMA, **body}
    values["checksum"] = hashlib.sha256(canonical(values)).hexdigest()
    data = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    with storage(file):
        fault("before-write")
        temporary = _write_temporary(file, data)
        fault("after-write")
        try:
            return _link(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)


def replace_file(file: Path, data: bytes) -> None:
    """Write a file that may be rewritten (a report), whole or not at all.

    Raises:
        StorageError: the disk is full, read-only or gone.
    """
    with storage(file):
        temporary = _write_temporary(file, data)
        try:
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)


def _write_temporary(file: Path, data: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=PARTIAL)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def _link(temporary: Path, file: Path) -> bool:
    try:
        os.link(temporary, file)
    except FileExistsError:
        return False
    except OSError:
        # No hard links here: an exclusive marker decides who is first.
        try:
            os.close(os.open(file.with_name(file.name + ".first"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        os.replace(temporary, file)
    fault("after-link")
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def read_record(file: Path) -> dict[str, Any]:
    """Read a record and check it.

    Raises:
        ValueError: cut, changed, or of another schema; says which.
    """
    try:
        values = json.loads(file.read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(values, dict) or not isinstance(checksum := values.pop("checksum", None), str):
        raise ValueError("no checksum")
    if values.get("schema") != SCHEMA:
        raise ValueError(f"schema {values.get('schema')!r}, this version reads {SCHEMA}")
    if hashlib.sha256(canonical(values)).hexdigest() != checksum:
        raise ValueError("checksum does not match")
    return values


def quarantine(file: Path, folder: Path) -> Path:
    """Move a bad record aside, never over another, never deleted; returns where it went."""
    with storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{file.parent.name}.{file.name}"
        number = 1
        while target.exists():
            target = folder / f"{file.parent.name}.{file.name}.{number}"
            number += 1
        os.replace(file, target)
    return target


def sweep(folder: Path) -> None:
    """Remove temporary files that a killed process left behind."""
    for leftover in folder.rglob(f".*{PARTIAL}"):
        leftover.unlink(missing_ok=True)
