"""A data set of the Hugging Face hub as a :class:`Table`, through ``datasets``; never remote code."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneoff.data.table import Gathered, Table, check_columns
from tuneoff.errors import DataError
from tuneoff.hub import Kind, bound_requests, diagnose, offline
from tuneoff.spec import HubDataset

COMMIT = re.compile("[0-9a-f]{40}")
_KEYS: dict[Kind, str] = {
    "gated": "data.hub_gated",
    "no_revision": "data.hub_no_revision",
    "not_found": "data.hub_missing",
    "hidden": "data.hub_missing",
    "bad_name": "data.hub_missing",
    "bad_token": "data.hub_bad_token",
    "offline": "data.hub_offline",
}
_PASSING: tuple[Kind, ...] = ("offline", "failed", "busy", "server")


def read_hub(hub: HubDataset, columns: Sequence[str]) -> Table:
    """Download (or take from the cache) one split and its columns; class numbers become class names.

    Raises:
        DataError: missing, gated, offline without a cache, or without such a split, column or text.
    """
    shown = "/".join(part for part in ("hub:" + hub.path, hub.name, hub.split) if part)
    loaded = _load(hub, columns, shown)
    check_columns(loaded.column_names, columns, shown)
    gathered = Gathered(shown, columns)
    values = [_values(loaded, column) for column in columns]
    for number, row in enumerate(zip(*values, strict=True), start=1):
        gathered.add_values(number, row)
    return gathered.table()


def _values(loaded: Any, column: str) -> list[object]:
    from datasets import ClassLabel

    feature, values = loaded.features[column], loaded[column][:]
    if not isinstance(feature, ClassLabel):
        return list(values)
    return [None if value is None or value < 0 else feature.int2str(value) for value in values]  # -1: the label is withheld.


def _load(hub: HubDataset, columns: Sequence[str], shown: str) -> Any:
    """The split at a fixed commit; when the hub cannot be asked for it, what the cache holds."""
    from huggingface_hub import HfApi

    if Path(hub.path).is_dir():
        return _read(hub, None, columns, shown)
    bound_requests()
    try:
        commit = HfApi().dataset_info(hub.path, revision=hub.revision).sha
    except Exception as error:  # The client's failures have no common base.
        trouble = diagnose(error)
        refusal = _refusal(hub, shown, "offline" if trouble.kind == "failed" else trouble.kind, trouble.reason)
        if trouble.kind not in _PASSING:
            raise refusal from error
        with offline():
            try:
                return _read(hub, hub.revision, columns, shown)
            except DataError:
                raise refusal from error
    return _read(hub, commit, columns, shown)


def _read(hub: HubDataset, revision: str | None, columns: Sequence[str], shown: str) -> Any:
    from datasets.exceptions import DatasetNotFoundError

    try:
        builder = _builder(hub, revision, columns)
        if revision and COMMIT.fullmatch(revision) and builder.hash != revision:
            # Offline, datasets takes the newest commit that the cache has, whichever was asked for.
            raise FileNotFoundError(f"the cache has commit {builder.hash}")
        builder.download_and_prepare()
        return builder.as_dataset(split=hub.split)
    except Exception as error:  # As above, and pyarrow's and the builders' own.
        trouble = diagnose(error)
        gated = isinstance(error, DatasetNotFoundError) and "gated" in str(error)  # datasets drops the cause of this one.
        raise _refusal(hub, shown, "gated" if gated else trouble.kind, trouble.reason) from error


def _builder(hub: HubDataset, revision: str | None, columns: Sequence[str]) -> Any:
    from datasets import load_dataset_builder
    from datasets.packaged_modules.csv.csv import CsvConfig

    refused: ValueError | None = None
    builder = None
    try:
        builder = load_dataset_builder(hub.path, hub.name, revision=revision)
    except ValueError as error:  # The cache may know it only as it was read below.
        refused = error
    if builder is not None and not isinstance(builder.config, CsvConfig):
        return builder
    # Else pandas makes the texts NA, null and None missing, and the label 007 a 7.
    as_text = {"keep_default_na": False, "na_filter": False, "converters": dict.fromkeys(columns, str)}
    try:
        return load_dataset_builder(hub.path, hub.name, revision=revision, **as_text)
    except ValueError as error:
        raise refused or error from None


def _refusal(hub: HubDataset, shown: str, kind: Kind, reason: str) -> DataError:
    from datasets import config

    return DataError(
        _KEYS.get(kind, "data.hub_failed"),
        where=shown,
        dataset=hub.path,
        revision=hub.revision or "main",
        cache=str(config.HF_DATASETS_CACHE),
        page=f"{config.HF_ENDPOINT}/datasets/{hub.path}",
        reason=reason,
    )
