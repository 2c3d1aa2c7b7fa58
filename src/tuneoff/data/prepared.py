"""Splits as they were when the study was planned, for the processes that run its trials."""

import json
import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tuneoff.data.splits import SPLITS, Rows, Splits


def save_prepared(splits: Splits, cache: Path) -> Path:
    """Write splits under their content hash, unless they are there; returns the file."""
    file = cache / f"{splits.content_hash[:16]}-{splits.corpus_hash[:16]}.parquet"
    if file.exists():
        return file
    parts = [(name, splits[name]) for name in SPLITS]
    table = pa.table(
        {
            "split": [name for name, rows in parts for _ in rows.labels],
            "first": [text[0] for _, rows in parts for text in rows.texts],
            "second": [text[1] if len(text) > 1 else None for _, rows in parts for text in rows.texts],
            "label": [label for _, rows in parts for label in rows.labels],
            "place": [place for _, rows in parts for place in rows.places],
        }
    )
    metadata = {"labels": json.dumps(splits.labels), "unlabelled": json.dumps(splits.unlabelled), "hash": splits.content_hash}
    cache.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=cache, suffix=".part")
    os.close(handle)
    pq.write_table(table.replace_schema_metadata(metadata), temporary)
    os.replace(temporary, file)
    return file


def load_prepared(file: Path) -> Splits:
    """Read what :func:`save_prepared` wrote."""
    table = pq.read_table(file)
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    rows = {}
    for name in SPLITS:
        chosen = [i for i, split in enumerate(columns["split"]) if split == name]
        texts = [(columns["first"][i],) if columns["second"][i] is None else (columns["first"][i], columns["second"][i]) for i in chosen]
        rows[name] = Rows(texts, [columns["label"][i] for i in chosen], [columns["place"][i] for i in chosen])
    return Splits(rows["train"], rows["validation"], rows["test"], json.loads(metadata["labels"]), json.loads(metadata["unlabelled"]))
