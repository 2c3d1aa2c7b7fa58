"""Exported folders as others meet them: loaded by the code on their model card, in a process that has never seen tuneoff."""

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.contract.pairs import make_backbone
from tests.support.calm import calm
from tests.support.hub_server import ask, folder_files, serve
from tests.support.studies import FIRMS, environment, tuneoff, write_study
from tests.support.tiny import tiny_encoder
from tuneoff import Study
from tuneoff.cli import main
from tuneoff.cli.exporting import export_model
from tuneoff.cli.predicting import predict_rows
from tuneoff.data import load_prepared, save_prepared
from tuneoff.errors import MethodError, StorageError, TuneoffError, UsageError
from tuneoff.methods import method_class
from tuneoff.run import export as exporting
from tuneoff.run.artefact import Description
from tuneoff.run.attempt import TOLERANCE
from tuneoff.run.export import Source, export, fresh_folder
from tuneoff.run.job import Job, read_result
from tuneoff.run.proof import verify_job
from tuneoff.run.runner import rates_of
from tuneoff.run.trial import run_job
from tuneoff.store import ARTEFACT, PREDICTIONS, VERIFY, cache_folder

HAS_FOUR_BIT = importlib.util.find_spec("bitsandbytes") is not None
HAS_SENTENCE_TRANSFORMERS = importlib.util.find_spec("sentence_transformers") is not None
#: High, so that three epochs move logits by much more than rounding does.
FAST = {"learning_rate": 3e-3, "head_learning_rate": 1e-2}
STRONG = {"learning_rate": 3e-2, "head_learning_rate": 1e-2}
#: Label → the method, the layout of its folder, and whether it is exported with --merge as well.
ENCODER: dict[str, tuple[dict[str, Any], str, bool]] = {
    "full": ({"full": FAST}, "transformers", True),
    "bitfit": ({"bitfit": STRONG}, "transformers", False),
    "lora": ({"lora": FAST}, "peft", True),
    "adalora": ({"adalora": STRONG}, "peft", True),
    "pissa": ({"pissa": FAST}, "peft", True),
    "ia3": ({"ia3": STRONG}, "peft", True),
    "oft": ({"peft": FAST | {"type": "OFT"}}, "peft", True),
    "pretrained": ({"pretrain+lora": FAST}, "peft", True),
    "prefix": ({"prefix": STRONG | {"tokens": 4}}, "peft", False),
    "prompt": ({"prompt": STRONG | {"tokens": 4}}, "peft", False),
    "p_tuning": ({"p_tuning": STRONG | {"tokens": 4, "width": 16}}, "peft", False),
    "prompt-after": ({"prompt": STRONG | {"tokens": 4, "placement": "after"}}, "tuneoff", False),
    "adapter": ({"adapter": FAST | {"bottleneck": 8}}, "tuneoff", False),
    "mean": ({"feature_extraction": {}}, "features", False),
} | ({"qlora": ({"qlora": FAST}, "peft", False)} if HAS_FOUR_BIT else {})
DECODER: dict[str, tuple[dict[str, Any], str, bool]] = {
    "full": ({"full": FAST}, "transformers", True),
    "lora": ({"lora": FAST}, "peft", True),
    "prefix": ({"prefix": STRONG | {"tokens": 4}}, "peft", False),
    "prompt": ({"prompt": STRONG | {"tokens": 4}}, "tuneoff", False),
    "last": ({"feature_extraction": {}}, "features", False),
    "first": ({"feature_extraction": {"pooling": "first"}}, "features", False),
}
PAIRS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "full": ({"full": FAST}, "transformers", True),
    "prompt": ({"prompt": STRONG | {"tokens": 4}}, "peft", False),
}
#: Its embeddings scale what they look up.
SCALED: dict[str, tuple[dict[str, Any], str, bool]] = {"full": ({"full": FAST}, "transformers", False)}
STUDIES = {"bert": ENCODER, "llama": DECODER, "gemma2": SCALED, "pairs": PAIRS}
#: fp32 sums in batches of other shapes, and what logits differ by between rows at least: two hundred times as much.
NOISE, SPREAD = 1e-4, 0.02
#: 4-bit layers multiply in bf16 (8 bits), and on some CPUs bitsandbytes rounds their scales once more: of logits up to 1.
FOUR_BIT_NOISE = 0.05


