"""``tuneoff predict``: texts from the command line, a file or stdin → labels."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from tuneoff.errors import UsageError
from tuneoff.spec import STUDY_FILE


def predict_rows(artefact: Path, texts: Sequence[str], file: Path | None, stdin: TextIO, trust: bool = False) -> list[dict[str, Any]]:
    """Label texts with an artefact.

    Args:
        artefact: an ``artefact`` folder, or the folder of the attempt or trial that holds it.
        texts: given on the command line; for an artefact of pairs, first and second in turn.
        file: a data file with the columns that the artefact was trained on.
        stdin: one text a line, when neither is given and it is no terminal.
        trust: the backbone's own Python code may run.

    Raises:
        UsageError: no artefact, or no text.
    """
    from tuneoff.run import Predictor
    from tuneoff.run.artefact import DESCRIPTION

    folder = next(
        (p for p in (artefact, artefact / "artefact", *sorted(artefact.glob("attempt-*/artefact"))) if (p / DESCRIPTION).exists()), artefact
    )
    predictor = Predictor(folder, study_folder(folder), trust=trust)
    columns = predictor.description.text_columns
    if file is not None:
        from tuneoff.data.table import read_table

        wanted = columns if file.suffix.lower() != ".txt" else ("text",)
        table = read_table(file, wanted, "utf-8", str(file))
        rows: list[tuple[str, ...]] = list(zip(*(table.columns[column] for column in wanted), strict=True))
    else:
        flat = list(texts) or (
            [line.rstrip("\n") for line in stdin if line.strip()] if stdin is not sys.__stdin__ or not stdin.isatty() else []
        )
        width = len(columns)
        if not flat or len(flat) % width:
            raise UsageError("cli.no_texts", columns=width)
        rows = [tuple(flat[i : i + width]) for i in range(0, len(flat), width)]
    with tempfile.TemporaryDirectory() as cache:
        logits = predictor.logits(rows, Path(cache)).astype(np.float64)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return [
        {
            "text": list(row),
            "label": predictor.labels[int(share.argmax())],
            "probability": float(share.max()),
            "probabilities": dict(zip(predictor.labels, map(float, share), strict=True)),
        }
        for row, share in zip(rows, shares, strict=True)
    ]


def study_folder(artefact: Path) -> Path:
    """Where a relative backbone path starts from: the study around the artefact, else the current folder."""
    return next((parent for parent in artefact.resolve().parents if (parent / STUDY_FILE).exists()), Path.cwd())
