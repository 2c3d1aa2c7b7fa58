"""The server: this machine only, under a secret address, nothing but reading.

A page from anywhere can make a browser ask 127.0.0.1. So the address has a random part that no page knows, a request must name this
host (a domain that resolves to 127.0.0.1, DNS rebinding, does not) and must not come from another origin. No part of a path in a
request ever names a file: there are a few answers, by name.
"""

import hmac
import json
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from tuneoff.errors import UsageError
from tuneoff.strings import LANGUAGES, say
from tuneoff.watch.page import NOTHING, served
from tuneoff.watch.state import REPORT, Folder

HOST: Final = "127.0.0.1"
#: Names by which a browser on this machine may call it.
NAMES: Final = (HOST, "localhost")
REFRESH_SECONDS: Final = 2
#: The report, and the same in the other language, as the pages link them.
PAGES: Final = ("", REPORT, *(f"report.{lang}.html" for lang in LANGUAGES))
_TEXT: Final = "text/plain; charset=utf-8"


class Watcher:
    """Serves a study's report until it is closed.

    Args:
        folder: the study's.
        lang: ``en`` or ``ko``.
        port: to listen on; 0 takes a free one.

    Raises:
        UsageError: the port is taken or not allowed.
    """

    def __init__(self, folder: Path, lang: str, port: int = 0) -> None:
        self.folder, self.lang = Folder(folder), lang
        self.token = secrets.token_urlsafe(24)
        try:
            self._server = ThreadingHTTPServer((HOST, port), _handler(self))
        except (OSError, OverflowError) as error:
            raise UsageError("watch.no_port", where=f"{HOST}:{port}", reason=getattr(error, "strerror", None) or str(error)) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The one address that shows the report."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    def start(self) -> None:
        """Answer from now on, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and give the port back."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def live(self) -> dict[str, Any]:
        """What the page asks for every two seconds."""
        ended, running = self.folder.ended(), self.folder.running()
        keys = ("running", "idle", "loss", "accuracy", "step", "new")
        return {
            "version": self.folder.version,
            "ended": ended,
            "running": [one.as_dict() | {"title": self._title(one.method, one.seed)} for one in running],
            "summary": self.summary(ended),
            "words": {key: say(f"watch.page_{key}", self.lang) for key in keys},
        }

    def summary(self, ended: dict[str, int]) -> str:
        """How trials ended, in a line."""
        if not ended:
            return say("watch.none_ended", self.lang)
        states = ", ".join(f"{self._state(state)} {count}" for state, count in sorted(ended.items()))
        return say("watch.ended", self.lang, states=states)

    def text(self) -> str:
        """What is known before the first report is written."""
        lines = [say("watch.no_report", self.lang, study=self.folder.folder.name), "", self.summary(self.folder.ended())]
        for one in self.folder.running():
            facts = {"title": self._title(one.method, one.seed), "step": one.step, "steps": one.steps or "…"}
            lines.append(say("watch.at_work", self.lang, **facts))
        return "\n".join(lines) + "\n"

    def _title(self, method: str, seed: int) -> str:
        if seed < 0:
            return say("watch.search", self.lang, method=method)
        return say("watch.trial", self.lang, method=say("cli.stage_name", self.lang) if method == "pretrain" else method, seed=seed)

    def _state(self, state: str) -> str:
        return say("watch.unreadable" if state == "unreadable" else f"report.state_{state}", self.lang)


def _handler(watcher: Watcher) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "tuneoff", ""
        timeout = 10.0

        def do_GET(self) -> None:
            status, kind, body, policy = self._answer()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in (_HEADERS | {"Content-Security-Policy": policy}).items():
                self.send_header(name, value)
            if status == HTTPStatus.OK and kind == _TEXT:
                self.send_header("Refresh", str(REFRESH_SECONDS))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 (the name that http.server looks for)

        def _answer(self) -> tuple[HTTPStatus, str, bytes, str]:
            if not self._is_ours():
                return HTTPStatus.FORBIDDEN, _TEXT, say("watch.forbidden", watcher.lang).encode(), NOTHING
            token, slash, name = self.path.partition("?")[0].removeprefix("/").partition("/")
            if hmac.compare_digest(token.encode("utf-8", "replace"), watcher.token.encode()) and slash:
                if name == "live.json":
                    return HTTPStatus.OK, "application/json", json.dumps(watcher.live(), ensure_ascii=False).encode(), NOTHING
                if name == "live.js":
                    script = (files(__package__) / "live.js").read_bytes()
                    return HTTPStatus.OK, "text/javascript; charset=utf-8", script, NOTHING
                if name in PAGES and (page := _read(watcher.folder.folder / (name or REPORT))) is not None:
                    return HTTPStatus.OK, "text/html; charset=utf-8", *served(page)
                if name in ("", REPORT):
                    return HTTPStatus.OK, _TEXT, watcher.text().encode(), NOTHING
            return HTTPStatus.NOT_FOUND, _TEXT, say("watch.not_found", watcher.lang).encode(), NOTHING

        def _is_ours(self) -> bool:
            hosts = {f"{name}:{watcher.port}" for name in NAMES}
            origin = self.headers.get("Origin")
            site = self.headers.get("Sec-Fetch-Site", "none")
            return (
                self.headers.get_all("Host", []) in [[host] for host in hosts]
                and (origin is None or origin in {f"http://{host}" for host in hosts})
                and site in ("none", "same-origin")
            )

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing: the terminal belongs to the user, and the address is a secret."""

    return Handler


_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
