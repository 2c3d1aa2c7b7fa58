"""A plan → what there is to rehearse: each kind of trial with the shapes of its batches."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from tuneoff.data import tokenise
from tuneoff.forecast import Case, Workload
from tuneoff.forecast.scene import Part
from tuneoff.forecast.workload import estimated_lengths, evaluation_parts, pretraining_steps, steps_of
from tuneoff.methods import Method
from tuneoff.run.planner import Plan
from tuneoff.train import packs
from tuneoff.train.pretrain import HELD_OUT

SPLITS, CORPUS, PRETRAINING = ("train", "validation", "test"), "corpus", "pretrain"


@dataclass(frozen=True)
class Rows:
    """Lengths of a plan's rows and how many different tokens they have.

    Attributes:
        lengths: of each split, and ``corpus`` for continued pretraining.
        used: different tokens of the training texts.
        exact: the tokenizer's own; else estimates, and memory is forecast for rows of full length.
    """

    lengths: dict[str, np.ndarray]
    used: int
    exact: bool
    longest: dict[str, int]
    pairs: bool

    def sizes(self, split: str) -> np.ndarray:
        """Tokens of each row of a split; where they are estimated, as many as a row may have, so that memory is no surprise."""
        lengths = self.lengths[split]
        return lengths if self.exact else np.full_like(lengths, self.longest[split])

    def filled(self, split: str) -> float:
        """Part of these sizes that there will be."""
        return float(self.lengths[split].sum() / max(1, self.sizes(split).sum()))


def read_rows(plan: Plan) -> Rows:
    """Lengths by the tokenizer where it is here, else by the number of characters."""
    spec = plan.study.spec
    pretrains = any(method.chosen.pretrain for method in plan.methods)
    corpus = [(text,) for text in plan.splits.corpus] if pretrains else []
    texts = {name: plan.splits[name].texts for name in SPLITS}
    longest = dict.fromkeys(SPLITS, spec.train.max_length) | {CORPUS: spec.pretrain.max_length}
    pairs = len(spec.data.text_columns) == 2
    reader = plan.reader
    if reader is None:
        lengths = {name: estimated_lengths(rows, longest[name]) for name, rows in (texts | {CORPUS: corpus}).items()}
        return Rows(lengths, int(lengths["train"].sum()), False, longest, pairs)
    tokens = {name: reader.read(rows) for name, rows in texts.items()}
    lengths = {name: found.lengths for name, found in tokens.items()}
    if corpus:
        read = tokenise(corpus, reader.tokenizer, reader.identity, longest[CORPUS], reader.cache, split_long=True)
        lengths[CORPUS] = read.lengths
    return Rows(lengths, len(np.unique(tokens["train"].ids)), True, longest, pairs)


def cases_of(plan: Plan, rows: Rows) -> dict[str, Case]:
    """What there is to rehearse: each method by its label, and the stage of continued pretraining under its own name."""
    assert plan.facts is not None
    spec, facts = plan.study.spec, plan.facts
    cases: dict[str, Case] = {}
    for planned in plan.methods:
        method = planned.chosen.build()
        if planned.unsupported or not isinstance(method, Method) or method.facts.needs_weights:
            continue
        epochs = planned.trials[0].config["epochs"]
        workload = partial(_workload, rows, spec.train.batch_size, method.facts.frozen_backbone, facts.model_type)
        cases[planned.label] = Case(method, facts, spec.train, epochs, workload, None, spec.trust_remote_code)
    stage = next((stage for stage in plan.stages if stage.stage == "pretrain"), None)
    if stage is not None and stage.pretrain is not None:
        workload = partial(_corpus_workload, rows, stage.pretrain.batch_size, facts.model_type)
        cases[PRETRAINING] = Case(None, facts, spec.train, stage.pretrain.epochs, workload, stage.pretrain, spec.trust_remote_code)
    return cases


def _workload(
    rows: Rows, batch_size: int, frozen: bool, model_type: str, kind: str, micro_batch: int | None, checkpointing: bool
) -> Workload:
    train = rows.sizes("train")
    read = partial(evaluation_parts, packed=packs(model_type, kind))
    validation, test = (read(rows.sizes(name)) for name in ("validation", "test"))
    if frozen:
        full, rest = divmod(len(train), batch_size)
        second: tuple[tuple[Part, ...], ...]
        steps: tuple[tuple[Part, ...], ...] = tuple((Part(size, 1),) for size in [batch_size] * full + [rest] * (rest > 0))
        second, reading = (), read(train)
    else:
        cut = partial(steps_of, train, kind, batch_size, micro_batch, packs(model_type, kind, checkpointing))
        steps, second, reading = cut(), cut(epoch=1), ()
    stored = sum(len(rows.lengths[name]) for name in SPLITS)
    judged = validation, (*validation, *test)
    return Workload(steps, *judged, reading, rows.used, stored, rows.pairs, rows.exact, rows.filled("train"), second)


def _corpus_workload(rows: Rows, batch_size: int, model_type: str, kind: str, micro_batch: int | None, _: bool) -> Workload:
    lengths = rows.sizes(CORPUS)
    held = max(1, round(HELD_OUT * len(lengths)))
    judged = evaluation_parts(lengths[:held])
    steps = pretraining_steps(lengths[held:], kind, batch_size, packs(model_type, kind))
    return Workload(steps, judged, judged, (), rows.used, len(lengths), rows.pairs, rows.exact, rows.filled(CORPUS))


def identity(case: Case) -> str:
    """The same for trials that differ in their learning rates alone, as those after continued pretraining do."""
    if case.method is None:
        return PRETRAINING
    config = case.method.config.model_dump_json(exclude={"learning_rate", "head_learning_rate"})
    return f"{case.method.name} {case.epochs} {config}"
