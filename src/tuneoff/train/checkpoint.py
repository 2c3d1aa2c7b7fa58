"""A training run on disk at the end of an epoch, so that it goes on after a stop as if there had been none."""

import io
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuneoff.data.files import publish
from tuneoff.errors import StorageError
from tuneoff.measure import Clock
from tuneoff.strings import say
from tuneoff.train.loop import Outcome, Point, Progress
from tuneoff.train.weights import Weights


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is kept, and everything of it that a stop would lose.

    The position in the data is not among it: an objective's epochs follow from their numbers.

    Args:
        file: replaced whole at every save.
        run: what makes runs the same: settings, data, versions; plain values.
        weights: masters and optimiser.
        clock: goes on from the seconds that were charged.
        generators: of random numbers that training draws from, such as those of dropout; PyTorch's own are always kept.
    """

    file: Path
    run: dict[str, Any]
    weights: Weights
    clock: Clock
    generators: Sequence[np.random.Generator] = field(default=())

    def save(self, progress: Progress) -> None:
        """Write the run as it stands.

        Raises:
            StorageError: the disk is full, read-only or gone.
        """
        content = {
            "run": json.dumps(self.run, sort_keys=True),
            "epochs": progress.epochs,
            "outcome": json.dumps(asdict(progress.outcome)),
            "best": progress.best,
            "weights": self.weights.state(),
            "clock": dict(self.clock.seconds),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "generators": [json.dumps(generator.bit_generator.state, default=_plain) for generator in self.generators],
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        self._keep_last()
        publish(self.file, lambda temporary: temporary.write_bytes(buffer.getbuffer()))

    @property
    def previous(self) -> Path:
        """The checkpoint before the newest, for when that one is damaged."""
        return self.file.with_name(self.file.name + ".previous")

    def _keep_last(self) -> None:
        if not self.file.exists():
            return
        link = self.file.with_name(f".{self.file.name}.last.part")
        try:
            link.unlink(missing_ok=True)
            os.link(self.file, link)
            os.replace(link, self.previous)
        except OSError:  # No hard links here, or no room: then there is one checkpoint, which is replaced whole.
            link.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove what was kept of a run that has ended."""
        self.file.unlink(missing_ok=True)
        self.previous.unlink(missing_ok=True)

    def load(self) -> Progress | None:
        """Put everything back and say how far the run is; ``None`` where nothing was saved.

        A damaged checkpoint is told of on the log ``tuneoff``, and the one before it goes on.

        Raises:
            StorageError: the file is damaged, and so is the one before it; or it is of another run.
        """
        if not self.file.exists():
            return None
        try:
            content, run = _read(self.file)
        except StorageError as damaged:
            if not self.previous.exists():
                raise
            content, run = _read(self.previous)
            fell_back = say("run.fell_back", previous=self.previous.name, epochs=content["epochs"])
            logging.getLogger("tuneoff").warning("%s; %s", damaged.text().partition(" → ")[0], fell_back)
        wanted = json.loads(json.dumps(self.run))
        # A setting that the older run did not know of is none of it: the next version of a program goes on with its checkpoints.
        if differs := sorted(key for key in run.keys() | wanted.keys() if run.get(key) != wanted.get(key)):
            raise StorageError("run.other_checkpoint", where=str(self.file), differs=", ".join(differs))
        self.weights.load_state(content["weights"])
        self.clock.seconds.update(content["clock"])
        torch.set_rng_state(content["torch"])
        if torch.cuda.is_available() and content["cuda"]:
            torch.cuda.set_rng_state_all(content["cuda"])
        for generator, state in zip(self.generators, content["generators"], strict=True):
            generator.bit_generator.state = _state(json.loads(state))
        outcome = json.loads(content["outcome"])
        curve = [Point(**point) for point in outcome.pop("curve")]
        return Progress(content["epochs"], Outcome(**outcome, curve=curve), content["best"])


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        # Tensors and plain values only: opening a checkpoint runs no code.
        content = torch.load(file, map_location="cpu", weights_only=True)
        return content, json.loads(content["run"])
    except Exception as error:  # PyTorch has no common error for a file that it cannot read.
        raise StorageError("run.bad_checkpoint", where=str(file), reason=str(error).split("\n")[0]) from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"words": [int(word) for word in value]}
    return int(value)


def _state(value: Any) -> Any:
    """The inverse of :func:`_plain`: arrays of 64-bit words back in place."""
    if not isinstance(value, dict):
        return value
    if set(value) == {"words"}:
        return np.array(value["words"], dtype=np.uint64)
    return {name: _state(inner) for name, inner in value.items()}
