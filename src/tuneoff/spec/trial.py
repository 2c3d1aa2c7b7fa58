"""One training run, and its identity."""

import hashlib
import json
import re
from typing import Any

from pydantic import computed_field

from tuneoff.spec.study import Frozen, PretrainSpec, TrainSpec


class TrialSpec(Frozen):
    """Everything that decides a trial's result. Names in reports, paths, devices and time limits are not part of it.

    ``method`` is the name with its ``pretrain+``; the stage itself, which several trials share, is called ``pretrain``.
    ``needs`` is the stage that must be complete first. ``config`` has every parameter resolved, learning rates included.
    """

    method: str
    config: dict[str, Any]
    seed: int
    data: str
    backbone: str
    train: TrainSpec
    pretrain: PretrainSpec | None = None
    corpus: str | None = None
    needs: str | None = None
    metric_version: int
    trust_remote_code: bool = False

    @computed_field  # type: ignore[prop-decorator]
    @property
    def key(self) -> str:
        """SHA-256 of the fields above, hex."""
        values = self.model_dump(mode="json", exclude={"key"})
        return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @property
    def name(self) -> str:
        """Folder of the trial: readable, and unique by its key."""
        slug = re.sub(r"[^A-Za-z0-9]+", "-", self.method).strip("-")
        return f"{slug}-s{self.seed}-{self.key[:10]}"

    @property
    def is_stage(self) -> bool:
        """Continued pretraining itself, not a trial of a method."""
        return self.method == "pretrain"
