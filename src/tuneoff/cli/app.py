"""The application: its language, its errors, its exit codes."""

import os
import shlex
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated, NoReturn

import typer

from tuneoff.errors import TuneoffError, UsageError
from tuneoff.strings import LANGUAGES, choose, say

EXIT_BUG = 1


def _language_of(arguments: list[str]) -> str | None:
    """``--lang`` is looked for before the commands are built, so that their help speaks it."""
    for number, argument in enumerate(arguments):
        if argument.startswith("--lang="):
            return argument.removeprefix("--lang=")
        if argument == "--lang" and number + 1 < len(arguments):
            return arguments[number + 1]
    return None


def build() -> typer.Typer:
    """The application, in the language in force."""
    from tuneoff.cli import commands
    from tuneoff.cli.options import DEBUG, LANG

    def root(version: Annotated[bool, typer.Option("--version")] = False, lang: LANG = None, debug: DEBUG = False) -> None:
        """In front of a command and without one; language and traceback are looked for by :func:`main`."""
        if version:
            from importlib.metadata import version as installed

            typer.echo(f"tuneoff {installed('tuneoff')}")
            raise typer.Exit

    app = typer.Typer(
        name="tuneoff",
        help=say("cli.help"),
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in commands.ORDER:
        app.command(name, help=say(f"cli.{name}"))(getattr(commands, name))
    app.callback(invoke_without_command=True)(root)
    return app


class _Interrupted(BaseException):
    """A signal before, between or after trials. Not an ``Exception``: libraries catch those while they are imported."""

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(signal.Signals(number).name)


def _listen() -> None:
    """Have every signal that asks to stop end with its code and the command that resumes; a run listens in its own way."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise _Interrupted(number)

    for number in (getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)):
        if signal.getsignal(number) is not signal.SIG_IGN:  # As nohup sets it.
            signal.signal(number, interrupt)


def main() -> None:
    """Entry point. Exit codes are those of ``docs/exit_codes.md``."""
    arguments = sys.argv[1:]
    asked = _language_of(arguments)
    if asked in LANGUAGES:
        choose(asked)
        os.environ["TUNEOFF_LANG"] = str(asked)
    debug = "--debug" in arguments
    _listen()
    try:
        if asked is not None and asked not in LANGUAGES:
            raise UsageError("cli.bad_lang", lang=asked)
        build()()
    except TuneoffError as error:
        _fail(error.text(), error.exit_code, error, debug)
    except (Exception, _Interrupted) as error:
        interrupted = getattr(error, "exit_code", None)
        if isinstance(interrupted, int):
            _fail(say("cli.interrupted", command=shlex.join(["tuneoff", *arguments])), interrupted, error, debug)
        _fail(say("cli.bug", error=f"{type(error).__name__}: {error}"), EXIT_BUG, error, debug)


def _fail(text: str, code: int, error: BaseException, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    typer.echo(f"tuneoff: {text}", err=True)
    sys.exit(code)
