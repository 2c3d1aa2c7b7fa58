"""Sections 1 to 3 of the brief: what was compared, on which data, where and how."""

from collections import Counter
from typing import Any, Final

import numpy as np

from tuneoff.analyse import MethodTrials
from tuneoff.report import format as f
from tuneoff.report import words
from tuneoff.report.markdown import Column, plain, table
from tuneoff.report.material import Material
from tuneoff.strings import say

#: Packages whose versions a reader looks for, and what they are called.
LIBRARIES: Final = {
    "torch": "PyTorch",
    "transformers": "Hugging Face Transformers",
    "peft": "PEFT",
    "datasets": "Datasets",
    "accelerate": "Accelerate",
    "bitsandbytes": "bitsandbytes",
    "tuneoff": "tuneoff",
}
#: With more classes a table of them is no longer read.
MOST_CLASSES: Final = 20
#: Parameters that every method has; they have words of their own.
COMMON: Final = ("learning_rate", "head_learning_rate", "epochs")
SPLITS: Final = ("train", "validation", "test")


def _bullets(lines: list[str]) -> list[str]:
    return ["* " + line for line in lines]


# 1. Overview


def overview(material: Material, lang: str) -> list[str]:
    """What the study is about, when and where it ran, and with what."""
    spec = material.spec
    if spec.domain:
        about = say("report.overview_text", lang, domain=plain(spec.domain))
    else:
        about = say("report.overview_plain", lang, data=_data_name(material))
    used = sorted((method for method in material.methods if method.experiment), key=lambda method: method.experiment)
    if not used:
        how = say("report.overview_none", lang)
    else:
        first, last = (material.name(method, lang) for method in (used[0], used[-1]))
        key = "report.overview_one" if len(used) == 1 else "report.overview_many"
        how = say(key, lang, backbone=spec.backbone, count=len(used), first=first, last=last)
    facts = [_period(material, lang), *_environments(material, lang), *_libraries(material, lang), *_remote_code(material, lang)]
    return [about, how, "", *_bullets(facts)]


def _remote_code(material: Material, lang: str) -> list[str]:
    """Whoever reads the report must know that a stranger's code may have run."""
    if not material.spec.trust_remote_code or material.backbone is None:
        return []
    return [say("backbone.code_allowed", lang, revision=material.backbone.revision)]


def _period(material: Material, lang: str) -> str:
    """From the start of the first record to the end of the last."""
    if material.period is None:
        return say("report.period_none", lang)
    first, last = (f"{moment:%Y.%m.%d}" for moment in material.period)
    return say("report.period_day" if first == last else "report.period", lang, first=first, last=last)


def _environments(material: Material, lang: str) -> list[str]:
    """Every machine that records come from, the busiest first, and the precision that was computed in."""
    machines = material.environments
    places = Counter((m["device"], m["device_name"], m["device_bytes"], m["cores"], m["platform"]) for m in machines)
    lines = []
    for (kind, name, memory, cores, platform), count in places.most_common():
        key = "report.environment_cpu" if kind == "cpu" else "report.environment_gpu"
        line = say(key, lang, device=name, cores=cores, memory=f.size(memory), platform=platform)
        share = say("report.environment_share", lang, trials=count, total=len(machines))
        lines.append(line if len(places) == 1 else f"{line} ({share})")
    precisions = sorted({row.precision for row in material.analysis.rows if row.precision and row.experiment})
    if precisions:
        lines.append(say("report.precision", lang, precisions=", ".join(precisions)))
    return lines


