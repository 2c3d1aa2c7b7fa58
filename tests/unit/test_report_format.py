"""Numbers as people read them."""

import pytest

from tuneoff.analyse import Comparison, Interval
from tuneoff.report import format as f
from tuneoff.report.conclusions import gap_word, gap_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_400, "999 kB"),
        (999_700, "1 MB"),
        (90_900_000, "90.9 MB"),
        (999_700_000, "1 GB"),
        (1_234_000_000_000, "1234 GB"),
    ],
)
def test_size(value: int | None, text: str) -> None:
    assert f.size(value) == text


def test_nothing_measured_is_never_zero() -> None:
    assert {f.size(None), f.minutes(None), f.short_time(None), f.count(None), f.percent(None), f.score(None)} == {"–"}


def test_a_small_difference_has_no_negative_zero() -> None:
    assert f.points(Interval(-0.0001, -0.0124, 0.0004)) == "+0.0 [-1.2, +0.0]"


@pytest.mark.parametrize(
    ("value", "text"), [(0.00000183, "1.83 µs"), (0.0001, "0.1 ms"), (0.0123, "12.3 ms"), (0.9996, "1 s"), (1.5, "1.5 s"), (None, "–")]
)
def test_latency_reads_in_milliseconds(value: float | None, text: str) -> None:
    assert f.latency(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0.0004, "< 0.001"), (0.0305, "0.030"), (1.0, "1.000")])
def test_p_values(value: float | None, text: str) -> None:
    assert f.p_value(value) == text


def test_what_breaks_a_limit_never_reads_as_the_limit_itself() -> None:
    assert [f.ratio(ratio) for ratio in (1.0001, 1.5, 24.2)] == ["1.01", "1.50", "24"]


def difference(mean: float, low: float, high: float) -> Comparison:
    apart = low > 0 or high < 0
    return Comparison(mean, low, high, "full", 0.01 if apart else 0.4, None, apart, 3, 100)


@pytest.mark.parametrize(
    ("mean", "low", "high", "word", "words"),
    [
        (-0.002, -0.010, 0.006, "none", ("none", "none")),
        (-0.005, -0.009, -0.001, "none", ("none", "none")),
        (-0.020, -0.030, -0.010, "small", ("small", "small")),
        (-0.070, -0.120, -0.031, "large", ("large", "large")),
        (0.020, 0.010, 0.030, "gain", ("gain", "gain")),
        (-0.014, -0.065, 0.040, "undecided", ("gain", "large")),
        (-0.014, -0.025, 0.002, "undecided", ("none", "small")),
        (-0.070, -0.120, -0.020, "lost", ("small", "large")),
        (0.020, 0.005, 0.030, "won", ("gain", "none")),
        (0.0, 0.0, 0.0, "none", ("none", "none")),
    ],
)
def test_the_word_follows_from_the_interval(mean: float, low: float, high: float, word: str, words: tuple[str, str]) -> None:
    gap = difference(mean, low, high)
    assert (gap_word(gap), gap_words(gap)) == (word, words)
