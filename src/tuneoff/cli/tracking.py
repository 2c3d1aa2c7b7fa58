"""``tuneoff track``: records that a tracker does not have yet."""

from typing import Annotated

import typer

from tuneoff.cli.options import DEBUG, EXIT_INCOMPLETE, JSON, LANG, SET, STUDY, Talk
from tuneoff.strings import say

TRACK = Annotated[list[str] | None, typer.Option("--track", help=say("track.option_track"), metavar="NAME")]


def track(study: STUDY, more: TRACK = None, lang: LANG = None, overrides: SET = None, as_json: JSON = False, debug: DEBUG = False) -> None:
    """Send records to MLflow or TensorBoard that are not there yet."""
    from tuneoff.study import Study

    talk = Talk(as_json, debug)
    sent = Study.load(study, overrides or ()).track(more or (), talk.note)
    talk.data({"sinks": [one.as_dict() for one in sent]}, lambda: "\n".join(say("track.sent", **one.as_dict()) for one in sent))
    if any(one.missing for one in sent):
        raise typer.Exit(EXIT_INCOMPLETE)
