"""A small Hugging Face hub on localhost: enough of its protocol to download models and data sets, and to fail as it does.

Written from what ``huggingface_hub`` sends and reads: ``/api/{models,datasets}/…`` for what a repository is and holds,
``/…/resolve/…`` for its files, large ones redirected to another host; errors carry ``X-Error-Code``.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import parse_qs, unquote, urlsplit

#: Files from this size on are kept in large-file storage, as the hub does from 10 MB.
LARGE = 4096
Stage = Literal["info", "tree", "file", "storage"]
#: Seconds that a script may take.
LONGEST = 60
#: Settings of the machine that a test's process must not see.
FOREIGN = ("HF_", "HUGGING", "TRANSFORMERS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass
class Repository:
    """Commits of files, and names for them."""

    files: dict[str, bytes]
    access: Literal["public", "gated", "private"] = "public"
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit(self.files)

    def commit(self, files: Mapping[str, bytes], name: str = "main") -> str:
        """Add a commit, move ``name`` to it, and return its hash."""
        described = json.dumps([len(self.commits), {path: _sha256(content) for path, content in sorted(files.items())}])
        commit = hashlib.sha1(described.encode()).hexdigest()
        self.commits[commit] = dict(files)
        self.names[name] = commit
        return commit

    def find(self, revision: str) -> str | None:
        """The commit of a revision."""
        return self.names.get(revision) or (revision if revision in self.commits else None)


@dataclass(frozen=True)
class Fault:
    """What goes wrong: a status, silence, an answer that is no hub's, or half a file before the line is cut or stalls."""

    stage: Stage
    what: int | Literal["hang", "portal", "cut"]


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    host: str
    path: str
    authorised: bool
    range: str = ""


class HubServer:
    """The hub: repositories by ``models/owner/name`` or ``datasets/owner/name``, faults by the same."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.faults: dict[str, Fault] = {}  # By the same names; large files' under "storage".
        self.tokens: set[str] = set()
        self.requests: list[Request] = []
        self.closing = threading.Event()
        hub = self

        class Handler(_Handler):
            server_hub = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """For ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def storage_url(self) -> str:
        """Where large files lie: the same server under another host's name."""
        return f"http://localhost:{self._server.server_port}"

    def add(self, name: str, source: Path | Mapping[str, bytes], **options: Any) -> Repository:
        """Publish a folder's files, or files given as bytes."""
        files = folder_files(source) if isinstance(source, Path) else dict(source)
        self.repositories[name] = Repository(files, **options)
        return self.repositories[name]

    def paths(self) -> list[str]:
        """Paths asked for so far."""
        return [request.path for request in self.requests]

    def close(self) -> None:
        """Stop answering; who waits is let go."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serve() -> Iterator[HubServer]:
    """A hub for the length of a block."""
    hub = HubServer()
    try:
        yield hub
    finally:
        hub.close()


@dataclass(frozen=True)
class Said:
    """What a process printed as JSON, what else it said, and how long it took."""

    answer: Any
    talk: str
    seconds: float


def start(script: str, *arguments: str, endpoint: str, home: Path, **environment: str) -> subprocess.Popen[str]:
    """Run a script in a fresh process, for the hub's client reads its settings when it is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)}
    settings = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_PROGRESS_BARS": "1"} | environment
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env=kept | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ask(script: str, *arguments: str, endpoint: str, home: Path, **environment: str) -> Said:
    """Run a script to its end; its last line on stdout is the answer."""
    began = time.monotonic()
    with start(script, *arguments, endpoint=endpoint, home=home, **environment) as process:
        try:
            out, talk = process.communicate(timeout=LONGEST)
        finally:
            process.kill()
    assert out, talk
    return Said(json.loads(out.splitlines()[-1]), talk, time.monotonic() - began)


