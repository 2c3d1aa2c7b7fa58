"""Who runs the attempts at trials. Claims and records stay with the runner."""

from tuneoff.run.executors.executor import Executor, Task
from tuneoff.run.executors.local import LocalExecutor
from tuneoff.run.executors.ray import RayExecutor

__all__ = ["Executor", "LocalExecutor", "RayExecutor", "Task"]
