"""The report's table for a paper: LaTeX with booktabs."""

import re
from typing import Final

from tuneoff.analyse import Row
from tuneoff.report import format as f
from tuneoff.report.markdown import Column
from tuneoff.report.material import Material
from tuneoff.strings import say

_SPECIAL: Final = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # Signs that a report writes and a plain LaTeX font may lack.
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
    "µ": r"\textmu{}",
    "–": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
_HANGUL: Final = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")


def escape(text: str) -> str:
    r"""Text as LaTeX prints it; a line break becomes a blank.

    >>> escape("100 % of R&D_1")
    '100 \\% of R\\&D\\_1'
    """
    return "".join(_SPECIAL.get(sign, sign) for sign in " ".join(text.split()))


def latex_table(material: Material, columns: list[Column[Row]], lang: str) -> str:
    """One table: a row a method; what cannot be told from the best is bold.

    Args:
        material: what the report is written from.
        columns: title and cell of each column after the method's name, in plain text.
        lang: of the caption and the names.
    """
    tied = {row.label for row in material.analysis.ties}
    lines = [f"% {say('report.tex_head', lang)}", r"% \usepackage{booktabs,graphicx}"]
    body = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(say('report.tex_caption', lang, study=material.spec.study, backbone=material.spec.backbone))}}}",
        r"\label{tab:tuneoff}",
        # No wider than the text, and otherwise in the size of the text.
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        _line([say("report.method", lang), *(title for title, _ in columns)]),
        r"\midrule",
    ]
    for row in material.analysis.rows:
        name, *cells = (material.name(row, lang), *(cell(row) or f.NOTHING for _, cell in columns))
        body.append(_line([name, *cells], bold=row.label in tied))
    body += [r"\bottomrule", r"\end{tabular}}", r"\end{table}"]
    if _HANGUL.search("\n".join(body)):
        lines.append(r"% \usepackage{kotex}")
    return "\n".join([*lines, *body]) + "\n"


def _line(cells: list[str], bold: bool = False) -> str:
    first, *rest = map(escape, cells)
    # A cell may begin with a bracket, which LaTeX would take for an option of the line break before it.
    return " & ".join([rf"\textbf{{{first}}}" if bold else f"{{}}{first}", *rest]) + r" \\"
