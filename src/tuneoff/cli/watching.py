"""``tuneoff watch``: the report in the browser while a study runs."""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Annotated

import typer

from tuneoff.cli.options import DEBUG, JSON, LANG, SET, STUDY, Talk
from tuneoff.strings import language, say


def watch(
    study: STUDY,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help=say("watch.option_port"))] = 0,
    open_browser: Annotated[bool | None, typer.Option("--open/--no-open", help=say("watch.option_open"))] = None,
    lang: LANG = None,
    overrides: SET = None,
    as_json: JSON = False,
    debug: DEBUG = False,
) -> None:
    """Show the report in the browser and refresh it while the study runs."""
    import webbrowser

    from tuneoff.spec import load
    from tuneoff.watch import Watcher

    file = load(study, overrides or ())
    watcher, talk = Watcher(file.folder, file.spec.lang or language(), port), Talk(as_json, debug)
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    watcher.start()
    try:
        talk.data({"url": watcher.url, "port": watcher.port}, lambda: say("watch.serving", url=watcher.url))
        sys.stdout.flush()
        if open_browser if open_browser is not None else not as_json and _has_screen():
            webbrowser.open(watcher.url)
        stopped.wait()
    finally:
        watcher.close()
    talk.note(say("watch.over"))


def _has_screen() -> bool:
    """Whether somebody sits at this machine: in a remote shell a browser would start inside the terminal."""
    screen = sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return sys.stdout.isatty() and screen
