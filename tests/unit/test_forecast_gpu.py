"""What a GPU adds, without one: its kernels, its allocator, its autocast, its 4-bit layers, and which trials it can hold."""

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from tests.support.rehearsals import Steps, build, scene, tiny_facts
from tuneoff.backbone import known_backbone, read_facts
from tuneoff.errors import UsageError
from tuneoff.forecast import GPUS, Case, Workload, find_gpu, this_device
from tuneoff.forecast.allocator import MIDDLE_SEGMENT, SMALL_SEGMENT, CachingAllocator, rounded
from tuneoff.forecast.autocast import LOWER, Autocast
from tuneoff.forecast.four_bit import dequantised_bytes, quantise, state_tensors
from tuneoff.forecast.kernels import attention, on_cpu, on_gpu
from tuneoff.forecast.memory import CUBLAS_WORKSPACE, CUBLAS_WORKSPACE_HOPPER
from tuneoff.forecast.storages import Storages
from tuneoff.forecast.workload import evaluation_parts, steps_of
from tuneoff.spec import PretrainSpec, TrainSpec

MIB = 1 << 20


def highest(storages: Storages) -> int:
    return int(np.cumsum([size for _, size in storages.log.events]).max())


# Attention


def attend(choose: Any, length: int, masked: bool, dtype: torch.dtype = torch.bfloat16) -> int:
    """Peak bytes of attention forward and backward, 2 rows of 4 heads of 8."""
    query, key, value = (torch.empty(2, 4, length, 8, dtype=dtype, device="meta", requires_grad=True) for _ in range(3))
    mask = torch.empty(2, 1, length, length, dtype=torch.bool, device="meta") if masked else None
    storages = Storages("meta")
    with attention(choose), storages:
        functional.scaled_dot_product_attention(query, key, value, mask).sum().backward()
    return highest(storages)


def test_only_the_unfused_kernel_keeps_a_matrix_for_each_head() -> None:
    def grows(choose: Any, masked: bool) -> float:
        return attend(choose, 1024, masked) / attend(choose, 512, masked)

    assert grows(on_gpu((8, 0)), masked=False) == pytest.approx(2, rel=0.05)  # Linear in the length.
    assert grows(lambda *_: "math", masked=False) > 3.5  # Nearly four times, for twice the length.
    # A mask is one matrix a row, not one a head: 4 of the unfused kernel's, in two bytes instead of four.
    assert attend(on_gpu((8, 0)), 1024, masked=True) < attend(lambda *_: "math", 1024, masked=True) / 4


@pytest.mark.parametrize(
    ("capability", "dtype", "masked", "head", "kernel"),
    [
        ((8, 0), torch.bfloat16, False, 64, "flash"),
        ((8, 0), torch.bfloat16, True, 64, "efficient"),  # Flash takes no mask.
        ((8, 0), torch.float32, False, 64, "efficient"),  # Nor fp32.
        ((7, 5), torch.float16, False, 64, "efficient"),  # Nor GPUs before Ampere.
        ((7, 5), torch.bfloat16, False, 64, "math"),
        ((8, 0), torch.bfloat16, False, 512, "efficient"),
        ((8, 0), torch.bfloat16, True, 20, "math"),  # Heads of no multiple of 8.
    ],
)
def test_kernel_of_a_gpu(capability: tuple[int, int], dtype: torch.dtype, masked: bool, head: int, kernel: str) -> None:
    query = torch.empty(1, 1, 16, head, dtype=dtype, device="meta")
    mask = torch.empty(1, 1, 16, 16, dtype=torch.bool, device="meta") if masked else None
    assert on_gpu(capability)(query, query, query, mask, 0.0, False, False) == kernel


@pytest.mark.parametrize(("dropout", "kernel"), [(0.0, "cpu"), (0.1, "math")])
def test_kernel_of_the_cpu_is_asked_of_torch(dropout: float, kernel: str) -> None:
    query = torch.empty(1, 2, 16, 8, device="meta")
    assert on_cpu(query, query, query, None, dropout, False, False) == kernel


