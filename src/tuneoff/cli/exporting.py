"""``tuneoff export``: a trained trial → a folder for transformers or PEFT."""

from pathlib import Path
from typing import Any

from tuneoff.cli.predicting import study_folder
from tuneoff.errors import UsageError
from tuneoff.report import format as f
from tuneoff.report.card import ModelCard
from tuneoff.run.artefact import folder_bytes
from tuneoff.run.export import CARD, Source, export
from tuneoff.spec import STUDY_FILE, nearest
from tuneoff.store import ARTEFACT
from tuneoff.strings import language, say
from tuneoff.study import Study


def export_model(place: Path, folder: Path, method: str | None, merge: bool, trust: bool = False) -> dict[str, Any]:
    """Export and say what was written.

    Args:
        place: an artefact, its attempt or trial, or a study.
        folder: to be made.
        method: of a study, its label in the report.
        merge: fold what the method added into the weights.
        trust: the backbone's own Python code may run.

    Raises:
        UsageError: nothing there, or something in the folder.
        RefusedError: the method has no model to export, or the backbone cannot be had.
        StorageError: the folder cannot be written.
    """
    is_study = place.name == STUDY_FILE or (place / STUDY_FILE).is_file()
    source = _best(Study.load(place), method) if is_study else Source.at(place)
    home = study_folder(source.artefact)
    study = Study.load(home) if (home / STUDY_FILE).is_file() else None
    spec, lang = (study.file.spec, study.lang) if study else (None, language())
    exported = export(source, folder, home, merge, lambda made: ModelCard(source, made, spec, lang).text(), trust)
    return {
        "folder": str(folder),
        "layout": exported.layout,
        "library": exported.library,
        "merged": exported.merged,
        "trial": source.trial,
        "seed": source.record["trial"]["seed"],
        "bytes": folder_bytes(folder),
        "largest_difference": exported.largest_difference,
        "card": str(folder / CARD),
    }


def export_text(written: dict[str, Any]) -> str:
    """The same in a sentence."""
    return say("cli.export_done", size=f.size(written["bytes"]), **{name: written[name] for name in ("folder", "library", "trial", "card")})


def _best(study: Study, label: str | None) -> Source:
    """The method's complete trial with the best score on validation; test is not asked."""
    found = {}
    for method in study.outline.methods:
        attempts = [attempt for trial in method.trials if (attempt := study.store.result(trial.name)) and attempt.state == "complete"]
        if attempts:
            found[method.label] = attempts
    known = ", ".join(found)
    if label is None:
        raise UsageError("cli.export_which", where=str(study.folder), methods=known)
    if label not in found:
        raise UsageError("cli.export_no_method", where=str(study.folder), method=label, nearest=nearest(label, found), methods=known)
    select = study.file.spec.train.select
    best = max(found[label], key=lambda attempt: attempt.record["quality"]["validation"][select])
    return Source.of((best.folder / ARTEFACT).resolve(), best.record, len(found[label]))
