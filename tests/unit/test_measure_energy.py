"""Energy: read between two moments, never 0 where nothing was counted, added up counter by counter."""

from types import SimpleNamespace

import pytest

from tuneoff.measure import Energy, EnergyMeter, energy, total


class Counters:
    """Stands for zeus: counters of a GPU and of a CPU that go up by so much between two looks."""

    def __init__(self, gpu: float | None, cpu: float | None) -> None:
        of_cpu = None if cpu is None else {0: cpu / 2, 1: cpu / 2}
        self.read = SimpleNamespace(gpu_energy=None if gpu is None else {0: gpu}, cpu_energy=of_cpu)
        self.windows: list[str] = []

    def begin_window(self, name: str) -> None:
        assert name not in self.windows, "zeus refuses a window that is open"
        self.windows.append(name)

    def end_window(self, name: str) -> SimpleNamespace:
        self.windows.remove(name)
        return self.read


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> EnergyMeter:
    monkeypatch.setattr(energy, "_monitor", lambda gpu: Counters(*request.param))
    return EnergyMeter(0)


@pytest.mark.parametrize(
    ("meter", "found"),
    [
        ((5.0, 8.0), Energy(5.0, 8.0)),
        ((5.0, None), Energy(5.0, None)),
        # A counter that stands still has measured nothing.
        ((0.0, 8.0), Energy(None, 8.0)),
        ((0.0, 0.0), None),
    ],
    indirect=["meter"],
)
def test_what_the_counters_say(meter: EnergyMeter, found: Energy | None) -> None:
    meter.start()
    assert meter.stop() == found


@pytest.mark.parametrize("meter", [(5.0, 8.0)], indirect=True)
def test_a_training_that_came_to_nothing_leaves_no_window_open(meter: EnergyMeter) -> None:
    meter.start()
    meter.start()
    assert meter.stop() == Energy(5.0, 8.0)
    assert meter.stop() is None
    meter.start()
    assert meter.stop() == Energy(5.0, 8.0)


def test_without_counters_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "_monitor", lambda gpu: None)
    meter = EnergyMeter(None)
    meter.start()
    assert meter.stop() is None


def test_energies_add_up_counter_by_counter() -> None:
    assert total([Energy(1.0, 2.0), Energy(3.0, 4.0)]) == Energy(4.0, 6.0)
    assert total([Energy(1.0, 2.0), Energy(3.0, None)]) == Energy(4.0, None)
    assert total([Energy(1.0, None), Energy(None, 2.0)]) is None
    assert total([Energy(1.0, 2.0), None]) is None
    assert total([]) is None
