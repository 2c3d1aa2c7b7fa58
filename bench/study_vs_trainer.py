"""A whole study by tuneoff, and the same trials by Hugging Face Trainer + PEFT: wall time as a ratio.

The study is what a careful user would run: every method, a search of its learning rates with four candidates, three seeds, a
reload proof for each. Trainer gets the same trials (the same rungs of the search, the same seeds), each in a process of its
own, as a script in a loop would run them. Methods that neither Trainer nor PEFT has (the bottleneck adapter) are left out on
both sides.

    python bench/study_vs_trainer.py [--methods full,lora] [--seeds 3] [--trials 4] [--every] [--keep FOLDER] [--json results.json]

By default one whole trial and one quarter trial of each method are timed with Trainer, and the other lengths follow from the
straight line through them (a trial is a fixed start and a time a step); ``--every`` runs all of them. Needs the folder
``shared/data`` beside the checkout.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vs_trainer import BATCH, EPOCHS, MAX_LENGTH, RATES, WARMUP, one_run, write_rows

from tuneoff.run.candidates import rung_shares
from tuneoff.spec import SearchSpec


def lengths(trials: int, seeds: int) -> list[float]:
    """The share of a whole training of every trial of a method: the rungs of its search, then its seeds."""
    return SearchSpec(candidates=((1.0, 1.0),) * trials, shares=rung_shares(trials)).lengths + [1.0] * seeds


def trainer_seconds(folder: Path, method: str, shares: list[float], every: bool) -> float:
    """Wall seconds of all of a method's trials, process starts included."""
    if every:
        return sum(one_run("trainer", folder, method, seed, share)["process_seconds"] for seed, share in enumerate(shares))
    whole, quarter = (one_run("trainer", folder, method, 0, share)["process_seconds"] for share in (1.0, 0.25))
    slope = (whole - quarter) / 0.75
    return sum(whole + slope * (share - 1.0) for share in shares)


def study_seconds(folder: Path, methods: list[str], trials: int, seeds: int) -> tuple[float, dict[str, float]]:
    """Wall seconds of ``tuneoff run``, and of each method's trials and search inside it."""
    parameters = {"lora": {"r": 16, "alpha": 32}, "prompt": {"tokens": 20}, "prefix": {"tokens": 20}}
    study = {
        "study": "bench",
        "backbone": "sample:en",
        "data": {name: f"{name}.csv" for name in ("train", "validation", "test")},
        "methods": [{method: parameters.get(method, {})} for method in methods],
        "seeds": seeds,
        "tuning": {"trials": trials},
        "train": {"epochs": EPOCHS, "batch_size": BATCH, "max_length": MAX_LENGTH, "warmup": WARMUP},
    }
    (folder / "study.yaml").write_text(json.dumps(study))
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tuneoff", "run", str(folder), "--json"], check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - began
    records = [json.loads(file.read_text()) for file in (folder / "results").glob("*/attempt-*.json")]
    by_method = dict.fromkeys(methods, 0.0)
    for record in records:
        by_method[record["trial"]["method"]] += record["wall_seconds"]
    return wall, by_method


def main() -> None:
    """Parse the command line; run both sides; print the ratio of each method and of the whole."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default=",".join(RATES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--every", action="store_true", help="run every Trainer trial instead of two a method")
    parser.add_argument("--keep", type=Path, help="keep the study in this folder, to read its report or to let it grow by methods")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    methods = options.methods.split(",")
    shares = lengths(options.trials, options.seeds)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(folder)
        theirs = {method: trainer_seconds(folder, method, shares, options.every) for method in methods}
        wall, ours = study_seconds(folder, methods, options.trials, options.seeds)
    print(f"{'method':<20}{'Trainer':>10}{'tuneoff':>10}{'ratio':>8}")
    for method in methods:
        print(f"{method:<20}{theirs[method]:>8.0f} s{ours[method]:>8.0f} s{theirs[method] / ours[method]:>8.2f}")
    total = sum(theirs.values())
    print(f"{'the whole study':<20}{total:>8.0f} s{wall:>8.0f} s{total / wall:>8.2f}   (to reach: 4)")
    if options.json:
        measured = {"trainer_seconds": theirs, "tuneoff_seconds": ours, "wall_seconds": wall, "ratio": total / wall, "every": options.every}
        options.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
