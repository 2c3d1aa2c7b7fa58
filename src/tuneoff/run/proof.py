"""The reload proof: the artefact, loaded in a fresh process, must give the logits that training gave; merged too, where it can be.

How fast it answers is measured here as well, because this is the model as a user would load it.
"""

import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file

from tuneoff.data import load_prepared
from tuneoff.measure import latency
from tuneoff.methods import Method
from tuneoff.run.artefact import Predictor
from tuneoff.run.job import Job, write_result
from tuneoff.store import ARTEFACT, PREDICTIONS, VERIFY, trouble
from tuneoff.train import cast_for_compute

#: How fast a model answers does not depend on the seed: the first one's artefact is timed.
TIMED_SEED = 0
#: Of the proof's rows, so many are asked of the merged model: folding goes wrong for every row or for none, and fp32 is slow
#: where training is in bf16.
MERGED_ROWS = 32
#: Merged and unmerged are both computed in fp32 from the same weights, so that nothing but the order of products and sums differs:
#: (W + BA)x or Wx + BAx. Each layer rounds in the 24th bit (6e-8 of its values); some hundred layers, and factors that cancel, leave
#: at most this share of the largest logit, while an update that went missing or was folded twice shows in the first digits.
MERGED_TOLERANCE = 1e-3


def verify_job(job: Job) -> None:
    """Load the artefact, compare its logits with the stored ones, merge it, compare again, leave ``verify.json``."""
    began = time.monotonic()
    try:
        stored = load_file(job.folder / PREDICTIONS)["proof.logits"].numpy()
        texts = load_prepared(job.prepared, unlabelled=False).test.texts[: len(stored)]
        predictor = Predictor(job.folder / ARTEFACT, resolved=job.backbone, trust=job.trial.trust_remote_code)
        again = predictor.logits(texts, job.cache)
        result: dict[str, Any] = {"rows": len(stored)} | compare(again, stored)
        timed = job.trial.seed == TIMED_SEED
        speed = latency(predictor.answers(texts, job.cache), len(texts)) if timed else None
        if has_merged(predictor):
            result["merged"] = _merged(predictor, texts[:MERGED_ROWS], stored[:MERGED_ROWS], job.cache)
            if speed and "error" not in result["merged"]:
                cast_for_compute(predictor.adapted.model, predictor.precision)
                speed["merged"] = latency(predictor.answers(texts, job.cache), len(texts))
        result["latency"] = speed
    except Exception as error:
        if trouble(error, job.folder):
            raise  # A disk that is full proves nothing about the artefact.
        result = _failure(error)
    write_result(job.folder, result | {"began": began, "ended": time.monotonic()}, VERIFY)


def compare(logits: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """The largest difference of two sets of logits [rows, classes], and the share of rows with the same label."""
    return {
        "largest_difference": float(np.abs(logits - expected).max()),
        "same_label": float((logits.argmax(1) == expected.argmax(1)).mean()),
    }


def is_merged_alike(merged: np.ndarray, unmerged: np.ndarray) -> bool:
    """Whether two sets of fp32 logits differ by rounding only."""
    return bool(np.abs(merged - unmerged).max() <= MERGED_TOLERANCE * max(1.0, float(np.abs(unmerged).max())))


def has_merged(predictor: Predictor) -> bool:
    """Whether there is another model to prove: a method that added nothing is a plain classifier as it is."""
    return isinstance(predictor.method, Method) and predictor.method.facts.mergeable and bool(predictor.adapted.adapter)


def _merged(predictor: Predictor, texts: Sequence[tuple[str, ...]], stored: np.ndarray, cache: Path) -> dict[str, Any]:
    """The merged model against the unmerged one, both in fp32: merging in a narrower format would round small updates away."""
    assert isinstance(predictor.method, Method)
    try:
        predictor.adapted.model.float()
        unmerged = predictor.logits(texts, cache)
        predictor.adapted = replace(predictor.adapted, model=predictor.method.merge(predictor.adapted))
        merged = predictor.logits(texts, cache)
    except Exception as error:
        return _failure(error)
    found = compare(merged, unmerged) | {"same_label": compare(merged, stored)["same_label"]}
    return {"rows": len(texts)} | found | {"same": is_merged_alike(merged, unmerged)}


def _failure(error: Exception) -> dict[str, Any]:
    """Why there is no proof; the log has the traceback."""
    traceback.print_exception(error)
    return {"error": f"{type(error).__name__}: {error}"}
