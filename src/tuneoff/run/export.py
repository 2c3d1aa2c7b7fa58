"""A trained artefact → a folder for others, written whole or not at all, and loaded as others would before it is there."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError, safe_open

from tuneoff.backbone import quiet_transformers
from tuneoff.errors import MethodError, UsageError, short
from tuneoff.hub import SHOWN_CHARACTERS, offline
from tuneoff.methods import Method, method_class
from tuneoff.run.artefact import DESCRIPTION, Description, Predictor, read_description
from tuneoff.run.layouts import choose_layout
from tuneoff.run.proof import MERGED_TOLERANCE
from tuneoff.store import ARTEFACT, PREDICTIONS, read_record, storage

CARD = "README.md"
#: A short row, one with letters of another script, and one that is longer than most models read.
PROBES = ("Operating profit rose.", "영업이익이 전년 동기 대비 늘었다.", "The outlook was cut because costs grew faster than sales. " * 40)
#: Both sides compute in fp32, in batches of other shapes: see ``proof.MERGED_TOLERANCE``. Layers of 4 bit multiply in bf16, which
#: has 8 bits: after some layers a few hundredths of the largest logit, and of their scales a second rounding on some CPUs.
TOLERANCE, QUANTISED_TOLERANCE = MERGED_TOLERANCE, 5e-2


@dataclass(frozen=True)
class Source:
    """A trained trial.

    Attributes:
        artefact: its folder.
        record: what was measured.
        rows: of validation and test, by split.
        best_of: of so many seeds it was the best on validation; ``None`` if it was named.
    """

    artefact: Path
    record: dict[str, Any]
    rows: dict[str, int]
    best_of: int | None = None

    @property
    def trial(self) -> str:
        """Name of the trial."""
        return self.artefact.parent.parent.name

    @classmethod
    def of(cls, artefact: Path, record: dict[str, Any], best_of: int | None = None) -> Self:
        """The trial of a record.

        Raises:
            UsageError: its predictions are not there.
        """
        file = artefact.parent / PREDICTIONS
        try:
            with safe_open(file, "np") as stored:
                rows = {name: stored.get_slice(f"{name}.targets").get_shape()[0] for name in ("validation", "test")}
        except (OSError, SafetensorError) as error:
            raise UsageError("run.no_record", where=str(file), problem=str(error)) from error
        return cls(artefact, record, rows, best_of)

    @classmethod
    def at(cls, place: Path) -> Self:
        """The trial of an artefact folder, or of the attempt or trial that holds one.

        Raises:
            UsageError: no artefact, or nothing that was measured beside it.
        """
        candidates = [place, place / ARTEFACT, *sorted(place.glob(f"attempt-*/{ARTEFACT}"))]
        found = [folder.resolve() for folder in candidates if (folder / DESCRIPTION).is_file()]
        if not found:
            raise UsageError("run.no_artefact", where=str(place), file=DESCRIPTION)
        problems: list[str] = []
        for folder in found:
            file = folder.parent.with_name(folder.parent.name + ".json")
            try:
                record = read_record(file)
            except (OSError, ValueError) as error:
                problems.append(str(error))
                continue
            if record["state"] == "complete":
                return cls.of(folder, record)
            problems.append(f"{file.name}: {record['state']}")
        raise UsageError("run.no_record", where=str(found[0]), problem="; ".join(problems))


@dataclass(frozen=True)
class Exported:
    """What an export wrote, in plain values for the model card.

    Attributes:
        said: what the artefact says of itself.
        title: the method's name in tables, by language.
        reference: its paper.
        layout: name of the layout.
        library: what loads it, as the hub names it.
        relation: to the base model, as the hub names it.
        base_model: the backbone's id on the hub, if it came from there.
        brings_backbone: the backbone is in a folder of its own.
        merged: what the method added was folded into the weights.
        usage: language and lines of the code that loads it.
        largest_difference: of any logit of a few texts, between the folder, loaded by that code, and the artefact.
    """

    said: Description
    title: Mapping[str, str]
    reference: str
    layout: str
    library: str
    relation: str
    base_model: str | None
    brings_backbone: bool
    merged: bool
    usage: tuple[str, str]
    largest_difference: float


def export(source: Source, folder: Path, base: Path, merge: bool, card: Callable[[Exported], str], trust: bool = False) -> Exported:
    """Write a folder for others.

    Args:
        source: the trained trial.
        folder: to be made; it may be there, and empty.
        base: folder that a relative backbone path starts from.
        merge: fold what the method added into the weights.
        card: writes the model card.
        trust: the backbone's own Python code may run.

    Raises:
        UsageError: the folder has something in it.
        MethodError: the method has no model to export, cannot be merged, or comes out different.
        BackboneError: the backbone cannot be had.
        StorageError: the folder cannot be written.
    """
    said = read_description(source.artefact)
    method = _method(said, str(source.artefact), merge)
    texts = [(probe,) * len(said.text_columns) for probe in PROBES]
    with fresh_folder(folder) as staging, tempfile.TemporaryDirectory() as cache, _quiet():
        predictor = Predictor(source.artefact, base, precision="fp32", trust=trust)
        expected = predictor.logits(texts, Path(cache))
        merged = merge and bool(predictor.adapted.adapter)
        layout = choose_layout(predictor, merge)
        layout.write(staging)
        try:
            with offline():
                found = layout.logits(staging, texts, Path(cache))
        except Exception as error:
            raise MethodError("run.export_unreadable", where=str(source.artefact), library=layout.library, reason=_words(error)) from error
        difference = float(np.abs(found - expected).max())
        most = (QUANTISED_TOLERANCE if method.facts.quantised else TOLERANCE) * max(1.0, float(np.abs(expected).max()))
        if not difference <= most:
            raise MethodError("run.export_differs", where=str(source.artefact), library=layout.library, difference=difference, most=most)
        exported = Exported(
            said=said,
            title=method.facts.title,
            reference=method.facts.reference,
            layout=layout.name,
            library=layout.library,
            relation="finetune" if predictor.resolved.origin == "artefact" else layout.relation,
            base_model=said.hub_id,
            brings_backbone=layout.brings_backbone,
            merged=merged,
            usage=layout.usage,
            largest_difference=difference,
        )
        (staging / CARD).write_text(card(exported), encoding="utf-8")
    return exported


def _method(said: Description, where: str, merge: bool) -> Method:
    """The artefact's method, if it can be exported so."""
    name = said.method.removeprefix("pretrain+")
    kind = method_class(name)
    if not issubclass(kind, Method):
        raise MethodError("run.export_baseline", where=where, method=name)
    method = kind(kind.Config.model_validate(said.config))
    if merge and not method.facts.mergeable:
        raise MethodError("run.export_four_bit" if method.facts.quantised else "run.export_no_merge", where=where, method=name)
    return method


def _words(error: Exception) -> str:
    return short(" ".join(f"{type(error).__name__}: {error}".split()), SHOWN_CHARACTERS)


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """A folder to write in, which takes its place when the block ends well and is gone when it does not.

    Raises:
        UsageError: there is something in the place.
        StorageError: the place cannot be written.
    """
    folder = folder.absolute()
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise UsageError("run.export_exists", where=str(folder))
    with storage(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
        try:
            yield staging
            staging.chmod(0o755)
            if folder.exists():
                folder.rmdir()  # Not every system renames over an empty folder.
            staging.rename(folder)
        except SafetensorError as error:  # A full disk is no OSError to safetensors.
            raise OSError(str(error)) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings either: whether the libraries load the right model is found by comparing."""
    with quiet_transformers(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
