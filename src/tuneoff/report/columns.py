"""The columns of the full table, for the README and the page alike: what stands in a cell, and what it is sorted by."""

from collections.abc import Callable
from dataclasses import dataclass

from tuneoff.analyse import Row, joules
from tuneoff.report import format as f
from tuneoff.report.material import Material
from tuneoff.strings import say


@dataclass(frozen=True)
class FullColumn:
    """One column.

    Attributes:
        key: its name.
        group: what it is about: ``score``, ``parameters``, ``memory``, ``time``, ``energy``, ``money``, ``use`` or
            ``trial``.
        title: as a reader sees it.
        cell: what stands in it for a row.
        value: what a row is sorted by; ``None`` where nothing was measured.
    """

    key: str
    group: str
    title: str
    cell: Callable[[Row], str]
    value: Callable[[Row], float | str | None]


def full_columns(material: Material, lang: str) -> list[FullColumn]:
    """Every column but the method's name."""

    def score(key: str, title: str, of: Callable[[Row], float | None]) -> FullColumn:
        return FullColumn(key, "score", title, lambda row: f.NOTHING if (found := of(row)) is None else f"{found:.3f}", of)

    def part(name: str) -> FullColumn:
        def of(row: Row) -> int | None:
            return (row.parameters or {}).get(name)

        return FullColumn(name, "parameters", say(f"report.column_{name}", lang), lambda row: f.count(of(row)), of)

    def memory(key: str, name: str) -> FullColumn:
        def of(row: Row) -> int | None:
            return row.memory.get(name)

        return FullColumn(key, "memory", say(f"report.column_{key}", lang), lambda row: f.size(of(row)), of)

    def time(key: str, name: str) -> FullColumn:
        def of(row: Row) -> float | None:
            return row.time.get(name)

        return FullColumn(key, "time", say(f"report.column_{key}", lang), lambda row: f.short_time(of(row)), of)

    def percent(row: Row) -> float | None:
        return (row.parameters or {}).get("percent")

    def spent(row: Row) -> float | None:
        found = material.expense(row)
        return found.total if found else None

    return [
        FullColumn(
            "accuracy",
            "score",
            say("report.column_accuracy", lang),
            lambda row: f.score(row.accuracy),
            lambda row: row.accuracy.mean if row.accuracy else None,
        ),
        FullColumn(
            "f1",
            "score",
            say("report.column_f1", lang),
            lambda row: f.score(row.macro_f1),
            lambda row: row.macro_f1.mean if row.macro_f1 else None,
        ),
        score("mcc", "MCC", lambda row: row.mcc),
        score("ece", "ECE", lambda row: row.ece),
        FullColumn(
            "gap",
            "score",
            say("report.column_gap", lang),
            lambda row: f.points(row.gap) if row.gap else f.NOTHING,
            lambda row: row.gap.mean if row.gap else None,
        ),
        part("adapter"),
        part("head"),
        part("base"),
        FullColumn("percent", "parameters", say("report.column_percent", lang), lambda row: f.percent(percent(row)), percent),
        memory("memory", "train_peak_bytes"),
        memory("eval_memory", "eval_peak_bytes"),
        time("time", "train_seconds"),
        time("search_time", "search_seconds"),
        time("eval_time", "eval_seconds"),
        time("total_time", "total_seconds"),
        *_trials_at_once(material, lang),
        FullColumn("energy", "energy", say("report.column_energy", lang), lambda row: f.energy(joules(row)), joules),
        FullColumn("money", "money", say("report.column_money", lang), lambda row: _money(material, row), spent),
        FullColumn(
            "latency",
            "use",
            say("report.column_latency", lang),
            _latency,
            lambda row: ((row.latency or {}).get("batch_1") or {}).get("p50_seconds"),
        ),
        FullColumn(
            "artefact",
            "use",
            say("report.column_artefact", lang),
            lambda row: f.size(row.artefact_bytes),
            lambda row: row.artefact_bytes,
        ),
        FullColumn("epochs", "trial", say("report.column_epochs", lang), _epochs, lambda row: row.epochs),
        FullColumn(
            "reload",
            "trial",
            say("report.column_reload", lang),
            lambda row: say(f"report.reload_{row.reload}", lang) if row.reload else f.NOTHING,
            lambda row: row.reload,
        ),
        FullColumn("state", "trial", say("report.column_state", lang), lambda row: state(material, row, lang), lambda row: row.state),
    ]


def _trials_at_once(material: Material, lang: str) -> list[FullColumn]:
    """Where some trials ran beside others: their times are not those of a machine of their own."""
    if not any(count > 1 for row in material.analysis.rows for count in row.workers):
        return []

    def shown(row: Row) -> str:
        return ", ".join(map(str, row.workers)) or f.NOTHING

    return [FullColumn("workers", "time", say("cluster.column_workers", lang), shown, lambda row: max(row.workers, default=None))]


def state(material: Material, row: Row, lang: str) -> str:
    """How a method's trials ended, or why what it learnt counts for nothing."""
    if not row.trained:
        return material.collapse(row, lang)
    if len(row.trials) < 2:
        return say(f"report.state_{row.state}", lang)
    return ", ".join(f"{say('report.state_' + name, lang)} {count}" for name, count in sorted(row.trials.items()))


def _money(material: Material, row: Row) -> str:
    spent = material.expense(row)
    return f.money(spent.total, spent.currency) if spent else f.NOTHING


def _latency(row: Row) -> str:
    alone = (row.latency or {}).get("batch_1")
    return f"{f.latency(alone.get('p50_seconds'))} / {f.latency(alone.get('p95_seconds'))}" if alone else f.NOTHING


def _epochs(row: Row) -> str:
    return f"{row.epochs} ({', '.join(map(str, row.best_epochs))})" if row.epochs else f.NOTHING
