"""The recommendation: the documented rule, its budget, how sure it is, what would change it; and the Pareto fronts."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.statistics.simulate import Scene
from tests.support.made_up import LABELS, material, method, targets
from tuneoff.analyse import Analysis, Limits, analyse, effort, reading, recommend
from tuneoff.analyse.front import undominated

ROWS = 300
NAMES = ("full", "lora", "adapter", "prefix", "tfidf", "majority")
#: Points of accuracy below full fine-tuning; the last two can be told apart from it, the others not.
BELOW = (0, 1, 1.5, 2, 25, 60)
COSTS: tuple[dict[str, Any], ...] = (
    {"seconds": 100.0, "memory": 4000, "artefact": 900, "parameters": 1000},
    {"seconds": 60.0, "memory": 3000, "artefact": 30, "parameters": 50},
    {"seconds": 50.0, "memory": 2500, "artefact": 40, "parameters": 60},
    {"seconds": 40.0, "memory": 3500, "artefact": 20, "parameters": 20},
    {"seconds": 1.0, "memory": 100, "artefact": 500, "parameters": 500},
    {"seconds": 0.1, "memory": 10, "artefact": 1, "parameters": 1},
)


def latency(seconds: float) -> dict[str, Any]:
    return {"latency": {"batch_1": {"p50_seconds": seconds / 2, "p95_seconds": seconds, "rows_per_second": 1 / seconds}, "merged": None}}


def study(**more: dict[str, Any]) -> Analysis:
    """Six methods; ``more`` are further costs by label."""
    generator = np.random.default_rng(4)
    common, methods = generator.random((3, ROWS)), []
    for label, below, costs in zip(NAMES, BELOW, COSTS, strict=True):
        # Methods agree on two rows of three, and on how many they are right about.
        own = np.where(np.arange(ROWS) % 3 > 0, common, generator.permuted(common, axis=1))
        right = {seed: own[seed] < np.quantile(own[seed], 0.9 - below / 100) for seed in range(3)}
        methods.append(method(label, right, targets(ROWS), costs=costs | more.get(label, {})))
    return analyse(methods, LABELS)


def chosen(limits: Limits, analysis: Analysis | None = None) -> str | None:
    found = recommend(analysis or study(), limits).choice
    return found.label if found else None


def test_the_cheapest_of_the_tie_group_is_chosen() -> None:
    found = recommend(study(), Limits())
    assert [row.label for row in found.candidates] == ["full", "lora", "adapter", "prefix"]
    assert (found.choice.label if found.choice else None, found.exceeded, found.unmeasured, found.nearest) == ("prefix", {}, {}, None)


def test_cheap_is_training_with_its_search_then_memory_then_artefact() -> None:
    search = {"search": {"phases": {"search": 30.0}, "candidates": []}}
    assert chosen(Limits(), study(prefix=search)) == "adapter"
    assert chosen(Limits(), study(adapter={"seconds": 40.0})) == "adapter"
    assert chosen(Limits(), study(adapter={"seconds": 40.0, "memory": 3500})) == "prefix"


@pytest.mark.parametrize(
    ("limits", "label"),
    [
        (Limits(memory=3000), "adapter"),
        (Limits(memory=3500, seconds=45), "prefix"),
        (Limits(artefact=35, memory=3400), "lora"),
        (Limits(memory=2499), None),
        (Limits(within=30), "tfidf"),
        (Limits(within=30, artefact=400), "prefix"),
        (Limits(within=70), "majority"),
    ],
)
def test_a_budget_moves_the_choice(limits: Limits, label: str | None) -> None:
    assert chosen(limits) == label


def test_latency_is_a_limit_like_the_others() -> None:
    speeds = {label: latency(0.01 * (place + 1)) for place, label in enumerate(NAMES)}
    assert chosen(Limits(latency=0.025), study(**speeds)) == "lora"
    found = recommend(study(**speeds), Limits(latency=0.025))
    assert found.exceeded == {"adapter": {"latency": pytest.approx(1.2)}, "prefix": {"latency": pytest.approx(1.6)}}


def test_a_budget_as_people_write_it() -> None:
    made = material([], memory="16 GB", time="30 min", artefact="50 MB", latency="50 ms", within=2)
    assert made.limits == Limits(16 * 10**9, 1800.0, 50 * 10**6, 0.05, 2.0)
    assert material([]).limits == Limits()


def test_what_was_not_measured_is_not_known_to_fit() -> None:
    found = recommend(study(lora=latency(0.01)), Limits(latency=0.05))
    assert found.choice is not None
    assert found.choice.label == "lora"
    assert found.unmeasured == {label: ["latency"] for label in ("full", "adapter", "prefix")}
    nothing = recommend(study(), Limits(latency=0.05))
    assert (nothing.choice, nothing.nearest, nothing.share) == (None, None, None)


def test_where_nothing_fits_the_nearest_is_named_with_its_excess() -> None:
    found = recommend(study(), Limits(memory=2000, artefact=30))
    assert found.choice is None
    # Adapter needs 1.25 times the memory and 1.33 times the artefact, LoRA 1.5 and 1: its worst is the worse one.
    assert found.nearest is not None
    assert found.nearest.label == "adapter"
    assert found.exceeded["adapter"] == {"memory": 1.25, "artefact": pytest.approx(40 / 30)}
    assert found.exceeded["lora"] == {"memory": 1.5}
    assert found.shares == {}


def test_shares_follow_the_rule_in_every_draw() -> None:
    """Against the rule written out draw by draw."""
    analysis, limits = study(), Limits(memory=3600, within=2.0)
    drawn = analysis.accuracy_draws
    rows = analysis.scored
    counted = dict.fromkeys(drawn, 0)
    for draw in range(len(drawn["full"])):
        best = max(rows, key=lambda row: drawn[row.label][draw])

        def near(label: str, draw: int = draw, best: str = best.label) -> bool:
            if label == best:
                return True
            gap = analysis.comparisons.between(label, best)
            assert gap is not None
            return bool(drawn[best][draw] - drawn[label][draw] <= max((gap.high - gap.low) / 2, 0.02))

        fitting = [row for row in rows if near(row.label) and (row.memory["train_peak_bytes"] or 0) <= 3600]
        if fitting:
            counted[min(fitting, key=lambda row: row.time["train_seconds"] or 0.0).label] += 1
    found = recommend(analysis, limits)
    assert found.shares == {label: pytest.approx(count / 1000) for label, count in counted.items() if count}
    assert found.share == found.shares["prefix"]


amounts = st.none() | st.sampled_from([15, 35, 45, 55, 800, 1000, 2000, 2600, 3200, 3600, 5000])


@given(amounts, amounts, amounts, st.sampled_from([0.0, 1.0, 2.5, 26.0]))
@settings(max_examples=60, deadline=None)
def test_every_change_says_what_happens_when_that_limit_moves(
    memory: int | None, seconds: int | None, artefact: int | None, within: float
) -> None:
    analysis, limits = study(), Limits(memory, seconds, artefact, None, within)
    found = recommend(analysis, limits)
    before = found.choice.label if found.choice else None
    for change in found.changes:
        at = Limits(**asdict(limits) | {change.limit: change.threshold})
        below = Limits(**asdict(limits) | {change.limit: change.threshold * 0.999999})
        if change.side == "below":
            assert chosen(below, analysis) == change.choice != before
            assert chosen(at, analysis) == before
        else:
            assert chosen(at, analysis) == change.choice != before
            assert chosen(below, analysis) == before
    moved = {(change.limit, change.side) for change in found.changes}
    if found.choice:
        # Every cost that was measured can be limited so far that the choice falls.
        assert {(limit, "below") for limit in ("memory", "seconds", "artefact")} <= moved
    # A limit that is widened without end changes the choice only if a change says so.
    for limit in limits.stated:
        assert (chosen(replace(limits, **{limit: None}), analysis) == before) == ((limit, "from") not in moved)


def test_the_json_of_a_recommendation_is_plain() -> None:
    found = recommend(study(), Limits(memory=3600)).as_dict()
    assert found["choice"] == "prefix"
    assert found["changes"][0] == {"limit": "memory", "side": "below", "threshold": 3500, "choice": "adapter"}


def test_limits_name_what_they_hold() -> None:
    row = study().rows[0]
    assert Limits().stated == []
    assert Limits(memory=1, latency=0.5).stated == ["memory", "latency"]
    assert (reading(row, "memory"), reading(row, "seconds"), reading(row, "latency"), effort(row)) == (4000, 100.0, None, 100.0)


# Pareto fronts


@given(st.integers(1, 7), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_the_front_is_what_nothing_dominates(methods: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    # Few values, so that equal costs and equal scores occur.
    costs = np.sort(generator.integers(0, 4, methods)).astype(float)
    accuracy = generator.integers(0, 4, (5, methods)) / 4
    found = undominated(costs, accuracy)
    for draw, scores in enumerate(accuracy):
        for one in range(methods):
            beaten = any(
                costs[other] <= costs[one] and scores[other] >= scores[one] and (costs[other] < costs[one] or scores[other] > scores[one])
                for other in range(methods)
            )
            assert found[draw, one] == (not beaten)


def test_fronts_say_who_is_on_them_and_how_surely() -> None:
    found = study().fronts
    assert list(found) == ["memory", "seconds", "artefact", "parameters"]
    memory = found["memory"]
    assert list(memory) == ["majority", "tfidf", "adapter", "lora", "prefix", "full"]
    assert {label for label, at in memory.items() if at.on_front} == {"majority", "tfidf", "adapter", "lora", "full"}
    # Nothing is cheaper than the cheapest, and nothing in any draw as good as TF-IDF and cheaper.
    assert memory["majority"].share == memory["tfidf"].share == 1.0
    assert 0 < memory["lora"].share < 1
    assert memory["full"].cost == 4000
    assert memory["full"].as_dict() == {"cost": 4000.0, "on_front": True, "share": memory["full"].share}


def test_a_cost_that_was_not_measured_puts_nobody_on_a_front() -> None:
    found = study(full={"memory": None}).fronts
    assert "full" not in found["memory"]
    assert "full" in found["seconds"]
    assert analyse([], LABELS).fronts == {}


def test_fronts_of_a_made_up_scene_add_up() -> None:
    """In every draw someone is on the front: shares add up to one at least."""
    results = Scene(4, 3, 100).draw(np.random.default_rng(0))
    methods = [method(label, right, targets(100), costs={"seconds": 10.0 + n}) for n, (label, right) in enumerate(results.items())]
    assert sum(at.share for at in analyse(methods, LABELS).fronts["seconds"].values()) >= 1
