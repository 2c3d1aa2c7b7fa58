"""The contract that every method keeps, on every backbone it says it supports.

One suite over all discovered methods: a new file in ``tuneoff/methods`` is tested without an edit here. Tiny models are trained for
real; what differs between architectures is kept small by training on one thread, where two would only wait for each other.
"""

import copy
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoConfig

from tests.contract.pairs import (
    ARCHITECTURES,
    ATTACH_SEED,
    CPU,
    HEAD_SEED,
    LABELS,
    Attached,
    Backbone,
    Lesson,
    attach,
    build,
    learn,
    make_backbone,
    same_bits,
    toy_rows,
)
from tests.support.tiny import LAYERS
from tuneoff.backbone import has_bf16, read_facts
from tuneoff.errors import MethodError, UsageError
from tuneoff.forecast import count_parameters
from tuneoff.forecast.parameters import declared_parameters
from tuneoff.methods import Method, TextMethod, choose, method_class, method_names
from tuneoff.methods._peft_types import TRIED
from tuneoff.methods.peft import peft_types
from tuneoff.run.artefact import open_classifier
from tuneoff.spec import MethodEntry
from tuneoff.strings import has, tables
from tuneoff.train import TokenRows, cast_for_compute, predict
from tuneoff.train.batches import Batch

ROOT = Path(__file__).parents[2]
#: Trained to the end, saved, reloaded, merged.
DEEPLY = ("bert", "roberta", "llama")
#: The types of PEFT are many: one encoder and one decoder of one block; on the encoder alone what does not depend on it.
PEFT_ENCODER, PEFT_DECODER = PEFT_KINDS = ("roberta", "llama")
PEFT_TYPES = [f"peft:{kind}" for kind in peft_types()]
OWN_METHODS = [name for name in method_names() if issubclass(method_class(name), Method) and name != "peft"]
BACKBONE_METHODS = [*OWN_METHODS, *PEFT_TYPES]
TEXT_METHODS = [name for name in method_names() if issubclass(method_class(name), TextMethod)]
SHIPPED = {
    *("adalora", "adapter", "bitfit", "dora", "feature_extraction", "full", "ia3", "ln_tuning", "lora", "lp_ft", "p_tuning", "pissa"),
    *("prefix", "prompt", "qlora", "rslora", "top_layers", "vera"),
}

#: The only refusals of the methods that come with the package; everything else must run.
REFUSED = {
    ("bitfit", "llama"): "method.no_bias",
    ("bitfit", "gemma2"): "method.no_bias",
    ("bitfit", "modernbert"): "method.no_bias",
    ("ia3", "modernbert"): "method.fused_attention",
    ("ia3", "gpt_neox"): "method.fused_attention",
    ("prefix", "distilbert"): "method.no_past",
    ("prefix", "deberta-v2"): "method.no_past",
    ("prefix", "modernbert"): "method.no_past",
}
#: 18 methods on 11 architectures less the 8 refusals, and on the 3 of the whole contract less the one refusal among them.
EXPECTED_PAIRS, EXPECTED_DEEP_PAIRS = 190, 53
#: Types of PEFT 0.21.2 that work on an encoder and on a decoder.
EXPECTED_PEFT = {"roberta": 37, "llama": 37}
#: Declared by PEFT and without effect here: what would carry the shadow on behind the last block, and to a loss of its own; a
#: bias of the keys, which shifts all scores of a query alike.
IDLE = {"SHADOW": ("layers.0.shadow_update_", "shadow_head"), "GLORA": (".key.glora_C.",)}
#: Their prompts have no position, so that a text's own matters, which padding on the left would move; they pad on the right.
ABSOLUTE = ("peft:ADAPTION_PROMPT",)

#: Virtual tokens need many more steps than anything else.
SHORT_EPOCHS, EPOCHS, VIRTUAL_EPOCHS, BATCH = 1, 20, 60, 8
PEFT_EPOCHS = {"roberta": 24, "llama": 8}
SHORT_TEXTS, SHORT_TARGETS = toy_rows(40, seed=1)  # Five steps.
TEXTS, TARGETS = toy_rows(24, seed=0)
UNSEEN, _ = toy_rows(12, seed=2)
PRECISIONS = ["fp32", *(["bf16"] if has_bf16(CPU) else [])]

#: Logits of a few units, sums of some hundred products in fp32: what a different order of addition may change.
FP32_NOISE = 1e-4


