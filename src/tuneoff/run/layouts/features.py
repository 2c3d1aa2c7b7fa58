"""Frozen features and a linear head."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from tuneoff.methods.feature_extraction import Encoder, Probe
from tuneoff.run.layouts._layout import InPython, stored_format

HEAD = "2_Dense"
#: Pooling → what sentence-transformers calls it, and what it is in PyTorch (rows are padded on the right).
POOLINGS = {
    "mean": ("pooling_mode_mean_tokens", "(tokens * mask).sum(1) / mask.sum(1)"),
    "first": ("pooling_mode_cls_token", "tokens[:, 0]"),
    "last": ("pooling_mode_lasttoken", "tokens[torch.arange(len(tokens)), mask.sum((1, 2)) - 1]"),
}


class Features(InPython):
    """An encoder, its pooling and a linear head as sentence-transformers stores them; transformers has no class for the three.

    The standardisation of the features is folded into the head: W · (f - mean) / spread + b is linear in f.
    """

    name = "features"
    library = "sentence-transformers"

    def write(self, folder: Path) -> None:
        """Encoder and tokenizer on top, pooling and head in folders of their own."""
        base: Any = self._encoder.base
        self.with_labels(base.config)
        base.to(stored_format(self.predictor))  # Frozen: nothing is lost.
        base.save_pretrained(folder)
        self.save_tokenizer(folder)
        linear, probe = self._probe.linear, self._probe
        weight_KD = (linear.weight / probe.spread).detach()
        head = {"linear.weight": weight_KD, "linear.bias": (linear.bias - weight_KD @ probe.mean).detach()}
        for name, values in self._described().items():
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        save_file({name: tensor.contiguous().cpu() for name, tensor in head.items()}, folder / HEAD / "model.safetensors")

    def _described(self) -> dict[str, Any]:
        """What sentence-transformers reads, by file."""
        linear = self._probe.linear
        modules = [("", "Transformer"), ("1_Pooling", "Pooling"), (HEAD, "Dense")]
        pooling = {theirs: ours == self._encoder.pooling for ours, (theirs, _) in POOLINGS.items()}
        return {
            "modules.json": [
                {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
                for number, (path, kind) in enumerate(modules)
            ],
            "sentence_bert_config.json": {"max_seq_length": self.said.max_length, "do_lower_case": False},
            "1_Pooling/config.json": {"word_embedding_dimension": linear.in_features} | pooling,
            f"{HEAD}/config.json": {
                "in_features": linear.in_features,
                "out_features": linear.out_features,
                "bias": True,
                "activation_function": "torch.nn.modules.linear.Identity",
            },
        }

    @property
    def _encoder(self) -> Encoder:
        assert isinstance(self.predictor.adapted.encode, Encoder)
        return self.predictor.adapted.encode

    @property
    def _probe(self) -> Probe:
        assert isinstance(self.predictor.adapted.decode, Probe)
        return self.predictor.adapted.decode

    def code(self, names: str, given: str) -> str:
        """Load the encoder, pool, apply the head."""
        _, pooled = POOLINGS[self._encoder.pooling]
        return f"""\
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoTokenizer

{names}config = AutoConfig.from_pretrained(folder{self.trust})
tokenizer = AutoTokenizer.from_pretrained(folder{self.trust})
encoder = AutoModel.from_pretrained(folder, dtype=torch.float32{self.trust}).eval()
head = load_file(f"{{folder}}/{HEAD}/model.safetensors")
inputs = tokenizer({given}, padding=True, truncation=True, return_tensors="pt")
mask = inputs["attention_mask"].unsqueeze(-1)
with torch.no_grad():
    tokens = encoder(**inputs).last_hidden_state
features = {pooled}
logits = features @ head["linear.weight"].T + head["linear.bias"]
"""
