"""One study of a comparison: its rows, its test rows, and everything that was set."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from tuneoff.analyse import Row, StudyHits
from tuneoff.report import Material
from tuneoff.study import Study

#: Parts of a study file that decide no result.
_WORDS: Final = ("study", "domain", "lang", "methods", "budget", "fit", "track")
#: Of where a number was measured: what changes it.
_MACHINE: Final = ("device_name", "cores", "python", "commit")


@dataclass(frozen=True)
class Side:
    """A study as it is compared.

    Attributes:
        name: in tables; names of a comparison differ.
        material: its rows and records.
        hits: which test rows each method is right about, and what tells the rows apart.
        f1_parts: what each row adds to macro-F1.
        backbone_revision: exact version of the backbone; ``None`` where no method has one.
    """

    name: str
    material: Material
    hits: StudyHits
    f1_parts: StudyHits
    backbone_revision: str | None

    @classmethod
    def of(cls, study: Study, name: str) -> "Side":
        """Read a study's records."""
        material, test = study.material(), study.splits.test
        rows = [_digest([*texts, label]) for texts, label in zip(test.texts, test.labels, strict=True)]
        revision = material.backbone.revision if material.backbone else None
        analysis = material.analysis
        f1_parts = StudyHits(analysis.f1_parts, rows, analysis.answers)
        return cls(name, material, StudyHits(analysis.hits, rows), f1_parts, revision)

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Every planned method by label."""
        return {row.label: row for row in self.material.analysis.rows}

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Of the newest record; empty before the first."""
        return (self.material.environments or [{}])[-1]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that may explain a difference, by dotted name."""
        spec = self.material.spec.model_dump(mode="json")
        found = _flat({key: value for key, value in spec.items() if key not in _WORDS})
        data = self.material.data
        found |= {f"data.rows.{split}": count for split, count in data.rows.items()} | {"data.content": data.content_hash[:12]}
        found["backbone.revision"] = self.backbone_revision
        found |= {f"machine.{name}": self.environment.get(name) for name in _MACHINE}
        found |= {f"packages.{name}": version for name, version in self.environment.get("packages", {}).items()}
        return found

    def method_settings(self, label: str) -> dict[str, Any]:
        """A method's parameters as they were used."""
        row = self.rows[label]
        return _flat({"method": row.method, "precision": row.precision, **row.config})


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def _digest(content: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
