"""What a trial's process is given, and what it gives back: two JSON files in the attempt's folder."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tuneoff.backbone import Resolved
from tuneoff.spec import TrialSpec

JOB, RESULT, CURVE, LOG = "job.json", "result.json", "curve.jsonl", "log.txt"
PREDICTIONS, VERIFY = "predictions.safetensors", "verify.json"
ARTEFACT = "artefact"


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

    def write(self) -> Path:
        """Write the job; returns the file."""
        values = asdict(self) | {
            "trial": self.trial.model_dump(mode="json", exclude={"key"}),
            "folder": str(self.folder),
            "prepared": str(self.prepared),
            "cache": str(self.cache),
            "backbone": self.backbone.as_dict() if self.backbone else None,
            "pretrained": str(self.pretrained) if self.pretrained else None,
        }
        file = self.folder / JOB
        file.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
        return file

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what :meth:`write` wrote."""
        values = json.loads(file.read_text(encoding="utf-8"))
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
        )


def write_result(folder: Path, values: dict[str, Any], name: str = RESULT) -> None:
    """Hand a result to the parent: whole or not at all. Only the parent publishes records."""
    temporary = folder / f".{name}.part"
    temporary.write_text(json.dumps(values, ensure_ascii=False, allow_nan=False), encoding="utf-8")
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
