"""Corpus, tokenizer, masked-language modelling: one command that goes on where it was stopped.

    python -m training.ko_mini.train --data ../shared/data --out RUN --until 22:30
    python -m training.ko_mini.train --data ../shared/data --out RUN --cool-down 8
    python -m training.ko_mini.train --data ../shared/data --out ANOTHER --start-from RUN/model

The first trains at the full learning rate and can be stopped at any time, at the loss of one leg of at most some minutes. The
second leaves that run as it is and makes a usable model of where it stands, in ``RUN/model``: its learning rate goes down to zero
over so many legs. The first can go on afterwards. The third begins another run with what an earlier one has learnt, where all that
is left of that is its model.
"""

import argparse
import hashlib
import json
import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import torch

from training.ko_mini import corpus, model, tokenizer
from tuneoff.backbone import file_hash, pick_device, pick_precision, tokenizer_hash
from tuneoff.data import tokenise
from tuneoff.measure import Clock, package_versions
from tuneoff.train import Checkpoint, Group, LanguageModelling, Point, Progress, TokenRows, Trapezoid, Weights, fit, train_on_cpu

#: One leg is so many updates; after each the run is validated and saved.
LEG = 50
#: The whole run, way down not counted: about twelve passes over the corpus.
LEGS = 400
ROWS, MASK, LEARNING_RATE, WARMUP, WEIGHT_DECAY, CLIP = 128, 0.2, 1e-3, 400, 0.01, 1.0
HELD_OUT = 0.004


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with nsmc/ and kr_statutes/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--legs", type=int, default=LEGS, help=f"legs of {LEG} updates at the full learning rate")
    parser.add_argument("--until", help="stop after the leg that is running at this time of day, HH:MM")
    parser.add_argument(
        "--start-from", type=Path, metavar="MODEL", help="begin with the weights and the tokenizer of an earlier run's model"
    )
    parser.add_argument("--cool-down", type=int, metavar="LEGS", help="make a model of where the run stands, over so many legs")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    run = Run(chosen.data, chosen.out, chosen.start_from)
    if chosen.cool_down is None:
        run.go_on(chosen.legs, _deadline(chosen.until))
    else:
        run.cool_down(chosen.cool_down)


def _deadline(until: str | None) -> float:
    if until is None:
        return float("inf")
    now = datetime.now()
    at = datetime.combine(now.date(), datetime.strptime(until, "%H:%M").time())
    return (at if at > now else at + timedelta(days=1)).timestamp()


class Run:
    """A run's folder: corpus counts, tokenizer, checkpoints, curve, model.

    Args:
        data: folder of the texts.
        out: folder of the run.
        start_from: folder of a model to begin with instead of random weights: its checkpoint may be gone, the model is enough.
    """

    def __init__(self, data: Path, out: Path, start_from: Path | None = None) -> None:
        self.out = out
        out.mkdir(parents=True, exist_ok=True)
        texts, counts = corpus.build(data)
        if start_from:
            tokenizer.load_or_train(start_from, []).save_pretrained(out / "tokenizer")
        self.tokenizer = tokenizer.load_or_train(out / "tokenizer", texts)
        pieces = tokenizer_hash(self.tokenizer)  # Before it is used: what it cuts at becomes a part of it.
        tokens = tokenise([(text,) for text in texts], self.tokenizer, pieces, tokenizer.POSITIONS, out, split_long=True)
        described = counts.as_dict() | {"rows": len(tokens), "tokens": len(tokens.ids)}
        _say(**described)
        (out / "corpus.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        self.device = pick_device()
        self.precision = pick_precision("auto", self.device)
        self.model = (model.load(start_from) if start_from else model.untrained(self.tokenizer)).to(self.device)
        rows = TokenRows(tokens, None, self.tokenizer.pad_token_id, self.device)
        packed = self.device.type == "cpu" and train_on_cpu(self.model, 0)
        self.objective = LanguageModelling(self.model, rows, self.tokenizer, "encoder", ROWS, MASK, 0, HELD_OUT, LEG, packed=packed)
        self.weights = Weights(self.model, [Group(list(self.model.parameters()), LEARNING_RATE)], self.precision, WEIGHT_DECAY)
        self.clock = Clock(torch.cuda.synchronize if self.device.type == "cuda" else None)
        self.settings: dict[str, Any] = {
            "tokens": hashlib.sha256(tokens.ids.tobytes()).hexdigest(),
            "tokenizer": pieces,
            "architecture": [model.LAYERS, model.HIDDEN, model.HEADS],
            "start": file_hash(start_from / "model.safetensors") if start_from else None,
            "recipe": [ROWS, MASK, LEARNING_RATE, WARMUP, WEIGHT_DECAY, CLIP, HELD_OUT, LEG],
        }

    def go_on(self, legs: int, deadline: float) -> None:
        """Train at the full rate until so many legs are done or the time has come."""
        steady = self._checkpoint("steady.ckpt", self.settings)
        self._fit(steady, Trapezoid(legs, CLIP, WARMUP), steady.load(), lambda: time.time() < deadline)

    def cool_down(self, legs: int) -> None:
        """From the steady run's checkpoint down to a learning rate of zero, and write the model."""
        steady = self._checkpoint("steady.ckpt", self.settings)
        progress = steady.load()
        if progress is None:
            raise SystemExit(f"{steady.file}: nothing to cool down yet")
        begun = self._checkpoint("cooling.ckpt", self.settings | {"from": progress.epochs, "legs": legs})
        schedule = Trapezoid(progress.epochs + legs, CLIP, WARMUP, legs * LEG)
        outcome = self._fit(begun, schedule, begun.load() or progress, lambda: True)
        self.weights.settle()
        model.export(self.model, self.tokenizer, self.out / "model")
        made = {
            "steps": outcome.steps,
            "cool_down_steps": legs * LEG,
            "held_out_loss": outcome.best["loss"],
            "training_seconds": round(self.clock.seconds["train"] + self.clock.seconds["warmup"]),
            "threads": torch.get_num_threads(),
            "device": self.device.type,
            "precision": self.precision,
            "versions": package_versions(),
        }
        (self.out / "made.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        begun.forget()

    def _checkpoint(self, name: str, settings: dict[str, Any]) -> Checkpoint:
        return Checkpoint(self.out / name, settings, self.weights, self.clock)

    def _fit(self, checkpoint: Checkpoint, schedule: Trapezoid, progress: Progress | None, go_on: Callable[[], bool]) -> Any:
        def after_leg(now: Progress) -> bool:
            checkpoint.save(now)
            return go_on()

        kind = checkpoint.file.stem

        def on_point(point: Point, num_steps: int) -> None:
            if point.validation_loss is not None:
                line = {"run": kind} | {name: value for name, value in point.as_dict().items() if value is not None}
                _say(**line)
                with (self.out / "curve.jsonl").open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(line) + "\n")

        return fit(self.model, self.weights, self.objective, schedule, self.clock, None, on_point, progress=progress, after_epoch=after_leg)


def _say(**values: Any) -> None:
    print(datetime.now().strftime("%H:%M:%S"), json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
