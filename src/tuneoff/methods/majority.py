"""Always the most common class."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tuneoff.methods._base import MethodFacts, TextMethod


class Majority(TextMethod):
    """The training share of each class, whatever the text says: what any method must beat."""

    facts = MethodFacts(
        title={"en": "Majority class", "ko": "최빈 클래스"},
        summary={"en": "always answers the most common class", "ko": "항상 가장 흔한 클래스로 답함"},
        experiment=0,
    )

    def fit(self, texts: Sequence[tuple[str, ...]], targets: np.ndarray, num_classes: int, seed: int) -> None:
        """Count the classes."""
        counts = np.bincount(targets, minlength=num_classes)
        self.log_share = np.log((counts + 1) / (counts.sum() + num_classes))

    def logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        """The same row for every text."""
        return np.tile(self.log_share, (len(texts), 1)).astype(np.float32)

    def num_parameters(self) -> int:
        """One share a class."""
        return int(self.log_share.size)

    def save(self, folder: Path) -> None:
        """As JSON."""
        (folder / "majority.json").write_text(json.dumps({"log_share": self.log_share.tolist()}), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """From JSON."""
        self.log_share = np.array(json.loads((folder / "majority.json").read_text(encoding="utf-8"))["log_share"])
