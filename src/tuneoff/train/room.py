"""How much of a device evaluation takes at once: less, for the rest of a process, when it did not fit."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from tuneoff.train import ranks
from tuneoff.train.batches import EVALUATION_TOKENS

T = TypeVar("T")


class Room:
    """Padded tokens of an evaluation batch."""

    def __init__(self) -> None:
        self.tokens = EVALUATION_TOKENS

    @property
    def shrunk(self) -> bool:
        """Whether the usual batches did not fit."""
        return self.tokens < EVALUATION_TOKENS

    def fit(self, work: Callable[[int], T]) -> T:
        """Do what takes so many tokens a batch; where the device is full, again with half as many, down to one row.

        Raises:
            torch.OutOfMemoryError: a single row does not fit.
        """
        while True:
            try:
                return work(self.tokens)
            except torch.OutOfMemoryError:
                # One of several ranks cannot start again alone.
                if self.tokens == 1 or ranks.count() > 1:
                    raise
            give_back()
            self.tokens //= 2


def give_back() -> None:
    """Return memory of tensors that nobody holds to the device, for what comes next may need other sizes."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


#: Of this process: it works for one trial.
ROOM = Room()
