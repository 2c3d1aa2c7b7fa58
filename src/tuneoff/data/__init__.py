"""Rows, splits and tokens. Texts stay byte-identical; labels come from train."""

from tuneoff.data.files import publish
from tuneoff.data.finding import Finding
from tuneoff.data.load import load_splits
from tuneoff.data.prepared import load_prepared, save_prepared
from tuneoff.data.reading import Reader, TokenCounts
from tuneoff.data.report import DataReport, describe
from tuneoff.data.splits import SPLITS, Rows, Splits
from tuneoff.data.table import READERS, column_names
from tuneoff.data.tokens import Tokens, tokenise

__all__ = [
    "READERS",
    "SPLITS",
    "DataReport",
    "Finding",
    "Reader",
    "Rows",
    "Splits",
    "TokenCounts",
    "Tokens",
    "column_names",
    "describe",
    "load_prepared",
    "load_splits",
    "publish",
    "save_prepared",
    "tokenise",
]
