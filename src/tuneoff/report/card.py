"""The model card of an exported folder: what was measured of that one trial, and nothing else."""

from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCardData

from tuneoff.errors import printable
from tuneoff.report import format as f
from tuneoff.spec import DataSpec, StudySpec
from tuneoff.strings import LANGUAGES, say

if TYPE_CHECKING:
    from tuneoff.run.export import Exported, Source

LIBRARIES = ("torch", "transformers", "peft", "tokenizers")
MOST_LABELS = 20
#: Parameters that every method has; they have lines of their own.
COMMON = ("learning_rate", "head_learning_rate", "epochs")
#: A row of a table: quantity, value, how it was measured.
Line = tuple[str, str, str]


class ModelCard:
    """Builds the card section by section.

    Args:
        source: the trial, with its record.
        exported: what was written.
        spec: of the study around it, for the name of its data; the record has only the hash.
        lang: ``en`` or ``ko``.
    """

    def __init__(self, source: "Source", exported: "Exported", spec: StudySpec | None, lang: str) -> None:
        self.source, self.exported, self.spec, self.lang = source, exported, spec, lang
        self.record, self.trial, self.said = source.record, source.record["trial"], exported.said
        self.labels = [printable(label) for label in self.said.labels]

    def say(self, key: str, **facts: object) -> str:
        """A string of the card's table."""
        return say(f"card.{key}", self.lang, **facts)

    def text(self) -> str:
        """The whole card."""
        parts = [
            self._header(),
            self._intro(),
            self._usage(),
            self._results(),
            self._costs(),
            self._training(),
            self._data(),
            self._measured(),
        ]
        return "\n\n".join("\n".join(part).strip() for part in parts) + "\n"

    @property
    def method(self) -> str:
        """The method's name in tables."""
        title = self.exported.title[self.lang]
        return self.say("pretrained", method=title) if self.said.method.startswith("pretrain+") else title

    def _header(self) -> list[str]:
        """What the hub reads; what is not known is left out."""
        base = self.exported.base_model
        hub_data = self.spec.data.train.hub.path if self.spec and self.spec.data.train.hub else None
        data = ModelCardData(
            base_model=base,
            datasets=[hub_data] if hub_data else None,
            language=_language(self.spec.data) if self.spec else None,
            library_name=self.exported.library,
            metrics=["accuracy", "f1"],
            pipeline_tag="text-classification",
            tags=["tuneoff", *self.said.method.split("+")],
            base_model_relation=self.exported.relation if base else None,
        )
        return ["---", data.to_yaml(), "---"]

    def _intro(self) -> list[str]:
        labels = ", ".join(self.labels[:MOST_LABELS]) + (", …" if len(self.labels) > MOST_LABELS else "")
        facts = {"method": self.method, "backbone": self.said.backbone_name, "count": len(self.labels), "labels": labels}
        version = self.record["environment"]["packages"]["tuneoff"]
        lines = [f"# {self.say('title', study=self.record['study'], method=self.method)}", "", self.say("intro", version=version, **facts)]
        if reason := self.record.get("collapse", {}).get("reason"):
            lines += ["", self.say("collapsed", reason=self.say(f"collapsed_{reason}"))]
        if self.record.get("reload", {}).get("same") is False:
            lines += ["", self.say("different")]
        return lines

    def _usage(self) -> list[str]:
        language, code = self.exported.usage
        how = [self.say(f"usage_{self.exported.layout}")]
        if self.exported.merged:
            how.append(self.say("usage_merged"))
        if self.exported.brings_backbone:
            how.append(self.say("usage_backbone"))
        checked = self.say("usage_checked", length=self.said.max_length, difference=f"{self.exported.largest_difference:.1e}")
        told = [checked]
        if (precision := self.record["precision"]) != "fp32" and language == "python":
            told.append(self.say("usage_precision", precision=precision))
        return [f"## {self.say('usage')}", "", " ".join(how), "", f"```{language}", code.rstrip("\n"), "```", "", " ".join(told)]

    def _results(self) -> list[str]:
        test, validation = (self.record["quality"][name] for name in ("test", "validation"))
        tested, validated = self.source.rows["test"], self.source.rows["validation"]
        how = self.say("how_test", rows=tested)
        lines: list[Line] = [
            (self.say("accuracy"), f"{test['accuracy']:.3f}", how),
            (self.say("macro_f1"), f"{test['macro_f1']:.3f}", how),
            (self.say("mcc"), f"{test['mcc']:.3f}", how),
            (self.say("ece"), f"{test['ece']:.3f}", self.say("how_ece", rows=tested)),
        ]
        if len(self.labels) <= MOST_LABELS:
            lines += [(self.say("class_f1", label=printable(label)), f"{value:.3f}", how) for label, value in test["per_class_f1"].items()]
        lines.append((self.say("validation"), f"{validation['accuracy']:.3f}", self.say("how_validation", rows=validated)))
        told = [self.say("results_text", rows=tested, seed=self.trial["seed"])]
        if (self.source.best_of or 0) > 1:
            told.append(self.say("results_chosen", count=self.source.best_of))
        return [f"## {self.say('results')}", "", " ".join(told), "", *self._table(lines)]

    def _costs(self) -> list[str]:
        record, counted = self.record, self.record["parameters"]
        memory, machine, phases = record["memory"]["train"], record["environment"], record["phases"]
        parts = {name: f.count(counted[name]) for name in ("adapter", "head", "base", "total")}
        lines: list[Line] = [
            (
                self.say("trainable"),
                f.count(counted["trainable"]),
                self.say("how_trainable", percent=f.percent(counted["percent"]), **parts),
            ),
            (self.say("train_memory"), f.size(memory["bytes"]), say(f"report.counter_{memory['counter']}", self.lang)),
            (
                self.say("train_time"),
                f.short_time(phases.get("warmup", 0.0) + phases["train"]),
                self.say("how_train_time", device=machine["device_name"], precision=record["precision"]),
            ),
        ]
        for stage, name in (("pretraining", "pretrain_time"), ("search", "search_time")):
            if stage in record:
                lines.append((self.say(name), f.short_time(sum(record[stage]["phases"].values())), self.say("how_stage_time")))
        used = {name: joules for name, joules in (record.get("energy", {}).get("train") or {}).items() if joules}
        if used:
            counters = ", ".join(name.partition("_")[0].upper() for name in used)
            lines.append((self.say("energy"), f"{sum(used.values()) / 1000:.3g} kJ", self.say("how_energy", counters=counters)))
        lines.append((self.say("artefact"), f.size(record["artefact_bytes"]), self.say("how_artefact")))
        return [f"## {self.say('costs')}", "", *self._table(lines)]

    def _table(self, lines: list[Line]) -> list[str]:
        titles = tuple(self.say(f"column_{name}") for name in ("what", "value", "how"))
        head, *rows = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in (titles, *lines))
        return [f"| {head} |", "| --- | ---: | --- |", *(f"| {row} |" for row in rows)]

    def _training(self) -> list[str]:
        trial, record = self.trial, self.record
        own = ", ".join(f"{name} = {_short(value)}" for name, value in trial["config"].items() if name not in COMMON and value is not None)
        searched = len(record["search"]["candidates"]) if "search" in record else 0
        rates = record["rates"]
        train = trial["train"]
        lines = [
            self.say("fact_backbone", backbone=self.said.backbone_name, revision=self.said.revision),
            self.say("fact_method", method=self.method),
            *([self.say("fact_parameters", parameters=own)] if own else []),
            self.say(
                "fact_rates",
                rate=_short(rates["learning_rate"]),
                head=_short(rates["head_learning_rate"]),
                origin=self.say("rates_found", count=searched) if searched else self.say("rates_set"),
            ),
            self.say(
                "fact_schedule",
                epochs=trial["config"]["epochs"],
                best=record["best_epoch"],
                batch=train["batch_size"],
                length=train["max_length"],
            ),
        ]
        if before := trial["pretrain"]:
            lines.append(self.say("fact_pretrain", epochs=before["epochs"], rate=_short(before["learning_rate"])))
        lines.append(self.say("fact_seed", seed=trial["seed"]))
        return [f"## {self.say('training')}", "", *("* " + line for line in lines)]

    def _data(self) -> list[str]:
        lines = [
            *([self.say("fact_data", name=_name(self.spec.data))] if self.spec else []),
            self.say("fact_hash", hash=self.trial["data"]),
            self.say("fact_rows", validation=self.source.rows["validation"], test=self.source.rows["test"]),
            self.say("fact_no_texts"),
        ]
        return [f"## {self.say('data')}", "", *("* " + line for line in lines)]

    def _measured(self) -> list[str]:
        record, machine = self.record, self.record["environment"]
        used = ", ".join(f"{name} {machine['packages'][name]}" for name in LIBRARIES if machine["packages"].get(name))
        lines = [
            self.say("fact_trial", trial=self.source.trial, date=record["began"][:10], version=machine["packages"]["tuneoff"]),
            self.say(
                "fact_machine",
                device=machine["device_name"],
                cores=machine["cores"],
                platform=machine["platform"],
                python=machine["python"],
                libraries=used,
            ),
            *self._reload(record.get("reload", {})),
        ]
        reference = self.exported.reference
        told = [f"## {self.say('measured')}", "", *("* " + line for line in lines)]
        return [*told, "", f"## {self.say('references')}", "", f"* {reference}"] if reference else told

    def _reload(self, proof: dict[str, Any]) -> list[str]:
        """What the reload proof found, in the trial's own precision."""
        if "same" not in proof:
            return [self.say("fact_reload_unproven")]
        key = "fact_reload" if proof["same"] else "fact_reload_different"
        lines = [self.say(key, rows=proof["rows"], difference=f"{proof['largest_difference']:.1e}")]
        merged = proof.get("merged", {})
        if "same" in merged:
            lines.append(self.say("fact_merged", rows=merged["rows"], difference=f"{merged['largest_difference']:.1e}"))
        return lines


def _name(data: DataSpec) -> str:
    """What the study file calls its data."""
    train = data.train
    return data.name or (f"sample:{train.sample}" if train.sample else train.hub.path if train.hub else str(train.file))


def _language(data: DataSpec) -> str | None:
    """The language of a bundled sample; of other data nobody has said it."""
    ending = (data.train.sample or "").rpartition("-")[2]
    return ending if ending in LANGUAGES else None


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
