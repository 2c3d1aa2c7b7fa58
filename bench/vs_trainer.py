"""The same trial by Hugging Face Trainer + PEFT and by tuneoff: time, memory, accuracy, as ratios.

Same backbone (sample:en), rows, epochs, batch size, learning rate, schedule and seeds; every run in a fresh process, the two
sides in turn, so that a slow moment of the machine hits both. Trainer is left at its defaults (fp32 on a CPU, dynamic
padding) but for a larger evaluation batch, which is in its favour. Both judge validation after each epoch and test once.

    python bench/vs_trainer.py [--methods full,lora] [--seeds 3] [--json results.json]

Needs the folder ``shared/data`` beside the checkout.
"""

import argparse
import csv
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "finance_phrasebank" / "finance_data.csv"
TRAIN, VALIDATION, TEST = 1200, 200, 800
EPOCHS, BATCH, MAX_LENGTH, WARMUP = 3, 32, 128, 0.1
#: One learning rate for head and rest, because that is what Trainer does. At 3e-3 the draw of LoRA's
#: initial weights decides whether it trains at all (docs/decisions/0006).
RATES = {"full": 2e-4, "lora": 1e-3, "prompt": 3e-2, "prefix": 3e-2, "feature_extraction": 1e-2}
TARGETS = {
    "full": (3.0, 0.95),
    "lora": (3.0, 0.8),
    "prompt": (3.0, 0.8),
    "prefix": (3.0, 0.8),
    "feature_extraction": (20.0, 0.8),
}


def _memory(field: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def write_rows(folder: Path) -> dict[str, Path]:
    """Fixed splits of the phrase bank, stratified, as CSV files."""
    from tuneoff.data.splits import Rows, stratified_pick

    with DATA.open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    rows = Rows([(row["sentence"],) for row in table], [row["labels"] for row in table], [str(i) for i in range(len(table))])
    files = {}
    for number, (name, count) in enumerate((("test", TEST), ("validation", VALIDATION), ("train", TRAIN))):
        chosen, left = stratified_pick(rows, count, seed=number)
        part, rows = rows.take(chosen), rows.take(left)
        files[name] = folder / f"{name}.csv"
        with files[name].open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "label"])
            writer.writerows((text[0], label) for text, label in zip(part.texts, part.labels, strict=True))
    return files


def trainer_side(folder: Path, method: str, seed: int, share: float = 1.0) -> dict[str, float]:
    """What a user would write today; ``share`` below 1 is a training of that part of the steps."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import datasets
    import numpy as np
    import peft
    import transformers
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

    from tuneoff.backbone import resolve

    datasets.disable_progress_bars()
    transformers.logging.set_verbosity_error()
    start = _memory("VmRSS")
    backbone = resolve("sample:en", folder).folder
    files = {name: str(folder / f"{name}.csv") for name in ("train", "validation", "test")}
    data = datasets.load_dataset("csv", data_files=files, cache_dir=str(folder / "cache"))
    labels = sorted(set(data["train"]["label"]))
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    data = data.map(
        lambda row: {**tokenizer(row["text"], truncation=True, max_length=MAX_LENGTH), "labels": [labels.index(x) for x in row["label"]]},
        batched=True,
        remove_columns=["text", "label"],
    )
    transformers.set_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(backbone, num_labels=len(labels))
    if method == "feature_extraction":
        for parameter in model.base_model.parameters():
            parameter.requires_grad_(False)
    elif method != "full":
        config = {
            "lora": lambda: peft.LoraConfig(task_type="SEQ_CLS", r=16, lora_alpha=32, target_modules="all-linear"),
            "prompt": lambda: peft.PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=20),
            "prefix": lambda: peft.PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=20),
        }[method]()
        model = peft.get_peft_model(model, config)
    steps = max(1, int(share * math.ceil(TRAIN / BATCH) * EPOCHS))
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=BATCH,
        learning_rate=RATES[method],
        max_steps=steps,
        warmup_steps=math.ceil(WARMUP * steps),
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=seed,
    )
    trainer = Trainer(model, arguments, train_dataset=data["train"], eval_dataset=data["validation"], processing_class=tokenizer)
    began = time.perf_counter()
    trainer.train()
    predicted = trainer.predict(data["test"])
    seconds = time.perf_counter() - began
    accuracy = float((predicted.predictions.argmax(-1) == predicted.label_ids).mean())
    assert np.isfinite(predicted.predictions).all()
    return {"seconds": seconds, "bytes": _memory("VmHWM") - start, "accuracy": accuracy}


def tuneoff_side(folder: Path, method: str, seed: int) -> dict[str, float]:
    """The same by tuneoff's own trial, in this process."""
    import tuneoff.run.preload  # noqa: F401
    from tuneoff.data import save_prepared
    from tuneoff.run.job import Job
    from tuneoff.run.planner import make_plan
    from tuneoff.run.runner import rates_of
    from tuneoff.run.trial import run_job
    from tuneoff.spec import load

    start = _memory("VmRSS")
    plan = make_plan(load(folder / f"{method}.yaml"))
    trial = next(trial for trial in plan.trials if trial.seed == seed)
    attempt = folder / f"tuneoff-{method}-{seed}"
    shutil.rmtree(attempt, ignore_errors=True)
    attempt.mkdir()
    cache = attempt / "cache"
    prepared = save_prepared(plan.splits, cache)
    run_job(Job(trial, attempt, prepared, cache, plan.resolved, "sample:en", None, ("text",), rates=rates_of(trial, None)))
    result = json.loads((attempt / "result.json").read_text())
    if result["state"] != "complete":
        raise SystemExit(f"{method}: {result['error']['text']}")
    seconds = sum(result["phases"].get(phase, 0.0) for phase in ("features", "warmup", "train", "validate", "evaluate"))
    return {"seconds": seconds, "bytes": _memory("VmHWM") - start, "accuracy": result["quality"]["test"]["accuracy"]}


