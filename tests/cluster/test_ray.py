"""A real Ray cluster of several nodes on this machine, each with a folder of its own; an S3 server on loopback."""

import gc
import json
import os
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.studies import records, start_tuneoff, table, tuneoff, write_study

pytestmark = [
    pytest.mark.slow,
    # Of the S3 server's libraries, and of processes that Ray leaves to their own end.
    pytest.mark.filterwarnings("default"),
]
ray = pytest.importorskip("ray", reason="the extra `cluster` is not installed", exc_type=Exception)
METHODS = ["majority", "full", {"lora": {"r": 2}}]
LOOPBACK = "127.0.0.1"
#: Otherwise Ray's drivers turn a loopback address into the machine's own, where these nodes do not listen.
ON_LOOPBACK = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
STORE_BYTES = 80 << 20
#: Seconds. Ray starts a dozen processes for each cluster and imports everything anew in each worker.
PATIENCE = 600


class Nodes:
    """A cluster whose head takes no trials."""

    def __init__(self, folder: Path, **variables: str) -> None:
        from ray.cluster_utils import Cluster

        self.folder, self.variables = folder, variables
        head = {"num_cpus": 0, "include_dashboard": False, **self._common()}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes: list[tuple[Any, Path]] = []

    def _common(self, **more: str) -> dict[str, Any]:
        environment = {"HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0", **dict([ON_LOOPBACK]), **self.variables, **more}
        return {"node_ip_address": LOOPBACK, "object_store_memory": STORE_BYTES, "env_vars": environment}

    def add(self) -> None:
        """A node of one core that has nothing yet."""
        cache = self.folder / f"node-{len(self.nodes)}"
        node = self.cluster.add_node(num_cpus=1, wait=True, **self._common(TUNEOFF_NODE_CACHE=str(cache)))
        self.nodes.append((node, cache))

    def kill(self, number: int) -> None:
        """As if its machine lost power."""
        self.cluster.remove_node(self.nodes[number][0], allow_graceful=False)

    def at_work(self, number: int) -> list[int]:
        """Processes that carry out attempts on a node."""
        found = []
        for file in (self.nodes[number][1] / "cache" / "at-work").glob("*"):
            try:
                found.append(json.loads(file.read_text())["pid"])
            except (OSError, ValueError):
                continue
        return found

    @property
    def address(self) -> str:
        return str(self.cluster.address)


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Nodes]]:
    made: list[Nodes] = []
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv(*ON_LOOPBACK)

    def make(count: int, **variables: str) -> Nodes:
        cluster = Nodes(tmp_path, **variables)
        made.append(cluster)
        for _ in range(count):
            cluster.add()
        return cluster

    yield make
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Of processes of Ray's that are ending while it forgets them.
        while made:
            made.pop().cluster.shutdown()
        gc.collect()


