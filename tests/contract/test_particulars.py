"""What single methods promise beyond the contract: where a prompt stands, what is quantised, what an artefact holds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForMaskedLM

from tests.contract.pairs import CPU, LABELS, Attached, Backbone, attach, build, learn, make_backbone, same_bits, tensors, toy_rows
from tuneoff.backbone import read_facts
from tuneoff.errors import MethodError, UsageError
from tuneoff.methods import choose, method_class, method_names
from tuneoff.methods.adalora import Adalora
from tuneoff.methods.lp_ft import LpFt
from tuneoff.run.artefact import open_classifier
from tuneoff.spec import MethodEntry

TEXTS, TARGETS = toy_rows(16, seed=4)
TOKENS = 5


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("backbones")
    made: dict[str, Backbone] = {}

    def backbone(kind: str) -> Backbone:
        if kind not in made:
            made[kind] = make_backbone(folder / kind, kind)
        return made[kind]

    return backbone


def what_the_backbone_is_given(attached: Attached, rows: list[tuple[str, ...]]) -> dict[str, torch.Tensor]:
    """Arguments of the backbone's forward pass for one batch of these rows."""
    caught: dict[str, torch.Tensor] = {}
    classifier: Any = attached.adapted.model.get_submodule("classifier")
    hook = classifier.base_model.register_forward_pre_hook(lambda module, args, kwargs: caught.update(kwargs), with_kwargs=True)
    attached.adapted.model.eval()
    with torch.no_grad():
        attached.adapted.model(**attached.rows(rows).batch(np.arange(len(rows))).inputs)
    hook.remove()
    return caught


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "distilbert", "modernbert"])
@pytest.mark.parametrize("method", ["prompt", "p_tuning"])
def test_position_zero_is_the_true_first_token_after_and_a_virtual_one_before(backbones: Any, method: str, kind: str) -> None:
    for placement in ("before", "after"):
        attached = attach(method, backbones(kind), placement=placement)
        model: Any = attached.adapted.model
        words = model.get_submodule("classifier").get_input_embeddings()
        first = words(torch.tensor(attached.backbone.tokenizer.cls_token_id))
        virtual = model.prompt()
        given = what_the_backbone_is_given(attached, [("loss",), ("profit rose",)])
        embedded, mask = given["inputs_embeds"], given["attention_mask"]
        assert virtual.shape == (TOKENS, words.weight.shape[1])
        for row in embedded:  # Heads of encoders read position 0.
            ahead, behind = (row[0], row[1 : TOKENS + 1]) if placement == "after" else (row[TOKENS], row[:TOKENS])
            assert torch.equal(ahead, first)
            assert torch.equal(behind, virtual)
        assert mask[0].tolist() == [1] * int(mask[0].sum()) + [0] * int((1 - mask[0]).sum())
        assert mask.sum(1).tolist() == [length + TOKENS for length in attached.rows([("loss",), ("profit rose",)]).lengths]


def test_placements_differ_on_an_encoder_and_not_on_a_decoder(backbones: Any) -> None:
    for kind, differ in (("bert", True), ("roberta", True), ("llama", False)):
        before, after = (attach("prompt", backbones(kind), placement=placement).logits(TEXTS[:4]) for placement in ("before", "after"))
        assert bool(np.abs(before - after).max() > 1e-3) is differ


@pytest.mark.parametrize("kind", ["llama", "gpt_neox", "gemma2"])
def test_padding_stands_in_front_of_a_decoders_prompt(backbones: Any, kind: str) -> None:
    attached = attach("prompt", backbones(kind))
    rows = [("loss",), ("profit rose and grew",)]
    short, long = attached.rows(rows).lengths
    padding = long - short
    given = what_the_backbone_is_given(attached, rows)
    model: Any = attached.adapted.model
    row, virtual = given["inputs_embeds"][0], model.prompt()
    assert given["attention_mask"][0].tolist() == [0] * padding + [1] * (TOKENS + short)
    assert given["attention_mask"][1].tolist() == [1] * (TOKENS + long)
    assert torch.equal(row[padding : padding + TOKENS], virtual)
    ids = torch.from_numpy(attached.backbone.tokens(rows).row(0).astype(np.int64))
    assert torch.equal(row[padding + TOKENS :], model.get_submodule("classifier").get_input_embeddings()(ids))
    # Counted from the first real position, as absolute positions need it.
    assert given["position_ids"][0].tolist() == [0] * padding + list(range(TOKENS + short))


