"""What a trial will need, from configurations alone: no weights, no GPU."""

from tuneoff.forecast.compare import Comparison, compare
from tuneoff.forecast.fitting import Case, Fit
from tuneoff.forecast.forecast import TrialForecast, forecast_trial
from tuneoff.forecast.four_bit import state_tensors
from tuneoff.forecast.memory import PeakForecast
from tuneoff.forecast.parameters import Parameters, count_parameters
from tuneoff.forecast.probe import probe
from tuneoff.forecast.rehearse import UnforeseenError
from tuneoff.forecast.speed import Speed, speed_of
from tuneoff.forecast.target import GPUS, Gpu, Target, find_gpu, this_device
from tuneoff.forecast.work import Rates
from tuneoff.forecast.workload import Workload

__all__ = [
    "GPUS",
    "Case",
    "Comparison",
    "Fit",
    "Gpu",
    "Parameters",
    "PeakForecast",
    "Rates",
    "Speed",
    "Target",
    "TrialForecast",
    "UnforeseenError",
    "Workload",
    "compare",
    "count_parameters",
    "find_gpu",
    "forecast_trial",
    "probe",
    "speed_of",
    "state_tensors",
    "this_device",
]
