"""What a trial will need, from configurations alone: no weights, no GPU."""

from tuneoff.forecast.parameters import Parameters, count_parameters

__all__ = ["Parameters", "count_parameters"]
