"""Plan → processes → records."""

from tuneoff.run.artefact import Predictor
from tuneoff.run.planner import Plan, PlannedMethod, make_plan
from tuneoff.run.runner import Listener, Progress, StoppedError, run_plan

__all__ = ["Listener", "Plan", "PlannedMethod", "Predictor", "Progress", "StoppedError", "make_plan", "run_plan"]
