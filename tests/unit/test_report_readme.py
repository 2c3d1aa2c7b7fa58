"""The README as its reader has it: every section of the brief, no blank, nothing broken, and sentences that its own tables bear out."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.support import made_up
from tests.support.made_up import material, method, targets
from tuneoff.analyse import Row
from tuneoff.kept import BackboneCard
from tuneoff.report import Material
from tuneoff.report.readme import Readme
from tuneoff.report.references import PRETRAINING
from tuneoff.strings.particles import final_consonant

LANGUAGES = ("en", "ko")
HEADINGS = {
    "en": ["1. Overview", "2. Data", "3. Methods", "4. Results", "5. Analysis and conclusion", "6. Directory structure", "7. References"],
    "ko": [
        "1. 프로젝트 개요 (Overview)",
        "2. 데이터셋 (Dataset)",
        "3. 실험 방법론 (Methodology)",
        "4. 실험 결과 (Experimental Results)",
        "5. 분석 및 고찰 (Analysis & Conclusion)",
        "6. 디렉토리 구조 (Directory Structure)",
        "7. 참고 문헌 (References)",
    ],
}
ENVIRONMENT = {
    "python": "3.12.1",
    "platform": "Linux x86_64",
    "packages": {"torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.2", "datasets": "5.2.0", "tuneoff": "0.1.0", "numpy": "2.4.6"},
    "commit": None,
    "device": "cpu",
    "device_name": "AMD EPYC",
    "device_bytes": 25_000_000_000,
    "cores": 2,
    "threads": 2,
}
CARD = BackboneCard("sample:en", "sha256:53aa51172d142c89d9", "encoder", 6, 384, 22_713_216)
#: Names that a person may give, as hard for a particle and for Markdown as they come.
LABELS = ["lora", "lora-r16", "어댑터(큰)", "튜닝 100%", "adapter|2", "full_2", "프롬프트"]
GIVEN = {"lora": "lora", "lora-r16": "lora", "어댑터(큰)": "adapter", "튜닝 100%": "prefix", "adapter|2": "adapter", "프롬프트": "prompt"}
MORE = ["full", "pretrain+full", "tfidf", "majority"]
PARTICLES = [("은", "는"), ("이", "가"), ("을", "를"), ("과", "와"), ("으로", "로")]


@dataclass(frozen=True, repr=False)
class Page:
    """A README of made-up trials, in one language, with what it was made from."""

    material: Material
    lang: str
    text: str

    def __repr__(self) -> str:
        return self.text

    def section(self, number: str) -> str:
        """What stands below the heading that begins with a number, up to the next of its rank."""
        found = re.search(rf"^(#+) {re.escape(number)}.*?\n(.*?)(?=^#{{1,2}} |\Z)", self.text, re.MULTILINE | re.DOTALL)
        assert found, number
        below = found[2]
        return below if len(found[1]) == 2 else below.partition("\n### ")[0]

    @property
    def brief(self) -> dict[str, list[str]]:
        """The brief's table: name of a method → its cells."""
        lines = [line for line in self.section("4.").partition("\n\n\n")[0].partition("\n>")[0].splitlines() if line.startswith("| **")]
        cells = [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
        return {row[0].strip("*").removesuffix(" (PEFT)"): row[1:] for row in cells}

    def named(self, text: str) -> list[str]:
        """Names of methods in a text, in its order; the longest of those that begin alike."""
        names = sorted((self.material.name(row, self.lang) for row in self.material.analysis.rows), key=len, reverse=True)
        return re.findall("|".join(map(re.escape, names)), text)

    def row(self, name: str) -> Row:
        return next(row for row in self.material.analysis.rows if self.material.name(row, self.lang) == name)


class Made:
    """A study, shown by its page where a test fails."""

    def __init__(self, material: Material) -> None:
        self.material = material

    def __repr__(self) -> str:
        return Readme(self.material, "en", {}).text()


@st.composite
def studies(draw: st.DrawFn) -> Made:
    """Any study: labels of a person's own, pending and fallen methods, prices, energy, forecasts or none of them."""
    rows, seeds = draw(st.sampled_from([30, 200])), draw(st.integers(1, 3))
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    chosen = draw(st.lists(st.sampled_from([*GIVEN, *MORE]), min_size=1, max_size=8, unique=True))
    energy = draw(st.booleans())
    methods, forecasts = [], {}
    for label in chosen:
        kind = GIVEN.get(label, label)
        accuracy = draw(st.sampled_from([0.4, 0.79, 0.8, 0.81, 0.97]))
        hits = {seed: generator.random(rows) < accuracy for seed in range(seeds)}
        memory = draw(st.integers(10**8, 40 * 10**9))
        costs: dict[str, Any] = {
            "seconds": draw(st.sampled_from([0.001, 1.0, 30.0, 59.96, 119.96, 700.0, 9000.0])),
            "memory": draw(st.sampled_from([memory, None])),
            "artefact": draw(st.integers(100, 10**9)),
            "collapse": {"reason": "constant" if kind in ("prompt", "lora") and draw(st.integers(0, 5)) == 0 else None, "retries": []},
            "energy": {"train": {"gpu_joules": 5e4 * generator.random() + 1, "cpu_joules": None} if energy else None},
            "environment": ENVIRONMENT | {"device_name": draw(st.sampled_from(["AMD EPYC", "Intel Xeon"]))},
            "began": "2026-11-24T23:59:50+00:00",
            "wall_seconds": draw(st.sampled_from([5.0, 50.0])),
        }
        if kind == "pretrain+full":
            costs["pretraining"] = {
                "trial": "pretrain-s0",
                "phases": {"train": 50.0},
                "memory": {"train": {"bytes": memory}},
                "energy": {"train": {"gpu_joules": 100.0, "cpu_joules": None} if energy else None},
            }
        planned = range(seeds + (draw(st.integers(0, 4)) == 0))
        methods.append(method(label, hits, targets(rows), of=kind, costs=costs, planned=list(planned), config={"r": 8}))
        if draw(st.booleans()) and kind not in ("tfidf", "majority"):
            need = draw(st.integers(10**8, 30 * 10**9))
            verdicts = [None, ("micro_batch", 4), ("checkpointing", None), ("checkpointing", 2)]
            verdict = draw(st.sampled_from(verdicts))
            t4 = made_up.fits(need, verdict=verdict[0], micro_batch=verdict[1]) if verdict else made_up.fits(need)
            forecasts[label] = made_up.forecast(need, 20.0, 40.0, t4)
    study = {
        "seeds": seeds,
        "domain": draw(st.sampled_from([None, "금융", "law", "R&D | *", "의료 2"])),
        "price_per_hour": draw(st.sampled_from([None, "0.35 USD", "1500 KRW"])),
    }
    limits: dict[str, Any] = {"memory": 10**9, "time": 100, "latency": 0.01}
    budget = {name: value for name, value in limits.items() if draw(st.integers(0, 3)) == 0}
    stage = {
        "trial": {"stage": "pretrain", "pretrain": {"epochs": 1, "batch_size": 32, "learning_rate": 2e-4}},
        "texts": 1640,
        "loss_before": 3.2,
        "loss_after": draw(st.sampled_from([2.8, 3.4])),
    }
    stages = [stage] if "pretrain+full" in chosen else []
    within = draw(st.sampled_from([0.0, 1.0, 2.5]))
    return Made(material(methods, study=study, forecasts=forecasts, stages=stages, backbone=CARD, within=within, **budget))


def pages(made: Made) -> list[Page]:
    return [Page(made.material, lang, Readme(made.material, lang, {"curves": "learning_curve.png"}).text()) for lang in LANGUAGES]


@given(studies())
@settings(max_examples=60, deadline=None)
def test_every_page_is_whole(made: Made) -> None:
    """Every section, no blank, no broken particle or markup, no word of the machine, whatever the study."""
    for page in pages(made):
        assert re.findall(r"^## (.+)$", page.text, re.MULTILINE) == HEADINGS[page.lang]
        check_no_blank(page)
        check_markup(page)
        if page.lang == "ko":
            check_particles(page)


def check_no_blank(page: Page) -> None:
    prose = re.sub(r"```.*?```", "", page.text, flags=re.DOTALL)
    assert not re.search(r"\b(nan|None|inf|True|False)\b|\[\s*\]|[{}]|\(\)|^\* *$| [,.]", prose, re.MULTILINE), prose
    assert "지정하지 않음" not in prose
    assert "(not stated)" not in prose
    for line in prose.splitlines():
        if line.startswith("|"):
            assert all(cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))), line
    # Counted things agree with their number.
    assert not re.search(r"(?<![.\d])1 (seeds|epochs|points|methods)\b|\(s\)", prose)


