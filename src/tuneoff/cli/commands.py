"""One function a command. Heavy imports happen inside, so that ``--help`` answers at once."""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneoff.cli.comparing import compare  # noqa: F401 (a command)
from tuneoff.cli.options import DEBUG, EXIT_INCOMPLETE, JSON, LANG, SET, STUDY, TRUST, UNSEEN, Talk, overriding
from tuneoff.cli.tracking import TRACK, track  # noqa: F401 (a command)
from tuneoff.cli.watching import watch  # noqa: F401 (a command)
from tuneoff.errors import printable
from tuneoff.strings import language, say

if TYPE_CHECKING:
    from tuneoff.study import Study

#: Characters of a hash that are shown.
SHA = 12

ORDER = ("demo", "init", "check", "plan", "run", "watch", "status", "report", "compare", "track", "methods", "predict", "export", "doctor")


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=say("cli.demo_folder"))] = Path("demo-study"),
    seeds: Annotated[int, typer.Option(help=say("cli.demo_seeds"), min=1)] = 2,
    lang: LANG = None,
    overrides: SET = None,
    as_json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Run the sample study."""
    from tuneoff.create import write_demo

    file = write_demo(folder, seeds, language())
    Talk(as_json, debug).note(say("cli.demo_start", file=file))
    _run(file, overrides, as_json, debug)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=say("cli.init_folder"))],
    data: Annotated[Path, typer.Option(help=say("cli.init_data"))],
    text: Annotated[str | None, typer.Option(help=say("cli.init_text"))] = None,
    label: Annotated[str | None, typer.Option(help=say("cli.init_label"))] = None,
    pair: Annotated[str | None, typer.Option(help=say("cli.init_pair"))] = None,
    test: Annotated[Path | None, typer.Option(help=say("cli.init_test"))] = None,
    unlabelled: Annotated[Path | None, typer.Option(help=say("cli.init_unlabelled"))] = None,
    backbone: Annotated[str | None, typer.Option(help=say("cli.init_backbone"))] = None,
    encoding: Annotated[str | None, typer.Option(help=say("cli.init_encoding"))] = None,
    lang: LANG = None,
    as_json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Make a study folder for a data file."""
    from tuneoff.create import write_study

    file = write_study(folder, data, text, pair, label, test, unlabelled, backbone, encoding, language())
    Talk(as_json, debug).data({"study": str(file)}, lambda: say("cli.init_done", file=file, folder=folder))


