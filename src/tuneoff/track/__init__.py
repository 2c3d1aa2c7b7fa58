"""Records, sent on to MLflow and TensorBoard. What is kept in the study's folder stays the truth; nothing here can fail a trial."""

from tuneoff.track.run import TrackedRun, tracked_runs
from tuneoff.track.sink import Sink
from tuneoff.track.sinks import open_sinks, with_sinks
from tuneoff.track.tracker import Sent, Tracker

__all__ = ["Sent", "Sink", "TrackedRun", "Tracker", "open_sinks", "tracked_runs", "with_sinks"]
