"""What the weight of the variance that all pairs share does to errors and to power.

``python -m tests.statistics.weights`` prints the table of docs/statistics.md on ``PRIOR_FREEDOM``: studies of three seeds and 800
rows, five methods and ten.
"""

import sys
from dataclasses import replace

from tests.statistics.simulate import Scene, power, share_with_a_false_difference
from tuneoff.analyse import compare

METHODS = (5, 10)


def main(count: int = 1500) -> None:
    """Print a line a weight."""
    sys.stdout.write("| Weight | No difference | Full fine-tuning at three times the spread | Planned differences of 3 points found |\n")
    sys.stdout.write("| ---: | ---: | ---: | ---: |\n")
    for weight in (3, compare.PRIOR_FREEDOM, 6):
        vars(compare)["PRIOR_FREEDOM"] = weight
        null = [share_with_a_false_difference(Scene(k), count) for k in METHODS]
        wide = [share_with_a_false_difference(Scene(k, seed_sd=[0.03, *[0.01] * (k - 1)]), count) for k in METHODS]
        found = [power(replace(Scene(k), advantage=0.03), count // 4)[0] for k in METHODS]
        cells = [", ".join(f"{100 * share:.1f} %" for share in shares) for shares in (null, wide, found)]
        sys.stdout.write(f"| {weight} | {' | '.join(cells)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