# The caching allocator


def test_allocator_rounds_packs_and_keeps() -> None:
    allocator = CachingAllocator()
    allocator.replay([(0, 1), (1, 600)])
    assert (allocator.allocated, allocator.reserved) == (512 + 1024, SMALL_SEGMENT)
    allocator.replay([(2, 5 * MIB)])
    assert allocator.reserved == SMALL_SEGMENT + MIDDLE_SEGMENT
    allocator.replay([(3, 11 * MIB + 1)])  # Fits into what is left of the 20 MiB.
    assert allocator.reserved == SMALL_SEGMENT + MIDDLE_SEGMENT
    allocator.replay([(4, 11 * MIB + 1)])  # Does not: a segment of its own, rounded to 2 MiB.
    assert allocator.reserved == SMALL_SEGMENT + MIDDLE_SEGMENT + 12 * MIB
    allocator.replay([(2, -5 * MIB), (3, -11 * MIB - 1), (5, 19 * MIB)])  # Both freed neighbours have grown together.
    assert allocator.reserved == SMALL_SEGMENT + MIDDLE_SEGMENT + 12 * MIB
    # Less than a small request is left of that segment: the block keeps it, and it counts.
    assert allocator.allocated == 512 + 1024 + 12 * MIB + MIDDLE_SEGMENT


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40 * MIB), st.booleans(), st.integers(0, 10)), max_size=60))
def test_allocator_loses_nothing(moves: list[tuple[int, bool, int]]) -> None:
    allocator, alive = CachingAllocator(), []
    for number, (size, frees, which) in enumerate(moves):
        allocator.replay([(number, size)])
        alive.append((number, size))
        if frees:
            storage, its = alive.pop(which % len(alive))
            allocator.replay([(storage, -its)])
        least = sum(rounded(its) for _, its in alive)
        assert least <= allocator.allocated <= least + len(alive) * MIB  # What is too little to cut off stays with its block.
        assert allocator.allocated <= allocator.reserved <= allocator.reserved_peak
    allocator.replay([(storage, -its) for storage, its in alive])
    assert allocator.allocated == 0
    # All of it grown together again, so that requests as large as the segments find room.
    reserved = allocator.reserved
    if reserved >= MIDDLE_SEGMENT and any(MIB < size < 10 * MIB for size, _, _ in moves):
        allocator.replay([(-1, MIDDLE_SEGMENT)])
        assert allocator.reserved == reserved


# Autocast


