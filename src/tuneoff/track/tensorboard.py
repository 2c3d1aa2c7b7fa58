"""TensorBoard: one folder of event files an attempt, written beside and moved into place whole."""

import os
import shutil
from pathlib import Path
from typing import ClassVar, Final

from tuneoff.track.run import TrackedRun
from tuneoff.track.sink import Sink

FOLDER: Final = "tensorboard"
#: A folder that is being written; a dot hides it from TensorBoard's list until it is whole.
PARTIAL: Final = ".part"


class TensorboardSink(Sink):
    """Event files below one folder, for ``tensorboard --logdir``.

    Args:
        folder: the study's.
        place: the folder of event files, seen from the study; without, ``results/tensorboard``.
    """

    name: ClassVar[str] = "tensorboard"
    requires: ClassVar[tuple[str, ...]] = ("tensorboard",)

    def __init__(self, folder: Path, place: str | None) -> None:
        self.folder = folder / place if place else folder / "results" / FOLDER
        self.target = str(self.folder)

    def known(self) -> set[str]:
        """Keys of the attempts whose folder is there."""
        return {f"{file.parent.name}/{file.name}" for file in self.folder.glob("*/*") if file.is_dir() and not file.name.startswith(".")}

    def send(self, run: TrackedRun) -> None:
        """Write the events of an attempt, its parameters as hyperparameters of the numbers it reached."""
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        trial, _, number = run.key.rpartition("/")
        whole = self.folder / trial / number
        if whole.exists():
            return
        partial = whole.with_name(f".{number}{PARTIAL}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with SummaryWriter(log_dir=str(partial)) as writer:
            for step, at, values in run.curve:
                for name, value in values.items():
                    writer.add_scalar(name, value, step, walltime=run.began + at)
            for name, value in run.numbers.items():
                writer.add_scalar(f"result/{name}", value, 0, walltime=run.began + run.seconds)
            summaries = hparams(run.tags | run.parameters, {f"result/{name}": value for name, value in run.numbers.items()})
            for summary in summaries:
                writer._get_file_writer().add_summary(summary)
        os.replace(partial, whole)
