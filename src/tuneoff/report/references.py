"""Section 7 of the brief: the papers of exactly the methods used, with their DOI or arXiv number, and the libraries."""

import re
from typing import Final

from tuneoff.report.markdown import plain
from tuneoff.report.material import Material
from tuneoff.strings import say

PRETRAINING: Final = "Gururangan et al. (2020). Don't Stop Pretraining: Adapt Language Models to Domains and Tasks. arXiv:2004.10964"
#: Experiments whose methods are attached by PEFT.
PEFT_EXPERIMENT: Final = 3
_PLACES: Final = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
_IDENTIFIER: Final = re.compile(r"\b(arXiv|doi):(\S+?)(?=[.,;]?(?:\s|$))")


def references(material: Material, lang: str) -> list[str]:
    """One line a paper, in the order of the methods, then the documentation of the libraries."""
    papers = dict.fromkeys(method.reference for method in material.methods if method.reference)
    if any(method.experiment == 2 for method in material.methods):
        papers[PRETRAINING] = None
    lines = [say("report.reference_paper", lang, paper=_linked(paper)) for paper in papers]
    if any(method.experiment == PEFT_EXPERIMENT for method in material.methods):
        lines.append(say("report.reference_peft", lang))
    if material.backbone is not None:
        lines.append(say("report.reference_transformers", lang))
    return ["* " + line for line in lines]


def _linked(paper: str) -> str:
    """A paper whose number leads to it."""
    found = _IDENTIFIER.search(paper)
    if found is None:
        return plain(paper)
    # Brackets in a DOI would end the link.
    address = _PLACES[found[1]] + found[2].replace("(", "%28").replace(")", "%29")
    return f"{plain(paper[: found.start()])}[{found[0]}]({address}){plain(paper[found.end() :])}"
