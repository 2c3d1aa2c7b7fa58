"""Features of a frozen backbone: read once per backbone, data and length, kept on disk, shared by every head."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from tuneoff.data import publish
from tuneoff.faults import fault
from tuneoff.train.batches import TokenRows
from tuneoff.train.on_cpu import reading
from tuneoff.train.packed import ReadMask, read_mask
from tuneoff.train.room import ROOM


@dataclass(frozen=True)
class FeatureCost:
    """What reading the features cost; charged to every trial that uses them. Bytes and energy as in ``measure``."""

    seconds: dict[str, float]
    peak_bytes: int | None
    counter: str
    energy: dict[str, float | None] | None = None


def extract(encode: nn.Module, rows: TokenRows, on_cpu: bool = False, read: ReadMask = read_mask) -> torch.Tensor:
    """Features of all rows, fp32 of shape [rows, hidden], in the rows' order.

    Args:
        encode: token ids → features.
        rows: to read.
        on_cpu: the device is a CPU, where rows are laid end to end if the architecture allows it.
        read: how masks of attention are read.
    """
    encode.eval()
    return ROOM.fit(lambda tokens: _extract(encode, rows, tokens, on_cpu, read))


def _extract(encode: nn.Module, rows: TokenRows, tokens: int, on_cpu: bool, read: ReadMask) -> torch.Tensor:
    found: torch.Tensor | None = None
    with torch.inference_mode(), reading(encode, on_cpu, read) as batches:
        for chosen in batches(rows.lengths, tokens):
            fault("evaluate", len(chosen))
            features = encode(**rows.batch(chosen).inputs).float().cpu()
            if found is None:
                found = torch.empty(len(rows), features.shape[1])
            found[torch.from_numpy(chosen)] = features
    assert found is not None
    return found.clone()


def load_features(file: Path) -> tuple[dict[str, torch.Tensor], FeatureCost] | None:
    """Stored features by split and what they cost, or ``None``."""
    try:
        with safe_open(file, "pt") as stored:
            cost = json.loads(stored.metadata()["cost"])
            return {name: stored.get_tensor(name) for name in stored.keys()}, FeatureCost(**cost)  # noqa: SIM118 (not a dict)
    except (FileNotFoundError, SafetensorError):
        return None  # Not there or damaged: it is read anew.


def save_features(file: Path, features: dict[str, torch.Tensor], cost: FeatureCost) -> None:
    """Publish features whole or not at all."""
    metadata = {"cost": json.dumps(asdict(cost))}
    publish(file, lambda temporary: save_file(features, temporary, metadata=metadata))
