"""Records → rows, intervals, comparisons, a recommendation. Pure functions; no files, no torch."""

from tuneoff.analyse.bootstrap import Draws, Interval, interval
from tuneoff.analyse.compare import ALPHA, Comparison, Comparisons
from tuneoff.analyse.costs import Sensitivity, effort
from tuneoff.analyse.curves import curve_points
from tuneoff.analyse.front import COSTS, Standing, fronts
from tuneoff.analyse.recommend import LIMITED, Change, Limits, Recommendation, reading, recommend
from tuneoff.analyse.row import Row
from tuneoff.analyse.rows import ALMOST_NONE, SMALL, Analysis, analyse
from tuneoff.analyse.trials import MethodTrials, TrialResult

__all__ = [
    "ALMOST_NONE",
    "ALPHA",
    "COSTS",
    "LIMITED",
    "SMALL",
    "Analysis",
    "Change",
    "Comparison",
    "Comparisons",
    "Draws",
    "Interval",
    "Limits",
    "MethodTrials",
    "Recommendation",
    "Row",
    "Sensitivity",
    "Standing",
    "TrialResult",
    "analyse",
    "curve_points",
    "effort",
    "fronts",
    "interval",
    "reading",
    "recommend",
]
