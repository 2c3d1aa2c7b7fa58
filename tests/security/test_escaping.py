"""What people wrote into data and study files is shown in a report as text: no markup, no link, no script comes of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.said import answer, write_data_study

EVIL = (
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "a | b | c",
    "`code` **bold** __under__",
    "<img src=x onerror=alert(1)>",
    "# heading",
    "\\[x](javascript:alert(1))",
    "<https://evil.example>",
    "&lt;script&gt;",
    "---",
)


def tokens(page: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(page):
        yield token
        yield from token.children or ()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("evil")
    labels = EVIL[:6]
    lines = [json.dumps({"text": f"{i * 7919} {EVIL[i % len(EVIL)]}", "label": labels[i % 6]}) for i in range(120)]
    # One text twice with two labels, and one in train and test: they are shown as examples.
    lines += [json.dumps({"text": EVIL[0], "label": labels[i]}) for i in range(2)]
    data = {"train": "train.jsonl", "name": EVIL[1], "source": EVIL[0], "task": EVIL[3], "validation": 0.2}
    write_data_study(folder, {"train.jsonl": "\n".join(lines)}, data)
    values = json.loads((folder / "study.yaml").read_text(encoding="utf-8"))
    values |= {
        "study": "".join(EVIL[:3]),
        "domain": EVIL[5],
        "methods": [{"majority": {}, "as": label} for label in EVIL],
        "backbone": EVIL[1],
    }
    (folder / "study.yaml").write_text(json.dumps(values), encoding="utf-8")
    run = answer("run", folder)
    assert run.code == 0, run.err
    return {file.name: file.read_text(encoding="utf-8") for file in folder.glob("README*.md")}


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_no_html_and_no_foreign_link_comes_of_what_people_wrote(pages: dict[str, str], name: str) -> None:
    seen = list(tokens(pages[name]))
    assert len(seen) > 200
    assert [token.content for token in seen if token.type.startswith("html") and not _ours(token.content)] == []
    assert not [link for link in links(seen) if "evil.example" in link or link.startswith(("javascript", "data:", "vbscript"))]
    headings = [token for token in seen if token.type == "heading_open"]
    assert not any(
        "heading" in token.content for i, token in enumerate(seen) if seen[i - 1] in headings and token.content.startswith("heading")
    )


def links(seen: list[Token]) -> list[str]:
    return [str(token.attrs.get("href") or token.attrs.get("src") or "") for token in seen if token.type in ("link_open", "image")]


def test_the_search_would_find_them() -> None:
    seen = list(tokens("\n\n".join(EVIL)))
    assert {"https://evil.example/x.png", "https://evil.example"} <= set(links(seen))
    assert [token.content for token in seen if token.type.startswith("html") and not _ours(token.content)]


def _ours(html: str) -> bool:
    """Markup that reports are written with."""
    return html.strip().lower().rstrip(">").split()[0] in ("<br", "<br/", "<details", "</details", "<summary", "</summary", "<sub", "</sub")


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_every_table_row_has_the_cells_of_its_head(pages: dict[str, str], name: str) -> None:
    counts: list[int] = []
    tables = 0
    for token in tokens(pages[name]):
        if token.type == "tr_open":
            counts.append(0)
        elif token.type in ("td_open", "th_open"):
            counts[-1] += 1
        elif token.type == "table_close":
            tables += 1
            assert len(set(counts)) == 1
            assert len(counts) > 1
            counts = []
    assert tables >= 2


def test_what_people_wrote_is_still_readable(pages: dict[str, str]) -> None:
    text = "".join(token.content for token in tokens(pages["README.md"]) if token.type in ("text", "text_special", "code_inline"))
    for said in (EVIL[0], EVIL[1], EVIL[5]):
        assert said in text


def test_a_terminal_gets_no_escape_codes_and_no_markup(tmp_path: Path) -> None:
    """Neither the cursor nor the colours of a terminal are a label's to move, and rich's markup is text."""
    labels = ["\x1b[2Jcleared", "[/b] :smile: \x07"]
    lines = [json.dumps({"text": f"{i * 7919} \x1b[31mred", "label": labels[i % 2]}) for i in range(60)]
    write_data_study(tmp_path, {"train.jsonl": "\n".join(lines)}, {"train": "train.jsonl"})
    values = json.loads((tmp_path / "study.yaml").read_text(encoding="utf-8")) | {"methods": [{"majority": {}, "as": "[/b] :smile:"}]}
    (tmp_path / "study.yaml").write_text(json.dumps(values), encoding="utf-8")
    for command in ("check", "run", "status"):
        said = answer(command, tmp_path)
        assert said.code == 0, said.err
        assert "\x1b" not in said.out + said.err
        assert "\x07" not in said.out + said.err
    assert "[/b] :smile:" in answer("report", tmp_path).out