def check_markup(page: Page) -> None:
    """As a browser shows it: every star became bold or is a person's own, every table has its columns."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.text)
    shown = "".join(child.content for token in tokens for child in token.children or [] if child.type == "text")
    domain = page.material.spec.domain or ""
    assert shown.replace(domain, "").count("*") == 0, shown
    assert sum(token.type == "table_open" for token in tokens) == len(re.findall(r"^\| --- \|", page.text, re.MULTILINE))
    widths = [len(re.split(r"(?<!\\)\|", line)) for line in page.text.splitlines() if line.startswith("|")]
    assert all(width > 2 for width in widths)


def check_particles(page: Page) -> None:
    """Behind every name of a method stands the particle that its last sound asks for."""
    names = {page.material.name(row, "ko") for row in page.material.analysis.rows}
    pattern = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    for name, said in re.findall(rf"({pattern})(은|는|이|가|을|를|과|와|으로|로)(?=[\s*])", page.text):
        final = final_consonant(name)
        closed = {pair: pair[0] if final and not (pair[0] == "으로" and final == 8) else pair[1] for pair in PARTICLES}
        assert said in closed.values(), f"{name}{said}"


@given(studies())
@settings(max_examples=60, deadline=None)
def test_no_sentence_contradicts_the_tables_of_its_page(made: Made) -> None:
    for page in pages(made):
        check_best(page)
        check_fastest(page)
        check_memory(page)
        check_gain(page)
        check_share_of_parameters(page)


def learnt(page: Page) -> list[Row]:
    return [row for row in page.material.analysis.rows if row.accuracy and row.trained]


def sentence(page: Page, number: str, english: str, korean: str) -> str | None:
    """The line of a section that has a word in it."""
    word = {"en": english, "ko": korean}[page.lang]
    found = [line for line in page.section(number).splitlines() if word in line]
    assert len(found) < 2, found
    return found[0] if found else None


def check_best(page: Page) -> None:
    lines = [sentence(page, "5.1.", *words) for words in (("did best", "가장 우수한"), ("has the highest mean", "가장 높지만("))]
    said = [line for line in lines if line]
    assert len(said) == (len(learnt(page)) > 1)
    for line in said:
        best, other = page.named(line)[:2]
        assert page.row(best).accuracy.mean == max(row.accuracy.mean for row in learnt(page))  # type: ignore[union-attr]
        if best in page.brief and other in page.brief:
            assert float(page.brief[best][3].split()[0]) >= float(page.brief[other][3].split()[0])


def minutes(cell: str) -> float:
    return float(cell.removeprefix("< ").removesuffix(" min"))


def check_fastest(page: Page) -> None:
    line = sentence(page, "5.2.", "trained fastest", "가장 빨랐습니다") or sentence(page, "5.2.", "it trained for", "점수가 나온 것은")
    trained = {page.material.name(row, page.lang): page.brief[page.material.name(row, page.lang)] for row in learnt(page) if row.experiment}
    assert bool(line) == bool(trained)
    if line:
        fastest = page.named(line)[0]
        assert minutes(trained[fastest][2]) == min(minutes(cells[2]) for cells in trained.values())


def gigabytes(cell: str) -> float:
    return float(cell.removesuffix(" GB"))


def check_memory(page: Page) -> None:
    line = sentence(page, "5.2.", "memory than full fine-tuning", "메모리 사용량이 전체 미세조정보다")
    if line is None:
        return
    name = page.named(line)[0]
    full = next(page.material.name(row, page.lang) for row in page.material.analysis.rows if row.method == "full")
    one, other = (gigabytes(page.brief[which][1]) for which in (name, full))
    (share,) = re.findall(r"([\d.]+) %", line)
    assert float(share) == pytest.approx(100 * abs(1 - one / other), rel=0.06, abs=1.0)  # Of numbers of three digits.
    assert (one < other) == any(word in line for word in (" less ", "절감"))
    forecast = page.material.forecasts.get(page.row(name).label)
    free = [word in line for word in ("By forecast", "예측에 따르면")]
    assert any(free) == bool(forecast)
    if forecast:
        runs = forecast.fits["T4"]["verdict"] != "too_large"
        assert runs == any(word in line for word in ("runs on", "구동 가능"))


def check_gain(page: Page) -> None:
    line = sentence(page, "5.1.", "Continued pretraining before", "에 앞서 Continued Pretraining")
    gain = next(iter(page.material.analysis.pretrain_gains.values()), None)
    assert bool(line) == bool(gain)
    if line and gain:
        points, relative = (float(found) for found in re.findall(r"([+-][\d.]+)(?: %)? \[", line))
        before = float(re.findall(r"[01]\.\d{3}", line)[-1])
        assert points == pytest.approx(100 * gain.mean, abs=0.051)
        assert relative == pytest.approx(100 * gain.mean / before, abs=0.3)
        assert any(word in line for word in ("pays", "did harm", "향상이 있었으며", "오히려")) == gain.separable


def check_share_of_parameters(page: Page) -> None:
    shares = [float(found[1]) for cells in page.brief.values() if (found := re.search(r"\(([\d.]+) %\)", cells[0]))]
    peft = [row for row in page.material.analysis.rows if row.experiment == 3]
    line = sentence(page, "4.", "PEFT trains about", "PEFT의 학습 파라미터 수는")
    assert bool(line) == bool(peft)
    if line:
        assert {float(found) for found in re.findall(r"([\d.]+) %", line)} <= set(shares)


# What cannot be left to chance


def study(**more: Any) -> Material:
    hits = {seed: np.random.default_rng(seed).random(90) < 0.8 for seed in range(3)}
    costs = {"environment": ENVIRONMENT, "began": "2026-11-24T10:00:00+00:00", "wall_seconds": 60.0} | more.pop("costs", {})
    chosen = more.pop("methods", ["full", "lora", "adapter"])
    made = [method(label, hits, targets(90), costs=costs, config={"r": 16} if label == "lora" else {}) for label in chosen]
    return material(made, backbone=CARD, **more)


def page(made: Material, lang: str = "en") -> Page:
    return Page(made, lang, Readme(made, lang, {}).text())


def test_a_domain_that_is_not_stated_leaves_no_hole() -> None:
    assert "**finance**" in page(study()).section("1.")
    plain = page(study(study={"domain": None}))
    assert "texts of `rows.csv`" in plain.section("1.")
    assert "On these data" in plain.section("5.1.")
    assert "* 이 데이터에서 평균은 **" in page(study(study={"domain": None}), "ko").section("5.1.")


def test_the_rank_is_said_and_every_parameter() -> None:
    assert "* **LoRA:** LoRA (rank `r=16`, 3 epochs)" in page(study()).section("3.")
    assert "Rank `r=16`" in page(study(), "ko").section("3.")


def test_the_period_ends_with_the_last_record() -> None:
    assert "**Period:** 2026.11.24 (UTC)" in page(study()).text
    late = page(study(costs={"began": "2026-11-24T23:59:30+00:00"}))
    assert "**Period:** 2026.11.24 to 2026.11.25 (UTC)" in late.text


def test_every_machine_is_told() -> None:
    hits = {0: np.arange(90) % 3 > 0}
    gpu = ENVIRONMENT | {"device": "cuda", "device_name": "Tesla T4", "device_bytes": 15_800_000_000}
    made = [method(label, hits, targets(90), costs={"environment": env}) for label, env in (("full", ENVIRONMENT), ("lora", gpu))]
    told = page(material(made, backbone=CARD)).section("1.")
    assert "CPU AMD EPYC (2 cores), 25 GB of memory, Linux x86_64 (1 of 2 records)" in told
    assert "GPU Tesla T4 (15.8 GB), 2 CPU cores" in told


CHECKPOINTING = "train.gradient_checkpointing: true"
FREE_COLAB = [
    (
        made_up.fits(2 * 10**9),
        "takes 2 GB of the 15.4 GB that a free Colab GPU (T4) has",
        "2 GB를 차지하므로 Colab 무료 버전에서도 구동 가능",
    ),
    (made_up.fits(10**10, verdict="micro_batch", micro_batch=4), "with `train.micro_batch: 4`", "`train.micro_batch: 4` 설정으로"),
    (made_up.fits(10**10, verdict="checkpointing"), f"`{CHECKPOINTING}`, taking", f"`{CHECKPOINTING}` 설정으로"),
    (made_up.fits(10**10, verdict="checkpointing", micro_batch=2), "and `train.micro_batch: 2`", "`train.micro_batch: 2` 설정으로"),
    (
        made_up.fits(30 * 10**9),
        "does not run on a free Colab GPU (T4): it takes 30 GB of 15.4 GB",
        "구동할 수 없습니다(15.4 GB 중 30 GB 필요)",
    ),
]


@pytest.mark.parametrize(("t4", "english", "korean"), FREE_COLAB, ids=lambda value: value if isinstance(value, str) else "")
def test_a_free_colab_is_judged_by_the_forecast(t4: dict[str, Any], english: str, korean: str) -> None:
    made = study(forecasts={"lora": made_up.forecast(10**9, 50.0, 70.0, t4)})
    assert english in page(made).section("5.2.")
    assert korean in page(made, "ko").section("5.2.")


def test_a_free_colab_is_judged_by_a_measurement_where_there_is_one() -> None:
    gpu = ENVIRONMENT | {"device": "cuda", "device_name": "Tesla T4"}
    assert "It was measured on a Tesla T4" in page(study(costs={"environment": gpu})).section("5.2.")
    assert "neither measured nor forecast" in page(study()).section("5.2.")


def test_forecast_and_measured_stand_side_by_side() -> None:
    made = study(forecasts={"lora": made_up.forecast(11 * 10**8, 50.0, 70.0), "adapter": made_up.forecast(9 * 10**8, 80.0, 90.0)})
    told = page(made).text
    assert "| LoRA | 1.1 GB | 1 GB | +10.0 % | 50.0 s – 70.0 s | 60.0 s | 0 % | 1.1 GB, runs |" in told
    assert "| Adapter | 900 MB | 1 GB | -10.0 % | 80.0 s – 90.0 s | 60.0 s | +33.3 % | 900 MB, runs |" in told
    assert "Forecast and measured" not in page(study()).text


def test_the_table_of_forecasts_names_every_setting_that_a_free_gpu_needs() -> None:
    fits = {"lora": made_up.fits(10**9, verdict="checkpointing"), "adapter": made_up.fits(10**9, verdict="checkpointing", micro_batch=2)}
    made = study(forecasts={label: made_up.forecast(10**9, 50.0, 70.0, fit) for label, fit in fits.items()})
    told = page(made).text
    assert "| 1 GB, checkpointing |" in told
    assert "| 1 GB, checkpointing, `micro_batch: 2` |" in told


def test_energy_is_charged_with_what_a_method_builds_on_and_half_a_sum_is_none() -> None:
    joules = {"train": {"gpu_joules": 2000.0, "cpu_joules": 500.0}}
    below = {"trial": "s", "phases": {}, "memory": {"train": {"bytes": 1}}, "energy": {"train": {"gpu_joules": 1000.0, "cpu_joules": None}}}
    alone = study(methods=["lora"], costs={"energy": joules}).analysis.rows[0].energy
    assert alone == {"train_joules": 2500.0, "search_joules": None, "counters": ["gpu", "cpu"]}
    built = study(methods=["lora"], costs={"energy": joules, "pretraining": below})
    assert built.analysis.rows[0].energy == {"train_joules": 3000.0, "search_joules": None, "counters": ["gpu"]}
    assert "| 3 kJ |" in page(built).text
    unmeasured = page(study())
    assert "Energy was not measured" in unmeasured.text
    assert "| Energy |" not in unmeasured.text


def test_energy_of_a_search_stands_beside_training() -> None:
    spent = {"gpu_joules": 400.0, "cpu_joules": None}
    costs = {"energy": {"train": spent}, "search": {"phases": {"search": 9.0}, "energy": {"train": spent}, "candidates": []}}
    assert study(methods=["lora"], costs=costs).analysis.rows[0].energy["search_joules"] == 400.0
    costs["search"] = {"phases": {"search": 9.0}, "candidates": []}  # A record from before it was measured.
    assert study(methods=["lora"], costs=costs).analysis.rows[0].energy["search_joules"] is None


def test_money_is_the_total_time_at_the_price() -> None:
    made = study(study={"price_per_hour": "3600 KRW"})
    row = made.analysis.rows[0]
    spent = made.expense(row)
    assert spent is not None
    assert (spent.currency, spent.total) == ("KRW", pytest.approx(row.time["total_seconds"]))
    assert f"| {row.time['total_seconds']:.2f} KRW |" in page(made).text
    assert "at 3,600 KRW per hour" in page(made).text
    assert "시간당 3,600 KRW을 곱한" in page(made, "ko").text
    assert study().expense(row) is None


def test_papers_of_exactly_the_methods_used_with_a_link() -> None:
    from tuneoff.report.references import references

    made = study(methods=["lora", "pretrain+lora"])
    (lora, *_) = made.methods
    object.__setattr__(lora, "reference", "Hu et al. (2021). LoRA. arXiv:2106.09685")
    lines = references(made, "en")
    assert lines[0] == "* [Paper] Hu et al. (2021). LoRA. [arXiv:2106.09685](https://arxiv.org/abs/2106.09685)"
    assert PRETRAINING.partition(" arXiv")[0] in lines[1]
    assert any("docs/peft" in line for line in lines)
    assert not any("docs/peft" in line for line in references(study(methods=["full"]), "en"))


def test_every_method_names_a_paper_that_can_be_found() -> None:
    from tuneoff.methods import method_class, method_names

    named = {name: method_class(name).facts.reference for name in method_names()}
    assert sum(bool(paper) for paper in named.values()) > 15
    assert {name for name, paper in named.items() if not paper} == {"majority", "peft"}
    for paper in filter(None, named.values()):
        assert re.search(r"^.+ \(\d{4}\)\. .+\. (arXiv:\d{4}\.\d{4,5}|doi:10\.\S+)$", paper), paper


def test_the_directory_is_the_folder_as_it_is(tmp_path: Path) -> None:
    for file in (
        "study.yaml",
        "report.html",
        "notebooks/01_feature_extraction.ipynb",
        "assets/curve.en.png",
        "assets/curve.ko.svg",
        ".git/x",
    ):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    for number in range(20):
        (tmp_path / "results" / f"lora-s{number}-{number:010x}").mkdir(parents=True)
        (tmp_path / f"mine-{number:02}.txt").touch()
    text = Readme(study(folder=tmp_path), "ko", {}, "en").text()
    tree = text.partition("```bash\n")[2].partition("```")[0].splitlines()
    names = [line.partition("#")[0].strip("│├└─ ") for line in tree]
    assert names[:9] == [
        ".",
        "assets/",
        "curve.*",
        "notebooks/",
        "01_feature_extraction.ipynb",
        "results/",
        "<trial>/",
        "results.csv",
        "results.json",
    ]
    assert "실험마다 폴더 하나(지금까지 20개)" in text
    assert {"README.ko.md", "README.md", "mine-00.txt", "…"} <= set(names)
    assert next(line for line in tree if "README.ko.md" in line).endswith("이 보고서(한국어)")
    assert ".git" not in text


def test_a_person_s_own_words_are_no_markup() -> None:
    made = study(study={"domain": "R*D* [x](y) <b>"})
    shown = MarkdownIt("commonmark").render(Readme(made, "en", {}).text())
    assert "<strong>R*D* [x](y) &lt;b&gt;</strong>" in shown
