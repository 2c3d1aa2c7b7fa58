"""Case 24: no code of a repository runs, no pickle is opened, and cut or foreign weights are named, whoever asks."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.said import answer, refusals
from tests.support.studies import tuneoff, write_study
from tests.support.tiny import edit_json, tiny_encoder


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.mark,))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "ran"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write_study(tmp_path / "study", ["majority", "full"], seeds=1, backbone="model")
    tiny_encoder(made / "model")
    return made


OWN_CLASSIFIER = """
from transformers import BertForSequenceClassification
class OwnClassifier(BertForSequenceClassification):
    config_class = OwnConfig
"""


def own_code(model: Path, mark: Path) -> None:
    edit_json(model / "config.json", model_type="own_bert", auto_map={"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"})
    code = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nfrom transformers import BertConfig, BertModel\n"
    (model / "own.py").write_text(
        code + "class OwnConfig(BertConfig):\n    model_type = 'own_bert'\nclass OwnModel(BertModel):\n    pass\n"
    )


def test_a_repository_with_code_of_its_own_is_refused_and_nobody_is_asked(folder: Path, mark: Path) -> None:
    own_code(folder / "model", mark)
    english, korean = refusals("check", folder, code=3)
    assert english.startswith(
        "model: the repository needs its own Python code to run; tuneoff does not run it unless asked → read that code, pin"
    )
    assert "trust_remote_code: true" in korean
    run = tuneoff("run", folder, timeout=240)  # Standard input is closed: a prompt would end it otherwise.
    assert run.returncode == 3
    assert run.stderr.splitlines()[-1].removeprefix("tuneoff: ") == english
    assert "[y/N]" not in run.stdout + run.stderr
    assert not mark.exists()


def test_a_repository_with_code_of_its_own_trains_when_it_is_asked_to(folder: Path, mark: Path) -> None:
    """In the trial's process and in the one that proves the artefact too."""
    own = folder / "model" / "own.py"
    own_code(folder / "model", mark)
    own.write_text(own.read_text() + OWN_CLASSIFIER)
    names = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.OwnClassifier"}
    edit_json(folder / "model" / "config.json", auto_map=names)
    done = answer("run", folder, "--set", "trust_remote_code=true", "--set", "methods=[full, lora]", "--set", "train.epochs=1")
    assert done.code == 0, done.err
    assert mark.exists()


def test_pickled_weights_are_refused_and_never_opened(folder: Path, mark: Path) -> None:
    (folder / "model" / "model.safetensors").unlink()
    payload = pickle.dumps(Payload(mark))
    for name in ("pytorch_model.bin", "vocab.pkl"):
        (folder / "model" / name).write_bytes(payload)
    for command in ("check", "plan", "run"):
        english, korean = refusals(command, folder, code=3)
        assert "only pickled weights (pytorch_model.bin, vocab.pkl); tuneoff reads safetensors alone" in english
        assert "피클 가중치" in korean
    assert not mark.exists()
    pickle.loads(payload)
    assert mark.exists(), "the payload was a live one"


@pytest.mark.parametrize("kept", [0, 5, 100, -100])
def test_a_cut_file_is_named_with_expected_and_actual_bytes(folder: Path, kept: int) -> None:
    file = folder / "model" / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:kept])
    english, korean = refusals("check", folder, code=3)
    assert english.startswith(f"{file}: the file is cut: ")
    assert f"{len(whole[:kept]):,} there → delete it and download or copy it again" in english
    assert f"{len(whole[:kept]):,}바이트입니다" in korean
    if kept == -100:
        assert f"{len(whole):,} bytes expected" in english


def test_weights_that_are_no_safetensors_file_are_refused(folder: Path, mark: Path) -> None:
    (folder / "model" / "model.safetensors").write_bytes(pickle.dumps(Payload(mark)))
    english, _ = refusals("check", folder, code=3)
    assert "model.safetensors: " in english
    assert not mark.exists()


def test_weights_changed_after_planning_never_stand_under_the_same_key(folder: Path) -> None:
    """A folder's revision is the hash of its content: other weights are another trial."""
    file = folder / "model" / "model.safetensors"
    before = {row["name"]: row["key"] for row in plan(folder)}
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    after = {row["name"]: row["key"] for row in plan(folder)}
    assert set(before) & set(after) == {name for name in before if name.startswith("majority")}


def plan(folder: Path) -> list[dict[str, str]]:
    import json

    found: list[dict[str, str]] = json.loads(answer("plan", folder, "--json").out)["trials"]
    return found


@pytest.mark.slow
def test_what_may_run_code_is_printed_in_the_report(folder: Path, mark: Path) -> None:
    """The model here needs none of its own code; that it might have run is what a reader must know."""
    assert answer("run", folder, "--set", "trust_remote_code=true", "--set", "methods=[full]", "--set", "train.epochs=1").code == 0
    for page, words in (("README.md", "own Python code was allowed to run"), ("README.ko.md", "파이썬 코드 실행을 허용했습니다")):
        assert words in (folder / page).read_text(encoding="utf-8")
    assert not mark.exists()
