"""A data section of a study file → :class:`Splits`."""

from pathlib import Path
from typing import Final

import numpy as np

from tuneoff.data.groups import rows_together
from tuneoff.data.hub import read_hub
from tuneoff.data.samples import sample_rows, sample_unlabelled
from tuneoff.data.splits import Rows, Splits, check_labels, label_order, limited, rows_of, stratified_pick
from tuneoff.data.table import read_table
from tuneoff.errors import DataError, short
from tuneoff.seeds import seed_for
from tuneoff.spec import DataSpec, Source

#: A label column with more classes than this, most of them on one or two rows, is an id or a measurement.
MANY_CLASSES: Final = 20


def load_splits(spec: DataSpec, folder: Path, cache: Path | None = None) -> Splits:
    """Read, split, limit and check.

    Args:
        spec: the study's data section.
        folder: the study's folder; relative files are below it.
        cache: folder for what takes long to find out again.

    Raises:
        DataError: anything wrong with the data, with file and line.
    """
    train = _rows(spec.train, "train", spec, folder)
    file = train.places[0].rsplit(":", 1)[0]
    _check_classes(train, spec.label, file)
    count = len(train)
    held: dict[str, Rows] = {}
    shared = any(source.share is not None for source in spec.held_out.values())
    together = rows_together(train, cache) if shared else np.empty(0)
    for name, source in spec.held_out.items():
        if source.share is None:
            held[name] = _rows(source, name, spec, folder)
        else:
            wanted = max(1, round(source.share * count))
            chosen, left = stratified_pick(train, wanted, seed_for("split", name, spec.split_seed), together.tolist())
            held[name], train, together = train.take(chosen), train.take(left), together[left]
            if not chosen:
                raise DataError("data.too_few_to_split", where=file, rows=count, split=name)
    train = _limited(train, "train", spec)
    dropped: list[str] = []
    for name, rows in held.items():
        kept, gone = check_labels(train, rows, spec.unseen_labels)
        held[name] = _limited(kept, name, spec)
        dropped += gone
        if not len(kept):
            raise DataError("data.empty_split", where=rows.places[0].rsplit(":", 1)[0], split=name)
    return Splits(train, held["validation"], held["test"], label_order(train.labels), _unlabelled(spec, folder), dropped)


def _check_classes(train: Rows, column: str, file: str) -> None:
    labels = label_order(train.labels)
    if len(labels) < 2:
        raise DataError("data.one_class", where=file, column=column, label=short(labels[0]), rows=len(train))
    if len(forms := {label.strip(): label for label in labels}) < len(labels):
        first = next(label for label in labels if forms[label.strip()] != label)
        places = {label: train.places[train.labels.index(label)] for label in (first, forms[first.strip()])}
        shown = " ≠ ".join(f'{place} "{short(label)}"' for label, place in places.items())
        raise DataError("data.label_blanks", where=file, column=column, labels=shown)
    measured = all(map(_is_number, labels)) and not all(float(label).is_integer() for label in labels)
    if len(labels) > MANY_CLASSES and len(train) < (10 if measured else 2) * len(labels):
        shown = ", ".join(f'"{short(label)}"' for label in labels[:3])
        raise DataError("data.not_classes", where=file, column=column, classes=len(labels), rows=len(train), examples=shown)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _limited(rows: Rows, split: str, spec: DataSpec) -> Rows:
    limit: int | None = getattr(spec.limit, split)
    kept = limited(rows, limit, seed_for("limit", split, spec.split_seed))
    if split == "train" and (lost := set(rows.labels) - set(kept.labels)):
        raise DataError("data.limit_too_small", where="data.limit", limit=limit, classes=len(set(rows.labels)), label=short(min(lost)))
    return kept


def _rows(source: Source, split: str, spec: DataSpec, folder: Path) -> Rows:
    columns = (*spec.text_columns, spec.label)
    if source.sample:
        return sample_rows(source.sample, split)
    if source.hub:
        return rows_of(read_hub(source.hub, columns), spec)
    assert source.file is not None
    return rows_of(read_table(_path(folder, source.file), columns, spec.encoding, source.file), spec)


def _path(folder: Path, file: str) -> Path:
    return folder / Path(file).expanduser()


def _unlabelled(spec: DataSpec, folder: Path) -> list[str]:
    source, column = spec.unlabelled, spec.text_columns[0]
    if source is None:
        texts = sample_unlabelled(spec.train.sample) if spec.train.sample else []
    elif source.sample:
        texts = sample_unlabelled(source.sample)
    elif source.hub:
        texts = read_hub(source.hub, [column]).columns[column]
    else:
        assert source.file is not None
        texts = read_table(_path(folder, source.file), [column], spec.encoding, source.file).columns[column]
    limit = spec.limit.unlabelled
    if limit is None or limit >= len(texts):
        return texts
    chosen = np.random.default_rng(seed_for("limit", "unlabelled", spec.split_seed)).choice(len(texts), limit, replace=False)
    return [texts[i] for i in sorted(chosen)]
