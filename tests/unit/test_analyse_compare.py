"""Paired comparisons: what they count, what they refuse to say, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from tests.statistics.simulate import Scene
from tuneoff.analyse.compare import ALPHA, Comparisons, holm
from tuneoff.analyse.variance import pair_parts

Results = dict[str, dict[int, np.ndarray]]

tables = st.builds(
    lambda methods, seeds, rows, seed, advantage: Scene(methods, seeds, rows, advantage=advantage).draw(np.random.default_rng(seed)),
    st.integers(2, 6),
    st.integers(1, 4),
    st.integers(20, 150),
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.1, 0.19]),
)


def every_pair(results: Results, reference: str | None = "full") -> dict[tuple[str, str], tuple[object, ...]]:
    made = Comparisons(results, reference)
    found = {}
    for one in results:
        for other in results:
            if gap := made.between(one, other):
                numbers = (gap.mean, gap.low, gap.high, -1.0 if gap.p_value is None else gap.p_value)
                # Sums in another order differ in the last bits; the root search stops within 1e-7.
                found[one, other] = (*(pytest.approx(x, abs=1e-6) for x in numbers), gap.reason, gap.separable, gap.seeds, gap.rows)
    return found


@given(tables, st.randoms())
@settings(max_examples=40, deadline=None)
def test_the_order_of_methods_seeds_and_rows_changes_nothing(results: Results, random: object) -> None:
    labels = list(results)
    random.shuffle(labels)  # type: ignore[attr-defined]
    rows = np.random.default_rng(len(labels)).permutation(len(results["full"][0]))
    mixed = {label: {seed: results[label][seed][rows] for seed in reversed(results[label])} for label in labels}
    assert every_pair(mixed) == every_pair(results)


@given(tables)
@settings(max_examples=40, deadline=None)
def test_a_comparison_turned_round_is_its_mirror(results: Results) -> None:
    made = Comparisons(results, "full")
    for one, other in (("full", "m1"), ("m1", "full")):
        ahead, behind = made.between(one, other), made.between(other, one)
        assert ahead is not None
        assert behind is not None
        # The search for an end of the interval stops within 1e-7.
        assert (ahead.mean, ahead.low, ahead.high) == pytest.approx((-behind.mean, -behind.high, -behind.low), abs=1e-6)
        assert (ahead.p_value, ahead.separable, ahead.rows) == (behind.p_value, behind.separable, behind.rows)
    assert made.between("full", "full") is None


@given(tables)
@settings(max_examples=60, deadline=None)
def test_interval_p_value_and_verdict_agree(results: Results) -> None:
    made = Comparisons(results, "full")
    for one in results:
        for other in results:
            if (gap := made.between(one, other)) is None:
                continue
            assert gap.low <= gap.mean <= gap.high
            assert gap.separable == (gap.low > 0 or gap.high < 0)
            assert (gap.p_value is None) == (gap.reason is not None)
            if gap.p_value is not None:
                assert gap.separable == (gap.p_value <= ALPHA)


@given(tables)
@settings(max_examples=40, deadline=None)
def test_a_method_more_makes_nothing_else_easier_to_tell_apart(results: Results) -> None:
    """A method that always answers the same is compared like the others; it adds tests and no knowledge of seeds."""
    constant = np.arange(len(results["full"][0])) % 3 == 0
    more = Comparisons(results | {"constant": dict.fromkeys(results["full"], constant)}, "full")
    before = Comparisons(results, "full")
    for label in results:
        if (gap := before.between(label, "full")) is None:
            continue
        again = more.between(label, "full")
        assert again is not None
        assert again.mean == gap.mean
        if gap.p_value is not None:
            assert again.p_value is not None
            # Equal where Holm's factor stays; floats may add a last bit.
            assert again.p_value >= gap.p_value * (1 - 1e-9)


@given(arrays.arrays(float, st.integers(1, 12), elements=st.floats(0, 1)))
def test_holm_is_monotone_bounded_and_between_raw_and_bonferroni(raw: np.ndarray) -> None:
    corrected, tests = holm(raw)
    order = np.argsort(raw, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()
    assert (corrected >= raw).all()
    assert (corrected <= np.minimum(1, raw * len(raw)) + 1e-15).all()
    # The level at which an interval stands decides as the corrected p-value does; 1e-12 is for the division.
    assert ((raw <= ALPHA / tests * (1 + 1e-12)) >= (corrected <= ALPHA)).all()


def test_holm_on_the_numbers_of_a_textbook() -> None:
    """0.01, 0.04, 0.03, 0.005 (Holm 1979's scheme): times 4, 3, 2, 1 from the smallest, never falling."""
    corrected, tests = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # Two were rejected; what is left stands where the procedure stopped, with two tests open.
    assert list(tests) == [3, 2, 2, 4]


def test_parts_are_those_of_the_two_way_table() -> None:
    """Against sums of squares written out for one pair."""
    results = Scene(3, 4, 60).draw(np.random.default_rng(5))
    one, other = results["full"], results["m2"]
    d = np.stack([one[s].astype(float) - other[s] for s in range(4)])
    parts = pair_parts(list(results.values()))
    seeds, rows = d.mean(1), d.mean(0)
    rest = d - seeds[:, None] - rows + d.mean()
    assert parts.effect[0, 2] == pytest.approx(d.mean())
    assert parts.seed[0, 2] == pytest.approx(seeds.var(ddof=1))
    assert parts.row[0, 2] == pytest.approx(rows.var(ddof=1))
    assert parts.both[0, 2] == pytest.approx((rest**2).sum() / (3 * 59))
    assert parts.discordant[0, 2] == (rows != 0).sum()


def test_without_variation_between_seeds_it_is_the_paired_test_over_rows() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.random(300) < 0.85, generator.random(300) < 0.75
    gap = Comparisons({"a": {0: one, 1: one, 2: one}, "b": {0: other, 1: other, 2: other}}).between("a", "b")
    expected = stats.ttest_rel(one.astype(float), other.astype(float))
    assert gap is not None
    # The quadrature's own error is below a thousandth of a p-value.
    assert gap.p_value == pytest.approx(expected.pvalue, rel=2e-3)
    assert (gap.low, gap.high) == pytest.approx(expected.confidence_interval(), abs=1e-4)


def test_with_endless_rows_it_is_the_test_over_seeds() -> None:
    """Rows that fall exactly as often as the accuracy says have no variance of their own left over a seed's."""
    rows = 200_000
    accuracy = {"a": [0.80, 0.82, 0.81, 0.83], "b": [0.76, 0.80, 0.77, 0.77]}
    place = np.random.default_rng(1).permutation(rows)
    results = {
        label: {seed: np.roll(place < share * rows, 7919 * seed) for seed, share in enumerate(shares)} for label, shares in accuracy.items()
    }
    gap = Comparisons(results).between("a", "b")
    expected = stats.ttest_rel(*accuracy.values())
    assert gap is not None
    # 200,000 rows still leave 0.1 points of their own beside 0.7 between seeds, which the test over seeds does not know.
    assert gap.p_value == pytest.approx(expected.pvalue, rel=0.1)


def test_one_seed_gives_no_p_value_and_the_exact_test_of_two_runs() -> None:
    one = np.array([True] * 90 + [False] * 10)
    other = np.array([True] * 78 + [False] * 22)
    gap = Comparisons({"a": {0: one}, "b": {0: other}}).between("a", "b")
    assert gap is not None
    assert (gap.p_value, gap.reason, gap.seeds, gap.rows) == (None, "one_seed", 1, 12)
    # Twelve of twelve: 2 / 2**12.
    assert gap.separable
    assert gap.mean == pytest.approx(0.12)
    even = np.array([True] * 72 + [False] * 6 + [True] * 6 + [False] * 16)
    balanced = Comparisons({"a": {0: other}, "b": {0: even}}).between("a", "b")
    assert balanced is not None
    assert not balanced.separable


def test_few_rows_that_differ_decide_nothing() -> None:
    """Five of five on one side happen by chance in 2 / 2**5 = 6 % of cases, whatever the seeds."""
    one = np.ones(200, dtype=bool)
    for rows, reason in ((5, "few_rows"), (40, None)):
        other = one.copy()
        other[:rows] = False
        gap = Comparisons({"a": dict.fromkeys(range(3), one), "b": dict.fromkeys(range(3), other)}).between("a", "b")
        assert gap is not None
        assert gap.reason == reason
        assert gap.separable == (reason is None)


def test_seeds_are_paired_where_both_have_them() -> None:
    results = Scene(3, 3, 100).draw(np.random.default_rng(2))
    del results["m1"][2]
    results["m2"] = {2: results["m2"][2]}
    made = Comparisons(results, "full")
    both, single = made.between("m1", "full"), made.between("m2", "full")
    assert both is not None
    assert single is not None
    assert (both.seeds, single.seeds, single.reason) == (2, 1, "one_seed")
    expected = np.mean([results["m1"][s].mean() - results["full"][s].mean() for s in (0, 1)])
    assert both.mean == pytest.approx(expected)
    assert made.between("m1", "m2") is None
    assert made.between("m1", "nobody") is None


def test_a_method_under_two_names_is_a_tie() -> None:
    """A/A: the same answers twice."""
    results = Scene(2, 3, 400).draw(np.random.default_rng(3))
    results["again"] = results["full"]
    gap = Comparisons(results, "full").between("again", "full")
    assert gap is not None
    assert (gap.mean, gap.low, gap.high, gap.reason, gap.separable, gap.rows) == (0, 0, 0, "few_rows", False, 0)
