"""What a trial's process is given, and what it gives back: two JSON files in the attempt's folder."""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from tuneoff.backbone import Resolved
from tuneoff.spec import TrialSpec
from tuneoff.store import CURVE, JOB, RESULT, storage


@dataclass(frozen=True)
class Rates:
    """Peak learning rates of a method's parameters and of the head."""

    learning_rate: float
    head_learning_rate: float


@dataclass(frozen=True)
class Job:
    """One attempt at one trial.

    Attributes:
        trial: what to run.
        folder: the attempt's own folder.
        prepared: the splits' file.
        cache: for tokens and features.
        backbone: where it lies; for a trial after continued pretraining, still the original.
        backbone_name: as in the study file.
        pretrained: artefact of the continued pretraining that the trial needs.
        pretrained_name: that stage's name.
        rates: learning rates to train at; those after the first are for when it did not train. Empty where none are needed.
        text_columns: names of the text columns, for prediction.
        micro_batch: rows of one forward pass, where the study's own choice did not fit.
        threads: intra-operation threads; ``None`` leaves torch's choice.
        gpus: GPUs that the attempt may see, as ``CUDA_VISIBLE_DEVICES`` names them; ``None`` for all.
        ranks: processes that train together, each on a device of its own.
        rank: number of this one; the first one's results are the attempt's, and the others' folders lie in its own.
    """

    trial: TrialSpec
    folder: Path
    prepared: Path
    cache: Path
    backbone: Resolved | None
    backbone_name: str
    pretrained: Path | None
    text_columns: tuple[str, ...]
    pretrained_name: str | None = None
    rates: tuple[Rates, ...] = ()
    micro_batch: int | None = None
    threads: int | None = None
    gpus: str | None = None
    ranks: int = 1
    rank: int = 0

    @property
    def all_ranks(self) -> list[Self]:
        """The jobs of all ranks."""
        others = [replace(self, rank=rank, folder=self.folder / f"rank-{rank}") for rank in range(1, self.ranks)]
        return [self, *others]

    @property
    def meeting(self) -> Path:
        """The file through which ranks find each other."""
        return (self.folder.parent if self.rank else self.folder) / "meeting"

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {
            "trial": self.trial.model_dump(mode="json", exclude={"key"}),
            "folder": str(self.folder),
            "prepared": str(self.prepared),
            "cache": str(self.cache),
            "backbone": self.backbone.as_dict() if self.backbone else None,
            "pretrained": str(self.pretrained) if self.pretrained else None,
        }

    def write(self) -> Path:
        """Write the job; returns the file."""
        file = self.folder / JOB
        file.write_text(json.dumps(self.as_dict(), indent=1, ensure_ascii=False), encoding="utf-8")
        return file

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what :meth:`write` wrote."""
        return cls.of(json.loads(file.read_text(encoding="utf-8")))

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """The inverse of :meth:`as_dict`."""
        backbone = values["backbone"]
        return cls(
            trial=TrialSpec.model_validate(values["trial"]),
            folder=Path(values["folder"]),
            prepared=Path(values["prepared"]),
            cache=Path(values["cache"]),
            backbone=Resolved(**(backbone | {"folder": Path(backbone["folder"])})) if backbone else None,
            backbone_name=values["backbone_name"],
            pretrained=Path(values["pretrained"]) if values["pretrained"] else None,
            text_columns=tuple(values["text_columns"]),
            pretrained_name=values["pretrained_name"],
            rates=tuple(Rates(**rates) for rates in values["rates"]),
            micro_batch=values["micro_batch"],
            threads=values["threads"],
            gpus=values["gpus"],
            ranks=values["ranks"],
            rank=values["rank"],
        )


def write_result(folder: Path, values: dict[str, Any], name: str = RESULT) -> None:
    """Hand a result to the parent: whole or not at all. Only the parent publishes records."""
    temporary, data = folder / f".{name}.part", json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    with storage(folder / name, len(data)):
        temporary.write_bytes(data)
        os.replace(temporary, folder / name)


def read_result(folder: Path, name: str = RESULT) -> dict[str, Any] | None:
    """The child's result, or ``None`` if it ended without one."""
    file = folder / name
    if not file.exists():
        return None
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return values


def last_point(folder: Path) -> dict[str, Any] | None:
    """The newest whole line of the curve being written."""
    try:
        lines = (folder / CURVE).read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    except OSError:
        return None
    point: dict[str, Any] | None = json.loads(lines[-1]) if lines else None
    return point
