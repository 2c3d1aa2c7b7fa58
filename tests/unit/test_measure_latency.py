"""Latency and energy: real clocks, real counters where there are any."""

import time
from collections.abc import Sequence

import pytest

from tuneoff.measure.energy import RAPL, EnergyMeter
from tuneoff.measure.latency import LEAST, MOST, latency


def test_an_answer_that_takes_longer_is_measured_longer() -> None:
    def answer(rows: Sequence[int]) -> None:
        time.sleep(0.002 * len(rows))

    found = latency(answer, 10, (1, 8))
    # A sleep lasts at least what it was asked for; on a busy machine longer, so only the lower end is exact.
    assert found["batch_1"]["p50_seconds"] >= 0.002
    assert found["batch_8"]["p50_seconds"] >= 0.016
    assert found["batch_8"]["rows_per_second"] <= 1 / 0.002
    assert all(one["p95_seconds"] >= one["p50_seconds"] for one in found.values())
    assert all(LEAST <= one["answers"] <= MOST for one in found.values())


def test_every_method_is_asked_the_same_rows() -> None:
    asked: list[list[list[int]]] = [[], []]
    for log in asked:
        latency(lambda rows, log=log: log.append(list(rows)), 50, (8,))
    assert asked[0] == asked[1]
    assert all(0 <= row < 50 for rows in asked[0] for row in rows)


@pytest.mark.skipif(RAPL.exists(), reason="this machine has an energy counter")
def test_without_a_counter_energy_is_not_measured_and_not_zero() -> None:
    meter = EnergyMeter(None)
    meter.start()
    assert meter.stop() is None


@pytest.mark.skipif(not RAPL.exists(), reason="no energy counter on this machine")
def test_a_counter_counts() -> None:
    meter = EnergyMeter(None)
    meter.start()
    sum(i * i for i in range(10**7))
    used = meter.stop()
    assert used is not None
    assert used.cpu_joules is not None
    assert used.cpu_joules > 0