def run_here(folder: Path) -> dict[str, Path]:
    """Run and prove every trial of a study as its processes would, but in this one; label → its first seed's attempt."""
    study = Study.load(folder)
    plan, store = study.plan(), study.store
    cache, found = cache_folder(folder), {}
    prepared = save_prepared(plan.splits, cache)
    for trial in plan.trials:
        number, attempt = store.new_attempt(trial.name)
        needed = next(iter(trial.needs), None)
        pretrained = store.folder(needed) / "attempt-1" / ARTEFACT if needed else None
        columns = study.file.spec.data.text_columns
        where = (attempt, prepared, cache, plan.resolved, study.file.spec.backbone, pretrained, columns, needed)
        job = Job(trial, *where, rates_of(trial, None))
        run_job(job)
        record = (read_result(attempt) or {}) | {"trial": trial.model_dump(mode="json"), "study": "tiny", "began": "2026-01-02T00:00:00"}
        assert record["state"] == "complete", record["error"]
        if not trial.is_stage:
            verify_job(job)
            record["reload"] = read_result(attempt, VERIFY) or {}
            record["reload"]["same"] = record["reload"]["largest_difference"] <= TOLERANCE[record["precision"]]
        store.publish(trial.name, number, record)
        found[trial.name] = attempt
    return {method.label: found[method.trials[0].name] for method in plan.methods}