def write_studies(folder: Path, seeds: int) -> None:
    """One study a method, with the head at the same learning rate as the rest."""
    parameters: dict[str, dict[str, object]] = {
        "lora": {"r": 16, "alpha": 32},
        "prompt": {"tokens": 20, "placement": "before"},
        "prefix": {"tokens": 20},
        # By default a head on stored features goes over them 40 times; Trainer here goes over the rows as often as with the others.
        "feature_extraction": {"epochs": EPOCHS},
    }
    for method, rate in RATES.items():
        study = {
            "study": "bench",
            "backbone": "sample:en",
            "data": {name: f"{name}.csv" for name in ("train", "validation", "test")},
            "methods": [{method: {"learning_rate": rate, "head_learning_rate": rate, **parameters.get(method, {})}, "as": method}],
            "seeds": seeds,
            "train": {"epochs": EPOCHS, "batch_size": BATCH, "max_length": MAX_LENGTH, "warmup": WARMUP},
        }
        (folder / f"{method}.yaml").write_text(json.dumps(study))


def one_run(side: str, folder: Path, method: str, seed: int, share: float = 1.0) -> dict[str, float]:
    """One side in a fresh process; ``process_seconds`` is from start to exit."""
    began = time.perf_counter()
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--methods", method, "--seed", str(seed)]
    command += ["--share", str(share)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{side} {method}: {run.stderr[-2000:]}")
    return json.loads(run.stdout.splitlines()[-1]) | {"process_seconds": time.perf_counter() - began}


def main() -> None:
    """Parse the command line; run one side, or compare both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default=",".join(RATES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--side", choices=("trainer", "tuneoff"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--share", type=float, default=1.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        if options.side == "trainer":
            print(json.dumps(trainer_side(options.folder, options.methods, options.seed, options.share)))
        else:
            print(json.dumps(tuneoff_side(options.folder, options.methods, options.seed)))
        return
    if not DATA.exists():
        raise SystemExit(f"needs {DATA.relative_to(ROOT.parent)}")
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder)
        write_studies(folder, options.seeds)
        heads = (("time ×", 8), ("target", 8), ("process ×", 11), ("memory", 8), ("target", 8), ("Trainer", 9), ("tuneoff", 9))
        print(f"{'method':<20}" + "".join(f"{head:>{width}}" for head, width in heads) + "  difference in points")
        for method in options.methods.split(","):
            runs = [{side: one_run(side, folder, method, seed) for side in ("trainer", "tuneoff")} for seed in range(options.seeds)]
            results.append({"method": method, "runs": runs})
            print(line(method, runs), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def line(method: str, runs: list[dict[str, dict[str, float]]]) -> str:
    """Medians of the paired ratios; the mean difference in accuracy with its 95 % interval over seeds (Student)."""

    def ratio(name: str, flip: bool = False) -> float:
        pairs = [(run["trainer"][name], run["tuneoff"][name]) for run in runs]
        return statistics.median(b / a if flip else a / b for a, b in pairs)

    differences = [100 * (run["tuneoff"]["accuracy"] - run["trainer"]["accuracy"]) for run in runs]
    mean = statistics.mean(differences)
    from scipy.stats import t

    half = t.ppf(0.975, len(runs) - 1) * statistics.stdev(differences) / math.sqrt(len(runs)) if len(runs) > 1 else math.nan
    speed, memory = TARGETS[method]
    accuracies = [statistics.mean(run[side]["accuracy"] for run in runs) for side in ("trainer", "tuneoff")]
    return (
        f"{method:<20}{ratio('seconds'):>8.2f}{speed:>8.1f}{ratio('process_seconds'):>11.2f}{ratio('bytes', True):>8.2f}{memory:>8.2f}"
        f"{accuracies[0]:>9.3f}{accuracies[1]:>9.3f}  {mean:+.1f} ± {half:.1f}"
    )


if __name__ == "__main__":
    main()
