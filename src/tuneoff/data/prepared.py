"""Splits as they were when the study was planned, for the processes that run its trials."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tuneoff.data.files import publish
from tuneoff.data.splits import SPLITS, Rows, Splits, digest_of

UNLABELLED = "unlabelled"


def save_prepared(splits: Splits, cache: Path) -> Path:
    """Write splits under the hash of their content and places, unless they are there whole; returns the file.

    Raises:
        StorageError: the cache cannot be written.
    """
    places = digest_of([splits[name].places for name in SPLITS])
    file = cache / f"{splits.content_hash[:16]}-{splits.corpus_hash[:16]}-{places[:8]}.parquet"
    if _is_whole(file):
        return file
    parts = [(name, splits[name]) for name in SPLITS]
    unlabelled = [None] * len(splits.unlabelled)
    table = pa.table(
        {
            "split": [name for name, rows in parts for _ in rows.labels] + [UNLABELLED] * len(unlabelled),
            "first": [text[0] for _, rows in parts for text in rows.texts] + splits.unlabelled,
            "second": [text[1] if len(text) > 1 else None for _, rows in parts for text in rows.texts] + unlabelled,
            "label": [label for _, rows in parts for label in rows.labels] + unlabelled,
            "place": [place for _, rows in parts for place in rows.places] + unlabelled,
        },
        schema=pa.schema([(name, pa.string()) for name in ("split", "first", "second", "label", "place")]),
    ).replace_schema_metadata({"labels": json.dumps(splits.labels)})
    publish(file, lambda temporary: pq.write_table(table, temporary, write_page_checksum=True))
    return file


def _is_whole(file: Path) -> bool:
    """Whether the file is there with its footer: a file system that lost power may leave a cut one."""
    try:
        pq.read_metadata(file)
    except (OSError, pa.ArrowException):
        return False
    return True


def load_prepared(file: Path) -> Splits:
    """Read what :func:`save_prepared` wrote; its ``dropped`` is not kept, for trials do not need it."""
    table = pq.read_table(file, page_checksum_verification=True)
    labels: list[str] = json.loads(table.schema.metadata[b"labels"])
    start = 0
    rows: dict[str, Rows] = {}
    for name in SPLITS:
        part = table.slice(start, _count(table, name))
        first, second = part.column("first").to_pylist(), part.column("second").to_pylist()
        texts: list[tuple[str, ...]] = [(one,) if two is None else (one, two) for one, two in zip(first, second, strict=True)]
        rows[name] = Rows(texts, part.column("label").to_pylist(), part.column("place").to_pylist())
        start += len(texts)
    return Splits(rows["train"], rows["validation"], rows["test"], labels, table.column("first").slice(start).to_pylist())


def _count(table: pa.Table, split: str) -> int:
    import pyarrow.compute as pc

    return int(pc.sum(pc.equal(table.column("split"), split)).as_py() or 0)
