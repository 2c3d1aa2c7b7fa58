"""What a search tries: the same number for every method, at a cost that is known beforehand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneoff.methods import Method, choose, method_class, method_names
from tuneoff.run.candidates import rung_shares, search_spec, spread_order
from tuneoff.run.searching import told_apart
from tuneoff.spec import MethodEntry, SearchSpec

TRAINED = [name for name in method_names() if issubclass(method_class(name), Method) and name != "peft"]


def cost(count: int) -> float:
    """Whole trainings that a search of so many candidates costs."""
    lengths = SearchSpec(candidates=((1.0, 1.0),) * count, shares=rung_shares(count)).lengths
    assert lengths.count(0.5) == (2 if count > 1 else 0), "the last rung is between two"
    return sum(lengths)


def test_four_candidates_cost_less_than_2_2_trainings() -> None:
    assert cost(4) == 2.0


@given(st.integers(1, 64))
def test_halving_ends_with_one_and_costs_at_most_one_training_a_rung(count: int) -> None:
    assert cost(count) <= len(rung_shares(count))


def test_only_more_rows_than_chance_explains_beat_the_default() -> None:
    def right(*places: range) -> np.ndarray:
        found = np.zeros(200, dtype=bool)
        for place in places:
            found[place] = True
        return found

    default = right(range(140))
    assert not told_apart(default, default)
    assert not told_apart(right(range(20, 164)), default), "24 rows won, 20 lost"
    assert told_apart(right(range(5, 160)), default), "20 rows won, 5 lost"
    assert not told_apart(right(range(142)), default), "two rows are no evidence"
    assert not told_apart(None, default)
    assert told_apart(default, None), "what diverged is not kept"


@given(st.integers(1, 40))
def test_the_order_of_the_heads_is_a_permutation(count: int) -> None:
    assert sorted(spread_order(count)) == list(range(count))


@pytest.mark.parametrize("name", TRAINED)
def test_every_method_gets_the_same_number_of_candidates(name: str) -> None:
    method = choose(MethodEntry(method=name, label=name)).build()
    assert isinstance(method, Method)
    for hidden in (384, 768, 1024, 4096):
        for count in (2, 3, 4, 8):
            spec = search_spec(method, method.config, hidden, count)
            assert len(spec.candidates) == count
            assert len({rate for rate, _ in spec.candidates}) == count
            assert spec.default is not None
            head = method.head_learning_rates.default(hidden)
            assert spec.candidates[spec.default] == (method.learning_rates.default(hidden), head)
            if method.facts.head_matters:
                assert len({head for _, head in spec.candidates}) == count


def test_a_rate_of_the_head_that_the_study_sets_is_kept() -> None:
    chosen = choose(MethodEntry(method="prompt", label="p", parameters={"head_learning_rate": 0.02}))
    method = chosen.build()
    assert isinstance(method, Method)
    assert {head for _, head in search_spec(method, chosen.config, 384, 4).candidates} == {0.02}