def wait_for(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


def states(folder: Path) -> list[str]:
    return sorted(json.loads(record)["state"] for record in records(folder).values())


def is_running(pid: int) -> bool:
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout[:1] not in ("", "Z")


def on(cluster: Nodes, *more: str) -> tuple[str, ...]:
    return ("--executor", "ray", "--address", cluster.address, *more)


def test_nodes_that_share_no_folder_give_the_same_table(nodes: Callable[..., Nodes], tmp_path: Path) -> None:
    here = write_study(tmp_path / "here", METHODS)
    there = tmp_path / "there"
    shutil.copytree(here, there)  # Two tiny tokenizers that are trained alike differ.
    assert tuneoff("run", here, "--workers", "2", "--cpus", "1").returncode == 0
    cluster = nodes(2)
    run = tuneoff("run", there, *on(cluster), timeout=PATIENCE)
    assert run.returncode == 0, run.stderr
    assert states(there) == ["complete"] * 6
    assert table(there) == table(here)
    for _, cache in cluster.nodes:
        assert list((cache / "parcels").iterdir()), "both nodes had work and were sent what it needs"
        assert not list((cache / "attempts").iterdir())
    assert not list((there / "results" / "cache" / "features").glob("*")), "nothing was computed here"
    assert tuneoff("predict", next((there / "results").glob("lora*/attempt-1/artefact")), "profit rose").returncode == 0


def test_a_node_is_lost_in_the_middle(nodes: Callable[..., Nodes], tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["full"], seeds=3, train={"epochs": 80})
    cluster = nodes(2)
    with start_tuneoff("run", folder, *on(cluster)) as run:
        (lost, *_) = wait_for(lambda: cluster.at_work(0))
        cluster.kill(0)
        assert run.stderr is not None
        rest = run.stderr.read()
        assert run.wait(PATIENCE) == 0, rest
    assert states(folder) == ["complete"] * 3 + ["lost"]
    wait_for(lambda: not is_running(lost))


def test_ctrl_c_and_a_killed_driver_resume(nodes: Callable[..., Nodes], tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority", "full"], seeds=1, train={"epochs": 80})
    cluster = nodes(1)
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        with start_tuneoff("run", folder, *on(cluster)) as run:
            if number == signal.SIGINT:
                assert run.stderr is not None
                next(line for line in run.stderr if "[1/2]" in line)
            at_work = wait_for(lambda: cluster.at_work(0))
            run.send_signal(number)
            assert run.wait(60) == code
        for pid in at_work:
            wait_for(lambda pid=pid: not is_running(pid))
    assert states(folder) == ["complete"]
    before = records(folder)
    done = tuneoff("run", folder, *on(cluster), timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert before.items() < records(folder).items()
    assert states(folder) == ["complete"] * 2


def test_without_a_cluster_the_message_says_what_to_do(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", ["majority"])
    run = tuneoff("run", folder, "--executor", "ray", "--address", f"{LOOPBACK}:1")
    assert run.returncode == 3, run.stderr
    assert "ray start --head" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.fixture
def s3() -> Iterator[dict[str, str]]:
    """Variables with which s3fs finds a server of this process."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(LOOPBACK, 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "very-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "FSSPEC_S3_ENDPOINT_URL": f"http://{host}:{port}",
    }
    yield variables
    server.stop()


def test_large_artefacts_go_to_s3(nodes: Callable[..., Nodes], s3: dict[str, str], tmp_path: Path) -> None:
    import fsspec

    system = fsspec.filesystem("s3", endpoint_url=s3["FSSPEC_S3_ENDPOINT_URL"], key="testing", secret="very-secret")
    system.mkdir("models")
    url = "s3://models/study"
    (tmp_path / "corpus.txt").write_text("profit rose again\n" * 20)
    data = {"unlabelled": str(tmp_path / "corpus.txt")}
    folder = write_study(tmp_path / "study", ["pretrain+full"], seeds=1, data=data, pretrain={"epochs": 1}, artefacts=url)
    cluster = nodes(1, **s3)
    run = tuneoff("run", folder, *on(cluster), timeout=PATIENCE, **s3)
    assert run.returncode == 0, run.stderr
    stored = system.ls("models/study")
    assert len(stored) == 2, "of the stage and of the trial that builds on it"
    attempts = list((folder / "results").glob("pretrain*/attempt-1"))
    assert len(attempts) == 2
    assert all((attempt / "artefact.json").exists() and not (attempt / "artefact").exists() for attempt in attempts)
    artefact = next(attempt for attempt in attempts if attempt.parent.name.startswith("pretrain-full")) / "artefact"
    assert tuneoff("predict", artefact, "profit rose").returncode == 3, "without access, a reason"
    answer = tuneoff("predict", artefact, "profit rose", **s3)
    assert answer.returncode == 0, answer.stderr
    assert artefact.is_dir()
    found = [file for file in folder.rglob("*") if file.is_file() and b"very-secret" in file.read_bytes()]
    assert not found, "no key in records, logs or reports"
    assert os.environ.get("AWS_SECRET_ACCESS_KEY") is None