def _libraries(material: Material, lang: str) -> list[str]:
    """Versions of the newest record, and which of them are not the same in all."""
    machines = material.environments
    if not machines:
        return []
    newest = machines[-1]
    used = [f"Python {newest['python']}"]
    used += [f"{name} {newest['packages'][package]}" for package, name in LIBRARIES.items() if newest["packages"].get(package)]
    lines = [say("report.libraries", lang, libraries=", ".join(used))]
    mixed = [name for name in newest["packages"] if len({packages.get(name) for packages in material.installed}) > 1]
    if mixed:
        lines.append(say("report.mixed", lang, libraries=", ".join(mixed)))
    beside = {(record.get("workers", 1), record.get("devices", 1)) for record in material.records if "environment" in record}
    if len(beside) > 1:
        numbers = [", ".join(map(str, sorted(set(one)))) for one in zip(*beside, strict=True)]
        lines.append(say("cluster.mixed_workers", lang, workers=numbers[0], devices=numbers[1]))
    return lines


# 2. Data


def _data_name(material: Material) -> str:
    data = material.spec.data
    sample, hub = data.train.sample, data.train.hub
    return data.name or (f"sample:{sample}" if sample else hub.path if hub else str(data.train.file))


def data(material: Material, lang: str) -> list[str]:
    """Name, source, sizes, task, class balance, and what the data check found."""
    spec, report = material.spec.data, material.data
    hub = spec.train.hub
    source = plain(spec.source or "") or (
        say("report.data_sample", lang)
        if spec.train.sample
        else f"<https://huggingface.co/datasets/{hub.path}>"
        if hub
        else f"`{spec.train.file}`"
    )
    task = plain(spec.task or "") or say(
        "report.task_pair" if len(spec.text_columns) > 1 else "report.task_single", lang, classes=len(material.labels)
    )
    size = "report.data_size" if report.unlabelled else "report.data_no_unlabelled"
    lines = [
        say("report.data_name", lang, name=plain(_data_name(material))),
        say("report.data_source", lang, source=source),
        say(size, lang, unlabelled=report.unlabelled, **report.rows),
        say("report.data_task", lang, task=task),
        *_many_classes(material, lang),
        say("report.data_hash", lang, hash=report.content_hash[:16]),
    ]
    found = _bullets([finding.markdown(lang) for finding in report.findings])
    verdict = [say("report.data_warnings", lang), "", *found] if found else [say("report.data_clean", lang)]
    return [*_bullets(lines), "", *_class_table(material, lang), *verdict]


def _many_classes(material: Material, lang: str) -> list[str]:
    if len(material.labels) <= MOST_CLASSES:
        return []
    sizes = Counter({label: material.data.classes["train"].get(label, 0) for label in material.labels}).most_common()
    (largest, most), (smallest, least) = sizes[0], sizes[-1]
    facts = {"largest": plain(largest), "smallest": plain(smallest), "most": f.count(most), "least": f.count(least)}
    return [say("report.data_many_classes", lang, count=f.count(len(sizes)), **facts)]


def _class_table(material: Material, lang: str) -> list[str]:
    """Rows of each class in each split, and their share of it."""
    if len(material.labels) > MOST_CLASSES:
        return []

    def cell(split: str, label: str) -> str:
        count, rows = material.data.classes[split].get(label, 0), material.data.rows[split]
        return f"{f.count(count)} ({f.percent(100 * count / rows)})" if rows else f.NOTHING

    columns: list[Column[str]] = [(say("report.column_class", lang), plain)]
    columns += [(say(f"report.split_{split}", lang), lambda label, split=split: cell(split, label)) for split in SPLITS]  # type: ignore[misc]
    return [*table(columns, material.labels), ""]


# 3. Methods


def methodology(material: Material, lang: str) -> list[str]:
    """The backbone, what all methods share, and each experiment with its parameters."""
    card, spec = material.backbone, material.spec
    lines = [say("report.methodology_baselines", lang)]
    if card is not None:
        facts = {"backbone": card.name, "revision": card.revision[:19], "layers": card.layers, "hidden": card.hidden}
        facts |= {"kind": say(f"report.kind_{card.kind}", lang), "parameters": f.count(card.parameters)}
        shared = [words.epochs(spec.train.epochs, lang), say("report.setting_batch", lang, count=spec.train.batch_size)]
        shared.append(say("report.setting_length", lang, count=spec.train.max_length))
        if spec.tuning.trials > 1:
            shared.append(say("report.setting_search", lang, count=spec.tuning.trials))
        lines = [
            say("report.methodology_text", lang, seeds=words.seeds(spec.seeds, lang), **facts),
            say("report.methodology_shared", lang, settings=", ".join(shared)),
        ]
    for experiment in (0, 1, 2, 3):
        chosen = [method for method in material.methods if method.experiment == experiment]
        if chosen:
            lines += ["", f"### {say(f'report.experiment_{experiment}', lang)}", "", *_before(material, experiment, lang)]
            lines += [_method(material, method, lang) for method in chosen]
    return lines


