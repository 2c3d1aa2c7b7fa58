"""The four notebooks of a study, one template: same study, same bytes.

The format is Jupyter's nbformat 4.5, written directly: it is a small JSON object, and ``tuneoff init`` need not install an editor's
libraries for it. Tests hold what is written here against nbformat's own schema and spelling.
"""

import json
from pathlib import Path
from typing import Any, Final

from tuneoff.store import replace_file
from tuneoff.strings import say

#: The parts of the brief, in its order, by the names that ``Study.experiments`` has; a notebook for each.
EXPERIMENTS: Final = ("feature_extraction", "full_finetuning", "continued_pretraining", "peft")
_FILES: Final = dict(
    zip(EXPERIMENTS, ("01_feature_extraction", "02_full_finetuning", "03_continued_pretraining", "04_peft_lora_tuning"), strict=True)
)
#: What ``pip`` installs; QLoRA and the sample come with it.
REQUIREMENT: Final = "tuneoff[quantize,sample]"


def notebook_names() -> list[str]:
    """File names of the notebooks, in the order of the brief."""
    return [f"{stem}.ipynb" for stem in _FILES.values()]


def write_notebooks(folder: Path, study: str | None, lang: str) -> list[Path]:
    """Write a study's notebooks, over those that are there.

    Args:
        folder: ``notebooks`` of the study.
        study: name of the study's folder; ``None`` for notebooks that make the sample study themselves.
        lang: ``en`` or ``ko``.

    Raises:
        StorageError: the folder cannot be written.
    """
    written = []
    for experiment, stem in _FILES.items():
        file = folder / f"{stem}.ipynb"
        text = json.dumps(_notebook(experiment, study, lang), indent=1, ensure_ascii=False, sort_keys=True)
        replace_file(file, text.encode() + b"\n")
        written.append(file)
    return written


def _notebook(experiment: str, study: str | None, lang: str) -> dict[str, Any]:
    def text(name: str, *keys: str, **facts: object) -> dict[str, Any]:
        return _cell("markdown", name, "\n\n".join(say(f"notebook.{key}", lang, **facts) for key in keys))

    following = list(_FILES.values())
    place = following.index(_FILES[experiment]) + 1
    last = ("last",) if place == len(following) else ("next",)
    cells = [
        text("title", f"title_{experiment}", f"about_{experiment}", "how", study=study or "finance-demo"),
        text("about-install", "install"),
        _cell("code", "install", _INSTALL.format(lang=lang, requirement=REQUIREMENT)),
        text("about-device", "device"),
        _cell("code", "device", "from tuneoff.notebooks import device\n\ndevice()"),
        text("about-study", *(("study_sample",) if study is None else ("study", "study_colab"))),
        _cell("code", "parameters", _parameters(lang), tags=["parameters"]),
        _cell("code", "study", _SAMPLE.format(lang=lang) if study is None else _STUDY.format(study=json.dumps(study, ensure_ascii=False))),
        text("about-run", "run", f"none_{experiment}"),
        _cell("code", "run", _RUN.format(experiment=experiment)),
        text("about-results", "results"),
        _cell("code", "results", "study.results()"),
        text("about-curves", "curves"),
        _cell("code", "curves", "study.plot_curves()"),
        text("about-trade-off", "trade_off"),
        _cell("code", "trade-off", 'study.plot_trade_off(cost="memory")'),
        text("end", *last, following=f"{following[place % len(following)]}.ipynb"),
    ]
    return {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}


def _cell(kind: str, name: str, source: str, tags: list[str] | None = None) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": name,
        "metadata": {"tags": tags} if tags else {},
        "source": source.splitlines(keepends=True),
    }
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _parameters(lang: str) -> str:
    return f"overrides = []  # {say('notebook.parameters', lang)}"


_METADATA: Final = {
    "accelerator": "GPU",
    "colab": {"provenance": []},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_INSTALL: Final = """\
%env TUNEOFF_LANG={lang}
import importlib.util

if importlib.util.find_spec("tuneoff") is None:
    %pip install --quiet "{requirement}\""""
_STUDY: Final = """\
from tuneoff import Study
from tuneoff.notebooks import study_folder

study = Study.load(study_folder({study}), overrides)
study.plan()"""
_SAMPLE: Final = """\
from tuneoff import Study

study = Study.sample("demo-study", overrides, lang="{lang}")
study.plan()"""
_RUN: Final = """\
from tuneoff.notebooks import live

methods = study.experiments["{experiment}"]
study.run(only=methods, listener=live(study))"""
