"""A checkpoint of transformers."""

from pathlib import Path
from typing import Any

from tuneoff.run.layouts._layout import InPython


class Complete(InPython):
    """Everything in one model: what the method changed, or what it added folded into the weights. Stored in fp32."""

    name = "transformers"
    library = "transformers"

    def write(self, folder: Path) -> None:
        """Fold and save."""
        adapted = self.predictor.adapted
        model: Any = self.method.merge(adapted) if adapted.adapter else adapted.model
        self.with_labels(model.config)
        model.save_pretrained(folder)
        self.save_tokenizer(folder)

    def code(self, names: str, given: str) -> str:
        """Load the folder."""
        return f"""\
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

{names}config = AutoConfig.from_pretrained(folder{self.trust})
tokenizer = AutoTokenizer.from_pretrained(folder{self.trust})
model = AutoModelForSequenceClassification.from_pretrained(folder{self.trust}).eval()
inputs = tokenizer({given}, padding=True, truncation=True, return_tensors="pt")
with torch.no_grad():
    logits = model(**inputs).logits
"""
