"""The stage that finds a method's learning rates: successive halving on validation (Jamieson and Talwalkar 2016, arXiv:1502.07943).

Every rung is a whole training of its own length, warm-up and decay included, so that no candidate is judged in the middle of
its schedule. Test rows are never read.

A rung is shorter than the training that it stands for, and a few hundred validation rows are a coarse judge: a search that
follows them blindly does worse than none. So the method's own default rates are one of the candidates, reach the last rung,
and give way only to others that are right about more validation rows than chance explains (McNemar 1947, one-sided, 5 %).
"""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from tuneoff.errors import DivergedError
from tuneoff.measure import total
from tuneoff.methods import Method
from tuneoff.run.bench import Bench
from tuneoff.run.job import Rates
from tuneoff.run.setting import open_setting
from tuneoff.run.shrinking import fitting
from tuneoff.run.training import trained
from tuneoff.spec import half
from tuneoff.store import CURVE
from tuneoff.train import DIVERGED, collapse

#: Standard errors by which a candidate must be right about more rows than the default: one-sided, 5 %.
EVIDENCE = 1.645


def run_search(bench: Bench, method: Method) -> dict[str, Any]:
    """Try the candidates, keep the better half, try those for longer; the best of the last rung is the choice."""
    trial = bench.job.trial
    assert trial.search is not None
    pairs = [Rates(*pair) for pair in trial.search.candidates]
    candidates: list[dict[str, Any]] = [asdict(rates) | {"rungs": []} for rates in pairs]
    left, default = list(range(len(pairs))), trial.search.default
    right: dict[int, np.ndarray | None] = {}
    for share in trial.search.shares:
        for index in left:
            rung, right[index] = _try(bench, method, pairs[index], share)
            candidates[index]["rungs"].append({"share": share} | rung)
            bench.job.folder.joinpath(CURVE).unlink(missing_ok=True)
        left.sort(key=lambda index: _rank(candidates[index], trial.train.select), reverse=True)
        better = left[: half(len(left))]
        if default in left and default not in better:
            better[-1] = default
        left = better
    order = sorted(range(len(pairs)), key=lambda i: (len(candidates[i]["rungs"]), _rank(candidates[i], trial.train.select)), reverse=True)
    kept = False
    if default is not None and order[0] != default:
        kept = not told_apart(right[order[0]], right[default])
        order.insert(0 if kept else 1, order.pop(order.index(default)))
    seconds = bench.clock.seconds
    seconds["search"] = sum(seconds.pop(phase, 0.0) for phase in ("warmup", "train", "validate"))
    rungs = [rung for candidate in candidates for rung in candidate["rungs"]]
    energy = total([rung.pop("energy") for rung in rungs])
    highest = max((rung.pop("memory") for rung in rungs), key=lambda peak: peak["bytes"] or 0)
    return {
        "memory": {"train": highest},
        "energy": {"train": energy.as_dict() if energy else None},
        "candidates": candidates,
        "chosen": order[0],
        "order": order,
        "default": default,
        "kept": kept,
        "steps": sum(rung["steps"] for rung in rungs),
        "artefact_bytes": 0,
    }


def told_apart(better: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether one training is right about more rows than another by more than chance (McNemar 1947, one-sided, 5 %).

    Args:
        better: which rows it is right about, bool [rows]; ``None`` for a training that diverged.
        other: likewise.
    """
    if better is None or other is None:
        return other is None
    wins, losses = int((better & ~other).sum()), int((other & ~better).sum())
    return wins - losses > EVIDENCE * math.sqrt(wins + losses)


def _try(bench: Bench, method: Method, rates: Rates, share: float) -> tuple[dict[str, Any], np.ndarray | None]:
    """One training of a rung, judged on validation, and the rows that it is right about; one that diverged is an answer too."""
    try:
        return fitting(bench, bench.job.trial.train.batch_size, lambda: _trained(bench, method, rates, share))
    except DivergedError as error:
        nothing = dict.fromkeys(("accuracy", "macro_f1", "loss"))
        costs = {"steps": error.facts["step"], "memory": asdict(bench.meter.peak()), "energy": bench.energy.stop()}
        return nothing | {"collapsed": True, "reason": DIVERGED} | costs, None


def _trained(bench: Bench, method: Method, rates: Rates, share: float) -> tuple[dict[str, Any], np.ndarray]:
    with trained(open_setting(bench, method), rates, share) as model:
        outcome = model.outcome
        reason = collapse(outcome, bench.splits.targets("train"), bench.splits.targets("validation"))
        scores = {name: outcome.best[name] for name in ("accuracy", "macro_f1", "loss")}
        costs = {"steps": outcome.steps, "memory": asdict(model.peak), "energy": model.energy}
        with bench.clock.phase("validate"):
            right = model.logits("validation").argmax(-1) == bench.splits.targets("validation")
        return scores | {"collapsed": reason is not None, "reason": reason} | costs, right


def _rank(candidate: dict[str, Any], select: str) -> tuple[bool, float, float]:
    """By the last rung: what trained before what did not, then the score, then the lower loss."""
    rung = candidate["rungs"][-1]
    if rung["reason"] == DIVERGED:
        return False, -math.inf, -math.inf
    return not rung["collapsed"], rung[select], -rung["loss"]
