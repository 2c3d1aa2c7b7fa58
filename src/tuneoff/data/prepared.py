"""Splits as they were when the study was planned, for the processes that run its trials."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tuneoff.data.files import publish
from tuneoff.data.splits import SPLITS, Rows, Splits, digest_of

UNLABELLED = "unlabelled"
_SCHEMA = pa.schema([(name, pa.string()) for name in ("split", "first", "second", "label", "place")])


def save_prepared(splits: Splits, cache: Path) -> Path:
    """Write splits under the hash of their content and places, unless they are there whole; returns the file.

    Raises:
        StorageError: the cache cannot be written.
    """
    places = digest_of([splits[name].places for name in SPLITS])
    file = cache / f"{splits.content_hash[:16]}-{splits.corpus_hash[:16]}-{places[:8]}.rows.parquet"
    if _is_whole(file):
        return file
    schema = _SCHEMA.with_metadata({"labels": json.dumps(splits.labels)})

    def write(temporary: Path) -> None:
        with pq.ParquetWriter(temporary, schema, write_page_checksum=True) as writer:
            for name in SPLITS:
                rows = splits[name]
                first, second = [text[0] for text in rows.texts], [text[1] if len(text) > 1 else None for text in rows.texts]
                columns = [[name] * len(first), first, second, rows.labels, rows.places]
                writer.write_table(pa.table(columns, schema=schema))
            texts, nothing = splits.unlabelled, [None] * len(splits.unlabelled)
            writer.write_table(pa.table([[UNLABELLED] * len(texts), texts, nothing, nothing, nothing], schema=schema))

    publish(file, write)
    return file


def _is_whole(file: Path) -> bool:
    """Whether the file is there with its footer: a file system that lost power may leave a cut one."""
    try:
        pq.read_metadata(file)
    except (OSError, pa.ArrowException):
        return False
    return True


def load_prepared(file: Path, unlabelled: bool = True) -> Splits:
    """Read what :func:`save_prepared` wrote; its ``dropped`` is not kept, for trials do not need it.

    Args:
        file: of :func:`save_prepared`.
        unlabelled: read the unlabelled texts too: they may be many times the rest, and continued pretraining alone needs them.
    """
    # Every split is a group of rows by itself, or several.
    with pq.ParquetFile(file, page_checksum_verification=True) as stored:
        labels: list[str] = json.loads(stored.schema_arrow.metadata[b"labels"])
        found = {group: stored.metadata.row_group(group) for group in range(stored.num_row_groups)}
        kinds = {group: about.column(0).statistics.min for group, about in found.items() if about.num_rows}
        rows: dict[str, Rows] = {}
        for name in SPLITS:
            part = stored.read_row_groups([group for group, kind in kinds.items() if kind == name])
            first, second = part.column("first").to_pylist(), part.column("second").to_pylist()
            texts: list[tuple[str, ...]] = [(one,) if two is None else (one, two) for one, two in zip(first, second, strict=True)]
            rows[name] = Rows(texts, part.column("label").to_pylist(), part.column("place").to_pylist())
        corpus = stored.read_row_groups([group for group, kind in kinds.items() if unlabelled and kind == UNLABELLED], ["first"])
        return Splits(rows["train"], rows["validation"], rows["test"], labels, corpus.column("first").to_pylist())
