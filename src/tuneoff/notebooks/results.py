"""The results of a study as a pandas frame that reads well where it is shown; the values in it stay exact."""

from typing import Any, Final

import pandas as pd

from tuneoff.report import format as f
from tuneoff.strings import say


def _score(value: float) -> str:
    return f"{value:.3f}"


def _points(value: float) -> str:
    return f"{value:+.3f}"


#: Shown columns, and how each value reads.
_SHOWN: Final[dict[str, Any]] = {
    "label": str,
    "state": str,
    "accuracy": _score,
    "accuracy_low": _score,
    "accuracy_high": _score,
    "macro_f1": _score,
    "gap_to_full": _points,
    "parameters_percent": f.percent,
    "train_peak_bytes": lambda value: f.size(int(value)),
    "train_seconds": f.short_time,
    "artefact_bytes": lambda value: f.size(int(value)),
}


class Results(pd.DataFrame):  # type: ignore[misc]
    """One row a method. What is shown is rounded and has the columns asked for most; indexing gives exact values."""

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame  # What is cut out of it shows itself as any frame does.

    def shown(self) -> pd.DataFrame:
        """The frame as it is shown: texts, a dash where nothing was measured."""
        columns = {
            name: [f.NOTHING if pd.isna(value) else reads(value) for value in self[name]] for name, reads in _SHOWN.items() if name in self
        }
        return pd.DataFrame(columns)

    def _hidden(self) -> str:
        names = [name for name in self.columns if name not in _SHOWN]
        return say("notebook.more_columns", count=len(names), names=", ".join(names[:4]))

    def _repr_html_(self) -> str:
        table = self.shown().to_html(index=False, border=0, na_rep=f.NOTHING)
        return f"{table}<p>{self._hidden()}</p>"

    def __repr__(self) -> str:
        return f"{self.shown().to_string(index=False)}\n\n{self._hidden()}"
