"""What is written of PEFT's types is true of the PEFT that is installed: each is tried, those that are refused too.

The types that work go through the whole contract in ``test_methods.py``. Here: the table names every type and no other, what it
refuses fails for the reason it gives, and what it does not claim does not hold.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.contract.pairs import CPU, HEAD_SEED, Attached, Backbone, attach, build, learn, make_backbone, toy_rows
from tuneoff.backbone import empty_classifier
from tuneoff.errors import MethodError, UsageError
from tuneoff.forecast import count_parameters
from tuneoff.methods import Method, choose
from tuneoff.methods._peft_types import TRIED
from tuneoff.methods.peft import peft_types
from tuneoff.run.artefact import open_classifier
from tuneoff.spec import MethodEntry
from tuneoff.strings import LANGUAGES, say

ROOT = Path(__file__).parents[2]
KINDS = ("bert", "llama")
TEXTS, TARGETS = toy_rows(16, seed=3)
#: Rows of very different lengths: whoever looks at a batch's padding gives the first another answer beside the last.
UNEVEN = [("loss",), ("the board",), ("cut fell " * 8,)]
#: Logits of a few units, sums of some hundred products in fp32.
NOISE = 1e-4


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Backbone]:
    folder = tmp_path_factory.mktemp("backbones")
    return {kind: make_backbone(folder / kind, kind, blocks=1) for kind in KINDS}


def works(name: str, kind: str) -> bool:
    return (TRIED[name].encoder if kind == "bert" else TRIED[name].decoder) is None


PAIRS = [pytest.param(name, kind, id=f"{name}-{kind}") for name in TRIED for kind in KINDS]
WORKING = [pair for pair in PAIRS if works(*pair.values)]
REFUSED = [pair for pair in PAIRS if not works(*pair.values)]


def plain_logits(backbone: Backbone, attached: Attached) -> np.ndarray:
    model, _ = open_classifier(build("full"), backbone.resolved, backbone.facts, backbone.pad, HEAD_SEED, "fp32", CPU)
    model.eval()
    with torch.no_grad():
        found: np.ndarray = model(**attached.rows(UNEVEN).batch(np.arange(len(UNEVEN))).inputs).logits.numpy()
    return found


def test_the_table_has_the_types_of_the_installed_peft_and_no_others() -> None:
    assert set(TRIED) == set(peft_types())
    assert len(TRIED) == 45
    assert sum(tried.works for tried in TRIED.values()) == 39
    assert len(WORKING) == 74
    assert len(REFUSED) == 16


#: What happens where a type is used although it is refused; of a row's answer changing with its batch nothing is raised.
FAILURES = {
    "method.peft_language_model": "only supports task_type = CAUSAL_LM",
    "method.peft_layers": "Unsupported model type|Unable to automatically find",
    "method.peft_steps": "total_step",
    "method.peft_task_ids": "task_ids",
    "method.peft_trained_adapters": "at least one adapter",
}


@pytest.mark.parametrize(("name", "kind"), REFUSED)
@pytest.mark.filterwarnings("ignore:No value was provided:UserWarning")  # X-LoRA's configuration, for which one would be given.
def test_what_is_refused_does_not_work_for_the_reason_given(backbones: dict[str, Backbone], name: str, kind: str) -> None:
    backbone, method = backbones[kind], build(f"peft:{name}")
    reason = method.unsupported(backbone.facts)
    assert reason == (TRIED[name].encoder if kind == "bert" else TRIED[name].decoder)
    assert reason is not None
    assert all(say(reason, lang) for lang in LANGUAGES)

    def try_it() -> np.ndarray:
        attached = attach(f"peft:{name}", backbone)
        learn(attached, TEXTS, TARGETS, 10, 8, rates=(method.learning_rates.high, 1e-2))
        attached.adapted.model.eval()
        rows = attached.rows(UNEVEN)
        with torch.no_grad():
            alone, beside = (attached.adapted.model(**rows.batch(np.array(chosen)).inputs).logits[0] for chosen in ([0], [0, 1, 2]))
        return np.abs((alone - beside).numpy())

    if reason in FAILURES:
        with pytest.raises((ValueError, AttributeError), match=FAILURES[reason]):
            try_it()
    else:
        assert reason in ("method.peft_padding", "method.peft_batch")
        assert try_it().max() > 10 * NOISE


@pytest.mark.parametrize(("name", "kind"), [pair for pair in WORKING if not TRIED[str(pair.values[0])].identity])
def test_identity_is_not_denied_where_it_holds(backbones: dict[str, Backbone], name: str, kind: str) -> None:
    attached = attach(f"peft:{name}", backbones[kind])
    assert np.abs(attached.logits(UNEVEN) - plain_logits(backbones[kind], attached)).max() > NOISE


@pytest.mark.parametrize("name", [name for name, tried in TRIED.items() if tried.works and not tried.mergeable])
def test_merging_is_not_denied_where_it_works(backbones: dict[str, Backbone], name: str) -> None:
    failures = 0
    for kind in KINDS:
        if not works(name, kind):
            continue
        attached = attach(f"peft:{name}", backbones[kind])
        with pytest.raises(MethodError) as caught:
            attached.method.merge(attached.adapted)
        assert caught.value.key == "method.cannot_merge"
        try:
            attached.method.fold(attached.adapted)  # What PEFT itself says to it.
        except (AttributeError, NotImplementedError, RuntimeError, ValueError):
            failures += 1
    # Biases (BEFT) can be folded where the layers have some, which is not everywhere.
    assert failures


@pytest.mark.parametrize("name", [name for name, tried in TRIED.items() if tried.works and not tried.checkpointing])
def test_gradient_checkpointing_is_not_denied_where_it_works(backbones: dict[str, Backbone], name: str) -> None:
    for kind in KINDS:
        with pytest.raises(ValueError, match="does not work with gradient checkpointing"):
            attach(f"peft:{name}", backbones[kind], prepare=lambda model: model.activation_checkpointing_enable())


def test_places_are_the_linear_layers_of_the_backbone_by_their_full_names(backbones: dict[str, Backbone]) -> None:
    for kind in KINDS:
        facts = backbones[kind].facts
        assert set(build("peft:OFT").peft_config(facts).target_modules) == set(facts.linear)  # type: ignore[attr-defined]
        ia3: Any = build("peft:IA3").peft_config(facts)  # type: ignore[attr-defined]
        scaled = {name for role in ("key", "value", "feed_forward_out") for name in facts.roles[role]}
        assert (set(ia3.target_modules), set(ia3.feedforward_modules)) == (scaled, set(facts.roles["feed_forward_out"]))
        norms: Any = build("peft:LN_TUNING").peft_config(facts)  # type: ignore[attr-defined]
        classes = {type(empty_classifier(facts.config).get_submodule(name)).__name__ for name in norms.target_modules}
        assert classes == ({"LayerNorm"} if kind == "bert" else {"LlamaRMSNorm"})
    written = attach("peft:LOHA", backbones["bert"], target_modules=["query"]).adapted.adapter
    assert {name.partition(".hada_")[0].rpartition(".")[2] for name in written} == {"query"}


def test_a_backbone_without_the_place_is_told_so(backbones: dict[str, Backbone]) -> None:
    from transformers import AutoConfig

    from tuneoff.backbone import read_facts

    def facts(kind: str, **more: Any) -> Any:
        return read_facts(kind, "none", AutoConfig.for_model(kind, num_labels=3, pad_token_id=0, **more))

    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    gpt2, neox = facts("gpt2", n_layer=2, n_embd=32, n_head=2), facts("gpt_neox", **small)
    distilbert = facts("distilbert", dim=32, n_layers=2, n_heads=2, hidden_dim=64)
    assert build("peft:OFT").unsupported(gpt2) == "method.no_modules"
    assert build("peft:IA3").unsupported(neox) == "method.fused_attention"
    assert build("peft:PREFIX_TUNING").unsupported(distilbert) == "method.no_past"
    assert build("peft:ADAPTION_PROMPT").unsupported(neox) == "method.peft_layers"
    assert build("peft:ADAPTION_PROMPT").unsupported(gpt2) is None


def chosen(**parameters: Any) -> Method:
    places = {key: f"study.yaml:9 {key}" for key in parameters}
    method = choose(MethodEntry(method="peft", label="x", parameters=parameters), "study.yaml:8", places).build()
    assert isinstance(method, Method)
    return method


@pytest.mark.parametrize(
    ("parameters", "where", "told"),
    [
        ({"type": "OFTT"}, "study.yaml:9 type", "`OFT`?"),
        ({"type": "p_tunning"}, "study.yaml:9 type", "`P_TUNING`?"),
        ({"type": 3}, "study.yaml:9 type", "text"),
        ({"type": "OFT", "oft_blok_size": 3}, "study.yaml:9 oft_blok_size", "`oft_block_size`?"),
        ({"type": "VERA", "lora_alpha": 3}, "study.yaml:9 lora_alpha", "vera_dropout"),
        ({"type": "OFT", "r": "8"}, "study.yaml:9 r", "whole number"),
        ({"type": "LORA", "use_dora": "yes"}, "study.yaml:9 use_dora", "true or false"),
        ({"type": "OFT", "r": 8, "oft_block_size": 4}, "study.yaml:9 type", "not both"),
        ({"type": "OFT", "modules_to_save": ["x"]}, "study.yaml:9 modules_to_save", "no parameter"),
        ({"type": "OFT", "inference_mode": True}, "study.yaml:9 inference_mode", "no parameter"),
        ({"type": "TRAINABLE_TOKENS"}, "study.yaml:8", "must be given"),
        ({"type": "OFT", "learning_rate": -1.0}, "study.yaml:9 learning_rate", "more than 0"),
    ],
)
def test_mistakes_are_refused_with_their_place(parameters: dict[str, Any], where: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(**parameters)
    assert caught.value.where == where
    assert told in caught.value.text("en")
    assert caught.value.text("ko")


def test_a_type_brings_its_own_facts() -> None:
    method = chosen(type="p-tuning", num_virtual_tokens=7, learning_rate=0.5)
    assert method.num_virtual_tokens() == 7
    assert chosen(type="P_TUNING").num_virtual_tokens() == 20
    assert chosen(type="OFT").num_virtual_tokens() == 0
    assert method.config.learning_rate == 0.5
    assert method.facts.title["en"] == "P-tuning (PEFT)"
    assert "2306.07280" in chosen(type="OFT").facts.reference
    fourier, oft = chosen(type="FOURIERFT"), chosen(type="OFT")
    assert fourier.learning_rates.default(768) > 10 * oft.learning_rates.default(768)
    for name, tried in TRIED.items():
        if not tried.asks:
            built = chosen(type=name)
            for hidden in (64, 384, 4096):
                rates = built.learning_rates
                assert rates.low <= rates.default(hidden) <= rates.high


def test_what_needs_the_weights_says_so_instead_of_counting(backbones: dict[str, Backbone]) -> None:
    needing = {name for name, tried in TRIED.items() if tried.values}
    assert needing == {"ADAMSS", "BOFT", "FROD", "SHIRA", "UNILORA"}
    method = build("peft:SHIRA")
    assert method.facts.needs_weights
    with pytest.raises((NotImplementedError, RuntimeError), match=r"[Mm]eta"):
        count_parameters(method, backbones["bert"].facts)


def test_a_parameter_that_does_not_fit_the_backbone_is_a_value_error(backbones: dict[str, Backbone]) -> None:
    for name, parameters in (("C3A", {"block_size": 7}), ("VBLORA", {"vector_length": 7}), ("ROAD", {"group_size": 48})):
        with pytest.raises(ValueError, match=r"divisible|factor"):
            attach(f"peft:{name}", backbones["bert"], **parameters)


def test_the_documentation_has_the_same_table() -> None:
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| `[A-Z]\w", line)]
    assert len(rows) == len(TRIED)
    for kind, paper, encoder, decoder in rows:
        tried = TRIED[kind.strip("`")]
        assert (tried.paper or "–") in paper
        for cell, reason in ((encoder, tried.encoder), (decoder, tried.decoder)):
            assert cell == ("yes" if reason is None else say(reason, "en")), kind
