"""Studies → differences, as data."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from tuneoff.analyse import Pairing, StudyGap, compare_studies, pairing
from tuneoff.comparison.side import Side

#: Costs that stand side by side, and where a row has them.
COSTS = ("trainable_parameters", "train_peak_bytes", "train_seconds", "search_seconds", "artefact_bytes", "answer_seconds")


@dataclass(frozen=True)
class Difference:
    """Something that is not the same in all studies: its dotted name, and its value in each by the study's name."""

    what: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Against:
    """One study held against the first.

    Attributes:
        study: its name.
        rows: how its test rows match those of the first.
        gaps: label → accuracy in this study less that in the first.
        f1_gaps: the same of macro-F1.
    """

    study: str
    rows: Pairing
    gaps: dict[str, StudyGap]
    f1_gaps: dict[str, StudyGap]


class Found:
    """What holding studies against each other found. The first study is what the others are held against."""

    def __init__(self, sides: Sequence[Side]) -> None:
        self.sides = list(sides)

    @property
    def names(self) -> list[str]:
        """Of the studies, in the order given."""
        return [side.name for side in self.sides]

    @cached_property
    def labels(self) -> list[str]:
        """Methods that at least two studies have, in the order of the first that has them."""
        every = [label for side in self.sides for label in side.rows]
        return [label for label in dict.fromkeys(every) if every.count(label) > 1]

    @cached_property
    def alone(self) -> dict[str, str]:
        """Methods that one study only has, and which."""
        return {label: side.name for side in self.sides for label in side.rows if label not in self.labels}

    @cached_property
    def against(self) -> list[Against]:
        """Every later study held against the first."""
        base = self.sides[0]

        def held(side: Side) -> Against:
            gaps, f1_gaps = compare_studies(base.hits, side.hits), compare_studies(base.f1_parts, side.f1_parts)
            return Against(side.name, pairing(base.hits.rows, side.hits.rows), gaps, f1_gaps)

        return [held(side) for side in self.sides[1:]]

    @cached_property
    def differences(self) -> list[Difference]:
        """What was not set alike, or not measured on the same machine with the same versions."""
        found = _differences({side.name: side.settings for side in self.sides})
        for label in self.labels:
            having = {side.name: side.method_settings(label) for side in self.sides if label in side.rows}
            found += [Difference(f"methods.{label}.{one.what}", one.values) for one in _differences(having)]
        return found

    def costs(self, label: str) -> dict[str, dict[str, float | None]]:
        """A method's costs: name of the study → cost → value, ``None`` where not measured."""
        found: dict[str, dict[str, float | None]] = {}
        for side in self.sides:
            if (row := side.rows.get(label)) is not None:
                values = {"trainable_parameters": (row.parameters or {}).get("trainable"), **row.memory, **row.time}
                values |= {"artefact_bytes": row.artefact_bytes, "answer_seconds": row.answer_seconds}
                found[side.name] = {cost: values.get(cost) for cost in COSTS}
        return found

    def title(self, label: str, lang: str) -> str:
        """A method's name in tables, as the first study that has it writes it."""
        side = next(side for side in self.sides if label in side.rows)
        return side.material.name(side.rows[label], lang)

    @property
    def same_machine(self) -> bool:
        """Whether all memory and time were measured on the same device, so that they can be held against each other."""
        machines = [machine for side in self.sides for machine in side.material.environments or [{}]]
        return len({(machine.get("device"), machine.get("device_name")) for machine in machines}) == 1

    def as_dict(self) -> dict[str, Any]:
        """The shape of ``tuneoff compare --json``."""
        return {
            "studies": [
                {
                    "name": side.name,
                    "backbone": side.material.spec.backbone,
                    "revision": side.backbone_revision,
                    "rows": side.material.data.rows,
                    "seeds": side.material.analysis.num_seeds,
                    "trials": dict(side.material.analysis.trials),
                    "device": side.environment.get("device_name"),
                }
                for side in self.sides
            ],
            "differences": [asdict(one) for one in self.differences],
            "same_machine": self.same_machine,
            "methods": [{"label": label, "scores": self._scores(label), "costs": self.costs(label)} for label in self.labels],
            "against": [
                {
                    "study": one.study,
                    "base": self.names[0],
                    "test_rows": one.rows.kind,
                    "common_rows": one.rows.common,
                    "gaps": {label: gap.as_dict() for label, gap in one.gaps.items()},
                    "f1_gaps": {label: gap.as_dict() for label, gap in one.f1_gaps.items()},
                }
                for one in self.against
            ],
            "alone": self.alone,
        }

    def _scores(self, label: str) -> dict[str, Any]:
        found = {}
        for side in self.sides:
            if (row := side.rows.get(label)) is not None:
                scores = {name: value.as_dict() if (value := getattr(row, name)) else None for name in ("accuracy", "macro_f1")}
                found[side.name] = {"state": row.state, "trained": row.trained, **scores}
        return found


def _differences(settings: dict[str, dict[str, Any]]) -> list[Difference]:
    """Keys whose values are not all the same; one that a study lacks is ``None`` there."""
    keys = dict.fromkeys(key for values in settings.values() for key in values)
    found = []
    for key in keys:
        values = {name: known.get(key) for name, known in settings.items()}
        if len({json.dumps(value) for value in values.values()}) > 1:
            found.append(Difference(key, values))
    return found
