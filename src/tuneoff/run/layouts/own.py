"""An artefact for tuneoff."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from tuneoff.methods import CONFIG_FILE, WEIGHTS_FILE
from tuneoff.run.artefact import Predictor
from tuneoff.run.layouts._layout import OnBackbone, Texts


class Own(OnBackbone):
    """What ``tuneoff predict`` reads: the method's layers are in no other library."""

    name = "tuneoff"
    library = "tuneoff"

    def write(self, folder: Path) -> None:
        """The artefact, and the backbone where other machines know it by no name."""
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            shutil.copy2(self.predictor.folder / name, folder / name)
        replace(self.said, backbone=self.said.backbone_name).write(folder)
        self.write_backbone(folder)

    def logits(self, folder: Path, texts: Texts, cache: Path) -> np.ndarray:
        """As ``tuneoff predict`` does."""
        return Predictor(folder, precision="fp32", trust=self.predictor.trusts_code).logits(texts, cache)

    @property
    def usage(self) -> tuple[str, str]:
        """The command for one row."""
        return "sh", f"tuneoff predict . {' '.join(json.dumps(text, ensure_ascii=False) for text in self.example)}\n"
