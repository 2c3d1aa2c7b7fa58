"""Studies → a comparison that can be read, shown and written."""

import json
from collections.abc import Sequence
from pathlib import Path

from tuneoff.comparison.found import Found
from tuneoff.comparison.markdown import page
from tuneoff.comparison.page import document
from tuneoff.comparison.side import Side
from tuneoff.errors import UsageError
from tuneoff.store import replace_file
from tuneoff.strings import language
from tuneoff.study import Study

MARKDOWN, JSON, PAGE = "compare.md", "compare.json", "compare.html"


class StudyComparison(Found):
    """What :func:`compare` found. In a notebook it shows itself as the Markdown page."""

    def markdown(self, lang: str | None = None) -> str:
        """The comparison as a page."""
        return page(self, lang or language())

    def write(self, folder: str | Path, lang: str | None = None) -> list[Path]:
        """Write ``compare.md``, ``compare.json`` and ``compare.html`` into a folder, over those that are there.

        Raises:
            StorageError: the folder cannot be written.
        """
        folder = Path(folder)
        files = {
            MARKDOWN: self.markdown(lang).encode(),
            PAGE: document(self, lang or language()),
            JSON: json.dumps(self.as_dict(), indent=1, ensure_ascii=False).encode() + b"\n",
        }
        for name, content in files.items():
            replace_file(folder / name, content)
        return [folder / name for name in files]

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __repr__(self) -> str:
        return self.markdown()


def compare(*studies: str | Path | Study) -> StudyComparison:
    """Hold studies against the first of them: two backbones, two sizes of the data, before and after a change.

    Methods are matched by their label. Where two studies judge by the same test rows, whatever their order, differences are paired
    over seeds and rows; where they do not, their variances add up.

    Args:
        studies: folders, study files or opened studies; two at least.

    Raises:
        UsageError: fewer than two, one twice, or no method that two of them have.
        RefusedError: a study's data or backbone cannot be used.
    """
    opened = [study if isinstance(study, Study) else Study.load(study) for study in studies]
    if len(opened) < 2:
        raise UsageError("compare.too_few", count=len(opened))
    folders = [study.folder.resolve() for study in opened]
    if twice := next((folder for folder in folders if folders.count(folder) > 1), None):
        raise UsageError("compare.twice", where=str(twice))
    found = StudyComparison([Side.of(study, name) for study, name in zip(opened, _names(opened), strict=True)])
    if not found.labels:
        raise UsageError("compare.nothing_in_common", methods="; ".join(f"{side.name}: {', '.join(side.rows)}" for side in found.sides))
    return found


def _names(studies: Sequence[Study]) -> list[str]:
    """What tells the studies apart and is shortest: the name in the file, the folder's, its path."""
    choices = (
        [study.file.spec.study for study in studies],
        [study.folder.name for study in studies],
        [str(study.folder) for study in studies],
    )
    return next(names for names in choices if len(set(names)) == len(names))