def write_pairs(folder: Path) -> None:
    """The label follows from whether both texts speak of the same firm."""
    lines = ["first,second,label"]
    for i in range(120):
        one, other = FIRMS[i % 10], FIRMS[(i + (i // 10) % 2 * (1 + i // 20)) % 10]
        lines.append(f"{one} grew,{other} fell {i // 20},{'same' if one == other else 'other'}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@dataclass
class Made:
    """Studies that are over, and what was exported of them before they moved away."""

    exports: Path
    attempts: dict[tuple[str, str], Path] = field(default_factory=dict)
    written: dict[tuple[str, str, bool], dict[str, Any]] = field(default_factory=dict)
    texts: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)

    def proof(self, kind: str, label: str) -> np.ndarray:
        return load_file(self.attempts[kind, label] / PREDICTIONS)["proof.logits"]

    def folder(self, kind: str, label: str, merge: bool) -> Path:
        return self.exports / kind / f"{label}{'-merged' if merge else ''}"

    def card(self, kind: str, label: str, merge: bool = False) -> str:
        return (self.folder(kind, label, merge) / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with calm():
        yield _make(tmp_path_factory.mktemp("export"))


def _make(home: Path) -> Made:
    made = Made(home / "exports")
    (home / "studies").mkdir()
    for kind, methods in STUDIES.items():
        folder = home / "studies" / kind
        make_backbone(folder / "tiny", "bert" if kind == "pairs" else kind)
        data = {"text": ["first", "second"]} if kind == "pairs" else {}
        entries = [method | {"as": label} for label, (method, _, _) in methods.items()]
        train, pretrain, place = {"epochs": 3}, {"epochs": 1, "max_length": 32}, str(folder / "tiny") if kind == "llama" else "tiny"
        write_study(folder, entries, seeds=1, data=data, train=train, pretrain=pretrain, backbone=place, lang="en")
        if kind == "pairs":
            write_pairs(folder)
        for label, attempt in run_here(folder).items():
            made.attempts[kind, label] = attempt
        prepared = next((folder / "results" / "cache").glob("*.parquet"))
        made.texts[kind] = load_prepared(prepared).test.texts
        for label, (_, _, mergeable) in methods.items():
            for merge in (False, True) if mergeable else (False,):
                made.written[kind, label, merge] = export_model(
                    made.attempts[kind, label].parent, made.folder(kind, label, merge), None, merge
                )
    # What was exported must not need what it came from.
    (home / "studies").rename(home / "elsewhere")
    made.attempts = {key: home / "elsewhere" / path.relative_to(home / "studies") for key, path in made.attempts.items()}
    return made


#: Runs the card's own code in each folder, with other texts.
FRESH = """
import json, os, re, sys
import numpy as np
from transformers.utils import logging
logging.set_verbosity_error()
logging.disable_progress_bar()
for job in json.load(open(sys.argv[1], encoding="utf-8")):
    os.chdir(job["folder"])
    code = re.search(r"^```python\\n(.*?)^```", open("README.md", encoding="utf-8").read(), re.M | re.S)[1]
    for name, values in job["values"].items():
        code, times = re.subn(rf"^{name} = .*$", lambda _: f"{name} = {json.dumps(values)}", code, flags=re.M)
        assert times == 1, code
    scope = {}
    exec(code, scope)
    np.save(job["out"], scope["logits"].numpy())
    if job["encode"]:
        from sentence_transformers import SentenceTransformer
        np.save(job["encode"], SentenceTransformer(".", device="cpu").encode(job["values"]["texts"]))
assert not [name for name in sys.modules if name.startswith("tuneoff")]
print("true")
"""


def run_fresh(jobs: list[dict[str, Any]], folder: Path) -> None:
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    command = [sys.executable, "-c", FRESH, str(folder / "jobs.json")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def loaded(made: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, bool], dict[str, np.ndarray]]:
    """Logits of every folder that is loaded in Python, by the way it was loaded: one fresh process for all."""
    place = tmp_path_factory.mktemp("logits")
    jobs, keys = [], []
    for key in made.written:
        kind, label, merge = key
        if STUDIES[kind][label][1] == "tuneoff" and not merge:
            continue
        texts, stem = made.texts[kind], str(place / f"{len(keys)}")
        columns = zip(("texts",) if len(texts[0]) == 1 else ("first", "second"), zip(*texts, strict=True), strict=True)
        encode = f"{stem}-encode.npy" if STUDIES[kind][label][1] == "features" and HAS_SENTENCE_TRANSFORMERS else None
        values = {name: list(column) for name, column in columns}
        jobs.append({"folder": str(made.folder(*key)), "values": values, "out": f"{stem}.npy", "encode": encode})
        keys.append(key)
    run_fresh(jobs, place)
    return {
        key: {"code": np.load(job["out"])} | ({"encode": np.load(job["encode"])} if job["encode"] else {})
        for key, job in zip(keys, jobs, strict=True)
    }


@pytest.mark.parametrize(
    ("kind", "label", "merge"),
    [
        (kind, label, merge)
        for kind, methods in STUDIES.items()
        for label, (_, layout, mergeable) in methods.items()
        for merge in ((False, True) if mergeable else (False,))
        if merge or layout != "tuneoff"
    ],
)
def test_the_code_on_the_card_gives_the_logits_of_training(made: Made, loaded: Any, kind: str, label: str, merge: bool) -> None:
    expected, written = made.proof(kind, label), made.written[kind, label, merge]
    assert np.ptp(expected, axis=0).max() > SPREAD, "nothing learnt, so nothing to lose"
    noise = FOUR_BIT_NOISE * max(1.0, float(np.abs(expected).max())) if label == "qlora" else NOISE
    for found in loaded[kind, label, merge].values():
        np.testing.assert_allclose(found, expected, rtol=0, atol=noise)
    _, layout, _ = STUDIES[kind][label]
    assert written["layout"] == ("transformers" if merge else layout)
    # Nothing is folded where nothing was added.
    assert written["merged"] == (merge and layout != "transformers")


def test_sentence_transformers_read_the_features(loaded: Any) -> None:
    if not HAS_SENTENCE_TRANSFORMERS:
        pytest.skip("sentence-transformers comes with the extra `sample`")
    assert [key for key, logits in loaded.items() if "encode" in logits] == [
        ("bert", "mean", False),
        ("llama", "last", False),
        ("llama", "first", False),
    ]


@pytest.mark.parametrize(("kind", "label"), [("bert", "adapter"), ("bert", "prompt-after"), ("llama", "prompt")])
def test_what_needs_tuneoff_says_so_and_is_read_by_predict(made: Made, tmp_path: Path, kind: str, label: str) -> None:
    card = made.card(kind, label)
    assert "tuneoff is needed to load it" in card
    assert "\n```sh\ntuneoff predict . " in card
    assert "library_name: tuneoff\n" in card
    file, folder = tmp_path / "rows.jsonl", made.folder(kind, label, False)
    file.write_text("".join(json.dumps({"text": text}) + "\n" for (text,) in made.texts[kind]), encoding="utf-8")
    if label == "adapter":
        run = tuneoff("predict", folder, "--file", file, "--json")
        assert run.returncode == 0, run.stderr
        rows = [json.loads(line) for line in run.stdout.splitlines()]
    else:  # As the command does, without another process.
        rows = predict_rows(folder, [], file, sys.stdin)
    logits = made.proof(kind, label).astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose([list(row["probabilities"].values()) for row in rows], expected, rtol=0, atol=NOISE)


#: Trains and exports with backbones of a hub.
ON_HUB = """
import json, sys
from pathlib import Path
import torch
from tests.e2e.test_export import FAST, run_here
from tests.support.studies import write_study
from tuneoff.cli import main
from tuneoff.cli.exporting import export_model
from tuneoff.cli.predicting import predict_rows
torch.set_num_threads(1)
home, told = Path(sys.argv[1]), {}
for kind in sys.argv[2:]:
    study = write_study(home / "studies" / kind, [{"lora": FAST}], seeds=1, backbone=f"owner/{kind}", lang="en", train={"epochs": 1})
    attempt = run_here(study)["lora"]
    export_model(attempt.parent, home / kind, None, merge=False)
    told[kind] = str(attempt)
print(json.dumps(told))
"""


def test_the_hubs_backbone_is_named_by_its_commit(tmp_path: Path) -> None:
    make_backbone(tmp_path / "roberta", "roberta")
    tiny_encoder(tmp_path / "poolerless", "bert")  # A checkpoint of a masked language model.
    with serve() as hub:
        first = {name: hub.add(f"models/owner/{name}", tmp_path / name).names["main"] for name in ("roberta", "poolerless")}
        out = tmp_path / "out"
        made_with = {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        told = ask(ON_HUB, str(out), *first, endpoint=hub.url, home=tmp_path / "home", **made_with)
        for name in first:  # Whoever asks for the name alone now gets another model.
            tiny_encoder(tmp_path / f"{name}-new", "bert", seed=1)
            hub.repositories[f"models/owner/{name}"].commit(folder_files(tmp_path / f"{name}-new"))
        texts = [text for (text,) in load_prepared(next((out / "studies" / "roberta").rglob("*.parquet"))).test.texts]
        folders = {name: out / name for name in first}
        jobs = [
            {"folder": str(folder), "values": {"texts": texts}, "out": str(tmp_path / f"{name}.npy"), "encode": None}
            for name, folder in folders.items()
        ]
        (tmp_path / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
        hub.requests.clear()
        ask(FRESH, str(tmp_path / "jobs.json"), endpoint=hub.url, home=tmp_path / "other-home")
        asked = {path.split("/resolve/")[0] for path in hub.paths() if path.endswith(".safetensors")}
    for name, attempt in told.answer.items():
        expected = load_file(Path(attempt) / PREDICTIONS)["proof.logits"]
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), expected, rtol=0, atol=NOISE)
    # The pooler was drawn here, so that this backbone comes along.
    assert {path.strip("/") for path in asked} == {"owner/roberta"}
    configs = {name: json.loads((folder / "adapter_config.json").read_text()) for name, folder in folders.items()}
    assert (configs["roberta"]["base_model_name_or_path"], configs["roberta"]["revision"]) == ("owner/roberta", first["roberta"])
    assert not (folders["roberta"] / "backbone").exists()
    assert configs["poolerless"]["base_model_name_or_path"] == "backbone"
    header = (folders["roberta"] / "README.md").read_text(encoding="utf-8")
    assert "base_model: owner/roberta\n" in header
    assert "base_model_relation: adapter\n" in header
    assert f'"owner/roberta", revision="{first["roberta"]}"' in header


def test_folders_hold_what_they_say_and_no_path_of_this_machine(made: Made) -> None:
    home = str(made.exports.parent)
    for (kind, label, merge), written in made.written.items():
        folder = made.folder(kind, label, merge)
        files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
        assert written["bytes"] == sum(file.stat().st_size for file in files.values())
        assert not [name for name, file in files.items() if home.encode() in file.read_bytes()], (kind, label)
        if written["layout"] in ("transformers", "peft"):
            config = json.loads(files["config.json"].read_text(encoding="utf-8"))
            labels = ["other", "same"] if kind == "pairs" else ["bad", "good"]
            assert config["id2label"] == {str(number): name for number, name in enumerate(labels)}
            assert config["label2id"] == {name: number for number, name in enumerate(labels)}
        if written["layout"] == "peft":
            told = json.loads(files["adapter_config.json"].read_text(encoding="utf-8"))
            assert (told["base_model_name_or_path"], told["revision"]) == ("backbone", None)
            assert "backbone/model.safetensors" in files
    assert not list(made.exports.rglob("*.part"))
    assert " on tiny, 2 classes" in made.card("llama", "full")


def test_a_backbone_is_asked_for_by_its_commit() -> None:
    """Once the hub's has changed, its name alone is another model."""
    common = {"method": "lora", "config": {}, "labels": [], "text_columns": ("text",), "max_length": 8, "precision": "fp32"}
    for name, revision, pinned in (
        ("owner/name", "c0ffee", "owner/name@c0ffee"),
        ("owner/name@main", "c0ffee", "owner/name@c0ffee"),
        ("sample:en", "sha256:00", "sample:en"),
        ("../models/mine", "sha256:00", "../models/mine"),
    ):
        assert Description(**common, backbone=name, revision=revision).pinned == pinned


def test_the_tokenizer_cuts_where_training_did(made: Made) -> None:
    from transformers import AutoTokenizer

    for kind, label in (("bert", "full"), ("bert", "lora"), ("llama", "last")):
        tokenizer = AutoTokenizer.from_pretrained(made.folder(kind, label, False))
        assert len(tokenizer("profit rose " * 50, truncation=True)["input_ids"]) == 24
        assert tokenizer.padding_side == "right"


# Proof


def test_every_artefact_is_proven_and_merged_ones_too(made: Made) -> None:
    merged_labels = set()
    for (kind, label), attempt in made.attempts.items():
        proof = read_result(attempt, VERIFY) or {}
        # The same numbers through the same kernels in the same batches; AdaLoRA multiplies the ranks it kept alone.
        assert proof["largest_difference"] < 1e-5, (kind, label, proof)
        if "merged" in proof:
            merged_labels.add((kind, label))
            assert proof["merged"]["same"] is True
            assert proof["merged"]["same_label"] == 1.0
            assert proof["merged"]["rows"] == len(made.texts[kind])
            # Not the same model asked twice.
            assert 0 < proof["merged"]["largest_difference"] < NOISE
    assert merged_labels == {("bert", label) for label in ("lora", "adalora", "pissa", "ia3", "oft", "pretrained")} | {("llama", "lora")}


def test_what_learnt_in_bf16_is_merged_in_fp32(tmp_path: Path) -> None:
    folder = write_study(tmp_path, [{"lora": FAST}], seeds=1, train={"epochs": 1, "precision": "bf16"})
    make_backbone(folder / "tiny", "bert")
    proof = read_result(run_here(folder)["lora"], VERIFY) or {}
    # In bf16 itself weights and logits would be rounded to 8 bits: some thousandths.
    assert 0 < proof["merged"]["largest_difference"] < NOISE
    assert proof["merged"]["same"] is True


def test_an_earlier_epoch_is_evaluated_as_it_is_saved(tmp_path: Path) -> None:
    """Weights of an earlier epoch come back with their rows of the embedding."""
    folder = write_study(tmp_path, [{"full": FAST}], seeds=4, train={"epochs": 5})
    make_backbone(folder / "tiny", "bert")
    # Labels that nothing can be learnt from: which epoch is best on validation is chance.
    lines = [f"{FIRMS[i % 10]} {i},{'ab'[hash_of(i) % 2]}" for i in range(60)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    run_here(folder)
    found = [Source.at(trial).record for trial in folder.glob("results/full-*")]
    assert len(found) == 4
    assert any(record["best_epoch"] < 5 for record in found), "no case of it"
    # The same numbers through the same kernels in the same batches.
    assert max(record["reload"]["largest_difference"] for record in found) < 1e-5


def hash_of(number: int) -> int:
    return hashlib.sha256(str(number).encode()).digest()[0]


FORGETFUL = """
from tuneoff.methods.lora import Lora


class Forgetful(Lora):
    \"\"\"LoRA that is lost in merging.\"\"\"

    def fold(self, adapted):
        return adapted.model.unload()
"""


def test_a_merge_that_loses_something_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method from outside, installed as users install theirs."""
    (tmp_path / "site" / "forgetful-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "site" / "forgetful_methods.py").write_text(FORGETFUL, encoding="utf-8")
    (tmp_path / "site" / "forgetful-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: forgetful\nVersion: 1.0\n")
    (tmp_path / "site" / "forgetful-1.0.dist-info" / "entry_points.txt").write_text(
        "[tuneoff.methods]\nforgetful = forgetful_methods:Forgetful\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    folder = write_study(tmp_path / "study", [{"forgetful": FAST}], seeds=1, train={"epochs": 1})
    make_backbone(folder / "tiny", "bert")
    try:
        attempt = run_here(folder)["forgetful"]
        proof = read_result(attempt, VERIFY) or {}
        assert proof["largest_difference"] < 1e-5
        assert proof["merged"]["same"] is False
        assert proof["merged"]["largest_difference"] > 0.01
        export_model(attempt.parent, tmp_path / "adapter", None, merge=False)
        with pytest.raises(MethodError) as caught:
            export_model(attempt.parent, tmp_path / "merged", None, merge=True)
        assert caught.value.key == "run.export_differs"
        assert not (tmp_path / "merged").exists()
    finally:
        method_class.cache_clear()
        sys.modules.pop("forgetful_methods", None)


# The command line


def test_the_command_line_exports_the_best_seed_of_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_study(tmp_path / "study", [{"lora": FAST}, "tfidf"], seeds=2, lang="ko", train={"epochs": 1})
    make_backbone(folder / "tiny", "bert")
    run_here(folder)
    monkeypatch.setattr(sys, "argv", ["tuneoff", "export", str(folder), str(tmp_path / "out"), "--method", "lora", "--merge", "--json"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    assert not left.value.code, err
    written = json.loads(out)
    assert set(written) == set(re.findall(r"^\| `(\w+)`", _section("docs/json.md", "`tuneoff export --json`"), re.MULTILINE))
    assert written["merged"] is True
    assert written["folder"] == str(tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        *("README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    }
    scores = {path.parent.name: json.loads(path.read_text())["quality"] for path in folder.glob("results/lora-s*/attempt-1.json")}
    assert len(scores) == 2
    assert scores[written["trial"]]["validation"]["accuracy"] == max(found["validation"]["accuracy"] for found in scores.values())
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "## 사용법" in card, "the study is Korean"
    assert f"| 정확도 | {scores[written['trial']]['test']['accuracy']:.3f} | 테스트, n = 24 |" in card
    for method, code, words in (("tfidf", 3, "tuneoff predict"), ("lor", 2, "`lora`"), (None, 2, "--method")):
        with pytest.raises(TuneoffError) as caught:
            export_model(folder, tmp_path / "other", method, merge=False)
        assert caught.value.exit_code == code
        assert words in caught.value.text("en")
    assert not (tmp_path / "other").exists()


def _section(document: str, heading: str) -> str:
    text = (Path(__file__).parents[2] / document).read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


# What is refused


def refused(made: Made, kind: str, label: str, folder: Path, merge: bool = False) -> TuneoffError:
    with pytest.raises(TuneoffError) as caught:
        export_model(made.attempts[kind, label].parent, folder, None, merge)
    return caught.value


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("prompt", "run.export_no_merge"),
        ("adapter", "run.export_no_merge"),
        ("mean", "run.export_no_merge"),
        pytest.param("qlora", "run.export_four_bit", marks=pytest.mark.skipif(not HAS_FOUR_BIT, reason="4-bit weights need bitsandbytes")),
    ],
)
def test_what_cannot_be_folded_is_not(made: Made, tmp_path: Path, label: str, key: str) -> None:
    error = refused(made, "bert", label, tmp_path / "out", merge=True)
    assert (error.key, error.exit_code) == (key, 3)
    assert "export without --merge" in error.text("en")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(made: Made, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("full", "file", "link"):
        error = refused(made, "bert", "full", tmp_path / name)
        assert (error.key, error.exit_code) == ("run.export_exists", 2)
        assert "empty folder" in error.text("en")
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    export_model(made.attempts["bert", "full"], tmp_path / "empty", None, merge=False)
    assert (tmp_path / "empty" / "model.safetensors").is_file()


def test_what_fails_leaves_nothing_behind(made: Made, tmp_path: Path) -> None:
    def no_card(exported: exporting.Exported) -> str:
        raise KeyboardInterrupt

    attempt = made.attempts["bert", "full"]
    with pytest.raises(KeyboardInterrupt):
        export(Source.at(attempt.parent), tmp_path / "out", attempt.parents[2], False, no_card)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught, fresh_folder(tmp_path / "file" / "below"):
        raise AssertionError("there is no folder to write in")
    assert str(tmp_path / "file") in caught.value.text("en")


def test_an_artefact_without_its_record_is_refused(made: Made, tmp_path: Path) -> None:
    attempt = made.attempts["bert", "full"]
    shutil.copytree(attempt / ARTEFACT, tmp_path / "alone")
    with pytest.raises(UsageError) as caught:
        Source.at(tmp_path / "alone")
    assert caught.value.key == "run.no_record"
    assert "below results" in caught.value.text("en")
    with pytest.raises(UsageError) as caught:
        Source.at(tmp_path)
    assert caught.value.key == "run.no_artefact"
