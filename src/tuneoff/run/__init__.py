"""Plan → processes → records."""

from tuneoff.run.artefact import Predictor
from tuneoff.run.outlook import MeasuredTrial, Outlook, Range, TrialOutlook, keep_outlook, kept_outlook, look_ahead, measure_trials
from tuneoff.run.planner import Plan, PlannedMethod, make_plan
from tuneoff.run.runner import Listener, Progress, StoppedError, run_plan

__all__ = [
    "Listener",
    "MeasuredTrial",
    "Outlook",
    "Plan",
    "PlannedMethod",
    "Predictor",
    "Progress",
    "Range",
    "StoppedError",
    "TrialOutlook",
    "keep_outlook",
    "kept_outlook",
    "look_ahead",
    "make_plan",
    "measure_trials",
    "run_plan",
]