def check(
    study: STUDY,
    unseen_labels: UNSEEN = None,
    lang: LANG = None,
    overrides: SET = None,
    as_json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Check data, backbone and methods without training."""
    opened = _opened(study, overriding(overrides, unseen_labels))
    from tuneoff.cli.tables import check_text

    plan = opened.plan()
    _note_change(Talk(as_json, debug), opened)
    values = plan.report.as_dict() | {"backbone": plan.resolved.as_dict() if plan.resolved else None, "refused": _refused(plan)}
    Talk(as_json, debug).data(values, lambda: check_text(plan))


def plan(
    study: STUDY,
    gpu: Annotated[str | None, typer.Option(help=say("forecast.option_gpu"), metavar="NAME")] = None,
    backbone: Annotated[str | None, typer.Option(help=say("forecast.option_backbone"), metavar="ID")] = None,
    measure: Annotated[bool, typer.Option("--measure", help=say("forecast.option_measure"))] = False,
    unseen_labels: UNSEEN = None,
    lang: LANG = None,
    overrides: SET = None,
    as_json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """List the trials with exact parameter counts, and forecast their memory and time; nothing is downloaded."""
    from tuneoff.errors import StorageError, UsageError

    if gpu and measure:
        raise UsageError("forecast.measure_or_gpu")
    talk = Talk(as_json, debug)
    opened = _opened(study, [*overriding(overrides, unseen_labels), *([f"backbone={backbone}"] if backbone else [])])
    from tuneoff.cli.planning import outlook_json, planning_text
    from tuneoff.forecast import find_gpu
    from tuneoff.run import keep_outlook, look_ahead, measure_trials

    wanted = find_gpu(gpu) if gpu else None
    made = opened.sketch()
    states = {trial.name: str(opened.store.state(trial.name)) for trial in made.trials}
    talk.note(say("forecast.working", count=len(made.methods)))
    outlook = look_ahead(made, wanted)
    measured = measure_trials(outlook) if measure else {}
    if gpu is None and backbone is None:
        try:
            keep_outlook(made, outlook)
        except StorageError as error:
            talk.note(error.text())
    values = {
        "study": made.study.spec.study,
        "backbone": made.resolved.as_dict() if made.resolved else None,
        "trials": [
            {
                "name": t.name,
                "method": t.method,
                "seed": t.seed,
                "key": t.key,
                "stage": t.stage,
                "needs": list(t.needs),
                "state": states[t.name],
            }
            for t in made.trials
        ],
        "methods": [
            {
                "label": m.label,
                "method": m.chosen.full_name,
                "parameters": m.parameters.as_dict() if m.parameters else None,
                "unsupported": say(m.unsupported, "en") if m.unsupported else None,
                "config": m.trials[0].config,
            }
            for m in made.methods
        ],
        **outlook_json(made, outlook, measured),
    }
    talk.data(values, lambda: planning_text(made, states, outlook, measured))


def run(
    study: STUDY,
    workers: Annotated[int | None, typer.Option("--workers", help=say("cluster.option_workers"), min=1)] = None,
    cpus: Annotated[int | None, typer.Option("--cpus", help=say("cluster.option_cpus"), min=1)] = None,
    max_trials: Annotated[int | None, typer.Option("--max-trials", help=say("cluster.option_max_trials"), min=1)] = None,
    executor: Annotated[str, typer.Option("--executor", help=say("cluster.option_executor"), metavar="local|ray")] = "local",
    address: Annotated[str | None, typer.Option("--address", help=say("cluster.option_address"))] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help=say("notebook.option_only"), metavar="METHOD")] = None,
    more: TRACK = None,
    unseen_labels: UNSEEN = None,
    lang: LANG = None,
    overrides: SET = None,
    as_json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Run what is missing; the same command resumes."""
    from tuneoff.errors import UsageError

    if executor not in ("local", "ray"):
        raise UsageError("cluster.unknown_executor", where="--executor", executor=executor)
    if address is not None and executor != "ray":
        raise UsageError("cluster.address_of_what", where="--address")
    ray = (address or "auto") if executor == "ray" else None
    how = {"workers": workers, "threads": cpus, "max_trials": max_trials, "ray": ray, "only": only, "track": more or ()}
    _run(study, overriding(overrides, unseen_labels), as_json, debug, **how)


def _run(study: Path, overrides: list[str] | None, as_json: bool, debug: bool, **how: Any) -> None:
    talk = Talk(as_json, debug)
    opened = _opened(study, overrides or (), lambda: talk.note(say("cli.preparing")))
    if how.get("ray") is None and opened.may_have_work():
        from tuneoff.fork_server import get_ready

        get_ready()  # While it loads what trials need, this process loads what plans them.
    from tuneoff.cli.foretelling import after, before
    from tuneoff.cli.progress import Screen
    from tuneoff.cli.tables import results_text
    from tuneoff.report import report_json
    from tuneoff.run import foresee

    made = opened.plan()
    _note_change(talk, opened)
    chosen = made if how.get("only") is None else made.only(how["only"])
    left = [trial.name for trial in chosen.trials if opened.store.state(trial.name) != "complete"]
    foresight = foresee(chosen, left, lambda: talk.note(say("forecast.working", count=len(chosen.methods))))
    for line in before(chosen, foresight, left, language()) if foresight else ():
        talk.note(line)
    with Screen(made, opened.lang) as screen:
        progress = opened.run(screen.listener, **how)
    material = opened.material()
    for moved in opened.store.quarantined:
        talk.note(say("cli.quarantined", what=moved))
    talk.data(report_json(material), lambda: results_text(material, language()))
    for line in after(material, language()):
        talk.note(line)
    talk.note(_report_at(opened))
    if how.get("max_trials") is not None and progress.left and set(progress.ended) <= {"complete"}:
        talk.note(say("cluster.share_done", ran=len(progress.ended), left=progress.left))
    elif progress.done < progress.total:
        talk.note(say("cli.incomplete", done=progress.done, total=progress.total))
        raise typer.Exit(EXIT_INCOMPLETE)


def _report_at(opened: Any) -> str:
    """Where a study's report is, in both languages."""
    from tuneoff.report import by_language

    files = "; ".join(f"{readme}, {page} ({name})" for name, readme, page in by_language(opened.lang))
    return say("cli.report_at", folder=opened.folder, files=files, plots=opened.folder / "assets")


def status(study: STUDY, lang: LANG = None, overrides: SET = None, as_json: JSON = False, debug: DEBUG = False) -> None:
    """What is done, running, failed."""
    from tuneoff.study import Study

    opened = Study.load(study, overrides or ())
    found = opened.status()
    _note_change(Talk(as_json, debug), opened)
    values = {"counts": found.counts, "trials": found.trials, "quarantined": found.quarantined}
    Talk(as_json, debug).data(values, lambda: str(found))


def report(study: STUDY, lang: LANG = None, overrides: SET = None, as_json: JSON = False, debug: DEBUG = False) -> None:
    """Rebuild README.md, tables and plots from the records."""
    from tuneoff.cli.tables import results_text
    from tuneoff.report import report_json
    from tuneoff.study import Study

    opened = Study.load(study, overrides or ())
    talk = Talk(as_json, debug)
    _note_change(talk, opened)
    material = opened.report()
    for moved in opened.store.quarantined:
        talk.note(say("cli.quarantined", what=moved))
    talk.data(report_json(material), lambda: results_text(material, language()))
    talk.note(_report_at(opened))
    if opened.store.quarantined:
        raise typer.Exit(EXIT_INCOMPLETE)


def methods(lang: LANG = None, as_json: JSON = False, debug: DEBUG = False) -> None:
    """Every method and its parameters."""
    from tuneoff.cli.tables import describe_methods, methods_text

    described = describe_methods()
    Talk(as_json, debug).data(described, lambda: methods_text(described, language()))


def predict(
    artefact: Annotated[Path, typer.Argument(metavar="ARTEFACT", help=say("cli.predict_artefact"))],
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]…", help=say("cli.predict_texts"))] = None,
    file: Annotated[Path | None, typer.Option("--file", help=say("cli.predict_file"))] = None,
    trust: TRUST = False,
    lang: LANG = None,
    as_json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Labels for new text with a trained artefact."""
    from tuneoff.cli.predicting import predict_rows

    rows = predict_rows(artefact, texts or [], file, sys.stdin, trust)
    for row in rows:
        typer.echo(
            json.dumps(row, ensure_ascii=False)
            if as_json
            else f"{printable(row['label'])}\t{row['probability']:.3f}\t{' | '.join(row['text'])}"
        )


def export(
    artefact: Annotated[Path, typer.Argument(metavar="ARTEFACT", help=say("cli.export_artefact"))],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=say("cli.export_folder"))],
    method: Annotated[str | None, typer.Option("--method", help=say("cli.export_method"))] = None,
    merge: Annotated[bool, typer.Option("--merge", help=say("cli.export_merge"))] = False,
    trust: TRUST = False,
    lang: LANG = None,
    as_json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Write a trained model for transformers or PEFT."""
    from tuneoff.cli.exporting import export_model, export_text

    written = export_model(artefact, folder, method, merge, trust)
    Talk(as_json, debug).data(written, lambda: export_text(written))


def doctor(lang: LANG = None, as_json: JSON = False, debug: DEBUG = False) -> None:
    """Versions, device, precision, caches."""
    from tuneoff.cli.tables import doctor_text, examine

    found = examine()
    Talk(as_json, debug).data(found, lambda: doctor_text(found))


def _opened(study: Path, overrides: Iterable[str], before: Callable[[], None] = lambda: None) -> "Study":
    """A study whose file, method names and data are right: what is not is said before PyTorch is loaded, which takes seconds."""
    from tuneoff.study import Study

    opened = Study.load(study, overrides)
    before()
    opened.splits  # noqa: B018
    return opened


def _note_change(talk: Talk, study: Any) -> None:
    """Say that the data are not those of the last run."""
    from tuneoff.store import data_before

    now = study.splits.content_hash
    if before := data_before(study.store, now):
        talk.note(say("data.changed", before=before[:SHA], now=now[:SHA], folder=study.store.results))


def _refused(plan: Any) -> dict[str, str]:
    return {method.label: say(method.unsupported, "en") for method in plan.methods if method.unsupported}
