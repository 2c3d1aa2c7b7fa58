"""``tuneoff compare``: studies held against the first of them."""

from pathlib import Path
from typing import Annotated

import typer

from tuneoff.cli.options import DEBUG, JSON, LANG, Talk
from tuneoff.strings import language, say


def compare(
    studies: Annotated[list[Path], typer.Argument(metavar="STUDY STUDY…", help=say("compare.option_studies"))],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help=say("compare.option_out"))] = None,
    lang: LANG = None,
    as_json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Hold studies against the first of them."""
    from tuneoff.comparison import compare as compare_studies

    found, talk = compare_studies(*studies), Talk(as_json, debug)
    talk.data(found.as_dict(), lambda: found.markdown(language()))
    if out is not None:
        talk.note(say("compare.written", files=", ".join(str(file) for file in found.write(out, language()))))
