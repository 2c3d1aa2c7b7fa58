"""A trained artefact: written by a trial, loaded by anyone to predict."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from tuneoff.backbone import (
    BackboneFacts,
    Resolved,
    dtype_of,
    load_classifier,
    load_tokenizer,
    pick_device,
    pick_precision,
    read_config,
    read_facts,
    resolve,
    tokenizer_hash,
)
from tuneoff.data import tokenise
from tuneoff.errors import BackboneError, UsageError, short
from tuneoff.hub import SHOWN_CHARACTERS
from tuneoff.methods import Adapted, Method, TextMethod, method_class
from tuneoff.run.depot import recall
from tuneoff.spec import Precision
from tuneoff.train import TokenRows, cast_for_compute, forward, predict

DESCRIPTION = "tuneoff.json"
BACKBONE = "backbone"


@dataclass(frozen=True)
class Description:
    """What an artefact says of itself."""

    method: str
    config: dict[str, Any]
    labels: list[str]
    text_columns: tuple[str, ...]
    max_length: int
    precision: str
    backbone: str
    revision: str
    trust_remote_code: bool = False
    format: int = 1

    @property
    def hub_id(self) -> str | None:
        """The backbone's id on the hub, if it came from there."""
        return None if ":" in self.revision else self.backbone.partition("@")[0]

    @property
    def pinned(self) -> str:
        """The backbone with its commit where it is the hub's: the name alone means another model once the hub's has changed."""
        return f"{self.hub_id}@{self.revision}" if self.hub_id else self.backbone

    @property
    def backbone_name(self) -> str:
        """The backbone for people: of a local folder its own name, without the path of this machine."""
        return self.backbone if self.hub_id or self.backbone.startswith("sample:") else Path(self.backbone).name

    def write(self, folder: Path) -> None:
        """Write the description into the artefact."""
        values = vars(self) | {"tuneoff": version("tuneoff")}
        (folder / DESCRIPTION).write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_description(folder: Path) -> Description:
    """Read an artefact's description; one that lies at a URL is fetched first.

    Raises:
        UsageError: the folder is no artefact.
        RefusedError: the URL cannot be read.
    """
    recall(folder)
    try:
        values = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError("run.no_artefact", where=str(folder), file=DESCRIPTION) from error
    with _as_written(folder):
        values.pop("tuneoff")
        return Description(**(values | {"text_columns": tuple(values["text_columns"])}))


