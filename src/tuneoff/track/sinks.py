"""The trackers that a study names."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tuneoff.errors import RefusedError, UsageError
from tuneoff.spec import StudySpec, TrackSpec, nearest
from tuneoff.track.sink import Sink


def with_sinks(spec: StudySpec, more: Iterable[str]) -> StudySpec:
    """A study with further sinks at their defaults; what it says of a sink stays.

    Raises:
        UsageError: no such sink.
    """
    names = list(TrackSpec.model_fields)
    added: dict[str, dict[str, Any]] = {}
    for name in more:
        if name not in names:
            raise UsageError("track.unknown_sink", where="--track", name=name, nearest=nearest(name, names), known=", ".join(names))
        if getattr(spec.track, name) is None:
            added[name] = {}
    track = TrackSpec.model_validate(spec.track.model_dump(exclude_none=True) | added)
    return spec.model_copy(update={"track": track})


def open_sinks(spec: StudySpec, folder: Path) -> list[Sink]:
    """The sinks of a study; nothing is sent or asked yet.

    Args:
        spec: the study.
        folder: its folder; records go below ``results`` where the study says nothing else.

    Raises:
        RefusedError: a library that one needs is not installed.
    """
    sinks: list[Sink] = []
    if spec.track.mlflow is not None:
        from tuneoff.track.mlflow import MlflowSink

        sinks.append(MlflowSink(folder, spec.track.mlflow.uri, spec.study, spec.track.mlflow.experiment))
    if spec.track.tensorboard is not None:
        from tuneoff.track.tensorboard import TensorboardSink

        sinks.append(TensorboardSink(folder, spec.track.tensorboard.folder))
    for sink in sinks:
        if missing := [module for module in sink.requires if importlib.util.find_spec(module) is None]:
            raise RefusedError("track.not_installed", sink=sink.name, modules=", ".join(missing))
    return sinks