@pytest.mark.parametrize("method", ["prompt", "p_tuning"])
def test_prompts_start_as_words_of_the_vocabulary(backbones: Any, method: str) -> None:
    attached = attach(method, backbones("bert"))
    model: Any = attached.adapted.model
    table = model.get_submodule("classifier").get_input_embeddings().weight
    distance = torch.cdist(model.prompt.embedding, table).min(dim=1).values
    assert distance.max() < 1e-3  # cdist goes by way of a product, which is why a word is not exactly 0 from itself.


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "xlm-roberta", "llama", "qwen2", "gemma2", "gpt_neox"])
def test_every_layer_reads_its_prefix(backbones: Any, kind: str) -> None:
    attached = attach("prefix", backbones(kind))
    model, config = attached.adapted.model, attached.facts.config
    model.eval()
    model(**attached.rows(TEXTS).batch(np.arange(4)).inputs).logits.square().sum().backward()
    [prefix] = attached.adapted.parameters(attached.adapted.adapter)
    assert prefix.grad is not None
    assert prefix.shape[0] == TOKENS
    by_slot = prefix.grad.reshape(TOKENS, 2 * config.num_hidden_layers, -1)
    assert (by_slot.abs().amax(dim=(0, 2)) > 0).all(), "keys or values of some layer are not read"
    attached.method.after_first_backward(attached.adapted)


def test_a_prefix_without_gradient_is_an_error(backbones: Any) -> None:
    attached = attach("prefix", backbones("bert"))
    with pytest.raises(MethodError) as caught:
        attached.method.after_first_backward(attached.adapted)
    assert caught.value.key == "method.prefix_unread"
    # Nor is a gradient of nothing but zeros one.
    sum(parameter.sum() for parameter in attached.adapted.parameters(attached.adapted.adapter)).mul(0.0).backward()  # type: ignore[union-attr]
    with pytest.raises(MethodError):
        attached.method.after_first_backward(attached.adapted)


def test_prefix_alone_cannot_run_with_gradient_checkpointing() -> None:
    # Cached keys and values are dropped when a block is computed again; the planner refuses the pair.
    assert [name for name in method_names() if not method_class(name).facts.gradient_checkpointing] == ["prefix"]
    assert not build("peft:PREFIX_TUNING").facts.gradient_checkpointing


def test_virtual_tokens_are_known_to_the_planner() -> None:
    for name in method_names():
        taken = build(name, tokens=9).num_virtual_tokens() if name in ("prompt", "p_tuning", "prefix") else None
        assert taken == 9 or (taken is None and method_class(name).facts.virtual_tokens is None)


def linear_layers(module: nn.Module) -> dict[str, nn.Linear]:
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Linear)}


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "modernbert", "deberta-v2", "llama", "gpt_neox"])
def test_qlora_quantises_the_backbone_and_spares_head_and_pooler(backbones: Any, kind: str) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="4-bit weights need bitsandbytes")
    backbone = backbones(kind)
    method, facts = build("qlora"), backbone.facts
    model, _ = open_classifier(method, backbone.resolved, facts, backbone.pad, 0, "fp32", CPU)
    four_bit = {name for name, layer in linear_layers(model).items() if isinstance(layer, bitsandbytes.nn.Linear4bit)}
    assert four_bit == {name for name in facts.linear if "pooler" not in name}
    spared = set(linear_layers(model)) - four_bit
    assert all(model.get_submodule(name).weight.dtype == torch.float32 for name in spared)
    in_heads = {name for name in linear_layers(model) if name.split(".")[0] in facts.head}
    assert spared == in_heads | ({"bert.pooler.dense"} if kind == "bert" else set())
    for name in four_bit:
        state = model.get_submodule(name).weight.quant_state
        assert (state.quant_type, state.nested) == ("nf4", True)
    adapted = method.attach(model, facts, torch.Generator())
    updated = {name.removeprefix("base_model.model.").split(".lora_")[0] for name in adapted.adapter}
    assert updated == set(facts.linear), "the layers that LoRA updates"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_4_bit_layer_learns_the_same_before_and_after_an_evaluation(backbones: Any, precision: str) -> None:
    """bitsandbytes rearranges weights for inference on some CPUs, after which no gradient passes."""
    pytest.importorskip("bitsandbytes", reason="4-bit weights need bitsandbytes")
    attached = attach("qlora", backbones("bert"), precision)
    learn(attached, TEXTS, TARGETS, 1, 8)
    model, batch = attached.adapted.model, attached.rows(TEXTS).batch(np.arange(4))

    def gradients() -> list[torch.Tensor]:
        model.train()
        torch.manual_seed(0)
        model.zero_grad()
        model(**batch.inputs).logits.float().square().sum().backward()
        return [
            parameter.grad.clone() for parameter in attached.adapted.parameters(attached.adapted.trainable) if parameter.grad is not None
        ]

    frozen, first = tensors(model), gradients()
    attached.logits(TEXTS)
    second = gradients()
    assert len(first) == len(attached.adapted.trainable)
    assert all(same_bits(one, other) for one, other in zip(first, second, strict=True))
    assert all(same_bits(one, other) for one, other in zip(frozen.values(), tensors(model).values(), strict=True))


