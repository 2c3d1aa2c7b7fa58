"""Plan → processes → records."""

from tuneoff.run.artefact import Predictor
from tuneoff.run.executors import Executor, LocalExecutor, RayExecutor
from tuneoff.run.foresight import expected_seconds, foresee, keep_outlook
from tuneoff.run.looks import TrialOutlook
from tuneoff.run.outlook import MeasuredTrial, Outlook, look_ahead, measure_trials
from tuneoff.run.planner import Plan, PlannedMethod, make_plan
from tuneoff.run.runner import Listener, Progress, StoppedError, run_plan

__all__ = [
    "Executor",
    "Listener",
    "LocalExecutor",
    "MeasuredTrial",
    "Outlook",
    "Plan",
    "PlannedMethod",
    "Predictor",
    "Progress",
    "RayExecutor",
    "StoppedError",
    "TrialOutlook",
    "expected_seconds",
    "foresee",
    "keep_outlook",
    "look_ahead",
    "make_plan",
    "measure_trials",
    "run_plan",
]
