"""A small real study: a tiny BERT, a separable data set, and the command line in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.warm import WarmProcess, can_be_warm
from tuneoff import Study

GOOD = ("profit rose", "sales grew", "outlook raised", "orders won", "loss narrowed", "costs fell")
BAD = ("profit fell", "sales shrank", "outlook cut", "orders lost", "loss widened", "costs rose")
FIRMS = ("Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta", "Eta", "Theta", "Iota", "Kappa")


def write_rows(file: Path, rows: int = 120) -> None:
    """Separable rows: the label follows from two words."""
    lines = ["text,label"]
    for i in range(rows):
        words, label = (GOOD, "good") if i % 2 else (BAD, "bad")
        lines.append(f"{FIRMS[i % len(FIRMS)]} {i // 20}: {words[(i // 2) % len(words)]},{label}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_study(folder: Path, methods: list[Any], seeds: int = 2, **more: Any) -> Path:
    """A study folder with its data and its tiny backbone; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "rows.csv")
    if not (folder / "tiny").exists():
        from tests.support.tiny import tiny_encoder  # Loads torch, which tests of the store alone do without.

        tiny_encoder(folder / "tiny")
    train = {"epochs": 2, "batch_size": 16, "max_length": 24, "precision": "fp32"} | more.pop("train", {})
    data = {"train": "rows.csv", "validation": 0.2, "test": 0.2} | more.pop("data", {})
    study = {"study": "tiny", "backbone": "tiny", "data": data, "methods": methods, "seeds": seeds, "train": train, **more}
    (folder / "study.yaml").write_text(json.dumps(study, ensure_ascii=False), encoding="utf-8")
    return folder


def environment(**extra: str) -> dict[str, str]:
    """Variables for a child: English, one thread, no hub."""
    return {**os.environ, "TUNEOFF_LANG": "en", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", **extra}


def tuneoff(*arguments: str | Path, timeout: float = 240, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    with start_tuneoff(*arguments, **extra) as process:
        try:
            out, error = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


def start_tuneoff(*arguments: str | Path, **extra: str) -> subprocess.Popen[str]:
    """Start the command line and return its process."""
    command = [sys.executable, "-m", "tuneoff", *map(str, arguments)]
    kind = WarmProcess if can_be_warm(extra) else subprocess.Popen
    stdin = None if kind is WarmProcess else subprocess.DEVNULL
    return kind(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**extra), stdin=stdin)


def records(folder: Path) -> dict[str, bytes]:
    """Every published record, by path below ``results``."""
    results = folder / "results"
    return {str(file.relative_to(results)): file.read_bytes() for file in sorted(results.glob("*/attempt-*.json"))}


def table(folder: Path) -> list[dict[str, Any]]:
    """The final table without what a clock or a memory counter says: what must not depend on interruptions."""
    rows = [row.as_dict() for row in Study.load(folder).material().analysis.rows]
    kept = ("label", "state", "trials", "parameters", "accuracy", "macro_f1", "per_class_f1", "best_epochs", "reload")
    return [{name: row[name] for name in kept} for row in rows]
