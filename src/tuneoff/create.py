"""New study folders, in the shape of the brief."""

import os
from pathlib import Path

import yaml

from tuneoff.errors import UsageError
from tuneoff.notebooks.template import write_notebooks
from tuneoff.spec import STUDY_FILE
from tuneoff.strings import say

DEMO_METHODS = (
    "majority",
    "tfidf",
    "feature_extraction",
    "full",
    "pretrain+full",
    "lora",
    "qlora",
    "dora",
    "ia3",
    "bitfit",
    "prompt",
    "p_tuning",
    "prefix",
    "adapter",
)
#: Of the demo, unless told otherwise.
DEMO_SEEDS = 2
STUDY_METHODS = ("majority", "tfidf", "feature_extraction", "full", "lora", "prompt", "adapter", "prefix")
DEFAULT_BACKBONE = {"en": "FacebookAI/roberta-base", "ko": "klue/roberta-base"}
#: Names that text and label columns often have, in the order of preference.
TEXT_NAMES = ("text", "sentence", "document", "content", "review", "title", "본문", "문장", "텍스트", "내용")
LABEL_NAMES = ("label", "labels", "category", "class", "sentiment", "target", "라벨", "분류", "감성", "카테고리")


def write_demo(folder: Path, seeds: int, lang: str) -> Path:
    """The sample study; an existing one is kept, so that ``demo`` resumes."""
    file = folder / STUDY_FILE
    if file.exists():
        return file
    study: dict[str, object] = {
        "study": "finance-demo",
        "lang": lang,
        "domain": "금융" if lang == "ko" else "finance",
        "backbone": f"sample:{lang}",
        "data": {"train": f"sample:finance-{lang}", "name": f"sample:finance-{lang}"},
        "methods": list(DEMO_METHODS),
        "seeds": seeds,
        "train": {"epochs": 3, "batch_size": 16, "max_length": 64},
        "pretrain": {"epochs": 1, "max_length": 64},
    }
    return _write(folder, study, say("cli.demo_comment", lang), lang)


def write_study(
    folder: Path,
    data: Path,
    text: str | None,
    pair: str | None,
    label: str | None,
    test: Path | None,
    unlabelled: Path | None,
    backbone: str | None,
    encoding: str | None,
    lang: str,
) -> Path:
    """A study for a data file, with everything a person may want to change written out.

    Raises:
        UsageError: the folder has a study already, or the columns cannot be told.
        DataError: the data file cannot be read.
    """
    if (folder / STUDY_FILE).exists():
        raise UsageError("cli.study_exists", where=str(folder / STUDY_FILE))
    columns = _columns(data, encoding or "utf-8")
    text = text or _pick(columns, TEXT_NAMES, "--text", data)
    label = label or _pick(columns, LABEL_NAMES, "--label", data)
    section: dict[str, object] = {"train": _relative(data, folder)}
    if test:
        section["test"] = _relative(test, folder)
    section |= {"validation": 0.1} | ({} if test else {"test": 0.2})
    section |= {"text": [text, pair] if pair else text, "label": label}
    if unlabelled:
        section["unlabelled"] = _relative(unlabelled, folder)
    if encoding:
        section["encoding"] = encoding
    study: dict[str, object] = {
        "study": folder.resolve().name,
        "lang": lang,
        "backbone": backbone or DEFAULT_BACKBONE[lang],
        "data": section,
        "methods": [*STUDY_METHODS, *(["pretrain+full"] if unlabelled else [])],
        "seeds": 3,
        "tuning": {"trials": 4},
        "train": {"epochs": 3, "batch_size": 16, "max_length": 128},
    }
    _check_columns(data, [text, *([pair] if pair else []), label], encoding or "utf-8")
    return _write(folder, study, say("cli.study_comment", lang), lang)


def _write(folder: Path, study: dict[str, object], comment: str, lang: str) -> Path:
    for name in ("data", "results", "assets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("data/\nresults/\n", encoding="utf-8")
    file = folder / STUDY_FILE
    body = yaml.safe_dump(study, allow_unicode=True, sort_keys=False, default_flow_style=None, width=110)
    file.write_text(f"# {comment}\n{body}", encoding="utf-8")
    write_notebooks(folder / "notebooks", folder.resolve().name, lang)
    return file


def _relative(file: Path, folder: Path) -> str:
    """The data file as seen from the study, so that both can be moved together."""
    try:
        return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
    except ValueError:  # Another drive on Windows.
        return str(file.resolve())


def _columns(data: Path, encoding: str) -> list[str]:
    from tuneoff.data import column_names

    return column_names(data, encoding, str(data))


def _check_columns(data: Path, wanted: list[str], encoding: str) -> None:
    from tuneoff.data.table import check_columns

    check_columns(_columns(data, encoding), wanted, str(data))


def _pick(columns: list[str], names: tuple[str, ...], option: str, data: Path) -> str:
    lowered = {column.strip().lower(): column for column in columns}
    found = next((lowered[name] for name in names if name in lowered), None)
    if found is None:
        raise UsageError("cli.which_column", where=str(data), option=option, has=", ".join(f'"{c}"' for c in columns))
    return found
