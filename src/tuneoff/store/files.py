"""Whole files or none: publishing, checksums, what a power cut leaves, quarantine."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from tuneoff.errors import StorageError
from tuneoff.faults import fault
from tuneoff.store.owner import LEASE_SECONDS, Owner, is_alive, this_process

SCHEMA = 1
#: Before the checksum, in a record's last line, and what ends the record.
_SEAL, _END = b',\n "checksum": "', b"\n}"
#: How a sealed record begins, and its own state: only what is not inside of something else has one blank in front of it.
_START, _STATE = b'{\n "schema": %d,\n' % SCHEMA, re.compile(rb'\n "state": "([a-z_]+)"')
PARTIAL = ".part"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
#: The disk failed or turned read-only under our feet, as it does after an error of the hardware.
_BROKEN = frozenset({errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN})
#: How Rust's libraries (safetensors, tokenizers) word the system's errors.
_IN_WORDS = re.compile(r"(?:os error |code: )(\d+)")
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENOTCONN, errno.ENODEV})
#: What a file system without hard links answers.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EMLINK, errno.EINVAL})


@contextmanager
def storage(path: Path, needed: int | None = None) -> Iterator[None]:
    """Turn what the file system refuses into a :class:`StorageError` that names the path, the bytes needed and those free.

    Args:
        path: what is being written.
        needed: its bytes, where they are known.
    """
    try:
        yield
    except OSError as error:
        raise _refusal(error, path, needed) from error
    except Exception as error:
        refused = trouble(error, path, needed)
        if refused is None or refused is error:
            raise
        raise refused from error


def trouble(error: BaseException, path: Path, needed: int | None = None) -> StorageError | None:
    """What an error that surfaced anywhere says of the disk; ``None`` when it is about something else.

    Args:
        error: of Python, or of a library that writes by itself and puts the system's error into words.
        path: what was being written, or the folder that is worked in.
        needed: bytes, where they are known.
    """
    if isinstance(error, StorageError):
        return error
    if isinstance(error, OSError):
        said = error
    else:
        number = next((int(number) for number in _IN_WORDS.findall(str(error))), 0)
        said = OSError(number, os.strerror(number))
    if said.errno in FULL or said.errno in _BROKEN:
        return _refusal(said, path, needed)
    if not path.exists() and not path.parent.exists():
        return _refusal(OSError(errno.ENOENT, os.strerror(errno.ENOENT)), path)
    return None


def _refusal(error: OSError, path: Path, needed: int | None = None) -> StorageError:
    """The error that a user reads."""
    where = str(error.filename2 or error.filename or path)
    reason = error.strerror or str(error)
    if error.errno in FULL:
        if needed is None:
            return StorageError("store.full_somewhere", where=where, reason=reason, free=_free(path))
        return StorageError("store.full", where=where, reason=reason, needed=needed, free=_free(path))
    if error.errno in GONE:
        return StorageError("store.gone", where=where, reason=reason)
    return StorageError("store.refused", where=where, reason=reason)


def _free(path: Path) -> int:
    for folder in (path, *path.parents):
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            continue
    return 0


def canonical(values: dict[str, Any]) -> bytes:
    """One spelling of a JSON object, for hashing."""
    return json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def sealed(body: dict[str, Any]) -> bytes:
    """The text of a record; its last line has the SHA-256 of the text without that line."""
    text = json.dumps({"schema": SCHEMA, **body}, indent=1, ensure_ascii=False, allow_nan=False).encode()
    return text.removesuffix(_END) + _SEAL + _digest(text) + b'"' + _END + b"\n"


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def _is_sealed(data: bytes) -> bool:
    text, _, seal = data.rpartition(_SEAL)
    return seal == _digest(text + _END) + b'"' + _END + b"\n"


def publish_record(file: Path, body: dict[str, Any]) -> bool:
    """Write an immutable record with its checksum; the first writer wins. When this returns, no power cut takes it back.

    Returns:
        Whether this call published it: ``False`` when it was there already.

    Raises:
        StorageError: the disk is full, read-only or gone.
    """
    data = sealed(body)
    with storage(file, len(data)):
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
    with storage(file, len(data)):
        temporary = _write_temporary(file, data)
        try:
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it so that they outlast a power cut: each new name is synced in the folder that holds it."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        try:
            new.mkdir()
        except FileExistsError:
            continue  # Another process was faster.
        sync_folder(new.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # Some network file systems sync names with the server at once and know no such call.
            raise
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Have all files below a folder, and their names, outlast a power cut."""
    for above, _, names in os.walk(folder):
        for name in names:
            handle = os.open(os.path.join(above, name), os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        sync_folder(Path(above))


def _write_temporary(file: Path, data: bytes) -> Path:
    make_folder(file.parent)
    temporary = file.with_name(f".{file.name}.{_tag(this_process())}.{secrets.token_hex(4)}{PARTIAL}")
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _tag(owner: Owner) -> str:
    """A process in the name of its temporary files, so that another one leaves them alone."""
    place = hashlib.sha256("\n".join(owner.place).encode()).hexdigest()[:8]
    return f"{owner.pid}-{owner.started}-{place}"


def _link(temporary: Path, file: Path) -> bool:
    try:
        os.link(temporary, file)
    except FileExistsError:
        # A network file system may have done it, lost the answer, and tried again.
        if not file.samefile(temporary):
            return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # No hard links here: an exclusive marker decides who is first.
        try:
            os.close(os.open(file.with_name(file.name + ".first"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        os.replace(temporary, file)
    fault("after-link")
    sync_folder(file.parent)
    return True


def read_record(file: Path | str) -> dict[str, Any]:
    """Read a record and check it.

    Raises:
        FileNotFoundError: it is not there, or not yet visible from this machine.
        ValueError: cut, changed, or of another schema; says which.
    """
    data = whole(file)
    try:
        values = from_json(data)  # In less than half of the time that json takes, and texts that records share are held once.
    except ValueError as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(values, dict) or not isinstance(checksum := values.pop("checksum", None), str):
        raise ValueError("no checksum")
    if values.get("schema") != SCHEMA:
        raise ValueError(f"schema {values.get('schema')!r}, this version reads {SCHEMA}")
    # The first records were sealed by their values, which takes most of the time of reading.
    if not _is_sealed(data) and hashlib.sha256(canonical(values)).hexdigest() != checksum:
        raise ValueError("checksum does not match")
    return values


def whole(file: Path | str) -> bytes:
    """A file's bytes."""
    with open(file, "rb", buffering=0) as stream:  # A path's own way takes twice as long, and thousands are read.
        return stream.readall()


def sealed_state(file: Path | str) -> str | None:
    """The state in a record whose seal is unbroken, without reading the rest; ``None`` where :func:`read_record` must look.

    Raises:
        FileNotFoundError: as :func:`read_record`.
    """
    data = whole(file)
    found = _STATE.search(data) if data.startswith(_START) and _is_sealed(data) else None
    return found[1].decode() if found else None


def quarantine(file: Path, folder: Path) -> Path | None:
    """Move a bad record aside, never over another, never deleted; returns where it went, ``None`` if somebody was faster."""
    with storage(folder):
        make_folder(folder)
        name, number = f"{file.parent.name}.{file.name}", 0
        while True:
            target = folder / (f"{name}.{number}" if number else name)
            try:
                os.link(file, target)
            except FileExistsError:
                number += 1
                continue
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                os.replace(file, target)
            file.unlink(missing_ok=True)
            sync_folder(folder)
            return target


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders in a folder that a killed process left behind; those of a living one stay."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(PARTIAL) and _is_left_behind(entry):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    Path(entry.path).unlink(missing_ok=True)


def _is_left_behind(entry: os.DirEntry[str]) -> bool:
    """Whether nobody writes a temporary file any more: its process is gone, or, of another machine, it was not touched for long."""
    pid, _, rest = entry.name.split(".")[-3].partition("-") if entry.name.count(".") > 2 else ("", "", "")
    started, _, place = rest.partition("-")
    here = _tag(this_process()).rpartition("-")[2]
    if pid.isdecimal() and place == here:
        return not is_alive(int(pid), started)
    try:
        return time.time() - entry.stat().st_mtime > LEASE_SECONDS
    except FileNotFoundError:
        return False