def folder_files(folder: Path) -> dict[str, bytes]:
    """All files below a folder by their path in it."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Answered(Exception):
    """The request has its answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_hub: HubServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        hub = self.server_hub
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path).strip("/")
        hub.requests.append(
            Request(self.command, self.headers.get("Host", ""), path, "Authorization" in self.headers, self.headers.get("Range", ""))
        )
        try:
            self._route(path.split("/"), body)
        except _Answered:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self, parts: list[str], body: bytes) -> None:
        match parts:
            case ["storage", digest]:
                contents = (c for r in self.server_hub.repositories.values() for files in r.commits.values() for c in files.values())
                self._storage(next(c for c in contents if _sha256(c) == digest))
            case ["api", kind, owner, name]:
                self._info(f"{kind}/{owner}/{name}", "main")
            case ["api", kind, owner, name, "revision", *revision]:
                self._info(f"{kind}/{owner}/{name}", "/".join(revision))
            case ["api", kind, owner, name, "tree", revision, *folder]:
                self._tree(f"{kind}/{owner}/{name}", revision, "/".join(folder))
            case ["api", kind, owner, name, "paths-info", revision]:
                self._paths(f"{kind}/{owner}/{name}", revision, body)
            case ["datasets", owner, name, "resolve", revision, *file]:
                self._file(f"datasets/{owner}/{name}", revision, "/".join(file))
            case [owner, name, "resolve", revision, *file]:
                self._file(f"models/{owner}/{name}", revision, "/".join(file))
            case _:
                self._refuse(404, None, "Not Found")

    def _info(self, key: str, revision: str) -> None:
        repository, commit = self._open(key, revision, "info")
        siblings = [{"rfilename": path} for path in repository.commits[commit]]
        self._json({"_id": key, "id": key.partition("/")[2], "sha": commit, "private": False, "siblings": siblings})

    def _tree(self, key: str, revision: str, folder: str) -> None:
        repository, commit = self._open(key, revision, "tree")
        recursive = "recursive=True" in self.path or "recursive=true" in self.path
        inside = folder + "/" if folder else ""
        entries: dict[str, dict[str, Any]] = {}
        for path, content in repository.commits[commit].items():
            if not path.startswith(inside):
                continue
            rest = path.removeprefix(inside)
            if "/" in rest:
                child = inside + rest.split("/")[0]
                entries[child] = {"type": "directory", "path": child, "oid": _blob_id(child.encode()), "size": 0}
            if "/" not in rest or recursive:
                entries[path] = _entry(path, content)
        if folder and not entries:
            self._refuse(404, "EntryNotFound", f"{folder} does not exist")
        self._json(list(entries.values()))

    def _paths(self, key: str, revision: str, body: bytes) -> None:
        repository, commit = self._open(key, revision, "tree")
        files = repository.commits[commit]
        asked = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode())["paths"]
        found = [_entry(path, files[path]) for path in asked if path in files]
        for path in asked:
            if any(file.startswith(path + "/") for file in files):
                found.append({"type": "directory", "path": path, "oid": _blob_id(path.encode()), "size": 0})
        self._json(found)

    def _file(self, key: str, revision: str, file: str) -> None:
        repository, commit = self._open(key, revision, "file")
        content = repository.commits[commit].get(file)
        headers = {"X-Repo-Commit": commit}
        if content is None:
            self._refuse(404, "EntryNotFound", "Entry not found", headers)
        if len(content) < LARGE:
            self._send(content, headers | {"ETag": f'"{_blob_id(content)}"'})
        else:
            digest = _sha256(content)
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
            self._send(b"", headers | {"Location": f"{self.server_hub.storage_url}/storage/{digest}"}, status=302)

    def _storage(self, content: bytes) -> None:
        fault = self.server_hub.faults.get("storage")
        if fault is None:
            self._send(content)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        if fault.what == "hang":
            self.server_hub.closing.wait()
        self.close_connection = True

    def _open(self, key: str, revision: str, stage: Stage) -> tuple[Repository, str]:
        """The repository and commit, or the hub's refusal."""
        hub = self.server_hub
        fault = hub.faults.get(key)
        if fault and fault.stage == stage:
            self._fail(fault.what)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in hub.tokens:
            self._refuse(401, None, "Invalid credentials in Authorization header")
        repository = hub.repositories.get(key)
        if repository is None or (repository.access == "private" and not token):
            self._refuse(404 if token else 401, "RepoNotFound", "Repository not found" if token else "Invalid username or password.")
        if repository.access == "gated" and stage == "file" and not self.path.endswith("README.md"):
            self._refuse(403 if token else 401, "GatedRepo", "Access to this model is restricted.")
        commit = repository.find(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository, commit

    def _fail(self, what: int | str) -> NoReturn:
        if isinstance(what, int):
            self._refuse(what, None, "Forbidden for this token" if what == 403 else "Something went wrong")
        if what == "portal":
            self._send(b"<html>Welcome! Please log in to this network.</html>", {"Content-Type": "text/html"})
        else:
            self.server_hub.closing.wait()
            self.close_connection = True
        raise _Answered

    def _refuse(self, status: int, code: str | None, message: str, headers: Mapping[str, str] | None = None) -> NoReturn:
        named = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._send(json.dumps({"error": message}).encode(), {"Content-Type": "application/json"} | named | dict(headers or {}), status)
        raise _Answered

    def _json(self, document: object) -> None:
        self._send(json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _send(self, content: bytes, headers: Mapping[str, str] | None = None, status: int = 200) -> None:
        first = 0
        asked = self.headers.get("Range", "")
        if status == 200 and asked.startswith("bytes="):
            start, _, end = asked.removeprefix("bytes=").partition("-")
            first, last = int(start), int(end) if end else len(content) - 1
            status, total = 206, len(content)
            headers = dict(headers or {}) | {"Content-Range": f"bytes {first}-{last}/{total}"}
            content = content[first : last + 1]
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "oid": _blob_id(content), "size": len(content)}
    if len(content) >= LARGE:
        entry["lfs"] = {"oid": _sha256(content), "size": len(content), "pointerSize": 134}
    return entry
