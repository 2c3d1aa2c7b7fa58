"""Section 6 of the brief: the study's folder as it is, drawn as a tree."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tuneoff.report.names import page_name, readme_name
from tuneoff.strings import LANGUAGES, say

#: More entries of one folder than this are counted, not listed.
MOST: Final = 15
#: Folders that are looked into; of others their name is enough.
OPENED: Final = ("assets", "notebooks", "results")
#: What is known of an entry, by its path.
SAID: Final = {
    "assets": "dir_assets",
    "data": "dir_data",
    "notebooks": "dir_notebooks",
    "results": "dir_results",
    "results/cache": "dir_cache",
    "results/forecasts.json": "dir_forecasts",
    "results/results.csv": "dir_csv",
    "results/results.json": "dir_json",
    "results/results.tex": "dir_tex",
    "study.yaml": "dir_study",
}
#: What a report writes: it is there when the page is read, if not yet when it is written.
WRITTEN: Final = ("results/results.csv", "results/results.json", "results/results.tex")
#: A trial's folder ends with the beginning of its key.
_TRIAL: Final = re.compile(r"-[0-9a-f]{10}$")


@dataclass(frozen=True)
class Line:
    """One line of the tree: the bars before an entry, its name, and what is said of it."""

    bars: str
    name: str
    said: str = ""


class Tree:
    """Draws a study's folder, as deep as the brief does.

    Args:
        folder: of the study.
        lang: of what is said of an entry.
        main: language of ``README.md``.
    """

    def __init__(self, folder: Path, lang: str, main: str) -> None:
        self.folder, self.lang = folder, lang
        self.said = {path: say(f"report.{key}", lang) for path, key in SAID.items()}
        readmes = {language: readme_name(language, main) for language in LANGUAGES}
        pages = {language: page_name(language, main) for language in LANGUAGES}
        self.said |= {name: say(f"report.dir_readme_{language}", lang) for language, name in readmes.items()}
        self.said |= {name: say(f"report.dir_page_{language}", lang) for language, name in pages.items()}
        self.written = [*WRITTEN, *readmes.values()]

    def lines(self) -> list[str]:
        """The tree as a code block."""
        rows = [Line("", "."), *self._below("", "")]
        width = max(len(row.bars + row.name) for row in rows)
        drawn = [f"{row.bars + row.name:<{width}}  # {row.said}" if row.said else row.bars + row.name for row in rows]
        return ["```bash", *drawn, "```"]

    def _below(self, path: str, bars: str) -> Iterator[Line]:
        """What is in one folder, given by its path with a slash at its end."""
        entries = self._entries(path)
        for number, (name, said) in enumerate(entries, start=1):
            last = number == len(entries)
            yield Line(f"{bars}{'└' if last else '├'}── ", name, said)
            if not path and name.rstrip("/") in OPENED and name.endswith("/"):
                yield from self._below(name, f"{bars}{' ' if last else '│'}   ")

    def _entries(self, path: str) -> list[tuple[str, str]]:
        """Names and words of what is in a folder: folders first, as in the brief; folders of trials as one, plots by their name."""
        folder = self.folder / path
        found: list[os.DirEntry[str]] = []
        if folder.is_dir():
            with os.scandir(folder) as entries:  # A path for each of thousands of trials would take seconds.
                found = [entry for entry in entries if not entry.name.startswith(".")]
        trials = {entry.name for entry in found if path and _TRIAL.search(entry.name)}
        folders = sorted(entry.name for entry in found if entry.is_dir() and entry.name not in trials)
        files = {entry.name for entry in found if not entry.is_dir()}
        if folder.is_dir():
            # A report that is being written belongs to what it describes.
            files |= {name.removeprefix(path) for name in self.written if name.rpartition("/")[0] == path.rstrip("/")}
        if path == "assets/":
            files = {_variants(name, files) for name in files}
        named = [("<trial>/", say("report.dir_trials", self.lang, count=len(trials)))] if trials else []
        named += [(f"{name}/", self.said.get(path + name, "")) for name in folders]
        named += [(name, self.said.get(path + name, "")) for name in sorted(files)]
        more = len(named) - MOST
        return named if more <= 1 else [*named[:MOST], ("…", say("report.dir_more", self.lang, count=more))]


def _variants(name: str, files: set[str]) -> str:
    """One name for a plot in several languages and formats."""
    stem = name.partition(".")[0]
    return f"{stem}.*" if sum(other.startswith(f"{stem}.") for other in files) > 1 else name


def directory(folder: Path, lang: str, main: str) -> list[str]:
    """The tree of a study's folder as a code block."""
    return Tree(folder, lang, main).lines()
