"""Case 25: what is wrong with a study file or the command line is one line with its place; output stays parseable anywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.said import answer, refusals, rows, write_data_study
from tests.support.studies import environment, records, tuneoff

GOOD = """study: s
backbone: sample:en
data: {train: train.csv}
methods: [majority]
seeds: 1
train: {epochs: 1}
"""


def study(folder: Path, text: str = GOOD) -> Path:
    write_data_study(folder, {"train.csv": rows()})
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("old", "new", "start", "korean"),
    [
        ("seeds: 1", "seed: 1", "study.yaml:5:1: unknown key `seed` (→ `seeds`?); known here: ", "알 수 없는 키: `seed` (→ `seeds`?)"),
        ("epochs: 1", "epoch: 1", "study.yaml:6:9: unknown key `epoch` (→ `epochs`?); known here: ", "(→ `epochs`?)"),
        ("[majority]", "[majorty]", "study.yaml:4:11: unknown method `majorty` (→ `majority`?); there are: ", "(→ `majority`?)"),
        ("seeds: 1", "seeds: 1\nseeds: 2", "study.yaml:6:1: `seeds` stands here twice → keep one of them", "두 번 나옵니다"),
        ("epochs: 1", "epochs: 0", "study.yaml:6:9: `train.epochs` must be at least 1, not 0", "1 이상이어야 합니다"),
        ("seeds: 1", "seeds: two", 'study.yaml:5:1: `seeds` must be a whole number, not "two"', "정수여야 합니다"),
        ("{epochs: 1}", "{epochs: 1", "study.yaml:", "괄호나 따옴표가"),
        ("[majority]", "[{full: {learning_rate: 0}}]", "study.yaml:4:19: `full.learning_rate`: must be more than 0, not 0", "0보다 커야"),
        (
            "[majority]",
            "[{full: {learning_rate: -1e-4}}]",
            "study.yaml:4:19: `full.learning_rate`: must be more than 0, not -0.0001",
            "0보다",
        ),
        (
            "[majority]",
            "[{lora: {rank: 4}}]",
            "study.yaml:4:19: `lora` has no parameter `rank`",
            "`lora` 기법에는 `rank` 파라미터가 없습니다",
        ),
        (
            "train: {epochs: 1}",
            "lr: 1e-4",
            "study.yaml:6:1: unknown key `lr`: every method has its own learning rate → ",
            "학습률은 기법마다",
        ),
        ("study: s\n", "", "study.yaml:1:1: `study` is missing", "필수 키가 없습니다: `study`"),
    ],
)
def test_each_slip_is_one_line_with_its_place(old: str, new: str, start: str, korean: str, tmp_path: Path) -> None:
    assert old in GOOD
    english, said = refusals("check", study(tmp_path, GOOD.replace(old, new)), code=2)
    assert english.startswith(start)
    assert korean in said


def test_1e_4_is_a_number(tmp_path: Path) -> None:
    folder = study(tmp_path, GOOD.replace("[majority]", "[{full: {learning_rate: 1e-4}}]"))
    plan = json.loads(answer("plan", folder, "--json").out)
    assert plan["methods"][0]["config"]["learning_rate"] == 1e-4


@pytest.mark.parametrize(
    ("override", "start"),
    [
        ("train.epoch=1", "--set train.epoch=1: unknown key `epoch` (→ `epochs`?)"),
        ("trian.epochs=1", "--set trian.epochs=1: unknown key `trian` (→ `train`?)"),
        ("seeds.x=1", "--set seeds.x=1: `seeds` is 1 and has no keys below it"),
        ("seeds", "--set seeds: write --set path.to.key=value"),
        ("seeds=", "--set seeds=: `seeds` must be a whole number"),
        ("methods=[majorty]", "--set methods=[majorty]: unknown method `majorty`"),
    ],
)
def test_an_override_is_held_to_the_same(override: str, start: str, tmp_path: Path) -> None:
    english, _ = refusals("check", study(tmp_path), "--set", override, code=2)
    assert english.startswith(start)


def test_a_million_trials_are_refused_at_once_with_their_size_and_cost(tmp_path: Path) -> None:
    entries = "".join(f"  - {{majority: {{}}, as: m{i}}}\n" for i in range(1000))
    folder = study(tmp_path, GOOD.replace("[majority]", f"\n{entries}").replace("seeds: 1", "seeds: 1000"))
    english, korean = refusals("run", folder, code=2)
    assert "`seeds` makes 1,000,000 trials of 1,000 methods, 694.4 days of work at a minute each" in english
    assert "실험이 1,000,000건입니다" in korean


@pytest.mark.slow
def test_a_grid_grown_by_one_seed_runs_only_the_new_trials(tmp_path: Path) -> None:
    folder = study(tmp_path)
    assert answer("run", folder).code == 0
    before = records(folder)
    grown = answer("run", folder, "--set", "seeds=2", "--json")
    assert grown.code == 0, grown.err
    after = records(folder)
    assert before.items() < after.items()
    assert len(after) == len(before) + 1


PLAIN = {
    "no terminal, LANG=C": {"LANG": "C", "LC_ALL": "C", "TUNEOFF_LANG": ""},
    "NO_COLOR": {"NO_COLOR": "1", "FORCE_COLOR": ""},
    "Korean on an ASCII stream": {"PYTHONIOENCODING": "ascii", "TUNEOFF_LANG": "ko"},
}


@pytest.mark.parametrize("name", [next(iter(PLAIN)), *(pytest.param(name, marks=pytest.mark.slow) for name in list(PLAIN)[1:])])
def test_without_a_terminal_output_is_plain_and_parseable(name: str, tmp_path: Path) -> None:
    folder = study(tmp_path / "폴더 with 'blanks'")
    run = tuneoff("run", folder, "--json", **PLAIN[name])
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["trials"]["complete"] == 1
    assert "\x1b" not in run.stdout + run.stderr, "no colour, no cursor"
    assert "Traceback" not in run.stderr


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    folder = study(tmp_path, GOOD)
    command = [sys.executable, "-m", "tuneoff", "methods", "--json"]
    read, write = os.pipe()
    os.close(read)
    with subprocess.Popen(command, stdout=write, stderr=subprocess.PIPE, text=True, env=environment(), cwd=folder) as process:
        os.close(write)
        _, talk = process.communicate(timeout=120)
    assert process.returncode == 1
    assert talk == ""


def test_standard_input_is_never_asked(tmp_path: Path) -> None:
    """Everything a command needs is in its arguments; with input closed for good it says the same."""
    folder = study(tmp_path, GOOD.replace("seeds: 1", "seed: 1"))
    command = [sys.executable, "-m", "tuneoff", "run", str(folder)]
    closed = subprocess.run(["bash", "-c", 'exec 0<&-; exec "$@"', "bash", *command], capture_output=True, text=True, env=environment())
    assert closed.returncode == 2
    assert closed.stderr.startswith("tuneoff: study.yaml:5:1: unknown key `seed`")
