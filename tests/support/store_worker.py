"""A process that does what a run does to the store, without training: claims, works, publishes, releases. Starts in a blink.

Usage: ``python store_worker.py RESULTS TRIALS [--seconds S]``. Prints a line for each record once it is published.
"""

import argparse
import hashlib
import sys
import time
from pathlib import Path

from tuneoff.store import Store


def content(trial: str) -> bytes:
    """What a trial gives, whoever runs it."""
    return hashlib.sha256(trial.encode()).digest() * 40


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("trials", type=int)
    parser.add_argument("--seconds", type=float, default=0.0)
    given = parser.parse_args()
    store = Store(given.results)
    store.sweep()
    waiting = [f"trial-{number:03d}" for number in range(given.trials)]
    while waiting:
        waiting = [trial for trial in waiting if not work(store, trial, given.seconds)]
        time.sleep(0.02)


def work(store: Store, trial: str, seconds: float) -> bool:
    """Run one trial if nobody else does; whether it has ended, here or elsewhere."""
    if not store.is_open(trial):
        return True
    claim = store.claim(trial)
    if claim is None:
        return False
    try:
        if not store.is_open(trial):
            return True
        number, folder = store.new_attempt(trial)
        data = content(trial)
        (folder / "predictions").write_bytes(data)
        time.sleep(seconds)
        record = {"state": "complete", "trial": trial, "sha256": hashlib.sha256(data).hexdigest()}
        if store.publish(trial, number, record):
            sys.stdout.write(f"published {trial}/attempt-{number}.json\n")
            sys.stdout.flush()
    finally:
        claim.release()
    return True


if __name__ == "__main__":
    main()
