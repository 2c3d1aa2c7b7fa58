"""Pure readings: clocks, memory counters, quality, environment. ``None`` where not measured."""

from tuneoff.measure.clock import Clock
from tuneoff.measure.energy import Energy, EnergyMeter, NoEnergy, total
from tuneoff.measure.environment import available_cores, environment, package_versions
from tuneoff.measure.latency import latency
from tuneoff.measure.memory import CPU_COUNTER, MemoryMeter, Peak
from tuneoff.measure.quality import METRIC_VERSION, Quality, class_f1, confusion, score

__all__ = [
    "CPU_COUNTER",
    "METRIC_VERSION",
    "Clock",
    "Energy",
    "EnergyMeter",
    "MemoryMeter",
    "NoEnergy",
    "Peak",
    "Quality",
    "available_cores",
    "class_f1",
    "confusion",
    "environment",
    "latency",
    "package_versions",
    "score",
    "total",
]
