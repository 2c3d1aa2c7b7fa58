"""Run in a fresh process: load what the contract suite saved and write the logits that come out.

``python reload.py jobs.json``: each job names a saved folder, its method, backbone and texts, and the file for the logits.
"""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.utils import logging

from tests.contract.pairs import CPU, Backbone, build, class_of
from tuneoff.methods import Method, TextMethod
from tuneoff.run.artefact import open_classifier
from tuneoff.train import TokenRows, cast_for_compute, predict

#: Not the seed that drew the head in training: whatever is not in the artefact must not be needed.
OTHER_SEED = 99


@cache
def backbone_at(folder: str) -> Backbone:
    """Many artefacts stand on one backbone."""
    return Backbone(Path(folder))


def logits_of(job: dict[str, Any]) -> np.ndarray:
    """Load one artefact as prediction does."""
    texts = [tuple(text) for text in job["texts"]]
    folder, kind = Path(job["folder"]), class_of(job["method"])
    if issubclass(kind, TextMethod):
        learnt = kind(kind.Config())
        learnt.load(folder)
        return learnt.logits(texts)
    assert issubclass(kind, Method)
    backbone, method = backbone_at(job["backbone"]), build(job["method"], **job["parameters"])
    facts = backbone.facts
    model, precision = open_classifier(method, backbone.resolved, facts, backbone.pad, OTHER_SEED, job["precision"], CPU)
    torch.manual_seed(OTHER_SEED)
    adapted = method.load(model, facts, folder)
    cast_for_compute(adapted.model if adapted.encode is None else adapted.encode, precision)
    return predict(adapted.model, TokenRows(backbone.tokens(texts), None, backbone.pad, CPU, adapted.padding_side))


def main(jobs: Path) -> None:
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    for job in json.loads(jobs.read_text(encoding="utf-8")):
        np.save(job["out"], logits_of(job))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
