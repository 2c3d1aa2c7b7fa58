"""Records → rows, intervals, comparisons. Pure functions; no files, no torch."""

from tuneoff.analyse.bootstrap import Draws, Interval, interval
from tuneoff.analyse.curves import curve_points
from tuneoff.analyse.recommend import Limits, Recommendation, recommend
from tuneoff.analyse.rows import ALMOST_NONE, SMALL, Analysis, Row, analyse
from tuneoff.analyse.trials import MethodTrials, TrialResult

__all__ = [
    "ALMOST_NONE",
    "SMALL",
    "Analysis",
    "Draws",
    "Interval",
    "Limits",
    "MethodTrials",
    "Recommendation",
    "Row",
    "TrialResult",
    "analyse",
    "curve_points",
    "interval",
    "recommend",
]