@dataclass
class Trained:
    """A method after the whole training, in evaluation mode."""

    attached: Attached
    loss_before: float
    loss_after: float
    logits: np.ndarray


@dataclass
class Workshop:
    """Makes backbones and trained pairs when first asked for, and counts what ran."""

    folder: Path
    # Not in its repr, which pytest would spend minutes on in front of every failure.
    pairs: dict[tuple[str, str], Trained] = field(default_factory=dict, repr=False)
    backbones: dict[str, Backbone] = field(default_factory=dict, repr=False)
    taught: dict[tuple[str, str, str], tuple[Attached, Lesson]] = field(default_factory=dict, repr=False)
    untouched: dict[str, tuple[nn.Module, np.ndarray]] = field(default_factory=dict, repr=False)

    def backbone(self, name: str, kind: str) -> Backbone:
        """The one that this method is tried on: of one block for the types of PEFT."""
        blocks = 1 if name in PEFT_TYPES else LAYERS
        key = f"{kind}-{blocks}"
        if key not in self.backbones:
            self.backbones[key] = make_backbone(self.folder / key, kind, blocks)
        return self.backbones[key]

    def plain(self, name: str, kind: str) -> tuple[nn.Module, np.ndarray]:
        """The classifier as every method gets it, and its logits."""
        backbone = self.backbone(name, kind)
        key = str(backbone.folder)
        if key not in self.untouched:
            model, _ = open_classifier(build("full"), backbone.resolved, backbone.facts, backbone.pad, HEAD_SEED, "fp32", CPU)
            rows = TokenRows(backbone.tokens(UNSEEN), None, backbone.pad, CPU)
            self.untouched[key] = model, one_by_one(model, [rows.batch(np.array([i])) for i in range(len(UNSEEN))])
        return self.untouched[key]

    def briefly(self, name: str, kind: str, precision: str = "fp32") -> tuple[Attached, Lesson]:
        """After five steps."""
        key = (name, kind, precision)
        if key not in self.taught:
            attached = attach(name, self.backbone(name, kind), precision)
            self.taught[key] = attached, learn(attached, SHORT_TEXTS, SHORT_TARGETS, SHORT_EPOCHS, BATCH)
        return self.taught[key]

    def trained(self, name: str, kind: str) -> Trained:
        if (name, kind) not in self.pairs:
            attached = attach(name, self.backbone(name, kind))
            before = attached.loss(TEXTS, TARGETS)
            epochs = PEFT_EPOCHS[kind] if name in PEFT_TYPES else EPOCHS
            epochs = VIRTUAL_EPOCHS if attached.method.num_virtual_tokens() else epochs
            learn(attached, TEXTS, TARGETS, epochs, BATCH).weights.settle()
            self.pairs[name, kind] = Trained(attached, before, attached.loss(TEXTS, TARGETS), attached.logits(UNSEEN))
        return self.pairs[name, kind]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("backbones"))


@cache
def _refusals() -> dict[tuple[str, str], str]:
    """What the methods refuse, asked at collection on configurations alone."""
    found = {}
    for kind in ARCHITECTURES:
        config = AutoConfig.for_model(kind, num_labels=len(LABELS), pad_token_id=0)
        config.num_hidden_layers = 2
        facts = read_facts(kind, "none", config)
        for name in BACKBONE_METHODS if kind in PEFT_KINDS else OWN_METHODS:
            if reason := build(name).unsupported(facts):
                found[name, kind] = reason
    return found


def supported(kinds: tuple[str, ...]) -> list[Any]:
    pairs = [(n, k) for k in kinds for n in (BACKBONE_METHODS if k in PEFT_KINDS else OWN_METHODS)]
    return [pytest.param(n, k, id=f"{n}-{k}") for n, k in pairs if (n, k) not in _refusals()]


def on_the_encoder_of_peft(name: str, kind: str) -> bool:
    return name not in PEFT_TYPES or kind == PEFT_ENCODER or (name, PEFT_ENCODER) in _refusals()


def is_reloaded(name: str, kind: str, precision: str) -> bool:
    """Types of PEFT: in bf16 on the encoder, in fp32 on the decoder; both where there is but one."""
    if name not in PEFT_TYPES or any((name, other) in _refusals() for other in PEFT_KINDS):
        return True
    return (kind, precision) in ((PEFT_ENCODER, "bf16"), (PEFT_DECODER, "fp32"))


