"""Trials that nobody ran: predictions and costs as a test wants them, in the shape of records."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tuneoff.analyse import MethodTrials, TrialResult, analyse
from tuneoff.data import DataReport
from tuneoff.report import Material
from tuneoff.spec import StudySpec

LABELS = ["negative", "neutral", "positive"]
TITLES = {
    "majority": ("Majority class", "최빈 클래스"),
    "tfidf": ("TF-IDF + linear", "TF-IDF + 선형"),
    "full": ("Full fine-tuning", "전체 미세조정"),
    "lora": ("LoRA", "LoRA"),
    "adapter": ("Adapter", "어댑터"),
    "prefix": ("Prefix tuning", "프리픽스 튜닝"),
    "prompt": ("Prompt tuning", "프롬프트 튜닝"),
    "ia3": ("IA3", "IA3"),
    "bitfit": ("BitFit", "BitFit"),
}
EXPERIMENTS = {"majority": 0, "tfidf": 0, "full": 1}


def answers(hits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Class numbers [rows]: the right one where a row is hit, else the next."""
    return np.where(hits, targets, (targets + 1) % len(LABELS))


def record(
    *, seconds: float = 60.0, memory: int | None = 10**9, artefact: int = 10**6, parameters: int = 1000, **more: Any
) -> dict[str, Any]:
    """A complete trial's record, as far as the analysis reads it."""
    return {
        "parameters": {
            "adapter": parameters,
            "head": 0,
            "base": 0,
            "total": 10**6,
            "trainable": parameters,
            "percent": parameters / 10**4,
        },
        "memory": {part: {"bytes": memory, "counter": "peak_rss_above_start"} for part in ("train", "evaluate")},
        "phases": {"load": 1.0, "warmup": 0.25 * seconds, "train": 0.75 * seconds, "validate": 2.0, "evaluate": 3.0},
        "quality": {"test": {"mcc": 0.5, "ece": 0.1, "predicted_classes": 3}},
        "collapse": {"reason": None, "retries": []},
        "artefact_bytes": artefact,
        "precision": "fp32",
        "best_epoch": 2,
        "reload": {"same": True},
    } | more


def method(
    label: str,
    hits: Mapping[int, np.ndarray],
    targets: np.ndarray,
    *,
    of: str | None = None,
    costs: Mapping[str, Any] | None = None,
    planned: Sequence[int] | None = None,
    config: dict[str, Any] | None = None,
) -> MethodTrials:
    """A method whose seeds hit these test rows.

    Args:
        label: in the report.
        hits: number of the seed → bool [rows].
        targets: class numbers [rows].
        of: name of the method, where it is not the label.
        costs: arguments of :func:`record`.
        planned: seeds; those without hits are pending. Without, all have hits.
        config: parameters.
    """
    name = of or label
    trials = []
    for seed in planned or list(hits):
        if seed not in hits:
            trials.append(TrialResult(label, seed, "pending"))
            continue
        logits = np.eye(len(LABELS), dtype=np.float32)[answers(hits[seed], targets)]
        made = record(**(costs or {}))
        trials.append(TrialResult(label, seed, "complete", made, [], {"test": logits}, {"test": targets}))
    plain = name.removeprefix("pretrain+")
    english, korean = TITLES.get(plain, (plain, plain))
    if plain != name:
        english, korean = f"Continued pretraining + {english}", f"추가 사전학습 + {korean}"
    experiment = 2 if plain != name else EXPERIMENTS.get(name, 3)
    title = {"en": english, "ko": korean}
    return MethodTrials(label, name, title, title, experiment, "", {"epochs": 3} | (config or {}), None, trials)


def targets(rows: int) -> np.ndarray:
    """Class numbers of test rows, all classes alike."""
    return np.arange(rows) % len(LABELS)


def material(methods: Sequence[MethodTrials], clean: np.ndarray | None = None, folder: Path = Path("study"), **budget: Any) -> Material:
    """What a report is written from, with a budget as in a study file."""
    spec = StudySpec.model_validate(
        {
            "study": "made-up",
            "domain": "finance",
            "backbone": "sample:en",
            "data": {"train": "rows.csv"},
            "methods": [m.method for m in methods if m.label == m.method] or ["majority"],
            "budget": budget,
        }
    )
    classes = dict.fromkeys(LABELS, 40)
    sizes = {"train": 120, "validation": 120, "test": 120}
    data = DataReport(sizes, dict.fromkeys(sizes, classes), 0, "0" * 64, [])
    return Material(folder, spec, data, LABELS, None, list(methods), analyse(methods, LABELS, clean))