@contextmanager
def _as_written(folder: Path) -> Iterator[None]:
    """An artefact may come from anywhere: what is not as a trial writes it is refused, not taken for a bug."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        reason = short(" ".join(f"{type(error).__name__}: {error}".split()), SHOWN_CHARACTERS)
        raise UsageError("run.bad_artefact", where=str(folder), reason=reason) from error


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def link_tree(source: Path, target: Path) -> None:
    """Copy a folder by hard links where the file system has them."""

    def link(one: str, other: str) -> None:
        try:
            os.link(one, other)
        except OSError:
            shutil.copy2(one, other)

    shutil.copytree(source, target, copy_function=link)


class Predictor:
    """A loaded artefact: texts → logits.

    Args:
        folder: the artefact.
        base: folder that a relative backbone path starts from.
        resolved: the backbone, when it is known already.
        precision: to compute in, instead of what it was trained in.
        trust: the backbone's own Python code may run, if the artefact was trained with it. What an artefact says of itself is
            a stranger's word; this is the user's.

    Raises:
        UsageError: no artefact there, or a damaged one.
        BackboneError: its backbone cannot be had, or is another revision than it was trained on.
    """

    def __init__(
        self,
        folder: Path,
        base: Path | None = None,
        resolved: Resolved | None = None,
        precision: Precision | None = None,
        trust: bool = False,
    ) -> None:
        self.folder = folder
        self.description = said = read_description(folder)
        self.trusts_code = trust and said.trust_remote_code
        with _as_written(folder):
            kind = method_class(said.method.removeprefix("pretrain+"))
            self.method = kind(kind.Config.model_validate(said.config))
            self.labels = said.labels
            if isinstance(self.method, TextMethod):
                self.method.load(folder)
                return
        assert isinstance(self.method, Method)
        own = folder / BACKBONE
        if own.is_dir():
            self.resolved = Resolved(said.backbone, own, said.revision, "artefact")
        else:
            self.resolved = resolved or resolve(said.pinned, base or folder, self.trusts_code)
            if self.resolved.revision != said.revision:
                raise BackboneError("run.other_backbone", where=str(folder), expected=said.revision, found=self.resolved.revision)
        self.device = pick_device()
        self.tokenizer = load_tokenizer(self.resolved, self.trusts_code)
        self.facts = classifier_facts(self.resolved, len(said.labels), self.trusts_code)
        pad, asked = self.tokenizer.pad_token_id, precision or said.precision
        model, self.precision = open_classifier(self.method, self.resolved, self.facts, pad, 0, asked, self.device, self.trusts_code)
        with _as_written(folder):
            self.adapted: Adapted = self.method.load(model, self.facts, folder)
        self.adapted.model.to(self.device)
        # A probe on frozen features is trained, and so used, in fp32.
        cast_for_compute(self.adapted.encode or self.adapted.model, self.precision)

    def logits(self, texts: Sequence[tuple[str, ...]], cache: Path) -> np.ndarray:
        """Logits of texts, float32 of shape [rows, classes].

        Args:
            texts: one or two strings a row.
            cache: folder for token files.
        """
        if isinstance(self.method, TextMethod):
            return self.method.logits(texts)
        return predict(self.adapted.model, self._rows(texts, cache), self.device.type == "cpu")

    def answers(self, texts: Sequence[tuple[str, ...]], cache: Path) -> Callable[[Sequence[int]], np.ndarray]:
        """Row numbers of these texts → their logits in one batch: from tokens on a backbone, from text for a baseline."""
        method = self.method
        if isinstance(method, TextMethod):
            return lambda chosen: method.logits([texts[i] for i in chosen])
        rows, model = self._rows(texts, cache), self.adapted.model.eval()

        def answer(chosen: Sequence[int]) -> np.ndarray:
            with torch.inference_mode():
                return forward(model, rows.batch(np.asarray(chosen))).cpu().numpy()

        return answer

    def _rows(self, texts: Sequence[tuple[str, ...]], cache: Path) -> TokenRows:
        tokens = tokenise(texts, self.tokenizer, tokenizer_hash(self.tokenizer), self.description.max_length, cache)
        return TokenRows(tokens, None, self.tokenizer.pad_token_id, self.device, self.adapted.padding_side)


def classifier_facts(resolved: Resolved, num_labels: int, trust_remote_code: bool) -> BackboneFacts:
    """Facts of a backbone with a head for so many labels."""
    config = read_config(resolved, trust_remote_code)
    config.num_labels = num_labels
    return read_facts(resolved.name, resolved.revision, config, trust_remote_code)


def open_classifier(
    method: Method,
    resolved: Resolved,
    facts: BackboneFacts,
    pad_token_id: int,
    head_seed: int,
    precision: Any,
    device: torch.device,
    trust_remote_code: bool = False,
) -> tuple[Any, Any]:
    """Load a backbone the way a method wants it; returns the classifier on the device and the format to compute in.

    Frozen weights are loaded in the format that the forward pass computes in, trainable ones in fp32. Arguments and errors are those
    of :func:`~tuneoff.backbone.load_classifier`.
    """
    chosen = pick_precision(precision, device)
    frozen = not method.facts.trains_backbone
    dtype = dtype_of(chosen) if frozen and chosen == "bf16" else torch.float32
    options = method.load_options(facts)
    model = load_classifier(resolved, facts, pad_token_id, head_seed, dtype, trust_remote_code, **options)
    return (model if options else model.to(device)), chosen