on_deep_pairs = pytest.mark.parametrize(("name", "kind"), supported(DEEPLY))
on_fewer_pairs = pytest.mark.parametrize(("name", "kind"), [p for p in supported(DEEPLY) if on_the_encoder_of_peft(*p.values)])
on_all_pairs = pytest.mark.parametrize(("name", "kind"), supported(ARCHITECTURES))


def one_by_one(model: nn.Module, rows: Sequence[Batch]) -> np.ndarray:
    """Logits of rows that stand in batches of their own."""
    model.eval()
    with torch.no_grad():
        found: np.ndarray = np.concatenate([model(**row.inputs).logits.numpy() for row in rows])
    return found


@pytest.mark.parametrize("name", method_names())
def test_unknown_parameters_are_refused_with_the_nearest(name: str) -> None:
    fields = sorted(method_class(name).Config.model_fields)
    for known in [one for one in fields if len(one) > 2]:
        wrong = known[:-1] + known[-1] * 3
        with pytest.raises(UsageError) as caught:
            choose(MethodEntry(method=name, label=name, parameters={wrong: 1}), where="study.yaml:9:5")
        assert caught.value.key == "method.unknown_parameter"
        assert caught.value.where == "study.yaml:9:5"
        assert caught.value.facts["key"] == wrong
        assert f"`{known}`" in str(caught.value.facts["nearest"])


def check_declarations(attached: Attached, lesson: Lesson) -> None:
    adapted = attached.adapted
    known = dict(adapted.model.named_parameters())
    declared = adapted.trainable
    assert declared, "a method that trains nothing"
    assert len(set(declared)) == len(declared), "declared twice"
    assert set(declared) <= set(known)
    assert {n for n, p in known.items() if p.requires_grad} == set(declared)
    assert set(lesson.masters_after) == set(declared)
    idle = IDLE.get(getattr(attached.method.config, "type", ""), ())
    still = [n for n in declared if torch.equal(lesson.masters_before[n], lesson.masters_after[n]) and not any(part in n for part in idle)]
    assert not still, "declared and did not move"
    assert all(bool(torch.isfinite(master).all()) for master in lesson.masters_after.values())
    learnt_buffers = set(attached.method.saved_buffers(adapted))
    frozen = set(lesson.before) - set(declared) - learnt_buffers
    moved = [n for n in frozen if not same_bits(lesson.before[n], lesson.after[n])]
    assert not moved, "moved and was not declared"
    assert len(frozen) + len(declared) + len(learnt_buffers) == len(lesson.after)


@on_all_pairs
def test_what_is_declared_trains_and_nothing_else_does(workshop: Workshop, name: str, kind: str) -> None:
    check_declarations(*workshop.briefly(name, kind))


@on_fewer_pairs
@pytest.mark.skipif("bf16" not in PRECISIONS, reason="this CPU has no bf16")
def test_the_same_in_bf16(workshop: Workshop, name: str, kind: str) -> None:
    attached, lesson = workshop.briefly(name, kind, "bf16")
    check_declarations(attached, lesson)
    # What trains has fp32 masters; the forward pass itself is in bf16 throughout.
    assert all(master.dtype == torch.float32 for master in lesson.masters_after.values())
    assert lesson.formats == {torch.bfloat16}


@on_all_pairs
def test_the_forecast_counts_what_is_attached(workshop: Workshop, name: str, kind: str) -> None:
    attached, lesson = workshop.briefly(name, kind)
    if attached.method.facts.needs_weights:
        with pytest.raises((NotImplementedError, RuntimeError), match=r"[Mm]eta"):
            count_parameters(attached.method, attached.facts)
        return
    counted = count_parameters(attached.method, attached.facts)
    assert counted == declared_parameters(attached.adapted, attached.facts)
    assert counted.trainable == sum(master.numel() for master in lesson.masters_after.values())