class Block(nn.Module):
    """A frozen and a trained product, a norm and a sum, as a block has them."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen, self.trained = nn.Linear(64, 64), nn.Linear(64, 64)
        self.norm = nn.LayerNorm(64)
        self.frozen.requires_grad_(False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """One pass; the trained layer is used twice, so that its cast weight is worth keeping."""
        inner: torch.Tensor = self.trained(functional.gelu(self.trained(self.frozen(hidden))))
        out: torch.Tensor = self.norm(inner.float() + hidden)
        return out


def test_autocast_on_meta_is_that_of_torch() -> None:
    def run(device: str, cast: Any) -> int:
        model, storages = Block().to(device), Storages(device)
        hidden = torch.zeros(8, 64, device=device, requires_grad=True)
        storages.add_all([*model.parameters(), hidden])
        with storages:
            with cast():
                loss = model(hidden).sum()
            torch.autograd.backward(loss)
        return highest(storages)

    # A CPU's autocast has another list of functions that stay in fp32; none of them occurs here.
    real = run("cpu", partial(torch.autocast, "cpu", torch.bfloat16))
    assert run("meta", partial(Autocast, torch.bfloat16, LOWER, frozenset())) == real


def test_the_cache_of_casts_does_not_take_one_weight_for_another() -> None:
    """A weight may be gone before the cache is, and another stand where it stood in memory."""
    inputs = torch.empty(2, 4, device="meta")

    def weights(width: int) -> list[nn.Parameter]:
        return [nn.Parameter(torch.empty(width, 4, device="meta")) for _ in range(100)]

    # With a graph the cast would keep its weight.
    with torch.no_grad(), Autocast(torch.float16):
        first = weights(8)
        places = {id(weight) for weight in first}
        assert all(nn.functional.linear(inputs, weight).shape == (2, 8) for weight in first)
        del first
        second = weights(16)
        assert places & {id(weight) for weight in second}, "Python uses the places again, or this tests nothing"
        assert all(nn.functional.linear(inputs, weight).shape == (2, 16) for weight in second)


# Four bits


def test_four_bit_layers_take_as_much_as_those_of_bitsandbytes() -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="4-bit weights need bitsandbytes")

    def taken(device: str) -> int:
        model = nn.Sequential(nn.Linear(256, 512, bias=False, device=device), nn.Linear(512, 2, device=device))
        quantisation = build("qlora").load_options(tiny_facts("bert"))["quantization_config"]
        quantisation.llm_int8_skip_modules = ["1"]
        quantise(model, quantisation)
        assert isinstance(model[0], bitsandbytes.nn.Linear4bit)
        assert type(model[1]) is nn.Linear
        weight = model[0].weight
        books = 4 * (16 + 256)
        return sum(t.numel() * t.element_size() for t in [weight, *state_tensors(model)]) - books

    assert taken("meta") == taken("cpu")
    # Half a byte, a byte a block of 64, four for 256 blocks, and one offset: 4.13 bits (Dettmers et al. 2023).
    assert taken("meta") == 256 * 512 // 2 + 256 * 512 // 64 + 4 * (256 * 512 // 64 // 256) + 4


def test_a_product_with_four_bit_weights_makes_them_whole_for_a_moment() -> None:
    pytest.importorskip("bitsandbytes", reason="4-bit weights need bitsandbytes")
    inputs = torch.empty(8, 256, dtype=torch.bfloat16, device="meta")
    operation = torch.ops.bitsandbytes.gemm_4bit.default
    assert dequantised_bytes(operation, (inputs, None, (512, 256))) == 2 * 512 * 256 + 4 * 512 * 256 // 64
    assert dequantised_bytes(torch.ops.aten.mm.default, (inputs, inputs)) == 0


# Which GPUs


def test_gpus_are_found_however_they_are_spelt() -> None:
    for name in ("T4", "t4", "rtx 3090", "RTX4090", "A100-80GB", "a100 80", "h200"):
        assert find_gpu(name).name.lower().replace("-", "")[:2] == name.lower().replace(" ", "")[:2]
    assert find_gpu("A100").name == "A100-40GB"  # The smaller one where it is not said.
    with pytest.raises(UsageError) as error:
        find_gpu("T5")
    assert "T4" in error.value.text("en")
    assert "T4" in error.value.text("ko")
    assert len({gpu.name for gpu in GPUS}) == len(GPUS) >= 10


@cache
def case(backbone: str, method: str, batch_size: int, length: int) -> Case:
    entry = known_backbone(backbone)
    assert entry is not None
    config = entry.read_config()
    config.num_labels = 3
    return Case(
        build(method),
        read_facts(backbone, "none", config),
        TrainSpec(batch_size=batch_size, max_length=length),
        3,
        partial(workload, batch_size, length),
    )


def workload(batch_size: int, length: int, kind: str, micro_batch: int | None, _: bool) -> Workload:
    lengths = np.full(4 * batch_size, length)
    judged = evaluation_parts(lengths)
    return Workload(steps_of(lengths, kind, batch_size, micro_batch), judged, judged, (), 8000, 3 * len(lengths), False, exact=True)


def test_qlora_of_llama_3_8b_on_a_free_t4() -> None:
    """Half-precision weights of 8 billion parameters never fit 16 GB; four bits do, with a small micro-batch."""
    qlora = case("meta-llama/Meta-Llama-3-8B", "qlora", 8, 256)
    fit = qlora.fit(find_gpu("T4").target)
    assert fit.verdict == "micro_batch"
    assert fit.micro_batch is not None
    # What the straight line promised, rehearsed.
    truly = qlora.on(find_gpu("T4").target, fit.micro_batch).peak
    assert truly <= find_gpu("T4").target.usable  # type: ignore[operator]
    assert truly == pytest.approx(fit.need, rel=0.03)
    assert find_gpu("T4").target.precision("auto") == "fp16"


@pytest.mark.parametrize("method", ["full", "lora", "prefix"])
@pytest.mark.parametrize("gpu", ["T4", "L4"])
def test_the_peak_alone_reserves_what_the_whole_does(method: str, gpu: str) -> None:
    """Holes that the first step and the evaluation leave are other ones; live tensors are the same."""
    target = find_gpu(gpu).target
    whole, short = (replace(case("klue/roberta-base", method, 16, 64), _known={}).on(target, timed=timed) for timed in (True, False))
    assert short.train.bytes == pytest.approx(whole.train.bytes, rel=0.01)
    assert short.peak == pytest.approx(whole.peak, rel=0.05)


@pytest.mark.parametrize("method", [None, "full", "lora", "prefix"])
def test_what_one_device_is_given_is_not_left_to_the_next(method: str | None) -> None:
    """A CPU's attention above all, which a configuration remembers."""
    entry = known_backbone("klue/roberta-small")
    assert entry is not None
    config = entry.read_config()
    config.num_labels = 3
    facts, train = read_facts("small", "none", config), TrainSpec(batch_size=8, max_length=32)
    built, pretrain = (None, PretrainSpec(batch_size=8)) if method is None else (build(method), None)
    t4 = find_gpu("T4").target
    fresh = partial(Case, built, facts, train, 1, partial(workload, 8, 32), pretrain)
    alone = fresh().on(t4)
    fresh().on(replace(t4, kind="cpu", capability=None, total=None, bf16=False))
    assert fresh().on(t4).train == alone.train
    assert config._attn_implementation == "sdpa"


