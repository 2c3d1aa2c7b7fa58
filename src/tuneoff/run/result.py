"""What a trial gives back: predictions, scores, costs, and the description of its artefact."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from tuneoff.measure import Energy, Peak, score
from tuneoff.run.artefact import Description, folder_bytes
from tuneoff.run.bench import Bench
from tuneoff.run.job import Rates
from tuneoff.store import PREDICTIONS, storage
from tuneoff.train import Outcome


@dataclass(frozen=True)
class Learnt:
    """What learning and judging gave: logits of the splits, and those of the rows that the reload is checked on.

    ``features``: what reading a frozen backbone cost, which every trial on it is charged with, and whether it was read here.
    """

    outcome: Outcome
    parameters: dict[str, Any]
    precision: str
    trained: Peak
    evaluated: Peak
    logits: dict[str, np.ndarray]
    proof: np.ndarray
    rates: Rates | None = None
    features: dict[str, Any] | None = None
    energy: Energy | None = None


def describe_artefact(bench: Bench, precision: str, rates: Rates | None = None) -> None:
    """Write what the artefact says of itself."""
    job = bench.job
    description = Description(
        method=job.trial.method,
        config=job.trial.config | (asdict(rates) if rates else {}),
        labels=bench.splits.labels,
        text_columns=job.text_columns,
        max_length=job.trial.train.max_length,
        precision=precision,
        backbone=job.backbone_name,
        revision=job.trial.backbone,
        trust_remote_code=job.trial.trust_remote_code,
    )
    with storage(bench.artefact):
        description.write(bench.artefact)


def result_of(bench: Bench, learnt: Learnt) -> dict[str, Any]:
    """Write the predictions and gather the record's fields; the artefact must be written by now."""
    splits, logits = bench.splits, learnt.logits
    tensors = {f"{name}.logits": torch.from_numpy(values) for name, values in logits.items()}
    tensors |= {f"{name}.targets": torch.from_numpy(splits.targets(name)) for name in logits}
    tensors["proof.logits"] = torch.from_numpy(learnt.proof)
    with bench.clock.phase("save"):
        predictions = bench.job.folder / PREDICTIONS
        with storage(predictions, sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())):
            save_file(tensors, predictions)
            _write_table(bench, logits)
    result = {
        "parameters": learnt.parameters,
        "memory": {"train": asdict(learnt.trained), "evaluate": asdict(learnt.evaluated)},
        "energy": {"train": learnt.energy.as_dict() if learnt.energy else None},
        "quality": {name: score(values, splits.targets(name), splits.labels).as_dict() for name, values in logits.items()},
        "labels": splits.labels,
        "steps": learnt.outcome.steps,
        "best_epoch": learnt.outcome.best_epoch,
        "precision": learnt.precision,
        "predictions_sha256": hashlib.sha256(predictions.read_bytes()).hexdigest(),
        "artefact_bytes": folder_bytes(bench.artefact),
    }
    if learnt.rates:
        result["rates"] = asdict(learnt.rates)
    if learnt.features:
        result["features"] = learnt.features
    return result


def _write_table(bench: Bench, logits: dict[str, np.ndarray]) -> None:
    """The same predictions as a table that pandas and spreadsheets read: place, label, predicted, one logit a class."""
    splits = bench.splits
    names = list(logits)
    stacked = np.concatenate([logits[name] for name in names])
    table = {
        "split": [name for name in names for _ in splits[name].labels],
        "place": [place for name in names for place in splits[name].places],
        "label": [label for name in names for label in splits[name].labels],
        "predicted": [splits.labels[i] for i in stacked.argmax(1)],
    } | {f"logit:{label}": stacked[:, i] for i, label in enumerate(splits.labels)}
    pq.write_table(pa.table(table), bench.job.folder / "predictions.parquet")