@on_all_pairs
def test_no_row_depends_on_the_padding_of_its_batch(workshop: Workshop, name: str, kind: str) -> None:
    attached, _ = workshop.briefly(name, kind)
    rows = attached.rows([("loss",), ("the board",), ("cut fell " * 8,)])
    assert rows.lengths[2] > rows.lengths[:2].max() + 8
    attached.adapted.model.eval()
    # 4-bit layers multiply in bf16, whose sums change with the shape of the batch.
    noise = 2**-6 if attached.method.facts.quantised else FP32_NOISE

    def logits(chosen: list[int]) -> torch.Tensor:
        with torch.no_grad():
            out: Any = attached.adapted.model(**rows.batch(np.array(chosen)).inputs)
        found: torch.Tensor = out.logits
        return found

    alone = torch.cat([logits([0]), logits([1])])
    assert alone.shape == (2, len(LABELS))
    assert torch.isfinite(alone).all()
    torch.testing.assert_close(logits([0, 1, 2])[:2], alone, rtol=noise, atol=noise)
    if attached.facts.kind == "decoder" and not attached.method.num_virtual_tokens() and name not in ABSOLUTE:
        # A decoder's head finds the last token on either side.
        rows.padding_side = "left"
        torch.testing.assert_close(logits([0, 1, 2])[:2], alone, rtol=noise, atol=noise)


@on_all_pairs
def test_both_texts_of_a_pair_are_read(workshop: Workshop, name: str, kind: str) -> None:
    attached, _ = workshop.briefly(name, kind)
    one, other, again = attached.logits([("profit rose", "the board will meet"), ("profit rose", "loss"), ("dividend", "loss")])
    assert np.abs(one - other).max() > FP32_NOISE
    assert np.abs(other - again).max() > FP32_NOISE


@on_deep_pairs
def test_identity_at_start_where_claimed_and_the_same_head_for_every_method(workshop: Workshop, name: str, kind: str) -> None:
    attached = attach(name, workshop.backbone(name, kind))
    untouched, expected = workshop.plain(name, kind)
    if attached.method.facts.identity_at_start:
        np.testing.assert_allclose(attached.logits(UNSEEN), expected, rtol=FP32_NOISE, atol=FP32_NOISE)
    if attached.adapted.encode is None:
        drawn = [p.detach() for part in attached.facts.head for p in untouched.get_submodule(part).parameters()]
        given = [p.detach() for p in attached.adapted.parameters(attached.adapted.head)]
        assert len(drawn) == len(given)
        assert all(same_bits(one, other) for one, other in zip(drawn, given, strict=True))


@on_deep_pairs
def test_loss_falls_on_separable_texts(workshop: Workshop, name: str, kind: str) -> None:
    trained = workshop.trained(name, kind)
    # Below what a head alone gets by learning the class shares (they are equal, so ln 3), not just below a bad start.
    guessing = float(np.log(len(LABELS)))
    assert trained.loss_after < 0.7 * min(trained.loss_before, guessing)


@on_fewer_pairs
def test_same_seed_same_bytes(workshop: Workshop, name: str, kind: str) -> None:
    def run(seed: int) -> bytes:
        attached = attach(name, workshop.backbone(name, kind), seed=ATTACH_SEED + seed)
        learn(attached, SHORT_TEXTS, SHORT_TARGETS, SHORT_EPOCHS, BATCH, seed=seed)
        return attached.logits(UNSEEN).tobytes()

    first = workshop.briefly(name, kind)[0].logits(UNSEEN).tobytes()
    assert run(0) == first
    if kind == "bert" and name not in PEFT_TYPES:
        assert run(1) != first


@on_fewer_pairs
def test_gradient_checkpointing_changes_nothing_but_memory(workshop: Workshop, name: str, kind: str) -> None:
    if not build(name).facts.gradient_checkpointing:
        assert name in ("prefix", "peft:PREFIX_TUNING", "peft:CARTRIDGE") or name not in (*SHIPPED, *PEFT_TYPES)
        return
    attached = attach(name, workshop.backbone(name, kind), prepare=lambda model: model.activation_checkpointing_enable())
    learn(attached, SHORT_TEXTS, SHORT_TARGETS, SHORT_EPOCHS, BATCH)
    expected = workshop.briefly(name, kind)[0].logits(UNSEEN)
    np.testing.assert_allclose(attached.logits(UNSEEN), expected, rtol=FP32_NOISE, atol=FP32_NOISE)


