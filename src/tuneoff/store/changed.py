"""Data that are not those of the last run: the keys of all trials follow them, and who did not mean it should know."""

import os
from pathlib import Path

from tuneoff.store.files import read_record
from tuneoff.store.store import Store

#: The newest records are looked at until one says on which data it was made; those of continued pretraining do not.
LOOKED_AT = 50


def data_before(store: Store, data: str) -> str | None:
    """Hash of the data that the newest record was made on, where they are not these; ``None`` where they are, or nothing ran.

    Args:
        store: the study's records.
        data: content hash of the data as they are now.
    """
    for file in _newest(store.results)[:LOOKED_AT]:
        try:
            before = str(read_record(file)["trial"]["data"])
        except (OSError, ValueError, LookupError, TypeError):
            continue  # Whoever reads all records says what is wrong with it.
        if before:
            return before if before != data else None
    return None


def _newest(results: Path) -> list[Path]:
    found: list[tuple[float, Path]] = []
    for file in results.glob("*/attempt-*.json"):
        try:
            found.append((os.stat(file).st_mtime, file))
        except OSError:
            continue
    return [file for _, file in sorted(found, reverse=True)]
