"""Plan → processes → records."""

from tuneoff.run.artefact import Predictor
from tuneoff.run.executors import Executor, LocalExecutor, RayExecutor
from tuneoff.run.foresight import Foresight, foresee, keep_outlook, kept_foresight, kept_outlook
from tuneoff.run.outlook import MeasuredTrial, Outlook, Range, TrialOutlook, look_ahead, measure_trials
from tuneoff.run.planner import Plan, PlannedMethod, make_plan
from tuneoff.run.runner import Listener, Progress, StoppedError, run_plan

__all__ = [
    "Executor",
    "Foresight",
    "Listener",
    "LocalExecutor",
    "MeasuredTrial",
    "Outlook",
    "Plan",
    "PlannedMethod",
    "Predictor",
    "Progress",
    "Range",
    "RayExecutor",
    "StoppedError",
    "TrialOutlook",
    "foresee",
    "keep_outlook",
    "kept_foresight",
    "kept_outlook",
    "look_ahead",
    "make_plan",
    "measure_trials",
    "run_plan",
]
