"""A study that nobody ran, with everything that report.html can show, and its page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.support import made_up
from tuneoff.analyse import Foreseen, MethodTrials, RowForecast, TrialResult
from tuneoff.report import Material
from tuneoff.report.names import page_name
from tuneoff.report.page import page

ROWS = 120
SEEDS = (0, 1)
#: Texts that would do harm if they became markup or left their script block.
HARM = ("<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "<!-- <script>", "줄\u2028바꿈 \ud83d & &amp; \"'`")
#: Method → share of test rows that it hits, seconds, bytes of memory, of the artefact, parameters.
METHODS: dict[str, tuple[float, float, int, int, int]] = {
    "majority": (0.34, 0.01, 10**8, 100, 1),
    "tfidf": (0.60, 1.0, 2 * 10**8, 10**5, 3000),
    "full": (0.82, 60.0, 9 * 10**8, 9 * 10**7, 10**6),
    "lora": (0.80, 30.0, 7 * 10**8, 5 * 10**5, 10**4),
    "adapter": (0.78, 40.0, 8 * 10**8, 10**6, 2 * 10**4),
    "bitfit": (0.70, 20.0, 6 * 10**8, 3 * 10**5, 4000),
}


def curve(method: str, seed: int, epochs: int = 3) -> list[dict[str, Any]]:
    """Loss that falls and accuracy that rises, a little different for each seed."""
    points, steps = [], 10 * epochs
    for step in range(1, steps + 1):
        done = step % 10 == 0
        points.append(
            {
                "step": step,
                "epoch": step / 10,
                "seconds": METHODS[method][1] * step / steps,
                "loss": 1.1 / (1 + step / 8) + 0.02 * seed,
                "validation_loss": 1.2 / (1 + step / 10) if done else None,
                "validation_accuracy": METHODS[method][0] * step / steps + 0.01 * seed if done else None,
                "steps": steps,
            }
        )
    return points


def search(method: str) -> dict[str, Any]:
    """Four learning rates, of which the second is chosen and the last did not train."""
    share = METHODS[method][0]
    rungs = [(1e-4, share - 0.1, False), (3e-4, share, False), (1e-3, share - 0.05, False), (3e-3, 0.33, True)]
    candidates = [
        {
            "learning_rate": rate,
            "head_learning_rate": rate,
            "rungs": [{"share": 0.25, "accuracy": score, "macro_f1": score, "loss": 1.0, "collapsed": collapsed, "reason": None}],
        }
        for rate, score, collapsed in rungs
    ]
    return {"candidates": candidates, "chosen": 1, "phases": {"search": 12.0}}


def method(name: str, targets: np.ndarray) -> MethodTrials:
    """A method with trials at every seed, their curves, and a search where it has a learning rate."""
    share, seconds, memory, artefact, parameters = METHODS[name]
    hits = {seed: np.random.default_rng([seed, int(1000 * share)]).random(ROWS) < share for seed in SEEDS}
    trained = name not in ("majority", "tfidf")
    extra: dict[str, Any] = {"latency": {"batch_1": {"p50_seconds": 0.004, "p95_seconds": 0.006, "rows_per_second": 250.0}}}
    if trained:
        extra["search"] = search(name)
    costs = {"seconds": seconds, "memory": memory, "artefact": artefact, "parameters": parameters} | extra
    made = made_up.method(name, hits, targets, costs=costs)
    if not trained:
        return made
    return replace(made, trials=[replace(trial, curve=curve(name, trial.seed)) for trial in made.trials])


def study(folder: Path = Path("study"), texts: list[tuple[str, ...]] | None = None) -> Material:
    """The study: five methods that learnt, the majority class, and one that ran out of memory."""
    targets = made_up.targets(ROWS)
    methods = [method(name, targets) for name in METHODS]
    failed = made_up.method("prefix", {}, targets, planned=SEEDS)
    error = {"key": "run.oom", "facts": {"device": "cuda", "peak": 16_000_000_000}}
    failed = replace(failed, trials=[TrialResult("prefix", seed, "oom", {"error": error, "state": "oom"}) for seed in SEEDS])
    made = made_up.material([*methods, failed], folder=folder)
    forecasts = {
        row.label: RowForecast(
            {
                "train_memory": Foreseen(
                    0.9 * row.memory["train_peak_bytes"], 0.9 * row.memory["train_peak_bytes"], row.memory["train_peak_bytes"]
                ),
                "train_seconds": Foreseen(0.5 * row.time["train_seconds"], 1.5 * row.time["train_seconds"], row.time["train_seconds"]),
                "eval_memory": Foreseen(1e8, 1e8, row.memory["eval_peak_bytes"]),
                "eval_seconds": Foreseen(1.0, 9.0, row.time["eval_seconds"]),
            }
        )
        for row in made.analysis.scored
        if row.experiment and row.time["train_seconds"]
    }
    found = texts or [(f"{HARM[row % len(HARM)]} row {row}",) for row in range(ROWS)]
    return replace(made, texts=found, forecasts=forecasts)


def written(material: Material, folder: Path, lang: str = "en") -> Path:
    """The page of a study as a file; the other language's stands beside it."""
    for language in ("en", "ko"):
        (folder / page_name(language, lang)).write_bytes(page(material, language, lang))
    return folder / "report.html"
