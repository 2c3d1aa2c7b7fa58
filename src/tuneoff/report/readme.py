"""The study's README.md: the brief, filled in, in one language."""

from collections.abc import Callable
from typing import Any

from tuneoff.analyse import Row
from tuneoff.report import format as f
from tuneoff.report import sections
from tuneoff.report.conclusions import efficiency, performance
from tuneoff.report.markdown import Column, table
from tuneoff.report.material import Material
from tuneoff.strings import say

LIBRARIES = ("torch", "transformers", "peft", "accelerate", "datasets")
#: The brief's table leaves baselines without a backbone to the fuller one.
BRIEF_EXPERIMENTS = (1, 2, 3)


class Readme:
    """Builds the page section by section.

    Args:
        material: what it is written from.
        lang: ``en`` or ``ko``.
        plots: file names of the plots that exist, by kind.
    """

    def __init__(self, material: Material, lang: str, plots: dict[str, str]) -> None:
        self.material, self.lang, self.plots = material, lang, plots

    def say(self, key: str, **facts: object) -> str:
        """A string of the report's table."""
        return say(f"report.{key}", self.lang, **facts)

    def text(self) -> str:
        """The whole page."""
        parts = [
            [f"# {self.say('title', study=self.material.spec.study)}", "", self._progress()],
            self._overview(),
            self._data(),
            self._methods(),
            self._results(),
            self._curves(),
            self._analysis(),
            self._directory(),
            self._references(),
        ]
        return "\n\n".join("\n".join(part).strip() for part in parts if part) + "\n"

    def _progress(self) -> str:
        trials = self.material.analysis.trials
        total, done = sum(trials.values()), trials["complete"]
        if done == total:
            return self.say("progress_done", total=total)
        rest = ", ".join(f"{self.say('state_' + state)}: {count}" for state, count in sorted(trials.items()) if state != "complete")
        return self.say("progress_part", total=total, done=done, rest=rest)

    def _overview(self) -> list[str]:
        spec, records = self.material.spec, self.material.records
        lines = [
            f"## {self.say('overview')}",
            "",
            self.say("overview_text", backbone=spec.backbone, domain=spec.domain or self.say("domain_none")),
            "",
        ]
        dates = sorted(record["began"][:10].replace("-", ".") for record in records if record.get("began"))
        lines.append("* " + (self.say("period", first=dates[0], last=dates[-1]) if dates else self.say("period_none")))
        machines = [record["environment"] for record in records if "environment" in record]
        if machines:
            here = machines[-1]
            lines.append(
                "* "
                + self.say(
                    "environment",
                    device=here["device_name"],
                    cores=here["cores"],
                    memory=f.size(here["device_bytes"]),
                    platform=here["platform"],
                    python=here["python"],
                )
            )
            used = [f"{name} {here['packages'][name]}" for name in LIBRARIES if here["packages"].get(name)]
            lines.append("* " + self.say("libraries", libraries=", ".join(used)))
            mixed = [name for name in here["packages"] if len({m["packages"].get(name) for m in machines}) > 1]
            if mixed:
                lines.append("* " + self.say("mixed", libraries=", ".join(mixed)))
        return lines

    def _data(self) -> list[str]:
        spec, data = self.material.spec.data, self.material.data
        sample = spec.train.sample
        hub = spec.train.hub.path if spec.train.hub else None
        name = spec.name or (f"sample:{sample}" if sample else hub or str(spec.train.file))
        source = spec.source or (
            self.say("data_sample") if sample else f"https://huggingface.co/datasets/{hub}" if hub else f"`{spec.train.file}`"
        )
        task = spec.task or self.say("task_pair" if len(spec.text_columns) > 1 else "task_single", classes=len(self.material.labels))
        classes = ", ".join(f"{label} {data.classes['train'].get(label, 0):,}" for label in self.material.labels[:20])
        lines = [
            f"## {self.say('data')}",
            "",
            "* " + self.say("data_name", name=name),
            "* " + self.say("data_source", source=source),
            "* " + self.say("data_size", unlabelled=data.unlabelled, **data.rows),
            "* " + self.say("data_task", task=task),
            "* " + self.say("data_classes", classes=classes + (", …" if len(self.material.labels) > 20 else "")),
            "* " + self.say("data_hash", hash=data.content_hash[:16]),
            "",
        ]
        if not data.findings:
            return [*lines, self.say("data_clean")]
        lines += [self.say("data_warnings"), ""]
        return lines + ["* " + x.markdown(self.lang) for x in data.findings]

    def _methods(self) -> list[str]:
        lines = [f"## {self.say('methodology')}", ""]
        card = self.material.backbone
        if card is None:
            lines.append(self.say("methodology_baselines"))
        else:
            kind = self.say(f"kind_{card.kind}")
            lines.append(
                self.say(
                    "methodology_text",
                    backbone=card.name,
                    kind=kind,
                    layers=card.layers,
                    hidden=card.hidden,
                    parameters=f.count(card.parameters),
                    revision=card.revision[:19],
                    seeds=self.material.spec.seeds,
                )
            )
        for experiment in (0, 1, 2, 3):
            chosen = [method for method in self.material.methods if method.experiment == experiment]
            if not chosen:
                continue
            lines += ["", f"### {self.say(f'experiment_{experiment}')}", ""]
            for method in chosen:
                what = method.summary[self.lang]
                if experiment == 2:
                    what = self.say(
                        "summary_pretrain", texts=f.count(next((s["texts"] for s in self.material.stages if "texts" in s), None))
                    )
                settings = ", ".join(f"{key}={_short(value)}" for key, value in method.config.items() if value is not None)
                lines.append(
                    f"* **{self.material.name(method, self.lang)}**: {what}"
                    + (f" ({self.say('settings', settings=settings)})" if settings else "")
                )
        return lines

    def _results(self) -> list[str]:
        rows = self.material.analysis.rows
        lines = [
            f"## {self.say('results')}",
            "",
            *table(self._brief_columns(), [r for r in rows if r.experiment in BRIEF_EXPERIMENTS]),
        ]
        shares = sorted(
            row.parameters["percent"] for row in rows if row.experiment == 3 and row.parameters and row.parameters.get("percent")
        )
        if shares:
            total = next(f.count(row.parameters["total"]) for row in rows if row.parameters and row.parameters.get("total"))
            key = "note_percent_one" if f.percent(shares[0]) == f.percent(shares[-1]) else "note_percent"
            lines += ["", "> " + self.say(key, low=f.percent(shares[0]), high=f.percent(shares[-1]), total=total)]
        counter = next((row.memory["counter"] for row in rows if row.memory), None)
        if counter:
            lines += [">", "> " + self.say("note_counter", counter=self.say(f"counter_{counter}"))]
        lines += ["", f"### {self.say('full_table')}", "", *table(self._full_columns(), rows)]
        scored = [row for row in rows if row.per_class_f1]
        if scored and len(self.material.labels) <= 20:
            columns: list[Column[Row]] = [(self.say("method"), lambda row: self.material.name(row, self.lang))]
            columns += [(label, lambda row, label=label: f"{row.per_class_f1[label]:.3f}") for label in self.material.labels]  # type: ignore[misc]
            lines += ["", f"### {self.say('per_class')}", "", *table(columns, scored)]
        for section in (sections.comparisons, sections.second_score, sections.sensitivity, sections.latency):
            lines += section(self.material, self.lang)
        return lines + self._failures()

    def _brief_columns(self) -> list[Column[Row]]:
        return [
            (self.say("method"), lambda row: f"**{self.material.name(row, self.lang)}**"),
            (self.say("column_parameters"), _trainable),
            (self.say("column_memory"), lambda row: f.size(row.memory.get("train_peak_bytes"))),
            (self.say("column_time"), lambda row: f.minutes(row.time.get("train_seconds"))),
            (self.say("column_accuracy"), lambda row: f.score(row.accuracy) if row.accuracy else self._state(row)),
            (self.say("column_f1"), lambda row: f.score(row.macro_f1)),
        ]

    def _full_columns(self) -> list[Column[Row]]:
        def part(name: str) -> Callable[[Row], str]:
            return lambda row: f.count((row.parameters or {}).get(name))

        return [
            (self.say("method"), lambda row: self.material.name(row, self.lang)),
            (self.say("column_accuracy"), lambda row: f.score(row.accuracy)),
            (self.say("column_f1"), lambda row: f.score(row.macro_f1)),
            ("MCC", lambda row: f.NOTHING if row.mcc is None else f"{row.mcc:.3f}"),
            ("ECE", lambda row: f.NOTHING if row.ece is None else f"{row.ece:.3f}"),
            (self.say("column_gap"), lambda row: f.points(row.gap) if row.gap else f.NOTHING),
            (self.say("column_adapter"), part("adapter")),
            (self.say("column_head"), part("head")),
            (self.say("column_base"), part("base")),
            (self.say("column_percent"), lambda row: f.percent((row.parameters or {}).get("percent"))),
            (self.say("column_memory"), lambda row: f.size(row.memory.get("train_peak_bytes"))),
            (self.say("column_eval_memory"), lambda row: f.size(row.memory.get("eval_peak_bytes"))),
            (self.say("column_time"), lambda row: f.short_time(row.time.get("train_seconds"))),
            (self.say("column_search_time"), lambda row: f.short_time(row.time.get("search_seconds"))),
            (self.say("column_eval_time"), lambda row: f.short_time(row.time.get("eval_seconds"))),
            (self.say("column_total_time"), lambda row: f.short_time(row.time.get("total_seconds"))),
            (self.say("column_latency"), _latency),
            (self.say("column_artefact"), lambda row: f.size(row.artefact_bytes)),
            (self.say("column_epochs"), lambda row: f"{row.epochs} ({', '.join(map(str, row.best_epochs))})" if row.epochs else f.NOTHING),
            (self.say("column_reload"), lambda row: self.say(f"reload_{row.reload}") if row.reload else f.NOTHING),
            (self.say("column_state"), self._state),
        ]

    def _state(self, row: Row) -> str:
        if not row.trained:
            return self.material.collapse(row, self.lang)
        states = [f"{self.say('state_' + state)} {count}" for state, count in sorted(row.trials.items())]
        return self.say("state_complete") if row.state == "complete" else ", ".join(states)

    def _failures(self) -> list[str]:
        failed = [row for row in self.material.analysis.rows if row.error]
        if not failed:
            return []
        lines = ["", f"### {self.say('failures')}", ""]
        for row in failed:
            error: dict[str, Any] = row.error or {}
            words = say(error["key"], self.lang, **error.get("facts", {}))
            lines.append(f"* **{self.material.name(row, self.lang)}** ({self._state(row)}): {words}")
        return lines

    def _curves(self) -> list[str]:
        lines = [f"### {self.say('curves')}", ""]
        if "curves" not in self.plots:
            return [*lines, self.say("no_curves"), *sections.pareto(self.material, self.lang)]
        lines.append(f"![{self.say('curves')}](./assets/{self.plots['curves']})")
        trades = [kind for kind in ("memory", "time") if kind in self.plots]
        if trades:
            lines += ["", f"### {self.say('trade_offs')}", ""]
            lines += [f"![{self.say('chart_trade_' + kind)}](./assets/{self.plots[kind]})" for kind in trades]
        return lines + sections.pareto(self.material, self.lang)

    def _analysis(self) -> list[str]:
        lines = [f"## {self.say('analysis')}", "", f"### {self.say('performance')}", ""]
        lines += performance(self.material, self.lang)
        lines += ["", f"### {self.say('efficiency')}", "", *efficiency(self.material, self.lang)]
        return lines

    def _directory(self) -> list[str]:
        entries = [
            ("assets/", "dir_assets"),
            ("data/", "dir_data"),
            ("notebooks/", "dir_notebooks"),
            ("results/", "dir_results"),
            ("study.yaml", "dir_study"),
            ("README.md", "dir_readme"),
        ]
        there = [(name, key) for name, key in entries if name == "README.md" or (self.material.folder / name).exists()]
        lines = [f"{'└──' if i == len(there) - 1 else '├──'} {name:<18} # {self.say(key)}" for i, (name, key) in enumerate(there)]
        return [f"## {self.say('directory')}", "", "```text", ".", *lines, "```"]

    def _references(self) -> list[str]:
        papers = dict.fromkeys(method.reference for method in self.material.methods if method.reference)
        if any(method.experiment == 2 for method in self.material.methods):
            papers["Gururangan et al. (2020). Don't Stop Pretraining: Adapt Language Models to Domains and Tasks. arXiv:2004.10964"] = None
        return [f"## {self.say('references')}", "", *(f"* {paper}" for paper in papers), f"* {self.say('reference_library')}"]


def _trainable(row: Row) -> str:
    if not row.parameters:
        return f.NOTHING
    share = row.parameters.get("percent")
    return f.count(row.parameters["trainable"]) + (f" ({f.percent(share)})" if share is not None else "")


def _latency(row: Row) -> str:
    alone = (row.latency or {}).get("batch_1")
    return f"{f.latency(alone.get('p50_seconds'))} / {f.latency(alone.get('p95_seconds'))}" if alone else f.NOTHING


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
