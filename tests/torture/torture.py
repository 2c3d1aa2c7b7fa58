"""A study under random SIGKILLs of its runs and their trials, on a small disk that is full now and then.

``python -m tests.torture.torture FOLDER --kills 1000`` prints the figures as JSON. It can be stopped and started again: finished
rounds are kept in ``FOLDER/figures.json``. A round is a fresh copy of the study, run by two runs at once until every trial is
complete, then held against an undisturbed run. Runs are forked from this process, which has the libraries loaded, and their trials
from one fork server, so that a kill costs a second and not ten; processes, signals, claims and files are the real ones.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from tests.support.disks import small_disk
from tests.support.studies import table, write_study
from tuneoff import Study
from tuneoff.fork_server import PRELOAD, context
from tuneoff.run import Listener
from tuneoff.store import Store, read_record
from tuneoff.store.owner import is_dead

METHODS = ["majority", "full", "lora"]
RUNS = 2
FULL_SECONDS = 0.5


@dataclass
class Figures:
    """What happened and what was found, over all rounds."""

    trials_a_round: int = 0
    rounds: int = 0
    kills: int = 0
    kills_of_runs: int = 0
    kills_of_trials: int = 0
    full_disks: int = 0
    runs_started: int = 0
    runs_stopped_by_a_full_disk: int = 0
    acknowledged_records: int = 0
    lost_records: int = 0
    wrong_records: int = 0
    wrong_logits: int = 0
    run_twice_under_a_live_claim: int = 0
    other_tables: int = 0
    unexpected_endings: int = 0
    seconds: float = 0.0
    endings: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, wrong or run twice."""
        bad = (self.lost_records, self.wrong_records, self.wrong_logits, self.run_twice_under_a_live_claim, self.other_tables)
        return not any(bad) and not self.unexpected_endings


def main() -> int:
    """Run rounds until there were enough kills."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=20, help="trials are three times as many")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no further round after so long")
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    figures = torture(given.folder, given.kills, given.seeds, given.seconds, given.seed)
    sys.stdout.write(json.dumps(asdict(figures) | {"clean": figures.clean}, indent=1) + "\n")
    return 0 if figures.clean and figures.kills >= given.kills else 1


def torture(folder: Path, kills: int, seeds: int, seconds: float = 1e9, seed: int | None = None) -> Figures:
    """Rounds until there were so many kills, or so many seconds are over; figures of earlier calls on the folder are added to."""
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "figures.json"
    figures = Figures(**json.loads(kept.read_text())) if kept.exists() else Figures()
    chance = random.Random(figures.kills if seed is None else seed)
    original = folder / "undisturbed"
    if not (original / "done").exists():
        shutil.rmtree(original, ignore_errors=True)
        write_study(original, METHODS, seeds=seeds)
        run = _Run(original, folder / "acks")
        assert run.wait() == 0
        (original / "done").touch()
    expected, logits = table(original), _logits(original)
    figures.trials_a_round = len(logits)
    while figures.kills < kills and time.monotonic() - began < seconds:
        started = time.monotonic()
        with small_disk(folder / "disk", "96m") as disk:
            study = disk / "study"
            shutil.copytree(original, study, ignore=shutil.ignore_patterns("results", "assets", "*.md", "*.html", "done"))
            _round(study, folder / "acks", figures, kills, chance)
            _check(study, folder / "acks", expected, logits, figures)
        figures.rounds += 1
        figures.seconds += time.monotonic() - started
        kept.write_text(json.dumps(asdict(figures)))
    return figures


class _Run:
    """``tuneoff run`` in a process of its own, forked from this one."""

    def __init__(self, study: Path, acks: Path) -> None:
        _start_fork_server()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                code = _run(study, acks)
            finally:
                os._exit(code)

    def poll(self) -> int | None:
        """Exit code, or ``None`` while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return None if pid == 0 else os.waitstatus_to_exitcode(status)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _run(study: Path, acks: Path) -> int:
    """What the command line does, with every record acknowledged to the outside as soon as the run tells of it."""
    from tuneoff.errors import TuneoffError

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    log = os.open(acks, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def acknowledge(trial: Any, record: dict[str, Any], progress: Any) -> None:
        for file in (study / "results" / trial.name).glob("attempt-*.json"):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            os.write(log, f"{trial.name}/{file.name} {digest}\n".encode())

    try:
        progress = Study.load(study).run(Listener(on_trial=acknowledge), threads=1)
    except TuneoffError as error:
        return error.exit_code
    except BaseException:
        with acks.with_name("unexpected.txt").open("a") as told:
            traceback.print_exc(file=told)
        raise
    return 0 if progress.done == progress.total else 4


def _start_fork_server() -> None:
    """One for all runs. A forked run cannot wait for it as for its own child, and need not."""
    if forkserver._forkserver._forkserver_pid is None:  # type: ignore[attr-defined]
        context()
        forkserver.set_forkserver_preload([PRELOAD, "tests.torture.patient"])
        forkserver.ensure_running()
        forkserver._forkserver.ensure_running = forkserver.ensure_running = lambda: None  # type: ignore[method-assign]


def _trials() -> list[int]:
    """Processes of trials that are at work."""
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    return [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]


def _round(study: Path, acks: Path, figures: Figures, kills: int, chance: random.Random) -> None:
    acks.unlink(missing_ok=True)
    endings: Counter[str] = Counter(figures.endings)
    runs: list[_Run] = []
    complete = False
    while not complete or runs:
        while len(runs) < RUNS and not complete:
            runs.append(_Run(study, acks))
            figures.runs_started += 1
        time.sleep(chance.uniform(0.05, 1.0))
        figures.run_twice_under_a_live_claim += _doubles(study)
        trials = _trials()
        if figures.kills < kills:
            what = chance.choices(("trial", "run", "disk"), (6, 3, 1))[0]
            if what == "trial" and trials:
                _kill(chance.choice(trials))
                figures.kills += 1
                figures.kills_of_trials += 1
            elif what == "run" and runs:
                _kill(chance.choice(runs).pid)
                figures.kills += 1
                figures.kills_of_runs += 1
            elif what == "disk":
                _fill(study.parent)
                figures.full_disks += 1
        for run in list(runs):
            code = run.poll()
            if code is None:
                continue
            runs.remove(run)
            endings[str(code)] += 1
            figures.runs_stopped_by_a_full_disk += code == 5
            figures.unexpected_endings += code not in (0, 4, 5, -signal.SIGKILL)
            complete = complete or code == 0
    figures.endings = dict(endings)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _fill(disk: Path) -> None:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * (1 << 20))
        except OSError:
            pass
    time.sleep(FULL_SECONDS)
    filler.unlink()