def _before(material: Material, experiment: int, lang: str) -> list[str]:
    """What is said of an experiment before its methods."""
    if experiment == 3:
        return [say("report.peft_intro", lang), ""]
    if experiment != 2 or material.backbone is None:
        return []
    stages = [stage for stage in material.stages if stage["trial"].get("stage") == "pretrain" and "texts" in stage]
    # Before the stage has run: of what it will read.
    count = stages[0]["texts"] if stages else material.data.unlabelled + material.data.rows["train"]
    texts = say("report.texts_many", lang, count=f.count(count))
    pretrain = material.spec.pretrain
    return [
        "* " + say(f"report.pretrain_{material.backbone.kind}", lang, texts=texts, mask=f.percent(100 * pretrain.mask)),
        *(["* " + say("report.pretrain_settings", lang, settings=", ".join(_pretraining(stages, lang)))] if stages else []),
    ]


def _pretraining(stages: list[dict[str, Any]], lang: str) -> list[str]:
    """Settings and result of continued pretraining, over its seeds."""
    used = stages[0]["trial"]["pretrain"]
    said = [words.epochs(used["epochs"], lang), say("report.setting_batch", lang, count=used["batch_size"])]
    said.append(say("report.setting_rate", lang, rate=f.rate(used["learning_rate"])))
    losses = [(stage["loss_before"], stage["loss_after"]) for stage in stages if stage.get("loss_after") is not None]
    if losses:
        before, after = np.mean(losses, axis=0)
        key = "report.pretrain_loss" if after < before else "report.pretrain_loss_up"
        said.append(say(key, lang, before=f"{before:.3f}", after=f"{after:.3f}"))
    return said


def _method(material: Material, method: MethodTrials, lang: str) -> str:
    """A method with what it does and every parameter as used."""
    own = {key: value for key, value in method.config.items() if key not in COMMON and value is not None}
    settings = [say("report.setting_rank", lang, value=own.pop("r"))] if "r" in own else []
    settings += [f"`{key}={_short(value)}`" for key, value in own.items()]
    settings += _rates(material, method, lang)
    if method.config.get("epochs"):
        settings.append(words.epochs(method.config["epochs"], lang))
    what = f"* **{material.name(method, lang)}:** {method.summary[lang]}"
    return f"{what} ({', '.join(settings)})" if settings else what


def _rates(material: Material, method: MethodTrials, lang: str) -> list[str]:
    """Learning rates as planned, or as the search found them."""
    found = next((row.sensitivity for row in material.analysis.rows if row.label == method.label), None)
    rate, head = (getattr(found, name) if found else method.config.get(name) for name in COMMON[:2])
    if rate is None:
        return []
    said = [say("report.setting_rate", lang, rate=f.rate(rate))]
    if head is not None and head != rate:
        said.append(say("report.setting_head_rate", lang, rate=f.rate(head)))
    if found is None:
        return said
    said.append(say("report.setting_kept" if found.kept else "report.setting_found", lang))
    # Trials that did not train at the rate found trained at another, and the row is a mean over both.
    used = Counter(trial.record.get("rates", {}).get("learning_rate", rate) for trial in method.complete)
    return said + [
        say("report.setting_fallback", lang, rate=f.rate(other), count=count, seeds=len(method.complete))
        for other, count in sorted(used.items())
        if other != rate
    ]


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
