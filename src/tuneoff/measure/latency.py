"""How long a trained model takes to answer, and how many rows a second it can."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

BATCHES = (1, 8, 32)
#: Each batch size is measured for about so long, with at least and at most so many answers, after some that are not counted.
SECONDS, LEAST, MOST, WARM = 0.2, 5, 100, 2


def latency(answer: Callable[[Sequence[int]], object], num_rows: int, batches: Sequence[int] = BATCHES) -> dict[str, Any]:
    """Time answers to rows drawn at random, the same rows for every method.

    Args:
        answer: takes row numbers, gives their logits, and returns when they are there.
        num_rows: rows to draw from, with replacement.
        batches: rows of one question.

    Returns:
        ``batch_<n>`` → ``p50_seconds``, ``p95_seconds`` of one answer, ``rows_per_second``, ``answers`` timed.
    """
    return {f"batch_{size}": _one(answer, num_rows, size) for size in batches}


def _one(answer: Callable[[Sequence[int]], object], num_rows: int, size: int) -> dict[str, float | int]:
    draw = np.random.default_rng(size)
    seconds: list[float] = []
    for number in range(WARM + MOST):
        rows = draw.integers(0, num_rows, size).tolist()
        began = time.perf_counter()
        answer(rows)
        taken = time.perf_counter() - began
        if number >= WARM:
            seconds.append(taken)
        if len(seconds) >= LEAST and sum(seconds) >= SECONDS:
            break
    middle, high = np.quantile(seconds, (0.5, 0.95))
    speed = size / float(np.mean(seconds))
    return {"p50_seconds": float(middle), "p95_seconds": float(high), "rows_per_second": speed, "answers": len(seconds)}
