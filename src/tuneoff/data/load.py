"""A data section of a study file → :class:`Splits`."""

from pathlib import Path

from tuneoff.data.hub import read_hub
from tuneoff.data.samples import check_name, sample_rows, sample_unlabelled
from tuneoff.data.splits import Rows, Splits, check_labels, label_order, rows_of, stratified_pick
from tuneoff.data.table import read_table
from tuneoff.errors import DataError
from tuneoff.spec import DataSpec, Source

DEFAULT_VALIDATION, DEFAULT_TEST = 0.1, 0.2


def load_splits(spec: DataSpec, folder: Path) -> Splits:
    """Read, split, limit and check.

    Args:
        spec: the study's data section.
        folder: the study's folder; relative files are below it.

    Raises:
        DataError: anything wrong with the data, with file and line.
    """
    train = _rows(spec.train, "train", spec, folder)
    count = len(train)
    held: dict[str, Rows] = {}
    for number, name in enumerate(("test", "validation")):
        source = getattr(spec, name)
        if source is None and spec.train.sample:
            source = spec.train
        elif source is None:
            source = Source(share=DEFAULT_TEST if name == "test" else DEFAULT_VALIDATION)
        if source.share is None:
            held[name] = _rows(source, name, spec, folder)
            continue
        chosen, left = stratified_pick(train, max(1, round(source.share * count)), seed=spec.split_seed * 2 + number)
        held[name], train = train.take(chosen), train.take(left)
    train = _limited(train, spec.limit.train, spec.split_seed)
    labels = label_order(train.labels)
    if len(labels) < 2:
        raise DataError(
            "data.one_class", where=train.places[0].rsplit(":", 1)[0] if train.places else "train", label=labels[0] if labels else ""
        )
    dropped: list[str] = []
    for name, rows in held.items():
        kept, gone = check_labels(train, rows, spec.unseen_labels)
        held[name] = _limited(kept, getattr(spec.limit, name), spec.split_seed)
        dropped += gone
        if not len(held[name]):
            raise DataError("data.empty_split", where=name)
    return Splits(train, held["validation"], held["test"], labels, _unlabelled(spec, folder), dropped)


def _limited(rows: Rows, limit: int | None, seed: int) -> Rows:
    return rows if limit is None or limit >= len(rows) else rows.take(stratified_pick(rows, limit, seed)[0])


def _rows(source: Source, split: str, spec: DataSpec, folder: Path) -> Rows:
    columns = (*spec.text_columns, spec.label)
    if source.sample:
        check_name(source.sample)
        return sample_rows(source.sample, split)
    if source.hub:
        return rows_of(read_hub(source.hub, columns), spec)
    assert source.file is not None
    return rows_of(read_table(folder / source.file, columns, spec.encoding, source.file), spec)


def _unlabelled(spec: DataSpec, folder: Path) -> list[str]:
    source = spec.unlabelled
    if source is None:
        texts = sample_unlabelled(spec.train.sample) if spec.train.sample else []
    elif source.sample:
        texts = sample_unlabelled(source.sample)
    elif source.hub:
        texts = read_hub(source.hub, spec.text_columns[:1]).columns[spec.text_columns[0]]
    elif source.file:
        texts = read_table(folder / source.file, spec.text_columns[:1], spec.encoding, source.file).columns[spec.text_columns[0]]
    else:
        raise DataError("data.unlabelled_share", where="unlabelled")
    return texts[: spec.limit.unlabelled]
