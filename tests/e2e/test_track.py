"""A study and a real MLflow server: away, there again, and told everything once."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.studies import environment, records, tuneoff, write_study


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[str]:
    """`mlflow server` in a process group of its own, until it answers."""
    folder.mkdir(exist_ok=True)
    variables = environment(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    command = ["-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}", "--workers", "1"]
    command += ["--default-artifact-root", str(folder / "artefacts"), "--host", "127.0.0.1", "--port", str(port)]
    log = (folder / "server.log").open("w")
    server = subprocess.Popen([sys.executable, *command], stdout=log, stderr=log, env=variables, cwd=folder, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
                    assert answer.read() == b"OK"
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert server.poll() is None, (folder / "server.log").read_text()
                assert time.monotonic() < deadline, (folder / "server.log").read_text()
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=30)
        log.close()


def ask(url: str, path: str, **body: Any) -> Any:
    request = urllib.request.Request(
        f"{url}/api/2.0/mlflow/{path}", json.dumps(body).encode() if body else None, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def runs(url: str) -> list[Any]:
    experiment = ask(url, "experiments/get-by-name?experiment_name=two-names")["experiment"]["experiment_id"]
    return list(ask(url, "runs/search", experiment_ids=[experiment], max_results=100).get("runs", []))


@pytest.mark.slow
def test_a_server_that_is_away_fails_no_trial_and_gets_everything_later_once(tmp_path: Path) -> None:
    port = free_port()
    track = {"mlflow": {"uri": f"http://127.0.0.1:{port}", "experiment": "two-names"}}
    folder = write_study(tmp_path / "study", ["majority", "tfidf"], seeds=2, track=track)
    away = tuneoff("run", folder)
    assert away.returncode == 0, away.stderr
    assert away.stderr.count("cannot be reached") == 1
    assert f"tuneoff track {folder}" in away.stderr
    before = records(folder)
    assert len(before) == 4
    refused = tuneoff("track", folder, "--json")
    assert refused.returncode == 4
    (sink,) = json.loads(refused.stdout)["sinks"]
    assert (sink["sent"], sink["missing"]) == (0, 4)
    assert sink["error"]

    with mlflow_server(tmp_path / "server", port) as url:
        sent = tuneoff("track", folder, "--json")
        assert sent.returncode == 0, sent.stderr
        assert [json.loads(sent.stdout)["sinks"][0][name] for name in ("sent", "there", "missing")] == [4, 0, 0]
        again = tuneoff("track", folder, "--track", "tensorboard", "--json")
        assert [(one["sink"], one["sent"], one["there"]) for one in json.loads(again.stdout)["sinks"]] == [
            ("mlflow", 0, 4),
            ("tensorboard", 4, 0),
        ]
        found = runs(url)
        assert len(found) == 4
        assert {run["info"]["status"] for run in found} == {"FINISHED"}
        # A run with the server there sends by itself what is new.
        more = tuneoff("run", folder, "--set", "seeds=3")
        assert more.returncode == 0, more.stderr
        assert "cannot be reached" not in more.stderr
        found = runs(url)
        assert len(found) == 6
        scores = {tag["value"]: run for run in found for tag in run["data"]["tags"] if tag["key"] == "tuneoff.trial"}
        for trial, run in scores.items():
            record = json.loads((folder / "results" / trial / "attempt-1.json").read_text())
            metrics = {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}
            assert metrics["test_accuracy"] == pytest.approx(record["quality"]["test"]["accuracy"])
    assert before.items() <= records(folder).items(), "tracking changed no record"


def test_track_without_a_tracker_says_how_to_name_one(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority"], seeds=1)
    ran = tuneoff("track", folder)
    assert ran.returncode == 2
    assert "--track mlflow" in ran.stderr
