"""Trials that nobody ran: predictions and costs as a test wants them, in the shape of records."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tuneoff.analyse import MethodTrials, TrialResult, analyse, foreseen
from tuneoff.data import DataReport
from tuneoff.kept import BackboneCard
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
        "memory": {part: {"bytes": memory, "counter": "peak_own_memory_above_start"} for part in ("train", "evaluate")},
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
    return MethodTrials(label, name, title, title, experiment, "", None, {"epochs": 3} | (config or {}), trials)


def targets(rows: int) -> np.ndarray:
    """Class numbers of test rows, all classes alike."""
    return np.arange(rows) % len(LABELS)


def fits(need: int, usable: int = 15_400_000_000, verdict: str | None = None, micro_batch: int | None = None) -> dict[str, Any]:
    """Whether a trial fits a device, as forecasts have it."""
    return {"verdict": verdict or ("fits" if need <= usable else "too_large"), "need": need, "usable": usable, "micro_batch": micro_batch}


def forecast(held: int, low: float, high: float, t4: dict[str, Any] | None = None) -> dict[str, Any]:
    """What ``tuneoff plan`` keeps of a trial."""
    peak = {"bytes": held // 2, "held": held, "phase": "backward", "parts": {}}
    seconds = {"train": {"low": low, "high": high}, "evaluate": {"low": low / 10, "high": high / 10}, "trial": {"low": low, "high": high}}
    return {"train": peak, "evaluate": peak, "seconds": seconds, "fit": fits(held), "fits": {"T4": t4 or fits(held)}}


def material(
    methods: Sequence[MethodTrials],
    clean: np.ndarray | None = None,
    folder: Path = Path("study"),
    study: Mapping[str, Any] | None = None,
    forecasts: Mapping[str, Mapping[str, Any]] | None = None,
    stages: Sequence[dict[str, Any]] = (),
    backbone: BackboneCard | None = None,
    **budget: Any,
) -> Material:
    """What a report is written from, with a budget as in a study file.

    Args:
        methods: with their trials.
        clean: bool [test rows], false where a row is known from train.
        folder: of the study.
        study: further keys of the study file.
        forecasts: label → as :func:`forecast` makes them.
        stages: records of continued pretraining.
        backbone: where there is one.
        budget: of the study file.
    """
    spec = StudySpec.model_validate(
        {
            "study": "made-up",
            "domain": "finance",
            "backbone": "sample:en",
            "data": {"train": "rows.csv"},
            "methods": [m.method for m in methods if m.label == m.method] or ["majority"],
            "budget": budget,
        }
        | dict(study or {})
    )
    classes = dict.fromkeys(LABELS, 40)
    sizes = {"train": 120, "validation": 120, "test": 120}
    data = DataReport(sizes, dict.fromkeys(sizes, classes), 0, "0" * 64, [])
    analysis = analyse(methods, LABELS, clean)
    rows = {row.label: row for row in analysis.rows}
    found = {label: foreseen(rows[label], one, None, allocated=False) for label, one in (forecasts or {}).items()}
    return Material(folder, spec, data, LABELS, backbone, list(methods), analysis, list(stages), found)
