"""A data file's bytes, or why there are none; and cache files, whole or not at all."""

import gzip
import os
import shutil
import tempfile
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

from tuneoff.errors import DataError, StorageError
from tuneoff.spec import nearest

#: First bytes of files that are often given the ending of a text file.
_KINDS = (
    (b"PK\x03\x04", ".xlsx"),
    (b"\xd0\xcf\x11\xe0", ".xls"),
    (b"PAR1\x15", ".parquet"),
    (b"\x1f\x8b", ".gz"),
)


def find(path: Path) -> Path:
    """The file itself, or the one whose name reads the same: a name in Hangul copied from a Mac comes in another Unicode form."""
    if path.exists():
        return path
    return next(
        (file for file in _siblings(path) if unicodedata.normalize("NFC", file.name) == unicodedata.normalize("NFC", path.name)), path
    )


def _siblings(path: Path) -> list[Path]:
    try:
        return [file for file in path.parent.iterdir() if file.is_file()]
    except OSError:
        return []


def check_file(path: Path, shown: str) -> None:
    """Refuse what is not a file with something in it.

    Raises:
        DataError: missing (with the nearest name beside it), a folder, unreadable or empty.
    """
    try:
        with path.open("rb") as stream:
            first = stream.read(1)
    except FileNotFoundError as error:
        near = nearest(path.name, [file.name for file in _siblings(path)])
        raise DataError("data.missing", where=shown, folder=path.parent, nearest=near) from error
    except IsADirectoryError as error:
        raise DataError("data.folder", where=shown) from error
    except OSError as error:
        raise DataError("data.unreadable", where=shown, reason=error.strerror) from error
    if not first:
        raise DataError("data.empty", where=shown)


def read_bytes(path: Path, shown: str) -> bytes:
    """The bytes of a text file, unpacked where its name ends in ``.gz``.

    Raises:
        DataError: as :func:`check_file`; a packed file that is cut or damaged; a binary file under a text file's name.
    """
    check_file(path, shown)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError("data.unreadable", where=shown, reason=error.strerror) from error
    if path.suffix.lower() == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError("data.bad_gzip", where=shown, problem=str(error)) from error
    if kind := next((ending for start, ending in _KINDS if raw.startswith(start)), None):
        raise DataError("data.binary", where=shown, ending=kind)
    if not raw.strip():
        raise DataError("data.empty", where=shown)
    return raw


def publish(file: Path, write: Callable[[Path], object]) -> None:
    """Write a cache file, whole or not at all; who comes second writes the same bytes again.

    Raises:
        StorageError: the disk is full, read-only or gone.
    """
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(file)
    except OSError as error:
        existing = next((folder for folder in file.parents if folder.exists()), Path.cwd())
        free = shutil.disk_usage(existing).free
        raise StorageError("data.cache_refused", where=str(file), reason=error.strerror or str(error), free=free) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
