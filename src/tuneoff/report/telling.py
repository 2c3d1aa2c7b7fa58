"""A run in words: what its trials are called, how each ended, how far it is."""

from typing import TYPE_CHECKING, Any

from tuneoff.errors import retold
from tuneoff.report import format as f
from tuneoff.strings import say

if TYPE_CHECKING:
    from tuneoff.run import Plan, Progress


def trial_names(plan: "Plan", lang: str) -> dict[str, str]:
    """What each trial and stage is called, by its folder."""
    names = {stage.name: say("cli.trial_name", lang, title=say("cli.stage_name", lang), seed=stage.seed) for stage in plan.stages}
    for method in plan.methods:
        title = method.title[lang]
        names |= {trial.name: say("cli.trial_name", lang, title=title, seed=trial.seed) for trial in method.trials}
        if method.search:
            names[method.search.name] = say("cli.search_name", lang, title=title)
    return names


def ended(name: str, record: dict[str, Any], progress: "Progress", lang: str) -> str:
    """One line for a trial that ended."""
    return f"[{progress.done + progress.failed}/{progress.total}] {name}: {outcome(record, lang)}"


def outcome(record: dict[str, Any], lang: str) -> str:
    """Scores and costs of a trial or stage, or why it has none."""
    if record["state"] != "complete":
        error = record.get("error") or {}
        why = retold(error, lang) if error else ""
        return f"{say('report.state_' + record['state'], lang)} – {why}"
    seconds = sum(record["phases"].get(name, 0.0) for name in ("warmup", "train"))
    facts = {"time": f.short_time(seconds), "memory": f.size(record["memory"]["train"]["bytes"])}
    if "candidates" in record:
        chosen = record["candidates"][record["chosen"]]
        facts = {"rate": f"{chosen['learning_rate']:g}", "head": f"{chosen['head_learning_rate']:g}"}
        return say("cli.search_ended", lang, time=f.short_time(record["phases"]["search"]), **facts)
    if "quality" not in record:
        return say("cli.stage_ended", lang, before=f"{record['loss_before']:.3f}", after=f"{record['loss_after']:.3f}", **facts)
    test = record["quality"]["test"]
    return _made_to_fit(record, lang) + say(
        "cli.trial_ended", lang, accuracy=f"{test['accuracy']:.3f}", f1=f"{test['macro_f1']:.3f}", **facts
    )


def _made_to_fit(record: dict[str, Any], lang: str) -> str:
    """What a full device made of a trial, in front of its scores."""
    found = record.get("shrunk")
    if found is None:
        return ""
    parts = [say("run.shrunk", lang, **found)] if found["accumulation"] > 1 else []
    parts += [say("run.shrunk_evaluation", lang)] if found["evaluation_tokens"] else []
    return "; ".join(parts) + "; "


def footer(progress: "Progress", names: dict[str, str], lang: str) -> str:
    """How far a run is, and what it is at."""
    eta = progress.eta_seconds
    facts = {
        "done": progress.done,
        "failed": progress.failed,
        "left": progress.left,
        "eta": f.short_time(eta) if eta is not None else "…",
    }
    words = say("cli.footer", lang, **facts)
    for name, point in progress.running.items():
        done = f" {point['step']}/{point['steps']} loss {point['loss']:.3f}" if point else ""
        words += f" | {names[name]}{done}"
    return words
