"""Nothing is unpickled: not in our source, and not by what we call, whatever lies in a folder that we are told to load."""

import ast
import json
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import tuneoff
from tests.support.said import answer
from tests.support.studies import write_study
from tests.support.tiny import edit_json

SOURCE = Path(tuneoff.__file__).parent
#: Modules that run code out of data.
FORBIDDEN = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
#: Calls that do, unless the argument beside them says otherwise.
GUARDED = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False), "numpy.load": ("allow_pickle", False)}
#: And such that do whatever their arguments are.
CALLS = {"pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.full_load", "yaml.unsafe_load", "eval", "os.system"}
#: ``exec`` runs the lines of a model card that we wrote ourselves.
EXEC = {"run/layouts/_layout.py"}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield file.relative_to(SOURCE).as_posix(), ast.unparse(node.func), node


def test_the_source_imports_nothing_that_unpickles() -> None:
    found, looked_at = [], 0
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            looked_at += len(names)
            found += [f"{file.relative_to(SOURCE)}:{node.lineno}: {name}" for name in names if name.split(".")[0] in FORBIDDEN]  # type: ignore[attr-defined]
    assert looked_at > 500
    assert found == []


def test_the_source_calls_nothing_that_unpickles() -> None:
    found, looked_at = [], 0
    for file, name, call in calls():
        looked_at += 1
        given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
        if name in GUARDED and given.get(GUARDED[name][0]) is not GUARDED[name][1]:
            found.append(f"{file}:{call.lineno}: {name} without {GUARDED[name][0]}={GUARDED[name][1]}")
        if name in CALLS or (name == "exec" and file not in EXEC):
            found.append(f"{file}:{call.lineno}: {name}")
        if given.get("shell") is True:
            found.append(f"{file}:{call.lineno}: a shell")
    assert looked_at > 2000
    assert found == []


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (self.mark,))


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A trained artefact of each kind of file: a baseline's, PEFT's, a whole model."""
    methods = ["tfidf", "lora", "full"]
    study = write_study(tmp_path_factory.mktemp("artefacts") / "study", methods, seeds=1, train={"epochs": 1})
    run = answer("run", study)
    assert run.code == 0, run.err
    return {name: next((study / "results").glob(f"{name.replace('_', '-')}-s0-*")) / "attempt-1" / "artefact" for name in methods}


def malicious(artefact: Path, folder: Path, mark: Path, beside: bool) -> Path:
    """A copy whose weights are a pickle: under their own name, or beside them under the names that libraries fall back to."""
    copy = shutil.copytree(artefact, folder)
    payload = pickle.dumps(Payload(str(mark)))
    for weights in [file for file in copy.rglob("*.safetensors") if file.is_file()]:
        if beside:
            weights.unlink()
            for name in ("pytorch_model.bin", "adapter_model.bin", "model.pt", "model.pkl", "training_args.bin", "optimizer.pt"):
                (weights.parent / name).write_bytes(payload)
        else:
            weights.unlink()
            weights.write_bytes(payload)
    for name in ("tfidf.joblib", "tokenizer.pkl", "scaler.pt"):
        (copy / name).write_bytes(payload)
    return copy


@pytest.mark.parametrize("beside", [False, True], ids=["in place of the weights", "beside them"])
@pytest.mark.parametrize("name", ["tfidf", "lora", "full"])
def test_a_malicious_artefact_runs_nothing(artefacts: dict[str, Path], name: str, beside: bool, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    study = artefacts[name].parents[3]
    copy = malicious(artefacts[name], study / f"stranger-{name}-{beside}", mark, beside)
    predicted = answer("predict", copy, "some text")
    exported = answer("export", copy, tmp_path / "out")
    assert not mark.exists()
    for said in (predicted, exported):
        assert said.code in (2, 3), said.err
        assert said.out == ""
        assert len(said.line) < 600
    assert answer("predict", artefacts[name], "some text", "--json").code == 0, "an honest one works"
    pickle.loads(pickle.dumps(Payload(str(mark))))
    assert mark.exists(), "the payload was a live one"


def test_an_artefact_cannot_have_its_backbones_code_run(artefacts: dict[str, Path], tmp_path: Path) -> None:
    """It may say that code should run; it does so only if the user says it too."""
    mark = tmp_path / "ran"
    strange = shutil.copytree(artefacts["full"], tmp_path / "stranger's")
    backbone = strange / "backbone"
    if not backbone.is_dir():
        shutil.copytree(artefacts["full"].parents[3] / "tiny", backbone)
    edit_json(strange / "tuneoff.json", trust_remote_code=True)
    edit_json(backbone / "config.json", model_type="own_bert", auto_map={"AutoConfig": "own.OwnConfig"})
    code = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nfrom transformers import BertConfig\n"
    (backbone / "own.py").write_text(code + "class OwnConfig(BertConfig):\n    model_type = 'own_bert'\n", encoding="utf-8")
    said = answer("predict", strange, "text")
    assert said.code == 3, said.err
    assert "needs its own Python code to run" in said.line
    assert "--trust-remote-code" in said.line
    assert answer("export", strange, tmp_path / "out").code in (2, 3)
    assert not mark.exists()


@pytest.mark.slow
def test_a_malicious_cache_or_record_runs_nothing(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", ["majority", "feature_extraction"], seeds=1, train={"epochs": 1})
    assert answer("run", study).code == 0
    mark = tmp_path / "ran"
    payload = pickle.dumps(Payload(str(mark)))
    spoilt = [file for file in (study / "results").rglob("*") if file.is_file() and file.suffix in (".safetensors", ".parquet", ".json")]
    assert len(spoilt) > 8
    for file in spoilt:
        file.write_bytes(payload)
    for command in ("status", "report", "run"):
        said = answer(command, study, "--json")
        assert said.code in (0, 4, 5), said.err
        assert not mark.exists()
    assert json.loads(answer("status", study, "--json").out)["counts"] == {"complete": 2}
