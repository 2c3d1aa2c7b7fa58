"""Methods are found by the presence of their file, or by an entry point; names and parameters are checked with the nearest offered."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoConfig

import tuneoff.methods
from tuneoff.backbone import read_facts
from tuneoff.errors import UsageError
from tuneoff.forecast import count_parameters
from tuneoff.methods import LearningRates, Method, choose, method_class, method_names
from tuneoff.spec import MethodEntry

SHIPPED = {
    *("adalora", "adapter", "bitfit", "dora", "feature_extraction", "full", "ia3", "ln_tuning", "lora", "lp_ft", "majority", "p_tuning"),
    *("peft", "pissa", "prefix", "prompt", "qlora", "rslora", "tfidf", "top_layers", "vera"),
}

#: A whole method, as a person would write it: LayerNorm tuning. Its count is printed in PEFT's documentation.
NORM_TUNING = '''
"""Only the norms train."""

from torch import nn

from tuneoff.methods import Adapted, LearningRates, Method, MethodConfig, MethodFacts, head_names


class NormParameters(MethodConfig):
    """Which parameters of a norm train."""

    biases: bool = True


class NormTuning(Method):
    """Weights and biases of every LayerNorm but that of the embeddings (Zhao et al. 2023, arXiv:2312.11420)."""

    Config = NormParameters
    learning_rates = LearningRates(1e-4, 1e-2, {768: 1e-3})
    head_learning_rates = LearningRates(1e-4, 1e-2, {768: 1e-3})
    facts = MethodFacts(
        title={"en": "Norm tuning", "ko": "정규화층 튜닝"},
        summary={"en": "only the norms train", "ko": "정규화층만 학습"},
        identity_at_start=True,
        trains_backbone=True,
    )

    def attach(self, model, backbone, generator):
        """Nothing to add."""
        norms = [name for name, module in model.named_modules() if isinstance(module, nn.LayerNorm) and "embeddings" not in name]
        parts = ("weight", "bias") if self.config.biases else ("weight",)
        base = [f"{name}.{part}" for name in norms for part in parts]
        return Adapted(model, head=head_names(model, backbone), base=base).freeze_rest()
'''


@pytest.fixture
def forget_methods() -> Iterator[None]:
    """Leave no method of a test behind."""
    before = set(sys.modules)
    yield
    method_class.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith(("tuneoff.methods.", "outside_")):
            del sys.modules[name]


def entry(method: str, **parameters: object) -> MethodEntry:
    return MethodEntry(method=method, label=method, parameters=parameters)


def test_every_file_is_a_method_and_nothing_else_is() -> None:
    assert set(method_names()) >= SHIPPED
    assert method_names() == sorted(method_names())
    assert not [name for name in method_names() if name.startswith("_")]
    for name in SHIPPED:
        assert method_class(name).name == name


def test_every_method_says_what_it_is_in_both_languages() -> None:
    for name in method_names():
        facts = method_class(name).facts
        for words in (facts.title, facts.summary):
            assert set(words) == {"en", "ko"}, name
            assert all(words.values()), name
        titles = [method_class(other).facts.title["en"] for other in method_names()]
        assert titles.count(facts.title["en"]) == 1, name


def test_learning_rates_lie_in_the_range_that_is_searched() -> None:
    for name in method_names():
        kind = method_class(name)
        if issubclass(kind, Method):
            for rates in (kind.learning_rates, kind.head_learning_rates):
                for hidden in (16, 384, 512, 768, 1024, 2048, 4096, 8192):
                    assert rates.low <= rates.default(hidden) <= rates.high, (name, hidden)


def test_default_learning_rate_between_and_beyond_known_widths() -> None:
    rates = method_class("full").learning_rates  # type: ignore[attr-defined]
    assert rates.default(768) == 5e-5
    assert rates.default(16) == rates.default(384) == 2e-4
    assert rates.default(16384) == rates.default(4096) == 1e-5
    assert 5e-5 < rates.default(512) < 2e-4


RATES = LearningRates(1e-5, 1e-2, {384: 1e-3})


def test_candidates_are_log_spaced_around_the_default() -> None:
    assert RATES.candidates(384, 1) == [1e-3]
    assert RATES.candidates(384, 3) == [1.7e-4, 1e-3, 6e-3]
    assert RATES.candidates(384, 4) == [1.7e-4, 4.1e-4, 1e-3, 2.4e-3]
    assert RATES.candidates(384, 5) == [1.7e-4, 4.1e-4, 1e-3, 2.4e-3, 6e-3]
    assert RATES.candidates(384, 4, fixed=2e-2) == [2e-2]
    assert replace(RATES, spread=2.0).candidates(384, 3) == [5e-4, 1e-3, 2e-3]


@pytest.mark.parametrize("count", range(1, 10))
@pytest.mark.parametrize(("low", "high"), [(1e-5, 1e-2), (1e-3, 1e-2), (1e-5, 1e-3), (8e-4, 1e-2), (1e-3, 1e-3), (9e-4, 1.1e-3)])
def test_candidates_stay_in_the_range_and_differ(low: float, high: float, count: int) -> None:
    found = LearningRates(low, high, {384: 1e-3}).candidates(384, count)
    assert found == sorted(set(found))
    assert all(low <= rate <= high for rate in found)
    assert all(rate == float(f"{rate:.1e}") for rate in found)
    assert 1 <= len(found) <= count
    if high / low > 5:  # Room for as many as two digits tell apart.
        assert len(found) == count
    assert 1e-3 in found, "nothing is judged without the default"


def test_every_method_can_be_searched_at_every_width() -> None:
    for name in method_names():
        kind = method_class(name)
        if issubclass(kind, Method):
            for rates in (kind.learning_rates, kind.head_learning_rates):
                for hidden in (128, 384, 768, 1024, 4096):
                    assert len(rates.candidates(hidden, 4)) == 4
                    assert rates.default(hidden) in rates.candidates(hidden, 4)


def test_the_head_matters_where_the_backbone_stands_still() -> None:
    deciding = {name for name in SHIPPED if method_class(name).facts.head_matters}
    small = {"adapter", "bitfit", "ia3", "ln_tuning", "vera"}  # They hardly move it.
    virtual = {"p_tuning", "prefix", "prompt"}
    assert deciding == small | virtual | {"feature_extraction", "lp_ft"}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("loar", "lora"), ("adaptor", "adapter"), ("p-tuning", "p_tuning"), ("feature-extraction", "feature_extraction"), ("qlorra", "qlora")],
)
def test_misspelt_methods_offer_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(entry(wrong), "study.yaml:7:3")
    assert caught.value.key == "method.unknown"
    assert caught.value.where == "study.yaml:7:3"
    assert f"`{right}`" in str(caught.value.facts["nearest"])
    with pytest.raises(UsageError) as caught:
        choose(entry(f"pretrain+{wrong}"))
    assert f"`pretrain+{right}`" in str(caught.value.facts["nearest"])


def test_continued_pretraining_goes_before_any_method_with_a_backbone() -> None:
    chosen = choose(entry("pretrain+lora", r=4))
    assert (chosen.pretrain, chosen.name, chosen.full_name, chosen.config.r) == (True, "lora", "pretrain+lora", 4)  # type: ignore[attr-defined]
    for name in ("majority", "tfidf"):
        with pytest.raises(UsageError) as caught:
            choose(entry(f"pretrain+{name}"))
        assert caught.value.key == "method.no_pretrain"


@pytest.mark.parametrize(
    ("method", "parameters", "named"),
    [
        ("adalora", {"r": 12}, "start_r"),
        ("lp_ft", {"probe": 1.0}, "probe"),
        ("top_layers", {"layers": 0}, "layers"),
        ("peft", {"type": "OFT", "r": "eight"}, "r"),
        ("lora", {"r": 0}, "r"),
        ("lora", {"r": "eight"}, "r"),
        ("lora", {"targets": 3}, "targets"),
        ("lora", {"learning_rate": -1e-3}, "learning_rate"),
        ("prompt", {"placement": "between"}, "placement"),
        ("prefix", {"tokens": 0}, "tokens"),
        ("adapter", {"bottleneck": 1.5}, "bottleneck"),
        ("tfidf", {"C": 0}, "C"),
        ("full", {"epochs": 0}, "epochs"),
    ],
)
def test_bad_values_name_their_parameter_and_place(method: str, parameters: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(entry(method, **parameters), "study.yaml:7:3", {named: "study.yaml:8:9"})
    assert caught.value.key == "method.bad_parameter"
    assert caught.value.where == "study.yaml:8:9"
    assert caught.value.facts["key"] == named


@pytest.mark.usefixtures("forget_methods")
def test_a_file_dropped_into_the_package_is_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "norm_tuning.py").write_text(NORM_TUNING, encoding="utf-8")
    # The package's search path gains a folder, so that the source tree itself is left alone.
    monkeypatch.setattr(tuneoff.methods, "__path__", [*tuneoff.methods.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    assert "norm_tuning" in method_names()
    with pytest.raises(UsageError) as caught:
        choose(entry("norm_tunning"))
    assert "`norm_tuning`" in str(caught.value.facts["nearest"])
    method = choose(entry("norm_tuning")).build()
    assert isinstance(method, Method)
    bloomz = AutoConfig.for_model("bloom", vocab_size=250880, hidden_size=1024, n_layer=24, n_head=16)
    found = count_parameters(method, read_facts("bloomz-560m", "none", bloomz))
    assert found.base == 100_352  # Printed in PEFT's documentation of LayerNorm tuning.


@pytest.mark.usefixtures("forget_methods")
def test_a_method_of_another_distribution_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outside_norms.py").write_text(NORM_TUNING, encoding="utf-8")
    told = tmp_path / "outside_norms-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-norms\nVersion: 1.0\n", encoding="utf-8")
    (told / "entry_points.txt").write_text("[tuneoff.methods]\noutside_norms = outside_norms:NormTuning\n", encoding="utf-8")
    assert "outside_norms" not in method_names()
    monkeypatch.syspath_prepend(tmp_path)
    assert "outside_norms" in method_names()
    chosen = choose(entry("outside_norms", biases=False))
    method = chosen.build()
    assert type(method).__module__ == "outside_norms"
    assert method.name == "outside_norms"
    assert method.config.biases is False
    with pytest.raises(UsageError) as caught:
        choose(entry("outside_norms", bias=False))
    assert "`biases`" in str(caught.value.facts["nearest"])


@pytest.mark.usefixtures("forget_methods")
def test_a_method_that_cannot_be_imported_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_written.py").write_text("class Half(Method:\n", encoding="utf-8")
    monkeypatch.setattr(tuneoff.methods, "__path__", [*tuneoff.methods.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    assert "half_written" in method_names()
    assert choose(entry("lora")).name == "lora"
    with pytest.raises(SyntaxError):
        method_class("half_written")


def test_names_and_parameters_are_known_without_importing_torch() -> None:
    """``tuneoff methods`` and a study's first checks answer at once."""
    code = (
        "import sys, tuneoff.methods as m; m.method_names(); "
        "[m.method_class(n).Config for n in ('lora', 'prefix', 'full', 'tfidf', 'adalora', 'pissa', 'lp_ft', 'peft')]; "
        "print([n for n in ('torch', 'transformers', 'peft', 'sklearn') if n in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == "[]"
