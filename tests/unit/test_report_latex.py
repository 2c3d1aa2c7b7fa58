"""The LaTeX table: booktabs, nothing of the data is a command, Hangul says what it needs."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.support.made_up import material, method, targets
from tuneoff.report import Material
from tuneoff.report.latex import escape, latex_table
from tuneoff.report.sections import brief_columns
from tuneoff.report.write import write_report


def table(made: Material, lang: str = "en") -> str:
    return latex_table(made, brief_columns(made, lang), lang)


def made(names: dict[str, float], **more: object) -> Material:
    generator = np.random.default_rng(0)
    hits = {label: {seed: generator.random(400) < share for seed in range(3)} for label, share in names.items()}
    return material([method(label, found, targets(400), of=label.partition("|")[0]) for label, found in hits.items()], **more)  # type: ignore[arg-type]


def rows(text: str) -> list[list[str]]:
    body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0]
    return [re.split(r"(?<!\\)&", line.removesuffix(r" \\")) for line in body.splitlines()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("100 % of R&D_1", r"100 \% of R\&D\_1"),
        ("\\input{x} $y$ #1 ~ ^", r"\textbackslash{}input\{x\} \$y\$ \#1 \textasciitilde{} \textasciicircum{}"),
        ("IA³ – < 0.1 µs", r"IA\textsuperscript{3} -- \textless{} 0.1 \textmu{}s"),
        ("two\nlines", "two lines"),
        ("어댑터", "어댑터"),
    ],
)
def test_text_is_printed_as_it_is(text: str, said: str) -> None:
    assert escape(text) == said


def test_every_row_has_every_column_and_every_group_is_closed() -> None:
    text = table(made({"full": 0.8, "lora|a_b & c%": 0.8, "prompt": 0.5}))
    lines = rows(text)
    assert [len(line) for line in lines] == [6, 6, 6]
    assert re.search(r"\\begin\{tabular\}\{lr{5}\}", text)
    opened, closed = (len(re.findall(rf"(?<!\\)\{sign}", text)) for sign in "{}")
    assert opened == closed
    for begin in re.findall(r"\\begin\{(\w+)\}", text):
        assert f"\\end{{{begin}}}" in text
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}") == 1
    assert r"LoRA (lora\textbar{}a\_b \& c\%)" in text
    assert text.startswith("% ")
    assert "% \\usepackage{booktabs,graphicx}" in text


def test_what_cannot_be_told_from_the_best_is_bold() -> None:
    lines = rows(table(made({"full": 0.8, "lora": 0.8, "prompt": 0.5})))
    assert [line[0].startswith("\\textbf") for line in lines] == [True, True, False]


def test_hangul_names_the_package_that_prints_it() -> None:
    assert "kotex" not in table(made({"full": 0.8}))
    assert "% \\usepackage{kotex}" in table(made({"full": 0.8}), "ko")
    assert "kotex" in table(made({"lora|한글": 0.8}))


def test_it_lies_beside_the_other_tables(tmp_path: Path) -> None:
    study = made({"full": 0.8}, folder=tmp_path)
    write_report(study, "ko", artist=None)
    assert {"results.csv", "results.json", "results.tex"} <= {file.name for file in (tmp_path / "results").iterdir()}
    assert "전체 미세조정" in (tmp_path / "results" / "results.tex").read_text("utf-8")
    # The page shows the folder as it is when it is read.
    assert "results.tex" in (tmp_path / "README.md").read_text("utf-8")
    before = (tmp_path / "README.md").read_bytes()
    write_report(study, "ko", artist=None)
    assert (tmp_path / "README.md").read_bytes() == before
