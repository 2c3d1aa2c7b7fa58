"""What every command takes, and how it speaks. Imported after the language is known."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tuneoff.strings import say

EXIT_INCOMPLETE = 4


@dataclass(frozen=True)
class Talk:
    """How a command speaks."""

    as_json: bool
    debug: bool

    def data(self, values: Any, text: Callable[[], str]) -> None:
        """The command's answer on stdout: JSON when asked for, else text."""
        typer.echo(json.dumps(values, ensure_ascii=False, indent=2) if self.as_json else text())

    def note(self, text: str) -> None:
        """Something for the person watching, on stderr."""
        typer.echo(text, err=True)


JSON = Annotated[bool, typer.Option("--json", help=say("cli.json"))]
LANG = Annotated[str | None, typer.Option("--lang", help=say("cli.lang"))]
DEBUG = Annotated[bool, typer.Option("--debug", help=say("cli.debug"))]
SET = Annotated[list[str] | None, typer.Option("--set", help=say("cli.set"), metavar="A.B=VALUE")]
STUDY = Annotated[Path, typer.Argument(metavar="STUDY", help=say("cli.study"))]
TRUST = Annotated[bool, typer.Option("--trust-remote-code", help=say("cli.trust"))]
UNSEEN = Annotated[str | None, typer.Option("--unseen-labels", help=say("cli.unseen_labels"), metavar="error|drop")]


def overriding(overrides: list[str] | None, unseen_labels: str | None) -> list[str]:
    """``--set`` and what stands for one of it."""
    return [*(overrides or ()), *([f"data.unseen_labels={unseen_labels}"] if unseen_labels else ())]
