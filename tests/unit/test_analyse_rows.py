"""Records → rows: costs charged where they belong, what is not measured stays unknown, what did not train is not ranked."""

from typing import Any

import numpy as np
import pytest

from tests.support.made_up import LABELS, method, targets
from tuneoff.analyse import Analysis, MethodTrials, Row, analyse

ROWS = 120
TARGETS = targets(ROWS)


def hits(share: float, seeds: int = 2, seed: int = 0) -> dict[int, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {s: generator.random(ROWS) < share for s in range(seeds)}


def row(analysis: Analysis, label: str) -> Row:
    return next(row for row in analysis.rows if row.label == label)


def one(**costs: Any) -> Row:
    return analyse([method("lora", hits(0.8), TARGETS, costs=costs)], LABELS).rows[0]


def searched(chosen: int = 1, **more: Any) -> dict[str, Any]:
    def candidate(number: int) -> dict[str, Any]:
        first = {"share": 0.25, "accuracy": 0.5 + 0.1 * number, "macro_f1": 0.4 + 0.1 * number, "loss": 1.0, "collapsed": number == 0}
        later = {"share": 0.5, "accuracy": 0.99, "macro_f1": 0.99, "loss": 0.1, "collapsed": False}
        return {"learning_rate": 10.0 ** (number - 5), "head_learning_rate": 1e-3, "rungs": [first] + [later] * (number > 1)}

    candidates = [candidate(number) for number in range(4)]
    return {
        "trial": "search",
        "phases": {"load": 2.0, "search": 40.0},
        "memory": {},
        "candidates": candidates,
        "chosen": chosen,
    } | more


def test_the_search_stands_beside_training_and_inside_the_total() -> None:
    found = one(seconds=60.0, search=searched())
    assert found.time == {"train_seconds": 60.0, "search_seconds": 42.0, "eval_seconds": 5.0, "total_seconds": 66.0 + 42.0}
    assert one(seconds=60.0).time["search_seconds"] is None


def test_trainings_that_came_to_nothing_are_searching() -> None:
    """They are a phase of the trial, where it had to look further than the search did."""
    phases = {"load": 1.0, "search": 20.0, "train": 10.0, "evaluate": 1.0}
    assert one(phases=phases).time == {"train_seconds": 10.0, "search_seconds": 20.0, "eval_seconds": 1.0, "total_seconds": 32.0}
    both = one(phases=phases, search=searched()).time
    assert (both["search_seconds"], both["total_seconds"]) == (62.0, 32.0 + 42.0)


@pytest.mark.parametrize("here", [True, False])
def test_reading_a_frozen_backbone_is_charged_once_and_to_everyone(here: bool) -> None:
    """Whether this trial read it, another one did, or the search."""
    features = {"seconds": {"train": 8.0, "validation": 1.0, "test": 3.0}, "peak_bytes": 1, "counter": "x", "here": here}
    phases = {"load": 1.0, "train": 2.0, "evaluate": 1.0} | ({"features": 12.5} if here else {})
    read_by_search = {} if here else {"search": {"phases": {"search": 5.0, "features": 12.5}, "candidates": []}}
    found = one(phases=phases, features=features, **read_by_search).time
    assert (found["train_seconds"], found["eval_seconds"]) == (10.0, 5.0)
    assert found["total_seconds"] == 4.0 + 12.0 + (0.0 if here else 5.0)


def test_sensitivity_compares_candidates_after_the_same_training() -> None:
    seen = one(search=searched(chosen=3)).sensitivity
    assert seen is not None
    assert seen.as_dict() == {
        "metric": "accuracy",
        "share": 0.25,
        "candidates": 4,
        # The later rung's 0.99 is of longer trainings.
        "best": pytest.approx(0.8),
        "median": pytest.approx(0.65),
        "worst": 0.5,
        "collapsed": 0.25,
        "learning_rate": 0.01,
        "head_learning_rate": 1e-3,
        "kept": False,
    }
    by_f1 = one(search=searched(), trial={"train": {"select": "macro_f1"}}).sensitivity
    assert by_f1 is not None
    assert (by_f1.metric, by_f1.best) == ("macro_f1", pytest.approx(0.7))
    assert one().sensitivity is None


def test_continued_pretraining_is_charged_to_what_builds_on_it() -> None:
    stage = {"trial": "p", "phases": {"load": 1.0, "train": 30.0}, "memory": {"train": {"bytes": 5 * 10**9, "counter": "x"}}}
    found = one(seconds=60.0, pretraining=stage)
    assert (found.time["train_seconds"], found.time["total_seconds"]) == (90.0, 66.0 + 31.0)
    assert found.memory["train_peak_bytes"] == 5 * 10**9
    assert found.memory["eval_peak_bytes"] == 10**9


def latency(scale: float = 1.0, **more: Any) -> dict[str, Any]:
    sizes = {f"batch_{n}": {"p50_seconds": 0.01 * scale, "p95_seconds": 0.02 * scale, "rows_per_second": n / scale} for n in (1, 8, 32)}
    return sizes | more


def test_latency_is_of_the_merged_model_where_there_is_one() -> None:
    assert one().latency is None
    assert one().answer_seconds is None
    assert one(latency=latency(merged=None)).answer_seconds == pytest.approx(0.02)
    merged = one(latency=latency(merged=latency(0.5)))
    assert merged.answer_seconds == pytest.approx(0.01)
    assert merged.latency is not None
    assert merged.latency["batch_8"]["p95_seconds"] == pytest.approx(0.02)


def test_latency_is_averaged_over_the_seeds_that_have_it() -> None:
    made = method("lora", hits(0.8, seeds=3), TARGETS)
    for trial, scale in zip(made.trials, (1.0, None, 3.0), strict=True):
        trial.record.update({"latency": latency(scale, merged=None)} if scale else {})
    found = analyse([made], LABELS).rows[0].latency
    assert found is not None
    assert found["batch_1"] == pytest.approx({"p50_seconds": 0.02, "p95_seconds": 0.04, "rows_per_second": (1 + 1 / 3) / 2})
    assert found["merged"] is None


def test_what_is_not_measured_is_none_and_never_zero() -> None:
    found = one(memory=None)
    assert (found.memory["train_peak_bytes"], found.memory["eval_peak_bytes"], found.latency) == (None, None, None)
    pending = analyse([method("lora", {}, TARGETS, planned=[0, 1])], LABELS).rows[0]
    assert (pending.state, pending.trials, pending.accuracy, pending.memory, pending.time) == ("pending", {"pending": 2}, None, {}, {})


@pytest.mark.parametrize("reason", ["constant", "majority", "flat"])
def test_what_did_not_train_has_a_reason_and_is_not_ranked(reason: str) -> None:
    fallen = {"collapse": {"reason": reason, "retries": [{"learning_rate": 1e-3, "reason": "flat"}]}}
    methods = [method("full", hits(0.7), TARGETS), method("prompt", hits(0.99), TARGETS, costs=fallen)]
    analysis = analyse(methods, LABELS)
    prompt = row(analysis, "prompt")
    assert (prompt.trained, prompt.collapse, prompt.gap, prompt.gap_to_best) == (False, reason, None, None)
    # It is shown with what it scored, and stays out of everything that ranks.
    assert prompt.accuracy is not None
    assert [found.label for found in analysis.scored] == [found.label for found in analysis.ties] == ["full"]
    assert analysis.best is row(analysis, "full")


def test_records_from_before_the_judgement_are_read_off_their_answers() -> None:
    quality = {"test": {"mcc": 0.0, "ece": 0.1, "predicted_classes": 1}}
    old = method("prompt", hits(0.5), TARGETS, costs={"quality": quality})
    for trial in old.trials:
        del trial.record["collapse"]
    assert analyse([old], LABELS).rows[0].collapse == "constant"
    # The judgement itself looks at validation; what test answers look like changes nothing then.
    judged = method("prompt", hits(0.5), TARGETS, costs={"quality": quality})
    assert analyse([judged], LABELS).rows[0].trained


def test_the_majority_baseline_answers_one_class_by_design() -> None:
    made = method("majority", hits(0.34), TARGETS, costs={"quality": {"test": {"mcc": 0.0, "ece": 0.1, "predicted_classes": 1}}})
    for trial in made.trials:
        del trial.record["collapse"]
    assert analyse([made], LABELS).rows[0].trained


def test_the_second_score_counts_the_rows_that_train_does_not_know() -> None:
    right = hits(0.6)
    clean = np.arange(ROWS) >= 30
    for found in right.values():
        found[~clean] = True
    found = analyse([method("full", right, TARGETS)], LABELS, clean=clean)
    full = found.rows[0]
    assert full.accuracy is not None
    assert full.accuracy_clean is not None
    assert full.accuracy_clean.mean == pytest.approx(np.mean([h[clean].mean() for h in right.values()]))
    assert full.accuracy_clean.low < full.accuracy_clean.mean < full.accuracy_clean.high
    assert full.accuracy_clean.mean < full.accuracy.mean
    assert found.num_clean == 90


@pytest.mark.parametrize("clean", [None, np.ones(ROWS, dtype=bool), np.zeros(ROWS, dtype=bool)])
def test_no_second_score_where_it_would_be_the_first_or_of_nothing(clean: np.ndarray | None) -> None:
    found = analyse([method("full", hits(0.6), TARGETS)], LABELS, clean=clean)
    assert (found.rows[0].accuracy_clean, found.num_clean) == (None, None)


def study() -> list[MethodTrials]:
    base = np.random.default_rng(1).random((3, ROWS))
    right = {
        "full": {s: base[s] < 0.9 for s in range(3)},
        "lora": {s: base[s] < 0.89 for s in range(3)},
        "tfidf": {s: base[s] < 0.5 for s in range(3)},
    }
    return [method(label, found, TARGETS) for label, found in right.items()]


def test_ties_are_what_cannot_be_told_from_the_best() -> None:
    analysis = analyse(study(), LABELS)
    assert [row.label for row in analysis.scored] == ["full", "lora", "tfidf"]
    assert [row.label for row in analysis.ties] == ["full", "lora"]
    assert analysis.best is not None
    assert analysis.best.gap_to_best is None
    tfidf = row(analysis, "tfidf")
    assert tfidf.gap is not None
    assert tfidf.gap == tfidf.gap_to_best
    assert tfidf.gap.separable
    assert tfidf.gap.p_value is not None
    assert tfidf.as_dict()["gap"] == tfidf.gap.as_dict()


def test_the_same_method_under_two_names_is_a_tie_and_nothing_else() -> None:
    """A/A through the whole analysis."""
    first, *_ = study()
    again = method("again", {trial.seed: trial.logits["test"].argmax(1) == TARGETS for trial in first.trials}, TARGETS, of="full")
    analysis = analyse([first, again], LABELS)
    assert [row.label for row in analysis.ties] == ["full", "again"]
    assert not analysis.comparisons.any_separable
    gap = row(analysis, "again").gap
    assert gap is not None
    assert (gap.mean, gap.p_value, gap.reason) == (0.0, None, "few_rows")


def test_continued_pretraining_is_compared_with_the_same_method_without() -> None:
    full, *_ = study()
    right = {trial.seed: trial.logits["test"].argmax(1) == TARGETS for trial in full.trials}
    worse = {seed: found & (np.arange(ROWS) % 3 > 0) for seed, found in right.items()}
    pretrained = method("pretrain+full", worse, TARGETS)
    analysis = analyse([full, pretrained], LABELS)
    gain = analysis.pretrain_gains["pretrain+full"]
    assert gain.mean < 0
    assert gain.separable
    other = method("pretrain+full", worse, TARGETS, config={"epochs": 7})
    assert analyse([full, other], LABELS).pretrain_gains == {}


def test_the_json_of_a_row_has_every_field() -> None:
    made = one(search=searched(), latency=latency(merged=None)).as_dict()
    inner = {"experiment", "reference"}
    assert set(made) == set(Row.__dataclass_fields__) - inner
    assert made["sensitivity"]["candidates"] == 4
    assert made["accuracy_clean"] is None
