"""Which learning rates a method's search tries: the same number for every method, around what suits the size of the backbone."""

import math
from typing import Any

from tuneoff.methods import Method, MethodConfig
from tuneoff.spec import SearchSpec

#: Of the search's own data order and head, so that no seed of the comparison is chosen by its own validation score.
SEARCH_SEED = -1


def search_config(config: dict[str, Any], written: MethodConfig) -> dict[str, Any]:
    """The configuration of a trial whose rates are found: they are open, but for a head's rate that the study sets."""
    return config | {"learning_rate": None, "head_learning_rate": written.head_learning_rate}


def search_spec(method: Method, written: MethodConfig, hidden: int, count: int) -> SearchSpec:
    """Candidates and rungs.

    Where the head decides (``facts.head_matters``) its rate varies too: each of its values once, in an order that spreads them
    over the other's (a Latin hypercube), so that ``count`` trials cover both ranges. The defaults of both are one candidate.

    Args:
        method: whose rates are searched.
        written: its parameters as the study has them.
        hidden: width of the backbone.
        count: candidates.
    """
    rates = method.learning_rates.candidates(hidden, count)
    default = rates.index(method.learning_rates.default(hidden))
    head = written.head_learning_rate or method.head_learning_rates.default(hidden)
    heads = [head] * len(rates)
    if method.facts.head_matters and written.head_learning_rate is None:
        values = [value for value in method.head_learning_rates.candidates(hidden, len(rates)) if value != head] or [head]
        others = [place for place in range(len(rates)) if place != default]
        for place, i in zip(others, spread_order(len(others)), strict=True):
            heads[place] = values[i % len(values)]
    return SearchSpec(candidates=tuple(zip(rates, heads, strict=True)), shares=rung_shares(len(rates)), default=default)


def rung_shares(count: int) -> tuple[float, ...]:
    """Share of a whole training at each rung: 4 candidates train for a quarter, the better 2 for a half (2.0 trainings in all).

    >>> rung_shares(4), rung_shares(2), rung_shares(1)
    ((0.25, 0.5), (0.5,), ())
    """
    rungs = math.ceil(math.log2(count)) if count > 1 else 0
    return tuple(2.0 ** (rung - rungs) for rung in range(rungs))


def spread_order(count: int) -> list[int]:
    """A permutation of ``range(count)`` in which neighbours are far apart.

    >>> spread_order(4)
    [2, 0, 3, 1]
    """
    middle = count // 2
    pairs = zip(range(middle, count), [*range(middle), None], strict=False)
    return [index for pair in pairs for index in pair if index is not None]
