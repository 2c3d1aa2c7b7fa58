"""MLflow: one run an attempt, in a store inside the study's folder or on a server.

Every point is stamped with the time when it was measured, and MLflow keeps equal points once: a run that was cut off while it was
being sent is sent again and is there once.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

from tuneoff.track.run import TrackedRun
from tuneoff.track.sink import Sink

STORE: Final = "mlflow.db"
#: Tags of ours; MLflow's own begin with ``mlflow.``.
PREFIX: Final = "tuneoff."
#: MLflow's limits of one request, and of one value.
MOST_METRICS, MOST_PARAMETERS, LONGEST = 1000, 100, 5000
#: A server that is gone must not hold up the study: MLflow's own would try for minutes. What the user sets counts.
PATIENCE: Final = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
#: MLflow reports on its use to its makers unless told not to; a study's machine sends nothing that nobody asked for. And it prints
#: the address of each run to stdout, where a command's answer stands.
QUIET: Final = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}


class MlflowSink(Sink):
    """Runs of one experiment.

    Args:
        folder: the study's.
        uri: of a server or a store; without, ``MLFLOW_TRACKING_URI``, else a store in ``results``.
        study: its name; studies that share an experiment may have trials of the same name.
        experiment: its name; without, the study's.
    """

    name: ClassVar[str] = "mlflow"
    requires: ClassVar[tuple[str, ...]] = ("mlflow", "sqlalchemy", "alembic")

    def __init__(self, folder: Path, uri: str | None, study: str, experiment: str | None = None) -> None:
        self.results = (folder / "results").resolve()
        self.target = uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(self.results / STORE).as_posix()}"
        self.study, self.experiment = study, experiment or study

    def known(self) -> set[str]:
        """Keys of the runs that have ended there."""
        found: set[str] = set()
        token: str | None = None
        with _manners():
            while True:
                page = self._client.search_runs([self._experiment_id], max_results=1000, page_token=token)
                found |= {run.data.tags.get(f"{PREFIX}key", "") for run in page if run.info.end_time is not None and self._is_ours(run)}
                token = page.token
                if not token:
                    return found

    def send(self, run: TrackedRun) -> None:
        """Make the run, or find the one that was begun, and fill it."""
        with _manners():
            from mlflow.entities import Metric, Param, RunTag

        began, ended = int(1000 * run.began), int(1000 * (run.began + run.seconds))
        points = [Metric(name, value, began + int(1000 * at), step) for step, at, values in run.curve for name, value in values.items()]
        points += [Metric(name, value, ended, 0) for name, value in run.numbers.items()]
        parameters = [Param(name, value[:LONGEST]) for name, value in run.parameters.items()]
        with _manners():
            run_id = self._begun(run) or self._begin(run, began)
            # The study's name is there already, as it is now: a record has the one that it was made under.
            tags = [RunTag(PREFIX + name, value[:LONGEST]) for name, value in run.tags.items() if name != "study"]
            self._client.log_batch(run_id, tags=tags)
            for part in _parts(parameters, MOST_PARAMETERS):
                self._client.log_batch(run_id, params=part)
            for part in _parts(points, MOST_METRICS):
                self._client.log_batch(run_id, metrics=part)
            self._client.set_terminated(run_id, "FINISHED" if run.state == "complete" else "FAILED", end_time=ended)

    @cached_property
    def _client(self) -> Any:
        from mlflow import MlflowClient

        if self.target.startswith("sqlite:"):
            self.results.mkdir(parents=True, exist_ok=True)
        return MlflowClient(tracking_uri=self.target)

    @cached_property
    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        # A store in the folder would put artefacts beside whatever directory the command was started in.
        place = (self.results / "mlflow").as_uri() if self.target.startswith("sqlite:") else None
        return str(self._client.create_experiment(self.experiment, artifact_location=place))

    def _is_ours(self, run: Any) -> bool:
        return bool(run.data.tags.get(f"{PREFIX}study") == self.study)

    def _begun(self, run: TrackedRun) -> str | None:
        found = self._client.search_runs([self._experiment_id], f"tags.`{PREFIX}key` = '{run.key}'")
        return next((str(one.info.run_id) for one in found if self._is_ours(one)), None)

    def _begin(self, run: TrackedRun, began: int) -> str:
        tags = {f"{PREFIX}key": run.key, f"{PREFIX}study": self.study}
        made = self._client.create_run(self._experiment_id, start_time=began, tags=tags, run_name=run.name)
        return str(made.info.run_id)


def _parts(values: list[Any], size: int) -> Iterator[list[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))


@contextmanager
def _manners() -> Iterator[None]:
    """Patience and quiet for what MLflow does inside, where the user has not set them otherwise."""
    ours = {name: value for name, value in (PATIENCE | QUIET).items() if name not in os.environ}
    loggers = {logging.getLogger(name): logging.getLogger(name).level for name in ("mlflow", "alembic")}
    os.environ.update(ours)
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # What MLflow still uses of its own libraries is its makers' to change.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
        for logger, level in loggers.items():
            logger.setLevel(level)
