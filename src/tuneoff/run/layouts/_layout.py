"""What every layout does."""

import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from safetensors import safe_open
from transformers import PreTrainedConfig

from tuneoff.backbone import load_classifier
from tuneoff.methods import Method
from tuneoff.run.artefact import BACKBONE, Predictor, link_tree

Texts = Sequence[tuple[str, ...]]
#: Stands for a text in the example of a model card.
EXAMPLE = "…"


class Layout(ABC):
    """One way to write a folder and to load it.

    Args:
        predictor: the trained model, loaded in fp32. Writing may use it up.

    Attributes:
        name: of the layout, as in ``tuneoff export --json``.
        library: what loads it, as the hub names it.
        relation: to the base model, as the hub names it.
        brings_backbone: it stands beside the model in a folder of its own.
    """

    name: ClassVar[str]
    library: ClassVar[str]
    relation: ClassVar[Literal["finetune", "adapter"]] = "finetune"
    brings_backbone = False

    def __init__(self, predictor: Predictor) -> None:
        assert isinstance(predictor.method, Method)
        self.predictor, self.method, self.said = predictor, predictor.method, predictor.description

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write everything but the model card."""

    @abstractmethod
    def logits(self, folder: Path, texts: Texts, cache: Path) -> np.ndarray:
        """Load the folder as others would, and ask it."""

    @property
    @abstractmethod
    def usage(self) -> tuple[str, str]:
        """The example on the model card: its language and its lines."""

    @property
    def example(self) -> tuple[str, ...]:
        """What stands for a row."""
        return (EXAMPLE,) * len(self.said.text_columns)

    def with_labels(self, config: PreTrainedConfig) -> PreTrainedConfig:
        """The configuration with the names of the classes."""
        config.id2label = dict(enumerate(self.said.labels))
        config.label2id = {label: number for number, label in enumerate(self.said.labels)}
        return config

    def save_tokenizer(self, folder: Path) -> None:
        """The tokenizer, told to cut, to pad and to mark second texts as in training."""
        tokenizer: Any = copy.deepcopy(self.predictor.tokenizer)
        types = ["token_type_ids"] if len(self.said.text_columns) > 1 else []
        told = {
            "model_max_length": self.said.max_length,
            "padding_side": self.predictor.adapted.padding_side,
            "model_input_names": ["input_ids", "attention_mask", *types],
        }
        for name, value in told.items():
            setattr(tokenizer, name, value)
            tokenizer.init_kwargs[name] = value  # Only what a tokenizer was made with is saved.
        for name in ("is_local", "local_files_only"):  # How it was loaded here is nobody's business.
            tokenizer.init_kwargs.pop(name, None)
        tokenizer.save_pretrained(folder)


class InPython(Layout):
    """A layout that some lines of Python load without tuneoff."""

    @abstractmethod
    def code(self, names: str, given: str) -> str:
        """Lines that leave ``config``, with the names of the classes, and ``logits``, a tensor of shape [rows, classes].

        Args:
            names: lines that name the ``folder`` and the texts.
            given: the tokenizer's arguments for these texts.
        """

    def logits(self, folder: Path, texts: Texts, cache: Path) -> np.ndarray:
        """What the lines of the model card give: the very same lines run here."""
        scope: dict[str, Any] = {}
        exec(self._lines(str(folder), texts), scope)
        found: np.ndarray = scope["logits"].float().numpy()
        return found

    @property
    def usage(self) -> tuple[str, str]:
        """The code for one row."""
        return "python", self._lines(".", [self.example]) + "print([config.id2label[i] for i in logits.argmax(1).tolist()])\n"

    def _lines(self, folder: str, texts: Texts) -> str:
        columns = dict(zip(("texts",) if len(texts[0]) == 1 else ("first", "second"), zip(*texts, strict=True), strict=True))
        values = {"folder": folder} | {name: list(column) for name, column in columns.items()}
        names = "".join(f"{name} = {quoted(value)}\n" for name, value in values.items())
        return self.code(names, ", ".join(columns))

    @property
    def trust(self) -> str:
        """What every ``from_pretrained`` must be told of a backbone with code of its own."""
        return ", trust_remote_code=True" if self.said.trust_remote_code else ""


class OnBackbone(Layout):
    """What stands beside a backbone: the hub's own by its commit, any other brought along."""

    relation = "adapter"

    def __init__(self, predictor: Predictor) -> None:
        super().__init__(predictor)
        self.repository = predictor.resolved.name.partition("@")[0]
        self.brings_backbone = predictor.resolved.origin != "hub" or self._has_new_pooler

    def write_backbone(self, folder: Path) -> None:
        """The backbone with its tokenizer in a folder of its own, unless the hub has the very same."""
        predictor = self.predictor
        if not self.brings_backbone:
            return
        if predictor.resolved.origin == "artefact":
            link_tree(predictor.resolved.folder, folder / BACKBONE)
            return
        classifier: Any = self.fresh_classifier()
        classifier.base_model.save_pretrained(folder / BACKBONE)
        predictor.tokenizer.save_pretrained(folder / BACKBONE)

    def fresh_classifier(self) -> Any:
        """The backbone as it was before training, in the format it is stored in."""
        predictor = self.predictor
        pad: Any = predictor.tokenizer.pad_token_id
        return load_classifier(predictor.resolved, predictor.facts, pad, 0, stored_format(predictor), predictor.trusts_code)

    @property
    def _has_new_pooler(self) -> bool:
        """Whether the checkpoint lacks the pooler that its classifier has: then it was drawn here, and nobody else draws the same."""
        poolers = [name for name, _ in self.predictor.adapted.model.named_parameters() if ".pooler." in name]
        return bool(poolers) and not any("pooler." in name for name in _stored(self.predictor))


def stored_format(predictor: Predictor) -> torch.dtype:
    """Format that the backbone's weights lie on disk in; what they are stored in anew without loss."""
    formats = {kind for kind in _stored(predictor).values() if kind.startswith(("F", "BF"))}
    return {"BF16": torch.bfloat16, "F16": torch.float16}.get("".join(formats), torch.float32)


def _stored(predictor: Predictor) -> dict[str, str]:
    """Tensors of the backbone's files by name, each with its format."""
    found: dict[str, str] = {}
    for file in predictor.resolved.folder.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            found |= {name: tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118 (not a dict)
    return found


def quoted(value: object) -> str:
    """Text, or a list of texts, as it stands in Python."""
    return json.dumps(value, ensure_ascii=False)
