"""Trainable parameters of every method against printed numbers and closed forms, from configurations on the meta device: no weights.

The printed numbers are those of ``numbers.md``: lines of PEFT's own docs and notebooks, and tables of papers. The head is counted
apart. PEFT's ``all`` counts the head twice under LoRA (the original and its copy in ``modules_to_save``) and once under prompt
learning; ours never does, so ``all`` is rebuilt here from our parts.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from transformers import AutoConfig

from tuneoff.backbone import BackboneFacts, read_facts
from tuneoff.forecast import Parameters, count_parameters
from tuneoff.methods import Method, method_class


def bert(layers: int, hidden: int, heads: int, vocabulary: int, **more: Any) -> dict[str, Any]:
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": 4 * hidden}
    return {"vocab_size": vocabulary, "max_position_embeddings": 512, "type_vocab_size": 2} | sizes | more


def roberta(layers: int, hidden: int, heads: int, vocabulary: int) -> dict[str, Any]:
    return bert(layers, hidden, heads, vocabulary, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1)


def decoder(layers: int, hidden: int, heads: int, key_value_heads: int, head: int, feed_forward: int, vocabulary: int) -> dict[str, Any]:
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": feed_forward}
    return sizes | {"vocab_size": vocabulary, "num_key_value_heads": key_value_heads, "head_dim": head, "pad_token_id": 0}


#: As the hub's ``config.json`` files have them.
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert-base-cased": ("bert", bert(12, 768, 12, 28996)),
    "roberta-base": ("roberta", roberta(12, 768, 12, 50265)),
    "roberta-large": ("roberta", roberta(24, 1024, 16, 50265)),
    "klue-roberta-large": ("roberta", roberta(24, 1024, 16, 32000)),
    "klue-roberta-large, two token types": ("roberta", roberta(24, 1024, 16, 32000) | {"type_vocab_size": 2}),
    "gemma-2-2b": ("gemma2", decoder(26, 2304, 8, 4, 256, 9216, 256000)),
    "Llama-2-7b": ("llama", decoder(32, 4096, 32, 32, 128, 11008, 32000)),
    "Llama-3.2-1B": ("llama", decoder(16, 2048, 32, 8, 64, 8192, 128256)),
    "Qwen2.5-3B": ("qwen2", decoder(36, 2048, 16, 2, 128, 11008, 151936)),
    "bloomz-560m": ("bloom", {"vocab_size": 250880, "hidden_size": 1024, "n_layer": 24, "n_head": 16, "pad_token_id": 3}),
    "electra-small": ("electra", bert(12, 256, 4, 30522, embedding_size=128)),
    "ModernBERT-base": (
        "modernbert",
        {"vocab_size": 50368, "hidden_size": 768, "num_hidden_layers": 22, "num_attention_heads": 12, "intermediate_size": 1152},
    ),
}


@cache
def facts(name: str, classes: int = 2) -> BackboneFacts:
    kind, sizes = CONFIGS[name]
    return read_facts(name, "none", AutoConfig.for_model(kind, num_labels=classes, **sizes))


def count(backbone: str, method: str, classes: int = 2, **parameters: Any) -> Parameters:
    kind = method_class(method)
    built = kind(kind.Config.model_validate(parameters))
    assert isinstance(built, Method)
    assert built.unsupported(facts(backbone, classes)) is None
    return count_parameters(built, facts(backbone, classes))


QUERY_VALUE = {"targets": ("query", "value")}
Q_V = {"targets": ("q_proj", "v_proj")}
PEFT_QUERY_VALUE = {"target_modules": ["query", "value"]}


@dataclass(frozen=True)
class Printed:
    """A published line: parameters of the adapter (or of the pretrained ones that train), and of the head where it was a classifier."""

    backbone: str
    method: str
    parameters: dict[str, Any]
    added: int
    head: int | None = None

    def __str__(self) -> str:
        said = "-".join(str(value) for value in self.parameters.values())
        return f"{self.backbone}-{self.method}-{said}"


PRINTED = [
    Printed("bert-base-cased", "lora", {"r": 8, "targets": ("query", "key")}, 296_450 - 1_538, 1_538),
    Printed("bert-base-cased", "prefix", {"tokens": 20}, 370_178 - 1_538, 1_538),
    Printed("bert-base-cased", "bitfit", {}, 102_144, 1_538),
    Printed("roberta-base", "lora", {"r": 8} | QUERY_VALUE, 294_912, 592_130),
    Printed("roberta-base", "dora", {"r": 8} | QUERY_VALUE, 905_474 - 592_130, 592_130),
    Printed("roberta-base", "prefix", {"tokens": 20}, 368_640, 592_130),
    Printed("roberta-base", "prompt", {"tokens": 20}, 607_490 - 592_130, 592_130),
    Printed("roberta-base", "bitfit", {}, 102_144, 592_130),
    Printed("roberta-base", "adapter", {"bottleneck": 48, "placement": "houlsby"}, 1_789_056),
    Printed("roberta-base", "adapter", {"bottleneck": 64, "placement": "houlsby"}, 2_379_264),
    Printed("roberta-base", "adapter", {"bottleneck": 48, "placement": "pfeiffer"}, 894_528),
    Printed("roberta-base", "adapter", {"bottleneck": 64, "placement": "pfeiffer"}, 1_189_632),
    Printed("roberta-large", "lora", {"r": 8} | QUERY_VALUE, 786_432, 1_051_650),
    Printed("roberta-large", "p_tuning", {"tokens": 20, "width": 128}, 1_351_938 - 1_051_650, 1_051_650),
    Printed("roberta-large", "bitfit", {}, 271_360, 1_051_650),
    Printed("roberta-large", "adapter", {"bottleneck": 8, "placement": "houlsby"}, 835_968),
    Printed("roberta-large", "adapter", {"bottleneck": 16, "placement": "pfeiffer"}, 811_392),
    Printed("gemma-2-2b", "lora", {"r": 16} | Q_V, 3_199_488 - 4_608, 4_608),
    Printed("roberta-base", "rslora", {"r": 8} | QUERY_VALUE, 294_912, 592_130),
    Printed("roberta-base", "pissa", {"r": 8} | QUERY_VALUE, 294_912, 592_130),
    Printed("roberta-base", "vera", {"r": 8, "targets": ("query", "value", "intermediate.dense")}, 647_714 - 592_130, 592_130),
    Printed("roberta-base", "peft", {"type": "FOURIERFT", "n_frequency": 1000} | PEFT_QUERY_VALUE, 616_130 - 592_130, 592_130),
    Printed("roberta-base", "peft", {"type": "C3A", "block_size": 768} | PEFT_QUERY_VALUE, 610_562 - 592_130, 592_130),
    Printed("roberta-base", "peft", {"type": "LORA", "r": 8} | PEFT_QUERY_VALUE, 294_912, 592_130),
    Printed("roberta-large", "peft", {"type": "VBLORA", "r": 4, "num_vectors": 90, "vector_length": 256}, 1_696_770 - 1_051_650, 1_051_650),
    # Published for causal language modelling: what the adapter holds does not depend on the head.
    Printed("bloomz-560m", "prefix", {"tokens": 20}, 983_040),
    Printed("bloomz-560m", "prompt", {"tokens": 8}, 8_192),
    Printed("bloomz-560m", "p_tuning", {"tokens": 20, "width": 128}, 300_288),
    Printed("bloomz-560m", "ln_tuning", {}, 100_352),
    Printed("bloomz-560m", "peft", {"type": "LN_TUNING"}, 100_352),
    Printed("Llama-2-7b", "lora", {"r": 8} | Q_V, 4_194_304),
    Printed("Llama-2-7b", "qlora", {"r": 8} | Q_V, 4_194_304),
    Printed("Qwen2.5-3B", "lora", {"r": 16} | Q_V, 3_686_400),
    Printed("Llama-3.2-1B", "lora", {"r": 8, "targets": ("q_proj",)}, 524_288),
]


@pytest.mark.parametrize("line", PRINTED, ids=str)
def test_published_counts(line: Printed) -> None:
    if line.method == "qlora":
        pytest.importorskip("bitsandbytes", reason="4-bit weights need bitsandbytes")
    found = count(line.backbone, line.method, **line.parameters)
    assert found.adapter + found.base == line.added
    if line.head is not None:
        assert found.head == line.head


@pytest.mark.parametrize(
    ("backbone", "method", "parameters", "published", "heads"),
    [
        # LoRA wraps the head, so that the frozen original is counted beside its trained copy.
        ("bert-base-cased", "lora", {"r": 8, "targets": ("query", "key")}, 108_608_260, 2),
        ("gemma-2-2b", "lora", {"r": 16} | Q_V, 2_617_545_984, 2),
        ("roberta-base", "vera", {"r": 8, "targets": ("query", "value", "intermediate.dense")}, 125_294_884, 2),
        ("roberta-base", "peft", {"type": "FOURIERFT", "n_frequency": 1000} | PEFT_QUERY_VALUE, 125_263_300, 2),
        ("roberta-base", "peft", {"type": "C3A", "block_size": 768} | PEFT_QUERY_VALUE, 125_257_732, 2),
        ("roberta-large", "peft", {"type": "VBLORA", "r": 4, "num_vectors": 90, "vector_length": 256}, 357_058_564, 2),
        # Printed by versions that trained the head in place under prompt learning.
        ("bert-base-cased", "prefix", {"tokens": 20}, 108_680_450, 1),
        ("roberta-large", "p_tuning", {"tokens": 20, "width": 128}, 355_662_082, 1),
    ],
)
def test_published_totals_of_classifiers(backbone: str, method: str, parameters: dict[str, Any], published: int, heads: int) -> None:
    found = count(backbone, method, **parameters)
    assert found.total + found.adapter + heads * found.head == published


@pytest.mark.parametrize(
    ("backbone", "method", "parameters", "published", "output_layer"),
    [
        ("bloomz-560m", "prefix", {"tokens": 20}, 560_197_632, 0),
        ("bloomz-560m", "prompt", {"tokens": 8}, 559_222_784, 0),
        ("bloomz-560m", "p_tuning", {"tokens": 20, "width": 128}, 559_514_880, 0),
        ("bloomz-560m", "peft", {"type": "LN_TUNING"}, 559_314_944, 0),  # Copies of the norms beside the norms.
        ("Llama-2-7b", "lora", {"r": 8} | Q_V, 6_742_609_920, 32_000 * 4_096),  # The only one whose output layer is not tied.
        ("Qwen2.5-3B", "lora", {"r": 16} | Q_V, 3_089_625_088, 0),
        ("Llama-3.2-1B", "lora", {"r": 8, "targets": ("q_proj",)}, 1_236_338_688, 0),
    ],
)
def test_published_totals_of_language_models(
    backbone: str, method: str, parameters: dict[str, Any], published: int, output_layer: int
) -> None:
    found = count(backbone, method, **parameters)
    assert found.total + found.adapter + output_layer == published


@pytest.mark.parametrize(
    ("backbone", "classes", "head"),
    [
        ("roberta-base", 2, 592_130),
        ("roberta-base", 3, 592_899),
        ("roberta-base", 7, 595_975),
        ("roberta-large", 2, 1_051_650),
        ("bert-base-cased", 2, 1_538),
    ],
)
def test_heads(backbone: str, classes: int, head: int) -> None:
    assert facts(backbone, classes).head_parameters == head
    assert count(backbone, "full", classes).head == head
    assert count(backbone, "lora", classes).head == head


def test_klue_roberta_large_with_seven_labels() -> None:
    # The number of numbers.md is that of transformers' default of two token types; RoBERTa itself has one, a row of 1,024 fewer.
    for name, expected in (("klue-roberta-large, two token types", 336_664_583), ("klue-roberta-large", 336_663_559)):
        klue = facts(name, 7)
        assert klue.total_parameters + klue.head_parameters == expected
        full = count(name, "full", 7)
        assert full.trainable == expected
        assert full.base == full.total == klue.total_parameters


@pytest.mark.parametrize(
    ("method", "parameters", "trainable"),
    [
        ("lora", {"r": 8} | QUERY_VALUE, 887_042),
        ("dora", {"r": 8} | QUERY_VALUE, 905_474),
        ("prefix", {"tokens": 20}, 960_770),
        ("prompt", {"tokens": 20}, 607_490),
        ("bitfit", {}, 694_274),
    ],
)
def test_trainable_with_the_head(method: str, parameters: dict[str, Any], trainable: int) -> None:
    found = count("roberta-base", method, **parameters)
    assert found.trainable == trainable
    assert found.percent == pytest.approx(100 * trainable / 124_055_040)  # roberta-base without pooler and head.


@dataclass(frozen=True)
class Shape:
    """Sizes that the closed forms need, of one block: (in, out) of each linear layer by what it does."""

    layers: int
    hidden: int
    query: int
    key_value: int
    feed_forward: int
    gates: int = 1

    def linear(self) -> list[tuple[int, int]]:
        attention = [(self.hidden, self.query), (self.hidden, self.key_value), (self.hidden, self.key_value), (self.query, self.hidden)]
        return [*attention, *[(self.hidden, self.feed_forward)] * self.gates, (self.feed_forward, self.hidden)]


SHAPES = {
    "roberta-base": Shape(12, 768, 768, 768, 3072),
    "roberta-large": Shape(24, 1024, 1024, 1024, 4096),
    "gemma-2-2b": Shape(26, 2304, 2048, 1024, 9216, gates=2),
    "Llama-3.2-1B": Shape(16, 2048, 2048, 512, 8192, gates=2),
    "Qwen2.5-3B": Shape(36, 2048, 2048, 256, 11008, gates=2),
}


@pytest.mark.parametrize("backbone", SHAPES)
def test_closed_forms(backbone: str) -> None:
    shape, r, v = SHAPES[backbone], 4, 10
    one_block = shape.linear()
    assert count(backbone, "lora", r=r).adapter == shape.layers * sum(r * (i + o) for i, o in one_block)
    assert count(backbone, "dora", r=r).adapter == shape.layers * sum(r * (i + o) + o for i, o in one_block)
    on_query_value = shape.layers * r * (2 * shape.hidden + shape.query + shape.key_value)
    assert count(backbone, "lora", r=r, targets="query-value").adapter == on_query_value
    # Outputs of keys and values, the input of the second feed-forward layer.
    assert count(backbone, "ia3").adapter == shape.layers * (2 * shape.key_value + shape.feed_forward)
    assert count(backbone, "prefix", tokens=v).adapter == v * 2 * shape.layers * shape.key_value
    assert count(backbone, "prompt", tokens=v).adapter == v * shape.hidden
    d, h = shape.hidden, 64
    assert count(backbone, "p_tuning", tokens=v, width=h).adapter == v * d + (d * h + h) + (h * h + h) + (h * d + d)
    m = 16
    assert count(backbone, "adapter", bottleneck=m, placement="pfeiffer").adapter == shape.layers * (2 * m * d + m + d)
    assert count(backbone, "adapter", bottleneck=m, placement="houlsby").adapter == shape.layers * 2 * (2 * m * d + m + d)


@pytest.mark.parametrize("backbone", ["roberta-base", "Llama-3.2-1B"])
def test_closed_forms_of_other_low_rank_updates(backbone: str) -> None:
    shape, r = SHAPES[backbone], 4
    one_block = shape.linear()
    as_lora = shape.layers * sum(r * (i + o) for i, o in one_block)
    assert count(backbone, "rslora", r=r).adapter == as_lora
    assert count(backbone, "pissa", r=r).adapter == as_lora
    assert count(backbone, "adalora", r=r, start_r=6).adapter == shape.layers * sum(6 * (i + o) + 6 for i, o in one_block)
    assert count(backbone, "vera", r=r).adapter == shape.layers * sum(r + o for _, o in one_block)


def test_bitfit_is_every_bias_of_the_blocks_and_norms() -> None:
    for backbone in ("roberta-base", "roberta-large"):
        shape = SHAPES[backbone]
        outs = sum(o for _, o in shape.linear())
        assert count(backbone, "bitfit").base == shape.layers * (outs + 2 * shape.hidden) + shape.hidden
    # Only queries, keys and values have one in Qwen2.
    assert count("Qwen2.5-3B", "bitfit").base == 36 * (2048 + 2 * 256)


def test_ln_tuning_is_two_norms_a_block_and_the_one_behind_them() -> None:
    for backbone in ("roberta-base", "roberta-large"):
        shape = SHAPES[backbone]
        assert count(backbone, "ln_tuning").base == shape.layers * 2 * 2 * shape.hidden
        assert count(backbone, "ln_tuning", biases=False).base == shape.layers * 2 * shape.hidden
    # Scales only, four norms a block in Gemma 2 and two in Llama.
    assert count("gemma-2-2b", "ln_tuning").base == (26 * 4 + 1) * 2304
    assert count("Llama-3.2-1B", "ln_tuning").base == (16 * 2 + 1) * 2048


def test_top_layers_are_whole_blocks() -> None:
    shape = SHAPES["roberta-base"]
    block = sum(i * o + o for i, o in shape.linear()) + 4 * shape.hidden
    assert count("roberta-base", "top_layers").base == 3 * block  # A quarter of twelve.
    assert count("roberta-base", "top_layers", layers=1).base == block
    assert count("roberta-base", "top_layers", layers=12).base < count("roberta-base", "full").base
    assert count("roberta-base", "lp_ft").base == count("roberta-base", "full").base == 124_055_040


def test_a_pooler_stays_frozen_under_bitfit_and_gets_its_low_rank_update_under_lora() -> None:
    pooler = facts("bert-base-cased").linear[-1]
    assert pooler == "bert.pooler.dense"
    assert count("bert-base-cased", "bitfit").base == count("roberta-base", "bitfit").base
    assert count("bert-base-cased", "lora", r=4).adapter == count("roberta-base", "lora", r=4).adapter + 4 * (768 + 768)
    # It stays in full precision under QLoRA, and has its update there too.
    pytest.importorskip("bitsandbytes", reason="4-bit weights need bitsandbytes")
    assert count("bert-base-cased", "qlora", r=4).adapter == count("bert-base-cased", "lora", r=4).adapter


def test_virtual_tokens_are_as_wide_as_the_input_embeddings() -> None:
    # ELECTRA-small's embeddings are 128 wide, its blocks 256.
    assert count("electra-small", "prompt", tokens=10).adapter == 10 * 128
    h = 64
    assert count("electra-small", "p_tuning", tokens=10, width=h).adapter == 10 * 128 + (128 * h + h) + (h * h + h) + (h * 128 + 128)


def test_a_fused_layer_is_adapted_once() -> None:
    modern = facts("ModernBERT-base")
    # One low-rank update of the layer that makes queries, keys and values together, not one for each of them.
    assert count("ModernBERT-base", "lora", r=4, targets="query-value").adapter == 22 * 4 * (768 + 3 * 768)
    assert modern.fused_attention
    assert not facts("roberta-base").fused_attention


def test_a_linear_probe_counts_its_own_head() -> None:
    for backbone, hidden in (("bert-base-cased", 768), ("roberta-large", 1024), ("Llama-3.2-1B", 2048)):
        found = count(backbone, "feature_extraction", 5)
        assert (found.adapter, found.base, found.head) == (0, 0, 5 * hidden + 5)


def test_record_of_counts() -> None:
    record = count("bert-base-cased", "lora", r=8, targets=("query", "key")).as_dict()
    assert record["trainable"] == 296_450
    assert record["total"] == 108_310_272
    assert record["percent"] == pytest.approx(0.2737, abs=5e-5)  # Four digits, as PEFT prints its share.
