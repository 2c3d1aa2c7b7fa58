"""A data set of the Hugging Face hub as a :class:`Table`, through ``datasets``; never remote code."""

from collections.abc import Sequence

from tuneoff.data.table import Table, cell_text, check_columns
from tuneoff.errors import DataError
from tuneoff.spec import HubDataset


def read_hub(hub: HubDataset, columns: Sequence[str]) -> Table:
    """Download (or take from the cache) one split and its columns; class numbers become class names.

    Raises:
        DataError: missing, gated, offline without a cache, or without such a column.
    """
    import datasets

    shown = "/".join(part for part in ("hub:" + hub.path, hub.name, hub.split) if part)
    try:
        loaded = datasets.load_dataset(hub.path, hub.name, split=hub.split, revision=hub.revision)
    except datasets.exceptions.DatasetNotFoundError as error:
        raise DataError("data.hub_missing", where=shown, reason=str(error).splitlines()[0]) from error
    except (ValueError, OSError, RuntimeError) as error:
        raise DataError("data.hub_failed", where=shown, reason=str(error).splitlines()[0]) from error
    check_columns(loaded.column_names, columns, shown)
    cells: dict[str, list[str]] = {}
    for column in columns:
        feature = loaded.features[column]
        values = [feature.int2str(v) if isinstance(feature, datasets.ClassLabel) else v for v in loaded[column]]
        texts = [cell_text(value) for value in values]
        if None in texts:
            raise DataError(
                "data.bad_rows", where=shown, count=texts.count(None), problems=f'row {texts.index(None) + 1}: no text in "{column}"'
            )
        cells[column] = [text for text in texts if text is not None]
    return Table(shown, cells, list(range(1, len(loaded) + 1)))