@pytest.fixture(scope="module")
def reloaded(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray]]:
    """Logits before saving and after loading, of every pair and text method: one fresh process loads them all."""
    folder = tmp_path_factory.mktemp("saved")
    jobs: list[dict[str, Any]] = []
    before: list[tuple[tuple[str, str, str], np.ndarray]] = []

    def job(name: str, kind: str, precision: str, logits: np.ndarray) -> Path:
        place = folder / f"{name.replace(':', '-')}-{kind}-{precision}"
        place.mkdir()
        where = str(workshop.backbone(name, kind).folder) if kind in ARCHITECTURES else ""
        jobs.append(
            {"folder": str(place), "method": name, "backbone": where, "precision": precision, "parameters": {}}
            | {"texts": UNSEEN, "out": str(place / "logits.npy")}
        )
        before.append(((name, kind, precision), logits))
        return place

    for parameters in supported(DEEPLY):
        name, kind = parameters.values
        if is_reloaded(name, kind, "fp32"):
            trained = workshop.trained(name, kind)
            trained.attached.method.save(trained.attached.adapted, job(name, kind, "fp32", trained.logits))
        if "bf16" in PRECISIONS and is_reloaded(name, kind, "bf16"):
            attached, lesson = workshop.briefly(name, kind, "bf16")
            logits = attached.logits(UNSEEN)
            lesson.weights.settle()
            attached.method.save(attached.adapted, job(name, kind, "bf16", logits))
    for name in TEXT_METHODS:
        learnt = fitted(name)
        learnt.save(job(name, "", "fp32", learnt.logits(UNSEEN)))
    file = folder / "jobs.json"
    file.write_text(json.dumps(jobs), encoding="utf-8")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", str(Path(__file__).with_name("reload.py")), str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return {key: (logits, np.load(job["out"])) for (key, logits), job in zip(before, jobs, strict=True)}


@pytest.mark.parametrize(
    ("name", "kind", "precision"),
    [(*p.values, form) for form in PRECISIONS for p in supported(DEEPLY) if is_reloaded(*p.values, form)],
)
def test_a_fresh_process_gives_the_same_logits(reloaded: Any, name: str, kind: str, precision: str) -> None:
    before, after = reloaded[name, kind, precision]
    assert after.shape == (len(UNSEEN), len(LABELS))
    # The same numbers through the same kernels: equal but for the alignment of buffers, which may change the order of a sum.
    noise = 1e-5 if precision == "fp32" else 2**-7
    np.testing.assert_allclose(after, before, rtol=noise, atol=noise)


@pytest.mark.parametrize(("name", "kind"), [pair for pair in supported(DEEPLY) if build(str(pair.values[0])).facts.mergeable])
def test_merged_equals_unmerged(workshop: Workshop, name: str, kind: str) -> None:
    attached = workshop.trained(name, kind).attached
    untouched, unadapted = workshop.plain(name, kind)
    rows = [attached.rows(UNSEEN).batch(np.array([i])) for i in range(len(UNSEEN))]
    before = one_by_one(attached.adapted.model, rows)
    assert np.abs(before - unadapted).max() > 0.1, "nothing learnt, so nothing to merge"
    # Merging uses up what it merges, and others want to see it too.
    merged = attached.method.merge(replace(attached.adapted, model=copy.deepcopy(attached.adapted.model)))
    # (W + BA)x against Wx + BAx: rounded once more in each of some ten layers.
    np.testing.assert_allclose(one_by_one(merged, rows), before, rtol=1e-3, atol=1e-3)
    assert type(merged) is type(untouched)
    assert [(n, p.shape) for n, p in merged.named_parameters()] == [(n, p.shape) for n, p in untouched.named_parameters()]


#: Methods that add something and fold it.
FOLDING = ("adalora", "dora", "ia3", "lora", "pissa", "rslora", "vera")


@pytest.mark.skipif("bf16" not in PRECISIONS, reason="this CPU has no bf16")
@pytest.mark.parametrize("name", FOLDING)
def test_merged_equals_unmerged_in_bf16(workshop: Workshop, name: str) -> None:
    attached = attach(name, workshop.backbone(name, "roberta"), "bf16")
    lesson = learn(attached, TEXTS, TARGETS, 3, BATCH)
    before, rows = attached.logits(UNSEEN), attached.rows(UNSEEN)
    lesson.weights.settle()
    merged = attached.method.merge(attached.adapted)
    cast_for_compute(merged, "bf16")
    # A weight is rounded to 8 bits after the change instead of before it, in each of some ten layers.
    np.testing.assert_allclose(predict(merged, rows), before, rtol=2**-5, atol=2**-5)


def test_merging_is_claimed_by_the_methods_that_fold_into_weights_or_add_nothing() -> None:
    add_nothing = {"bitfit", "full", "ln_tuning", "lp_ft", "top_layers"}
    assert {name for name in SHIPPED if method_class(name).facts.mergeable} == set(FOLDING) | add_nothing


