"""One training run, and its identity."""

import hashlib
import json
import re
from functools import cached_property
from typing import Any, Literal

from pydantic import computed_field

from tuneoff.spec.study import Frozen, PretrainSpec, TrainSpec


def half(candidates: int) -> int:
    """How many candidates a rung leaves: the better half, rounded up."""
    return -(-candidates // 2)


class SearchSpec(Frozen):
    """Learning rates to try (of the method, of the head), and the share of a whole training of each rung of the halving.

    ``default``: which of the candidates the method would train at without a search; records from before it was tried have none.
    """

    candidates: tuple[tuple[float, float], ...]
    shares: tuple[float, ...]
    default: int | None = None

    @property
    def lengths(self) -> list[float]:
        """The share of a whole training of each training of the search, rung by rung: every rung keeps the better half.

        >>> SearchSpec(candidates=((1e-4, 1e-3),) * 3, shares=(0.25, 0.5)).lengths
        [0.25, 0.25, 0.25, 0.5, 0.5]
        """
        left, found = len(self.candidates), []
        for share in self.shares:
            found += [share] * left
            left = half(left)
        return found


class TrialSpec(Frozen):
    """Everything that decides a trial's result. Names in reports, paths, devices and time limits are not part of it.

    ``method`` is the name with its ``pretrain+``. ``config`` has every parameter resolved; learning rates that a search finds
    are ``None``. ``needs`` are the stages that must be complete first: continued pretraining (whose method is ``pretrain``),
    which several trials share, and the search of the method's learning rates.
    """

    method: str
    config: dict[str, Any]
    seed: int
    data: str
    backbone: str
    train: TrainSpec
    pretrain: PretrainSpec | None = None
    corpus: str | None = None
    stage: Literal["pretrain", "search"] | None = None
    search: SearchSpec | None = None
    needs: tuple[str, ...] = ()
    metric_version: int
    trust_remote_code: bool = False

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def key(self) -> str:
        """SHA-256 of the fields above, hex; on how many devices it trains is no part of it."""
        values = self.model_dump(mode="json", exclude={"key": True, "train": {"devices", "strategy"}})
        return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @cached_property
    def name(self) -> str:
        """Folder of the trial: readable, and unique by its key."""
        slug = re.sub(r"[^A-Za-z0-9]+", "-", self.method).strip("-")
        if self.stage == "search":
            return f"search-{slug}-{self.key[:10]}"
        return f"{slug}-s{self.seed}-{self.key[:10]}"

    @property
    def is_stage(self) -> bool:
        """Work that trials build on, not a trial of a method."""
        return self.stage is not None
