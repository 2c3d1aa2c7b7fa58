"""The server of `tuneoff watch`: what it shows, and whom it refuses."""

import http.client
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tuneoff.errors import UsageError
from tuneoff.store import Store
from tuneoff.watch import Watcher

POLICY = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-abc'; img-src data:\">"
PAGE = f"<!doctype html><html><head>{POLICY}</head><body>결과</body></html>"


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Watcher]:
    (tmp_path / "study").mkdir()
    (tmp_path / "secret.txt").write_text("not for you")
    found = Watcher(tmp_path / "study", "en")
    found.start()
    yield found
    found.close()


def ask(watcher: Watcher, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """One request exactly as written: nothing is normalised on the way."""
    connection = http.client.HTTPConnection("127.0.0.1", watcher.port, timeout=5)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Host": f"127.0.0.1:{watcher.port}"} | {name.replace("_", "-"): value for name, value in headers.items()}).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def begin(folder: Path, trial: str, points: list[dict[str, Any]], **spec: Any) -> Any:
    """A trial that this process is at."""
    store = Store(folder / "results")
    claim = store.claim(trial)
    _, attempt = store.new_attempt(trial)
    (attempt / "job.json").write_text(json.dumps({"trial": {"method": "lora", "seed": 1, "stage": None} | spec}))
    lines = [json.dumps(point) for point in points]
    (attempt / "curve.jsonl").write_text("".join(f"{line}\n" for line in lines) + '{"step": 99, "lo')
    return claim


def test_before_the_first_report_there_is_plain_text_that_refreshes_itself(watcher: Watcher, tmp_path: Path) -> None:
    points = [{"step": step, "steps": 40, "loss": 1.0 / step, "validation_accuracy": None} for step in (1, 5)]
    begin(tmp_path / "study", "lora-s1-abc", points)
    status, headers, body = ask(watcher, f"/{watcher.token}/")
    assert status == 200
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Refresh"] == "2"
    assert "no report yet" in body
    assert "Running: lora, seed 1, step 5 of 40" in body


def test_the_report_is_served_with_the_script_and_the_file_stays_as_it_is(watcher: Watcher, tmp_path: Path) -> None:
    file = tmp_path / "study" / "report.html"
    file.write_text(PAGE, encoding="utf-8")
    status, headers, body = ask(watcher, f"/{watcher.token}/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Refresh" not in headers
    assert '결과<script src="live.js" defer></script></body>' in body
    assert "http-equiv" not in body, "a policy inside the page would forbid the refreshing"
    # Its own policy, wider by the two things that refreshing needs.
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self' 'sha256-abc'; img-src data:; connect-src 'self'; frame-ancestors 'none'"
    )
    assert file.read_text(encoding="utf-8") == PAGE
    (tmp_path / "study" / "report.ko.html").write_text("<body>한국어</body>", encoding="utf-8")
    assert "한국어<script" in ask(watcher, f"/{watcher.token}/report.ko.html")[2]
    assert ask(watcher, f"/{watcher.token}/report.en.html")[0] == 404
    assert "fetch(" in ask(watcher, f"/{watcher.token}/live.js")[2]


def test_the_page_learns_what_is_at_work_and_when_the_report_was_rewritten(watcher: Watcher, tmp_path: Path) -> None:
    def live() -> Any:
        return json.loads(ask(watcher, f"/{watcher.token}/live.json")[2])

    folder, store = tmp_path / "study", Store(tmp_path / "study" / "results")
    assert live() | {"words": {}} == {"version": None, "ended": {}, "running": [], "summary": "No trial has ended yet.", "words": {}}
    for trial, end in (("full-s0-a", "complete"), ("lora-s0-b", "diverged"), ("ia3-s0-c", "complete")):
        store.publish(trial, 1, {"state": end})
    (folder / "results" / "ia3-s0-c" / "attempt-1.json").write_text("{}")
    points = [{"step": step, "steps": 5000, "loss": 1.0, "validation_accuracy": 0.5 if step == 2501 else None} for step in range(1, 5001)]
    claim = begin(folder, "search-lora-d", points, seed=-1)
    found = live()
    assert found["ended"] == {"complete": 1, "diverged": 1, "unreadable": 1}
    assert found["summary"] == "Ended: complete 1, diverged 1, unreadable 1"
    (running,) = found["running"]
    assert (running["title"], running["step"], running["steps"]) == ("lora, learning-rate search", 5000, 5000)
    assert len(running["points"]) < 320
    assert [point["step"] for point in running["points"] if point["validation_accuracy"] is not None] == [2501]
    claim.release()
    assert live()["running"] == []
    # Watching moves nothing aside and writes nothing.
    assert (folder / "results" / "ia3-s0-c" / "attempt-1.json").read_text() == "{}"
    (folder / "report.html").write_text("one")
    first = live()["version"]
    os.utime(folder / "report.html", ns=(1, 1))
    assert first is not None
    assert live()["version"] not in (None, first)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": "evil.example:{port}"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_other_hosts_and_other_origins_are_refused(watcher: Watcher, tmp_path: Path, headers: dict[str, str]) -> None:
    (tmp_path / "study" / "report.html").write_text("the report")
    asked = {name: value.format(port=watcher.port) for name, value in headers.items()}
    status, _, body = ask(watcher, f"/{watcher.token}/", **asked)
    assert status == 403
    assert "the report" not in body
    assert watcher.token not in body


def test_localhost_and_the_page_itself_are_let_in(watcher: Watcher) -> None:
    ours = f"http://localhost:{watcher.port}"
    assert ask(watcher, f"/{watcher.token}/", Host=f"localhost:{watcher.port}", Origin=ours, Sec_Fetch_Site="same-origin")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/report.html",
        "/wrong/",
        "/{token}",
        "/{token}/../secret.txt",
        "/{token}/%2e%2e/secret.txt",
        "/{token}/..%2fsecret.txt",
        "/{token}//etc/passwd",
        "/{token}/study.yaml",
        "/{token}/results/",
        "/{token}x/",
        "/../secret.txt",
        "//[",
        "/한글/",
    ],
)
def test_nothing_else_is_there(watcher: Watcher, tmp_path: Path, path: str) -> None:
    (tmp_path / "study" / "study.yaml").write_text("study: private")
    with socket.create_connection(("127.0.0.1", watcher.port), timeout=5) as connection:
        line = f"GET {path.format(token=watcher.token)} HTTP/1.0\r\nHost: 127.0.0.1:{watcher.port}\r\n\r\n"
        connection.sendall(line.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split(b" ")[1] == b"404"
    for private in (b"not for you", b"private", b"root:"):
        assert private not in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_only_reads(watcher: Watcher, method: str) -> None:
    assert ask(watcher, f"/{watcher.token}/", method)[0] == 501


def test_it_listens_on_this_machine_only_and_each_time_under_another_address(watcher: Watcher, tmp_path: Path) -> None:
    assert re.fullmatch(rf"http://127\.0\.0\.1:{watcher.port}/[\w-]{{32}}/", watcher.url)
    other = Watcher(tmp_path / "study", "en")
    assert other.token != watcher.token
    other.close()
    with pytest.raises(UsageError, match="cannot listen"):
        Watcher(tmp_path / "study", "en", watcher.port)


def test_a_closed_watcher_gives_its_port_back(tmp_path: Path) -> None:
    first = Watcher(tmp_path, "en")
    first.start()
    port = first.port
    first.close()
    second = Watcher(tmp_path, "en", port)
    second.close()
    assert second.port == port
