"""tuneoff: which way of adapting a pretrained model to your text is worth its cost?"""

from typing import TYPE_CHECKING, Any

from tuneoff.errors import TuneoffError

if TYPE_CHECKING:
    from tuneoff.comparison import compare
    from tuneoff.run import Predictor
    from tuneoff.study import Study

__all__ = ["Predictor", "Study", "TuneoffError", "compare"]


def __getattr__(name: str) -> Any:
    """Import what is heavy when it is used."""
    if name == "Study":
        from tuneoff.study import Study

        return Study
    if name == "compare":
        from tuneoff.comparison import compare

        return compare
    if name == "Predictor":
        from tuneoff.run import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