@pytest.mark.parametrize("name", ["lora", "dora", "ia3", "adapter", "bitfit", "prefix", "pissa", "vera"])
def test_a_deep_backbone_saves_and_loads(backbones: Any, tmp_path: Path, name: str) -> None:
    """From twenty layers on PEFT shortens the list of layer names to patterns."""
    folder = make_backbone(tmp_path / "deep", "roberta").folder
    config = AutoConfig.from_pretrained(folder)
    config.num_hidden_layers = 12
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    backbone = Backbone(folder)
    attached = attach(name, backbone)
    with torch.no_grad():
        for parameter in attached.adapted.parameters(attached.adapted.trainable):
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)), alpha=0.05)
    (tmp_path / "artefact").mkdir()
    attached.method.save(attached.adapted, tmp_path / "artefact")
    fresh = attach(name, backbone)
    model, _ = open_classifier(fresh.method, backbone.resolved, fresh.facts, backbone.pad, 99, "fp32", CPU)
    fresh.adapted = fresh.method.load(model, fresh.facts, tmp_path / "artefact")
    np.testing.assert_allclose(fresh.logits(TEXTS), attached.logits(TEXTS), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.* is deprecated:FutureWarning")  # Of PEFT with transformers 5.
@pytest.mark.filterwarnings("ignore:The following rank_pattern keys:RuntimeWarning")  # PEFT 0.21 on its own AdaLoRA artefacts.
@pytest.mark.parametrize("name", ["lora", "dora", "ia3", "prefix", "adalora", "pissa", "rslora", "vera", "peft:OFT", "peft:P_TUNING"])
def test_plain_peft_loads_the_artefact(backbones: Any, tmp_path: Path, name: str) -> None:
    from peft import PeftModel

    backbone = backbones("roberta")
    attached = attach(name, backbone)
    learn(attached, TEXTS, TARGETS, 2, 8)
    attached.method.save(attached.adapted, tmp_path)
    model, _ = open_classifier(build("full"), backbone.resolved, backbone.facts, backbone.pad, 99, "fp32", CPU)
    theirs = PeftModel.from_pretrained(model, tmp_path)
    theirs.eval()
    with torch.no_grad():
        batches = [attached.rows(TEXTS).batch(np.array([i])) for i in range(len(TEXTS))]
        logits = np.concatenate([theirs(**batch.inputs).logits.numpy() for batch in batches])
    np.testing.assert_allclose(logits, attached.logits(TEXTS), rtol=1e-4, atol=1e-4)  # Batches of other shapes: sums in another order.


@pytest.mark.parametrize("name", ["lora", "prefix", "prompt", "adapter", "feature_extraction"])
def test_an_artefact_holds_its_parameters_and_no_path_of_this_machine(backbones: Any, tmp_path: Path, name: str) -> None:
    backbone = backbones("bert")
    attached = attach(name, backbone)
    attached.facts.__dict__["name"] = "owner/model"
    method, facts = attached.method, attached.facts
    model, _ = open_classifier(method, backbone.resolved, facts, backbone.pad, 0, "fp32", CPU)
    method.save(method.attach(model, facts, torch.Generator().manual_seed(0)), tmp_path)
    written = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= set(written)
    told = json.loads(written["adapter_config.json"])
    if name in ("lora", "prefix"):
        assert told["base_model_name_or_path"] == "owner/model"
    else:
        assert told | attached.method.config.model_dump(mode="json") == told
    assert not [file for file, content in written.items() if str(backbone.folder).encode() in content]
    # The frozen backbone is not in it.
    size = sum(parameter.numel() for parameter in model.parameters())
    assert len(written["adapter_model.safetensors"]) < 4 * size / 2


def test_loading_from_a_folder_that_lacks_a_parameter_is_an_error(backbones: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for name in ("lora", "adapter", "full"):
        folder = tmp_path / name
        folder.mkdir()
        attached = attach(name, backbones("bert"))
        attached.method.save(attached.adapted, folder)
        [file] = folder.glob("*.safetensors")
        weights = load_file(file)
        dropped = next(key for key in weights if "classifier" in key)
        save_file({key: tensor for key, tensor in weights.items() if key != dropped}, file, metadata={"format": "pt"})
        model, _ = open_classifier(attached.method, attached.backbone.resolved, attached.facts, attached.backbone.pad, 0, "fp32", CPU)
        with pytest.raises(KeyError):
            attached.method.load(model, attached.facts, folder)


def test_targets_are_all_linear_layers_query_and_value_or_names(backbones: Any) -> None:
    def updated(**parameters: Any) -> set[str]:
        names = attach("lora", backbones("bert"), **parameters).adapted.adapter
        return {name.removeprefix("base_model.model.").split(".lora_")[0] for name in names}

    linear = set(backbones("bert").facts.linear)
    assert updated() == linear
    assert updated(targets="query-value") == {name for name in linear if name.endswith((".query", ".value"))}
    assert updated(targets=("key", "attention.output.dense")) == {
        name for name in linear if name.endswith((".key", "attention.output.dense"))
    }
    for wrong in (("quary",), ("query", "valeu"), ("uery",)):
        with pytest.raises(ValueError, match=wrong[-1]):
            updated(targets=wrong)


def test_a_fused_layer_is_listed_once_for_query_and_value(backbones: Any) -> None:
    for kind, layer in (("modernbert", "Wqkv"), ("gpt_neox", "query_key_value")):
        attached = attach("lora", backbones(kind), targets="query-value")
        layers = [name for name in attached.facts.linear if name.endswith(layer)]
        assert len(layers) == 2
        assert attached.facts.roles["query"] == attached.facts.roles["key"] == attached.facts.roles["value"] == tuple(layers)
        assert len(attached.adapted.adapter) == 2 * len(layers)  # One A and one B each.


def test_roles_of_every_block_are_known(backbones: Any) -> None:
    for kind in (
        "bert",
        "roberta",
        "electra",
        "distilbert",
        "deberta-v2",
        "modernbert",
        "xlm-roberta",
        "llama",
        "qwen2",
        "gemma2",
        "gpt_neox",
    ):
        facts = backbones(kind).facts
        gates = 2 if kind in ("llama", "qwen2", "gemma2") else 1
        assert {role: len(names) / facts.layers for role, names in facts.roles.items()} == {
            **dict.fromkeys(("query", "key", "value", "attention_out", "feed_forward_out"), 1),
            "feed_forward_in": gates,
        }, kind
        assert not set(facts.roles["attention_out"]) & set(facts.roles["feed_forward_out"])


def test_gpt2_has_no_linear_layers_and_says_so() -> None:
    facts = read_facts("gpt2", "none", AutoConfig.for_model("gpt2", n_layer=2, n_embd=32, n_head=2, num_labels=3, pad_token_id=0))
    assert facts.linear == ()
    refused = {name: build(name).unsupported(facts) for name in ("lora", "dora", "qlora", "ia3", "adapter")}
    assert refused == dict.fromkeys(refused, "method.no_modules")
    assert all(build(name).unsupported(facts) is None for name in ("full", "bitfit", "prompt", "p_tuning", "prefix", "feature_extraction"))


def test_feature_pooling(backbones: Any) -> None:
    for kind, auto in (("bert", "mean"), ("llama", "last")):
        for pooling in ("auto", "mean", "first", "last"):
            attached = attach("feature_extraction", backbones(kind), pooling=pooling)
            encode: Any = attached.adapted.encode
            rows = attached.rows([("loss",), ("profit rose and grew",)])
            batch = rows.batch(np.array([0, 1])).inputs
            encode.eval()
            with torch.no_grad():
                features = encode(**batch)
                hidden = encode.base(**batch).last_hidden_state
            length = int(rows.lengths[0])
            expected = {"mean": hidden[0, :length].mean(0), "first": hidden[0, 0], "last": hidden[0, length - 1]}
            torch.testing.assert_close(features[0], expected[auto if pooling == "auto" else pooling], rtol=1e-5, atol=1e-5)


def test_houlsby_and_pfeiffer_stand_where_they_are_said_to(backbones: Any) -> None:
    for placement, parts in (("houlsby", ("attention.output.dense", "output.dense")), ("pfeiffer", ("output.dense",))):
        attached = attach("adapter", backbones("bert"), placement=placement, bottleneck=4)
        places = {name.rsplit(".", 2)[0] for name in attached.adapted.adapter}
        assert places == {f"bert.encoder.layer.{layer}.{part}" for layer in range(2) for part in parts}


def test_labels_of_the_harness_match_its_backbones(backbones: Any) -> None:
    assert backbones("bert").facts.config.num_labels == len(LABELS)


@pytest.mark.parametrize("name", ["lora", "prompt", "bitfit"])
def test_a_checkpoint_without_a_pooler_predicts_the_same_after_loading(tmp_path: Path, name: str) -> None:
    """Checkpoints of masked language models have none; it stays frozen and is in no artefact."""
    folder = make_backbone(tmp_path / "bert", "bert").folder
    AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    backbone = Backbone(folder)
    attached = attach(name, backbone)
    (tmp_path / "artefact").mkdir()
    attached.method.save(attached.adapted, tmp_path / "artefact")
    fresh = attach(name, backbone)
    model, _ = open_classifier(fresh.method, backbone.resolved, fresh.facts, backbone.pad, 99, "fp32", CPU)
    fresh.adapted = fresh.method.load(model, fresh.facts, tmp_path / "artefact")
    np.testing.assert_allclose(fresh.logits(TEXTS), attached.logits(TEXTS), rtol=1e-5, atol=1e-5)


# AdaLoRA


def adalora_ranks(attached: Attached) -> list[int]:
    """Ranks that are not masked, of each layer."""
    known = dict(attached.adapted.model.named_parameters())
    return [int(known[name].count_nonzero()) for name in attached.adapted.adapter if ".lora_E." in name]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_adalora_ends_with_as_many_ranks_as_asked_and_stores_no_others(backbones: Any, tmp_path: Path, precision: str) -> None:
    """In bf16 the mask must reach the fp32 masters, which overwrite what the model computes with."""
    from safetensors.torch import load_file

    attached = attach("adalora", backbones("roberta"), precision, r=2, start_r=6)
    assert adalora_ranks(attached) == [0] * len(attached.facts.linear)  # Weights of zero, so that nothing changes at first.
    learn(attached, TEXTS, TARGETS, 6, 8).weights.settle()
    ranks = adalora_ranks(attached)
    assert sum(ranks) == 2 * len(attached.facts.linear)
    assert max(ranks) > 2, "given to layers by importance, not evenly"
    attached.method.save(attached.adapted, tmp_path)
    stored = {name: tensor.shape[0] for name, tensor in load_file(tmp_path / "adapter_model.safetensors").items() if ".lora_E" in name}
    assert sorted(stored.values()) == sorted(max(1, rank) for rank in ranks)


def test_adalora_takes_ranks_away_between_warm_up_and_settling(backbones: Any) -> None:
    kept: list[int] = []

    class Watched(Adalora):
        def after_step(self, adapted: Any, step: int, num_steps: int) -> None:
            super().after_step(adapted, step, num_steps)
            kept.append(sum(adalora_ranks(attached)))

    attached = attach("adalora", backbones("roberta"), r=2, start_r=6, warmup=0.25, settle=0.25)
    attached.method = Watched(attached.method.config)
    learn(attached, TEXTS, TARGETS, 10, 8)
    layers = len(attached.facts.linear)
    assert len(kept) == 20
    assert kept[:5] == [6 * layers] * 5
    assert kept[4:15] == sorted(kept[4:15], reverse=True)
    assert kept[14:] == [2 * layers] * 6
    assert kept[4] > kept[8] > kept[14]


def test_adalora_keeps_its_factors_near_orthonormal(backbones: Any) -> None:
    """Its penalty falls with it and not without."""

    def distance(orthogonality: float) -> float:
        attached = attach("adalora", backbones("roberta"), orthogonality=orthogonality)
        learn(attached, TEXTS, TARGETS, 10, 8)
        attached.method.config = attached.method.config.model_copy(update={"orthogonality": 1.0})
        found = attached.method.penalty(attached.adapted)
        assert found is not None
        return float(found.detach())

    free = attach("adalora", backbones("roberta"), orthogonality=0.0)
    assert free.method.penalty(free.adapted) is None
    assert distance(0.5) < 0.8 * distance(0.0)


def test_adalora_wants_ranks_to_take_away() -> None:
    with pytest.raises(UsageError) as caught:
        choose(MethodEntry(method="adalora", label="a", parameters={"r": 12}), "study.yaml:5:3", {"r": "study.yaml:5:12"})
    assert caught.value.facts["key"] == "start_r"
    assert "12" in caught.value.text("en")


def test_adalora_in_a_training_too_short_to_judge_keeps_all_its_ranks(backbones: Any) -> None:
    attached = attach("adalora", backbones("roberta"), r=2, start_r=6)
    learn(attached, TEXTS, TARGETS, 1, 8)
    assert adalora_ranks(attached) == [6] * len(attached.facts.linear)


# PiSSA


def test_pissa_moves_the_largest_singular_values_out_of_the_weights(backbones: Any) -> None:
    attached = attach("pissa", backbones("roberta"), r=4)
    plain, _ = open_classifier(build("full"), attached.backbone.resolved, attached.facts, attached.backbone.pad, 0, "fp32", CPU)
    name = attached.facts.linear[0]
    weight = plain.get_submodule(name).weight.detach()
    layer: Any = attached.adapted.model.get_submodule(f"base_model.model.{name}")
    principal = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    values = torch.linalg.svdvals(weight)
    torch.testing.assert_close(layer.base_layer.weight + principal, weight, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.linalg.svdvals(principal)[:4], values[:4], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.linalg.svdvals(layer.base_layer.weight)[: len(values) - 4], values[4:], rtol=1e-4, atol=1e-4)


def test_pissa_agrees_with_the_initialisation_of_peft(backbones: Any) -> None:
    ours = attach("pissa", backbones("roberta"), r=4)
    theirs = attach("peft:LORA", backbones("roberta"), init_lora_weights="pissa", r=4, lora_alpha=4)
    for name in ours.facts.linear:
        one, other = (attached.adapted.model.get_submodule(f"base_model.model.{name}") for attached in (ours, theirs))
        torch.testing.assert_close(one.base_layer.weight, other.base_layer.weight, rtol=1e-4, atol=1e-5)


def test_pissa_refuses_more_singular_values_than_there_are(backbones: Any) -> None:
    with pytest.raises(ValueError, match="singular values"):
        attach("pissa", backbones("roberta"), r=65)


# Probe then full, top layers, VeRA


def test_probe_then_full_leaves_the_backbone_alone_until_its_time(backbones: Any) -> None:
    moved: list[tuple[bool, bool]] = []

    class Watched(LpFt):
        def after_step(self, adapted: Any, step: int, num_steps: int) -> None:
            known = dict(adapted.model.named_parameters())
            moved.append(
                (
                    any(not same_bits(known[name], start[name]) for name in adapted.base),
                    any(not same_bits(known[name], start[name]) for name in adapted.head),
                )
            )

    attached = attach("lp_ft", backbones("roberta"), probe=0.5)
    attached.method = Watched(attached.method.config)
    start = tensors(attached.adapted.model)
    learn(attached, TEXTS, TARGETS, 5, 8)
    assert moved == [(False, True)] * 5 + [(True, True)] * 5


@pytest.mark.parametrize(
    ("kind", "last"), [("bert", "bert.encoder.layer.1."), *((kind, "model.layers.1.") for kind in ("llama", "modernbert"))]
)
def test_top_layers_are_the_last_blocks(backbones: Any, kind: str, last: str) -> None:
    attached = attach("top_layers", backbones(kind))
    assert attached.adapted.base
    assert all(name.startswith(last) for name in attached.adapted.base)
    missing = 1 if kind == "modernbert" else 0  # Its first block has one norm less.
    assert len(attach("top_layers", backbones(kind), layers=2).adapted.base) == 2 * len(attached.adapted.base) - missing
    with pytest.raises(ValueError, match="2 blocks, not 3"):
        attach("top_layers", backbones(kind), layers=3)


def test_shared_layers_have_no_top() -> None:
    config = AutoConfig.for_model(
        "albert", hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=64, embedding_size=16, num_labels=3
    )
    assert build("top_layers").unsupported(read_facts("albert", "none", config)) == "method.no_modules"


def test_the_random_matrices_of_vera_differ_by_seed_and_come_with_the_artefact(backbones: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    stored = []
    for seed in (1, 1, 2):
        attached = attach("vera", backbones("roberta"), seed=seed)
        folder = tmp_path / str(len(stored))
        folder.mkdir()
        attached.method.save(attached.adapted, folder)
        stored.append(load_file(folder / "adapter_model.safetensors")["base_model.vera_A"])
    assert torch.equal(stored[0], stored[1])
    assert not torch.equal(stored[0], stored[2])
