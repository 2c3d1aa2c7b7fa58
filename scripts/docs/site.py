"""The documentation site: pages put together by language, built strictly, every link of the result followed.

``python -m scripts.docs.site`` writes ``site/``. Pages stay where the repository's readers look for them (README, changelog, data
card, ``docs/``); here they get their place in the site and their links are moved with them. A page without a translation is read
in English: links to it lead over to the English site.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
LANGUAGES = ("en", "ko")
CONFIGS = {"en": "mkdocs.yml", "ko": "mkdocs.ko.yml"}
COMMON = "scripts/docs/common.yml"
#: Pages that lie elsewhere in the repository → their place in the site, by language.
ELSEWHERE = {
    "en": {
        "README.md": "index.md",
        "CHANGELOG.md": "changelog.md",
        "LICENSE": "license.md",
        "SECURITY.md": "security.md",
        "src/tuneoff/samples/finance/README.md": "data_card.md",
    },
    "ko": {"README.ko.md": "index.md"},
}
_LINK = re.compile(r"(!?)\[((?:[^][]|\[[^][]*\])*)\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)")
_CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", re.MULTILINE | re.DOTALL)


def slug(text: str, separator: str) -> str:
    """The anchor of a heading, as GitHub makes it, so that a link holds in both places."""
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", separator)


def pages(lang: str) -> dict[str, str]:
    """Pages of a language: path in the repository → path in its site."""
    folder = ROOT / "docs" / ("" if lang == "en" else lang)
    found = {
        file.relative_to(ROOT).as_posix(): file.relative_to(folder).as_posix()
        for file in sorted(folder.rglob("*.md"))
        if lang != "en" or file.relative_to(folder).parts[0] not in LANGUAGES
    }
    return found | {source: place for source, place in ELSEWHERE[lang].items() if (ROOT / source).is_file()}


def stage(lang: str, folder: Path) -> None:
    """Put the pages of a language together in a folder, with their pictures and files.

    Raises:
        LookupError: a link leads nowhere.
    """
    shutil.copytree(ROOT / "docs" / "assets", folder / "assets")
    for source, place in pages(lang).items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source == "LICENSE":
            text = f"# Licence\n\n```text\n{text}```\n"
        moved = _move_links(text, source, place, lang)
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(moved, encoding="utf-8")


def _move_links(text: str, source: str, place: str, lang: str) -> str:
    """The links of a page, outside code, as seen from the page's place in the site."""
    code: list[str] = []

    def put_away(found: re.Match[str]) -> str:
        code.append(found[0])
        return f"\0{len(code) - 1}\0"

    moved = _LINK.sub(lambda found: _moved(found, source, place, lang), _CODE.sub(put_away, text))
    return re.sub("\0(\\d+)\0", lambda found: code[int(found[1])], moved)


def _moved(found: re.Match[str], source: str, place: str, lang: str) -> str:
    """A link of a page as seen from the page's place in the site; of one to a file of the repository that is no page, its words."""
    picture, words, target = found.groups()
    if re.match(r"[a-z]+:|#", target):
        return found[0]
    path, mark, anchor = target.partition("#")
    wanted = normpath(str(PurePosixPath(source).parent / path))
    moved = _place_of(wanted, place, lang)
    if moved is not None:
        return f"{picture}[{words}]({moved}{mark}{anchor})"
    if not (ROOT / wanted).exists():
        raise LookupError(f"{source}: {wanted} is not there")
    return words


def _place_of(wanted: str, place: str, lang: str) -> str | None:
    here = str(PurePosixPath(place).parent)
    if wanted.startswith("docs/assets/"):
        return relpath(wanted.removeprefix("docs/"), here)
    for other in (lang, *LANGUAGES):
        if wanted in (known := pages(other)):
            if other == lang:
                return relpath(known[wanted], here)
            # The other site: an address; Zensical takes it from the page's file, as it does a page's.
            return relpath(_address(known[wanted], other), normpath(_below(lang) / here)) + "/"
    return None


def _below(lang: str) -> PurePosixPath:
    """Where the site of a language begins below ``site``."""
    return PurePosixPath("" if lang == "en" else lang)


def _address(place: str, lang: str) -> str:
    """Folder of a page below ``site``."""
    path = _below(lang) / PurePosixPath(place).with_suffix("")
    return str(path.parent if path.name == "index" else path)


def build(workshop: Path) -> Path:
    """Build both sites in a folder of their own; a warning is an error. Returns the folder of the result, with Korean in ``ko``.

    Raises:
        subprocess.CalledProcessError: Zensical found fault; it has said where.
    """
    for name in (*CONFIGS.values(), COMMON):
        (workshop / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, workshop / name)
    for lang in LANGUAGES:
        stage(lang, workshop / "pages" / lang)
    for lang in LANGUAGES:
        command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", CONFIGS[lang]]
        # The configuration names `slug` above.
        subprocess.run(command, cwd=workshop, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    return workshop / "site"


class _Page(HTMLParser):
    """Addresses that a page has or asks for, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.asked: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Links are for the reader to follow, the rest is fetched at once."""
        given = {name: value for name, value in attrs if value}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        is_link = tag == "a" or given.get("rel") in ("alternate", "canonical", "next", "prev")
        for name in ("href", "src"):
            if name in given:
                (self.links if is_link else self.asked).append(given[name])


def faults(site: Path) -> Iterator[str]:
    """What is wrong with a built site: links and anchors that lead nowhere, and what would be fetched from another host."""
    read = {file: _Page(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    for file, page in read.items():
        name = file.relative_to(site).as_posix()
        yield from (f"{name} fetches {address}" for address in page.asked if urlsplit(address).netloc)
        if file.name == "404.html":  # Its links begin at the root of wherever the site lies.
            continue
        for address in [*page.links, *page.asked]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{name} links {address}, which is not there"
            elif parts.fragment and target in read and unquote(parts.fragment) not in read[target].anchors:
                yield f"{name} links {address}, and there is no such anchor"
    for file in sorted(site.rglob("*.css")):
        remote = re.findall(r"(?:url\(|@import\s+)[\"']?(?:https?:)?//[^)\"']+", file.read_text(encoding="utf-8"))
        yield from (f"{file.relative_to(site)} fetches {address}" for address in remote)


def main() -> None:
    """Build into ``site/``; leave with what is wrong."""
    with TemporaryDirectory() as workshop:
        built = build(Path(workshop))
        if found := list(faults(built)):
            sys.exit("\n".join(found))
        shutil.rmtree(SITE, ignore_errors=True)
        shutil.copytree(built, SITE)


if __name__ == "__main__":
    main()
