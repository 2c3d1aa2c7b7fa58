"""Plan → processes → records."""

from tuneoff.run.artefact import Predictor
from tuneoff.run.planner import Plan, PlannedMethod, make_plan
from tuneoff.run.runner import Interrupted, Listener, Progress, run_plan

__all__ = ["Interrupted", "Listener", "Plan", "PlannedMethod", "Predictor", "Progress", "make_plan", "run_plan"]