def test_full_fine_tuning_of_llama_3_8b_fits_no_gpu_of_the_table() -> None:
    full = case("meta-llama/Meta-Llama-3-8B", "full", 8, 256)
    rehearsed = full.on(find_gpu("H200").target)
    size = full.facts.total_parameters + full.facts.head_parameters
    # bf16 weights, fp32 gradients, masters, two moments and the best epoch's copy: 22 bytes each, less for unused words.
    lasting = sum(rehearsed.train.parts[part] for part in ("weights", "gradients", "optimiser", "best_epoch"))
    assert lasting == pytest.approx(22 * size, rel=0.08)
    assert not full.fit(find_gpu("H200").target).possible
    assert full.fit(find_gpu("H200").target).need > find_gpu("H200").target.usable  # type: ignore[operator]


def test_cublas_takes_more_on_hopper_and_nothing_else_differs() -> None:
    lora = case("klue/roberta-small", "lora", 4, 32)
    ampere, hopper = (lora.on(find_gpu(name).target) for name in ("A100", "H100"))
    assert hopper.train.bytes - ampere.train.bytes == CUBLAS_WORKSPACE_HOPPER - CUBLAS_WORKSPACE
    assert ampere.train.parts | {"workspace": 0} == hopper.train.parts | {"workspace": 0}
    assert ampere.train.held >= ampere.train.bytes


def test_fp16_keeps_frozen_weights_in_fp32_and_their_casts_with_the_graph() -> None:
    lora = case("klue/roberta-small", "lora", 4, 32)
    half, mixed = (lora.on(find_gpu(name).target) for name in ("L4", "T4"))
    assert mixed.train.parts["weights"] == pytest.approx(2 * half.train.parts["weights"], rel=0.1)
    assert mixed.train.parts["activations"] > half.train.parts["activations"]


def test_the_cpu_of_this_machine_has_limits_too() -> None:
    target = this_device()
    assert target.usable is not None
    assert target.usable > 1 << 30
    assert scene(build("full"), tiny_facts("bert"), "fp32", Steps()).target == target
