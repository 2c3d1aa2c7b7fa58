"""Numbers as people read them."""

import pytest

from tuneoff.analyse import Interval
from tuneoff.report import format as f
from tuneoff.report.conclusions import gap_word


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


@pytest.mark.parametrize(
    ("mean", "low", "high", "word"),
    [
        (-0.002, -0.010, 0.006, "none"),
        (-0.014, -0.065, 0.040, "undecided"),
        (-0.005, -0.009, -0.001, "none"),
        (-0.020, -0.030, -0.010, "small"),
        (-0.070, -0.120, -0.020, "large"),
        (0.020, 0.010, 0.030, "gain"),
    ],
)
def test_the_word_follows_from_the_interval(mean: float, low: float, high: float, word: str) -> None:
    assert gap_word(Interval(mean, low, high)) == word
