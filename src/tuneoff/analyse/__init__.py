"""Records → rows, intervals, comparisons, a recommendation. Pure functions; no files, no torch."""

from tuneoff.analyse.bootstrap import Draws, Interval, interval
from tuneoff.analyse.compare import ALPHA, Comparison, Comparisons
from tuneoff.analyse.confusions import confusions
from tuneoff.analyse.costs import Expense, effort, expense, joules
from tuneoff.analyse.curves import curve_points, still_learning
from tuneoff.analyse.disagreements import Disagreements, disagreements
from tuneoff.analyse.foreseen import Foreseen, RowForecast, foreseen, remedy
from tuneoff.analyse.front import COSTS, Standing
from tuneoff.analyse.recommend import LIMITED, Change, Limits, Recommendation, reading, recommend
from tuneoff.analyse.row import Row
from tuneoff.analyse.rows import ALMOST_NONE, SMALL, Analysis, analyse
from tuneoff.analyse.search import Sensitivity, search_points
from tuneoff.analyse.studies import Pairing, StudyGap, StudyHits, compare_studies, pairing
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
    "Disagreements",
    "Draws",
    "Expense",
    "Foreseen",
    "Interval",
    "Limits",
    "MethodTrials",
    "Pairing",
    "Recommendation",
    "Row",
    "RowForecast",
    "Sensitivity",
    "Standing",
    "StudyGap",
    "StudyHits",
    "TrialResult",
    "analyse",
    "compare_studies",
    "confusions",
    "curve_points",
    "disagreements",
    "effort",
    "expense",
    "foreseen",
    "interval",
    "joules",
    "pairing",
    "reading",
    "recommend",
    "remedy",
    "search_points",
    "still_learning",
]