def _doubles(study: Path) -> int:
    """Trials at which two processes work whose runs are both alive."""
    at_work: Counter[str] = Counter()
    for pid in _trials():
        try:
            folder = Path(os.readlink(f"/proc/{pid}/fd/1")).parent
        except OSError:
            continue
        owner = folder / "owner.json"
        if folder.parent.parent == study / "results" and owner.exists() and not is_dead(owner):
            at_work[folder.parent.name] += 1
    return sum(count > 1 for count in at_work.values())


def _logits(study: Path) -> dict[str, bytes]:
    store = Store(study / "results")
    found = {}
    for trial in store.trials():
        attempt = store.result(trial)
        assert attempt is not None
        found[trial] = b"".join(value.tobytes() for _, value in sorted(load_file(attempt.folder / "predictions.safetensors").items()))
    return found


def _check(study: Path, acks: Path, expected: list[dict[str, Any]], logits: dict[str, bytes], figures: Figures) -> None:
    results = study / "results"
    told = dict(line.split() for line in acks.read_text().splitlines())
    figures.acknowledged_records += len(told)
    for name, digest in told.items():
        file = results / name
        if not file.exists():
            figures.lost_records += 1
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            figures.wrong_records += 1
    for file in results.glob("*/attempt-*.json"):
        try:
            record = read_record(file)
        except ValueError:
            figures.wrong_records += 1
            continue
        if record["state"] == "complete":
            data = (file.with_suffix("") / "predictions.safetensors").read_bytes()
            figures.wrong_records += hashlib.sha256(data).hexdigest() != record["predictions_sha256"]
    figures.wrong_records += (results / "quarantine").exists()
    store = Store(results)
    for trial in store.trials():
        complete = sum(attempt.state == "complete" for attempt in store.attempts(trial))
        figures.run_twice_under_a_live_claim += complete > 1
    figures.wrong_logits += _logits(study) != logits
    found = table(study)
    if found != expected:
        figures.other_tables += 1
        figures.differences += [
            f"{a['label']}: {key}: {a[key]} → {b[key]}" for a, b in zip(expected, found, strict=True) for key in a if a[key] != b[key]
        ]


if __name__ == "__main__":
    if not shutil.which("mount") or subprocess.run(["mount"], capture_output=True).returncode:
        sys.exit("needs Linux and leave to mount a small disk")
    sys.exit(main())
