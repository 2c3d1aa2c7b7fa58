"""The outline of a plan, kept for as long as nothing changes that it was made from: what makes it takes seconds and PyTorch."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Final

import tuneoff
from tuneoff.data import SPLITS, Splits, publish
from tuneoff.kept.outline import Outline
from tuneoff.measure import package_versions
from tuneoff.methods import all_own
from tuneoff.spec import StudyFile
from tuneoff.store import cache_folder, read_record, sealed

#: Of a hash, in the name of a file.
_SHOWN: Final = 16
_NAMED: Final = "plan-{}.json"
#: Outlines kept at once: of a study file that is edited to and fro, or run with other keys. Each is some 10 kB and made again in seconds.
_MOST: Final = 8


def keep_outline(study: StudyFile, splits: Splits, outline: Outline) -> None:
    """Keep a plan's outline, unless a method of another package is in it: whether that has changed is not known here.

    Raises:
        StorageError: the study folder cannot be written.
    """
    if not all_own(study):
        return
    content = sealed(outline.as_dict())
    file = _file(study, splits)
    publish(file, lambda temporary: temporary.write_bytes(content))
    before = [outline for outline in file.parent.glob(_NAMED.format("*")) if outline != file]
    for old in sorted(before, key=_written)[: max(0, len(before) + 1 - _MOST)]:
        old.unlink(missing_ok=True)


def _written(file: Path) -> float:
    """When; what another run has just cleared away is the oldest."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def kept_outline(study: StudyFile, splits: Splits) -> Outline | None:
    """The outline that was kept of a study; ``None`` where there is none of this study, data, backbone and version.

    A model of the hub is known by its name alone: which commit was planned with is what was planned with, whatever a branch holds now.

    Args:
        study: the study file.
        splits: of its data, as they are now.
    """
    if not all_own(study):
        return None
    try:
        return Outline.again(read_record(_file(study, splits)))
    except (OSError, ValueError, TypeError, LookupError):  # None there, or a damaged one: it is made again.
        return None


def _file(study: StudyFile, splits: Splits) -> Path:
    """Named after everything that a plan is made from."""
    places = hashlib.sha256("\n".join([*(place for name in SPLITS for place in splits[name].places), *splits.dropped]).encode())
    made_from = {
        "study": study.spec.model_dump(mode="json"),
        "data": [splits.content_hash, splits.corpus_hash, len(splits.unlabelled), places.hexdigest()],
        "backbone": _files(study.folder / Path(study.spec.backbone)),
        "code": _code(),
        "packages": package_versions(),
    }
    name = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:_SHOWN]
    return cache_folder(study.folder) / _NAMED.format(name)


def _files(folder: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of a model folder's files; none for a name that is no folder."""
    try:
        found = [(file.name, file.stat()) for file in folder.expanduser().iterdir()]
    except (OSError, RuntimeError):  # No folder, or "~somebody" and nobody of that name.
        return []
    return sorted((name, status.st_size, status.st_mtime_ns) for name, status in found)


@cache
def _code() -> str:
    """Hash of this package: another version may plan, count or check otherwise."""
    root = Path(tuneoff.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
