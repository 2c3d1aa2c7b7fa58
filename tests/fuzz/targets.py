"""What is fuzzed: bytes → a reader. Our own errors are answers, and each must be sayable on one line; all else is a find."""

import io
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tuneoff.data import load_splits
from tuneoff.data.table import read_table
from tuneoff.errors import TuneoffError
from tuneoff.spec import DataSpec, load
from tuneoff.store import read_record
from tuneoff.strings import LANGUAGES

#: Chosen by the first byte of a data file's input.
ENCODINGS: Final = ("utf-8", "cp949", "utf-16", "latin-1", "utf-8-sig", "utf-16-le", "shift_jis", "utf-7")
_FOLDER = tempfile.TemporaryDirectory(prefix="tuneoff-fuzz-")
FOLDER: Final = Path(_FOLDER.name)


def _tell(error: TuneoffError) -> None:
    for language in LANGUAGES:
        said = error.text(language)
        assert said.isprintable(), f"{error.key}: more than a line"
        assert len(said) < 20_000, f"{error.key}: a flood"


def study(data: bytes) -> None:
    """``study.yaml``."""
    (FOLDER / "study.yaml").write_bytes(data)
    try:
        load(FOLDER)
    except TuneoffError as error:
        _tell(error)


def override(data: bytes) -> None:
    """``--set``, on a small study."""
    (FOLDER / "study.yaml").write_text("study: s\nbackbone: b\ndata: {train: t.csv}\nmethods: [full]\n")
    try:
        load(FOLDER, data.decode("utf-8", "surrogateescape").split("\0"))
    except TuneoffError as error:
        _tell(error)


def _rows(name: str) -> Callable[[bytes], None]:
    """A whole data section: read, labels checked, split."""

    def target(data: bytes) -> None:
        (FOLDER / name).write_bytes(data[1:])
        encoding = ENCODINGS[data[0] % len(ENCODINGS)] if data else "utf-8"
        try:
            load_splits(DataSpec.model_validate({"train": name, "encoding": encoding, "validation": 0.2, "test": 0.2}), FOLDER)
        except TuneoffError as error:
            _tell(error)

    return target


def parquet(data: bytes) -> None:
    """A parquet file."""
    _table(FOLDER / "t.parquet", data)


def xlsx(data: bytes) -> None:
    """A workbook, or the XML of its first sheet."""
    _table(FOLDER / "t.xlsx", data if data.startswith(b"PK") else _workbook(data))


def _table(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    try:
        read_table(file, ("text", "label"), "utf-8", file.name)
    except TuneoffError as error:
        _tell(error)


def _workbook(sheet: bytes) -> bytes:
    from openpyxl import Workbook

    made, changed = io.BytesIO(), io.BytesIO()
    Workbook().save(made)
    with zipfile.ZipFile(made) as whole, zipfile.ZipFile(changed, "w") as copy:
        for name in whole.namelist():
            copy.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else whole.read(name))
    return changed.getvalue()


def record(data: bytes) -> None:
    """A trial's record; ``ValueError`` is how a bad one is refused."""
    file = FOLDER / "attempt-1.json"
    file.write_bytes(data)
    refused = None
    try:
        read_record(file)
    except ValueError as error:
        refused = error
    assert refused is None or str(refused)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "study": study,
    "override": override,
    "csv": _rows("t.csv"),
    "tsv": _rows("t.tsv"),
    "jsonl": _rows("t.jsonl"),
    "gz": _rows("t.csv.gz"),
    "xlsx": xlsx,
    "parquet": parquet,
    "record": record,
}


def run(target: str, data: bytes) -> None:
    """One input; warnings are finds as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TARGETS[target](data)
