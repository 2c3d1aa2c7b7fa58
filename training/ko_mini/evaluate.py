"""Runs the studies of this folder on a trained model and on the same architecture without training, and writes the card's table.

    python -m training.ko_mini.evaluate --data ../shared/data --run RUN --out RUN/studies

Studies resume: what is complete is not run again. ``--set`` changes a study's keys, as in tuneoff itself, and ``--methods`` runs a
part of it; both are written above the table, so that a smaller evaluation cannot pass for the whole one.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import yaml
from transformers import PreTrainedTokenizerFast

from training.ko_mini import model
from tuneoff.study import Study

STUDIES = Path(__file__).parent / "studies"
NAMES = ("nsmc", "ynat", "ministry", "finance")
#: Characters of the longest article in the study of ministries: such are read whole at its 128 tokens.
SHORT = 200
#: What the architecture without training is asked: the other methods do not look at the backbone, or build on training.
OF_RANDOM = ("feature_extraction", "full")
SHOWN = {
    "majority": "most frequent class",
    "tfidf": "TF-IDF + logistic regression",
    "feature_extraction": "frozen features",
    "full": "full",
}


def main() -> None:
    """Parse the command line, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with nsmc/, ynat/ and kr_statutes/")
    parser.add_argument("--run", type=Path, required=True, help="folder of a training run that was cooled down")
    parser.add_argument("--out", type=Path, required=True, help="folder for the studies' results")
    parser.add_argument("--weights", nargs="+", choices=("random", "ko"), default=["random", "ko"], help="which of the two to run and show")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--methods", nargs="+", help="run and show these alone")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--threads", type=int)
    chosen = parser.parse_args()
    folders = {"random": (chosen.out / "random").resolve(), "ko": (chosen.run / "model").resolve()}
    if not folders["random"].is_dir():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(chosen.run / "tokenizer")
        model.export(model.untrained(tokenizer), tokenizer, folders["random"])
    tables = []
    for name in chosen.only:
        rows, studies = [], []
        for weights in chosen.weights:
            file = _prepared(name, folders[weights], chosen.data, chosen.out / f"{name}-{weights}")
            study = Study.load(file, chosen.overrides)
            having = [method.label for method in study.plan().methods]
            wanted = [label for label in having if label in (chosen.methods or having)]
            study.run(only=wanted, threads=chosen.threads)
            rows += [_line(row, weights) for row in _results(study)["rows"] if row["label"] in wanted]
            studies.append(study)
        tables.append(_table(name, rows, studies[-1]))
    changed = [*(f"--set {one}" for one in chosen.overrides), *(["--methods", *chosen.methods] if chosen.methods else [])]
    text = "\n\n".join([*([f"Changed: `{' '.join(changed)}`."] if changed else []), *tables]) + "\n"
    (chosen.out / "table.md").write_text(text, encoding="utf-8")
    print(text)


def _prepared(name: str, backbone: Path, data: Path, folder: Path) -> Path:
    """A study of this folder, with the data and the backbone where they are."""
    study = yaml.safe_load((STUDIES / f"{name}.yaml").read_text(encoding="utf-8"))
    study["backbone"] = str(backbone)
    for key in ("train", "test", "unlabelled"):
        value = study["data"].get(key)
        if isinstance(value, str) and not value.startswith("sample:"):
            source = data / value
            if name == "ministry" and key != "unlabelled":
                source = _short(source, folder.parent / f"short-{source.name}")
            study["data"][key] = os.path.relpath(source.resolve(), folder.resolve())
    if backbone.name == "random":
        study["methods"] = [method for method in study["methods"] if _name(method) in OF_RANDOM]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(study, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return file


def _short(source: Path, target: Path) -> Path:
    """The short articles of a file of JSON lines."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open(encoding="utf-8") as lines:
        target.write_text("".join(line for line in lines if len(json.loads(line)["text"]) <= SHORT), encoding="utf-8")
    return target


def _name(method: str | dict[str, Any]) -> str:
    return method if isinstance(method, str) else next(iter(method))


def _results(study: Study) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((study.folder / "results" / "results.json").read_text(encoding="utf-8"))
    return found


def _line(row: dict[str, Any], backbone: str) -> str:
    method = row["label"]
    weights = "–" if method in ("majority", "tfidf") else "random" if backbone == "random" else "sample:ko"
    pretrained = method.startswith("pretrain+")
    shown = SHOWN[method.removeprefix("pretrain+")] + (" after continued pretraining" if pretrained else "")
    if row["state"] != "complete":
        return f"| {shown} | {weights} | {row['state']} | {row['state']} |"
    return f"| {shown} | {weights} | {_interval(row['accuracy'])} | {_interval(row['macro_f1'])} |"


def _interval(score: dict[str, float]) -> str:
    return f"{score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"


def _table(name: str, rows: list[str], study: Study) -> str:
    spec, report = study.file.spec, study.check()
    sizes = ", ".join(f"{split} {count:,}" for split, count in report.rows.items())
    head = f"**{name}** ({sizes} rows; seeds: {spec.seeds})"
    stages = [
        f"Masked-LM loss on held-out lines: {record['loss_before']:.3f} before continued pretraining, {record['loss_after']:.3f} after."
        for record in study.material().stages
        if record.get("loss_after") is not None
    ]
    return "\n".join(
        [head, "", "| Method | Weights | Accuracy [95 %] | Macro-F1 [95 %] |", "| --- | --- | --- | --- |", *rows, "", *stages]
    )


if __name__ == "__main__":
    main()
