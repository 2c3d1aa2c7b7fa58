"""Tables of the documentation that come out of the code: keys of a study file, methods, types of PEFT.

The pages call these functions in ``[[[cog …]]]`` comments; ``make docs-update`` writes what they return into the page. The result is
committed, because the pages are also read where nothing is built; a test compares it with what the code says now.
"""

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import yaml

from tuneoff.methods import AnyMethod, LearningRates, Method, MethodConfig, method_class, method_names, parameter_meaning
from tuneoff.spec import HubDataset, MethodEntry, Source, StudySpec
from tuneoff.spec.describe import Key, keys_of, kind_of
from tuneoff.strings import say

PAGES = Path(__file__).parents[2] / "docs"
NOTHING = "–"
#: Of the brief, in its order; continued pretraining (2) is no method of its own.
EXPERIMENTS = (0, 1, 3)

WORDS = {
    "en": {
        "key": "Key",
        "value": "Value",
        "default": "Default",
        "meaning": "Meaning",
        "parameter": "Parameter",
        "method": "Method",
        "kind": "Kind",
        "kind_0": "baseline",
        "kind_1": "traditional",
        "kind_3": "parameter-efficient",
        "merges": "Folds into the weights",
        "checkpointing": "Gradient checkpointing",
        "identity": "Starts as the pretrained model",
        "backbone": "Backbone",
        "backbone_moves": "trains, in whole or in part",
        "backbone_stays": "stays as it is",
        "backbone_none": "none",
        "backbone_frozen": "read once, its features stored",
        "plain": "nothing is added",
        "yes": "yes",
        "no": "no",
        "true": "yes",
        "false": "no",
        "by_type": "by type",
        "own": "Parameters of its own",
        "none": "none",
        "rates": "Learning rate",
        "head_rates": "Learning rate of the head",
        "rates_said": "{defaults}; searched within {low} to {high}",
        "rates_by_type": "by type, see [below](#types-of-peft)",
        "width": "{rate} at width {width}",
        "head_searched": "searched with the other",
        "quantised": "Needs",
        "quantised_said": "bitsandbytes (extra `quantize`); the backbone is loaded in 4 bit",
        "type": "Type",
        "paper": "Paper",
        "encoder": "Encoder",
        "decoder": "Decoder",
    },
    "ko": {
        "key": "키",
        "value": "값",
        "default": "기본값",
        "meaning": "의미",
        "parameter": "파라미터",
        "method": "기법",
        "kind": "종류",
        "kind_0": "기준선",
        "kind_1": "전통적 기법",
        "kind_3": "파라미터 효율적 기법",
        "merges": "가중치에 합치기",
        "checkpointing": "gradient checkpointing",
        "identity": "사전학습 모델과 같은 상태에서 시작",
        "backbone": "백본",
        "backbone_moves": "전부 또는 일부를 학습",
        "backbone_stays": "그대로 둠",
        "backbone_none": "쓰지 않음",
        "backbone_frozen": "한 번만 거쳐 특징을 저장",
        "plain": "덧붙이는 것이 없음",
        "yes": "가능",
        "no": "불가",
        "true": "예",
        "false": "아니요",
        "by_type": "유형마다 다름",
        "own": "고유 파라미터",
        "none": "없음",
        "rates": "학습률",
        "head_rates": "분류기 학습률",
        "rates_said": "{defaults}. 탐색 범위 {low}~{high}",
        "rates_by_type": "유형마다 다름([아래](#types-of-peft))",
        "width": "폭 {width}에서 {rate}",
        "head_searched": "함께 탐색",
        "quantised": "필요한 것",
        "quantised_said": "bitsandbytes(`quantize` 추가 설치). 백본을 4비트로 불러옵니다",
        "type": "유형",
        "paper": "논문",
        "encoder": "인코더",
        "decoder": "디코더",
    },
}

_CITED = (
    (r"arXiv:(\d{4}\.\d{4,5})", "https://arxiv.org/abs/"),
    (r"doi:(10\.\S+)", "https://doi.org/"),
    (r"openreview:(\w+)", "https://openreview.net/forum?id="),
)


def in_page(make: Callable[..., str]) -> Callable[..., str]:
    """Blank lines around what goes into a page: a table that touches a comment is none."""

    @wraps(make)
    def made(*arguments: str) -> str:
        return f"\n{make(*arguments)}\n"

    return made


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _literal(value: Any) -> str:
    """A default as it would be written in YAML."""
    if value is None:
        return NOTHING
    text = yaml.safe_dump(value, default_flow_style=True).splitlines()[0]
    return f"`{text}`"


def _default(key: Key, lang: str) -> str:
    return say("field.required", lang) if key.required else _literal(key.default)


def _linked(text: str, lang: str) -> str:
    """Links of ``docs/`` as seen from the pages of a language: a translated page where there is one, else the English one."""
    if lang == "en":
        return text

    def moved(found: re.Match[str]) -> str:
        translated = (PAGES / lang / found[1]).is_file()
        return found[0] if translated else f"](../{found[1]}"

    return re.sub(r"\]\(([^()#:\s]+\.md)", moved, text)


def _cited(reference: str) -> str:
    for form, address in _CITED:
        if found := re.search(form, reference):
            return reference.replace(found[0], f"[{found[0]}]({address}{found[1]})")
    return reference


# The study file


def _keys(keys: list[Key], lang: str, table: str = "") -> str:
    words = WORDS[lang]
    rows = [[f"`{key.path}`", key.kind(lang), _default(key, lang), _linked(key.meaning(lang, table), lang)] for key in keys]
    return _table([words["key"], words["value"], words["default"], words["meaning"]], rows)