@pytest.mark.parametrize("name", [name for name in OWN_METHODS if not method_class(name).facts.mergeable])
def test_what_cannot_be_merged_says_so_as_an_error_of_ours(workshop: Workshop, name: str) -> None:
    attached, _ = workshop.briefly(name, "bert")
    with pytest.raises(MethodError) as caught:
        attached.method.merge(attached.adapted)
    assert caught.value.key == "method.cannot_merge"
    assert name in caught.value.text("en")


def test_every_refusal_has_a_reason() -> None:
    shipped = {pair: reason for pair, reason in _refusals().items() if pair[0] in SHIPPED}
    of_peft = {pair: reason for pair, reason in _refusals().items() if pair[0] in PEFT_TYPES}
    assert len(of_peft) == len(PEFT_TYPES) * len(PEFT_KINDS) - sum(EXPECTED_PEFT.values())
    if importlib.util.find_spec("bitsandbytes") is None:
        assert {pair for pair in shipped if pair[0] == "qlora"} == {("qlora", kind) for kind in ARCHITECTURES}
        shipped = {pair: reason for pair, reason in shipped.items() if pair[0] != "qlora"}
    assert shipped == REFUSED
    for reason in _refusals().values():
        assert reason.startswith("method.")
        if "method" in tables():
            assert has(reason), reason


def fitted(name: str, seed: int = 0) -> TextMethod:
    kind = method_class(name)
    method = kind(kind.Config())
    assert isinstance(method, TextMethod)
    method.fit(TEXTS, TARGETS, len(LABELS), seed)
    return method


@pytest.mark.parametrize("name", TEXT_METHODS)
def test_text_methods_give_one_row_a_text_and_the_same_bytes_again(name: str) -> None:
    first = fitted(name).logits(UNSEEN)
    assert first.shape == (len(UNSEEN), len(LABELS))
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert fitted(name).logits(UNSEEN).tobytes() == first.tobytes()
    assert fitted(name).num_parameters() >= len(LABELS)


@pytest.mark.parametrize("name", TEXT_METHODS)
def test_text_methods_load_in_a_fresh_process(reloaded: Any, name: str) -> None:
    before, after = reloaded[name, "", "fp32"]
    assert after.tobytes() == before.tobytes()


def test_tfidf_learns_and_the_majority_class_does_not_read() -> None:
    texts, targets = toy_rows(30, seed=5)
    assert (fitted("tfidf").logits(texts).argmax(1) == targets).mean() == 1.0
    constant = fitted("majority").logits(texts)
    assert (constant == constant[0]).all()
    kind = method_class("majority")
    skewed = kind(kind.Config())
    assert isinstance(skewed, TextMethod)
    skewed.fit(TEXTS[:6], np.array([2, 2, 2, 2, 0, 1]), 3, 0)
    np.testing.assert_allclose(
        np.exp(skewed.logits(texts[:1])), [[2 / 9, 2 / 9, 5 / 9]], rtol=1e-6
    )  # Counts plus one over rows plus classes.


def test_as_many_pairs_ran_as_there_are(workshop: Workshop) -> None:
    """Last: that nothing was skipped in silence. When only some tests were chosen, the missing pairs run now."""
    for parameters in supported(DEEPLY):
        workshop.trained(*parameters.values)
    missing = 0 if importlib.util.find_spec("bitsandbytes") else 1
    assert len({pair for pair in workshop.pairs if pair[0] in SHIPPED}) == EXPECTED_DEEP_PAIRS - missing * len(DEEPLY)
    for parameters in supported(ARCHITECTURES):
        workshop.briefly(*parameters.values)
    in_fp32 = {key[:2] for key in workshop.taught if key[0] in SHIPPED and key[2] == "fp32"}
    assert len(in_fp32) == EXPECTED_PAIRS - missing * len(ARCHITECTURES)
    for name in OWN_METHODS:
        assert any(pair[0] == name for pair in workshop.pairs), f"{name} ran on no backbone"
    of_peft = [(name, kind) for name, kind in workshop.pairs if name in PEFT_TYPES]
    assert {kind: sum(one == kind for _, one in of_peft) for kind in PEFT_KINDS} == EXPECTED_PEFT
    assert {name for name, _ in of_peft} == {name for name in PEFT_TYPES if TRIED[name.partition(":")[2]].works}