@in_page
def top_keys(lang: str) -> str:
    """Keys of a study file that stand at its left margin."""
    return _keys([key for key in keys_of(StudySpec) if "." not in key.path], lang)


@in_page
def keys(block: str, lang: str) -> str:
    """Keys of one block, by dotted path."""
    found = [key for key in keys_of(StudySpec) if key.path.startswith(f"{block}.")]
    assert found, block
    return _keys(found, lang)


@in_page
def source_keys(lang: str) -> str:
    """What a source of rows can be."""
    return _keys(list(keys_of(Source)), lang, "source.")


@in_page
def hub_keys(lang: str) -> str:
    """Keys of a data set of the hub."""
    return _keys(list(keys_of(HubDataset)), lang, "hub.")


@in_page
def entry_keys(lang: str) -> str:
    """Parts of an entry of ``methods``."""
    return _keys(list(keys_of(MethodEntry)), lang, "entry.")


# Methods


@in_page
def common_parameters(lang: str) -> str:
    """Parameters that every method takes."""
    return _parameters("full", list(MethodConfig.model_fields), lang)


def _parameters(method: str, names: list[str], lang: str) -> str:
    words, fields = WORDS[lang], method_class(method).Config.model_fields
    rows = [
        [f"`{name}`", kind_of(fields[name], lang), _literal(fields[name].default), parameter_meaning(method, name, lang) or NOTHING]
        for name in names
    ]
    return _table([words["parameter"], words["value"], words["default"], words["meaning"]], rows)


def _own(kind: type[AnyMethod]) -> list[str]:
    """Parameters that a method adds, or gives another default."""
    common = MethodConfig.model_fields
    return [name for name, field in kind.Config.model_fields.items() if name not in common or field.default != common[name].default]


def _ordered() -> list[str]:
    return sorted(method_names(), key=lambda name: (EXPERIMENTS.index(method_class(name).facts.experiment), name))


@in_page
def overview(lang: str) -> str:
    """Every method in a line: what it is, what becomes of the backbone, whether it folds into the weights."""
    words, rows = WORDS[lang], []
    for name in _ordered():
        kind = method_class(name)
        summary = kind.facts.summary[lang]
        rows.append([f"[`{name}`](#{name})", summary, words[f"kind_{kind.facts.experiment}"], _backbone(kind, lang), _merges(kind, lang)])
    return _table([words["method"], words["meaning"], words["kind"], words["backbone"], words["merges"]], rows)


def _backbone(kind: type[AnyMethod], lang: str) -> str:
    facts, words = kind.facts, WORDS[lang]
    if not issubclass(kind, Method):
        return words["backbone_none"]
    if facts.frozen_backbone:
        return words["backbone_frozen"]
    return words["backbone_moves" if facts.trains_backbone else "backbone_stays"]


def _merges(kind: type[AnyMethod], lang: str) -> str:
    words = WORDS[lang]
    if not issubclass(kind, Method):
        return NOTHING
    return words["by_type"] if kind.variants() else words["yes" if kind.facts.mergeable else "no"]


def _rates(rates: LearningRates, lang: str) -> str:
    words = WORDS[lang]
    defaults = ", ".join(words["width"].format(rate=f"{rate:g}", width=width) for width, rate in sorted(rates.by_hidden.items()))
    return words["rates_said"].format(defaults=defaults, low=f"{rates.low:g}", high=f"{rates.high:g}")


def _facts(name: str, lang: str) -> list[tuple[str, str]]:
    kind, words = method_class(name), WORDS[lang]
    facts = kind.facts
    said = [("kind", words[f"kind_{facts.experiment}"]), ("backbone", _backbone(kind, lang))]
    if not issubclass(kind, Method):
        return said
    if kind.variants():
        return [*said, ("rates", words["rates_by_type"])]
    if facts.quantised:
        said.append(("quantised", words["quantised_said"]))
    said.append(("merges", _merges(kind, lang)))
    said.append(("identity", words["true" if facts.identity_at_start else "false"]))
    said.append(("checkpointing", words["yes" if facts.gradient_checkpointing else "no"]))
    head = _rates(kind.head_learning_rates, lang)
    if facts.head_matters:
        head += f" ({words['head_searched']})"
    return [*said, ("rates", _rates(kind.learning_rates, lang)), ("head_rates", head)]


@in_page
def sections(lang: str) -> str:
    """A section for each method: title, paper, facts, parameters."""
    return "\n".join(_section(name, lang) for name in _ordered())


def _section(name: str, lang: str) -> str:
    kind, words = method_class(name), WORDS[lang]
    facts, own = kind.facts, _own(kind)
    lines = [f"### `{name}`", "", f"**{facts.title[lang]}**: {facts.summary[lang]}."]
    if facts.reference:
        lines += ["", _cited(facts.reference)]
    lines += ["", *(f"- {words[fact]}: {value}" for fact, value in _facts(name, lang))]
    if own:
        return "\n".join([*lines, "", _parameters(name, own, lang)])
    return "\n".join([*lines, f"- {words['own']}: {words['none']}", ""])


@in_page
def peft_types(lang: str) -> str:
    """Every type of PEFT that was tried, and where it works."""
    words, rows = WORDS[lang], []
    for variant in method_class("peft").variants():
        cells = [words["yes"] if kind not in variant.refused else say(variant.refused[kind], lang) for kind in ("encoder", "decoder")]
        rows.append([f"`{variant.name}`", f"{variant.title}, {_cited(variant.reference) or NOTHING}", *cells])
    return _table([words["type"], words["paper"], words["encoder"], words["decoder"]], rows)
