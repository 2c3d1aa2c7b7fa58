"""Attempts as tasks of a Ray cluster. The driver alone claims and publishes; nodes share no file system with it or each other.

Ray schedules, moves bytes and notices dead nodes; that a trial is tried again is the runner's business, so that every attempt
leaves a record.
"""

import io
import json
import shutil
import signal
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self

from tuneoff.backbone.resolve import WANTED
from tuneoff.errors import RefusedError, TrialError, TuneoffError, UsageError
from tuneoff.forecast import Target, find_gpu
from tuneoff.run.admission import Admission, admit
from tuneoff.run.depot import pointer_of
from tuneoff.run.executors.node import Order, carry_out, check_version
from tuneoff.run.job import Job
from tuneoff.run.packing import digest, pack, unpack
from tuneoff.run.planner import Plan
from tuneoff.store import storage

#: Archives travel in pieces: neither the driver nor a node holds a whole backbone in memory.
CHUNK_BYTES = 64 << 20
#: For every node to start a process and import tuneoff there; on a busy one that takes minutes.
_CONNECT_SECONDS = 300.0
_KNOCK_SECONDS = 10.0
#: So long what is known of the nodes counts as new.
_NODES_SECONDS = 1.0


class RayTask:
    """An attempt on some node."""

    point = None

    def __init__(self, ray: Any, reference: Any, job: Job) -> None:
        self._ray, self._reference, self._job = ray, reference, job
        self.ended = False

    @property
    def reference(self) -> Any:
        """Ray's, to wait for."""
        return self._reference

    def poll(self) -> dict[str, Any] | None:
        """What the record is made of once the attempt has ended and its files lie here; a node that was lost is a state too."""
        ready, _ = self._ray.wait([self._reference], timeout=0)
        if not ready:
            return None
        self.ended = True
        try:
            result, archive = self._ray.get(self._reference)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause
            return _failure(cause if isinstance(cause, TuneoffError) else TrialError("cluster.task_failed", reason=_line(cause)))
        except self._ray.exceptions.RayError as error:
            return {"state": "lost", "error": {"key": "cluster.lost", "facts": {"reason": _line(error)}}}
        try:
            _take(archive, self._job.folder)
        except TrialError as error:
            return _failure(error)
        found: dict[str, Any] = json.loads(result)
        return found

    def stop(self) -> None:
        """Kill its process, wherever it runs."""
        if not self.ended:
            self.ended = True
            self._ray.cancel(self._reference, force=True)


class RayExecutor:
    """Runs attempts on a Ray cluster.

    Args:
        address: of the cluster, as ``ray.init`` takes it; the one that runs on this machine unless said.
        workers: attempts at once, at most; as many as the nodes can take unless said.
        cpus: cores of an attempt; unless said those of the smallest node, divided by its GPUs.
        devices: GPUs of an attempt, where the cluster has any.
        artefacts: URL that takes artefacts.
    """

    def __init__(
        self, address: str | None, workers: int | None = None, cpus: int | None = None, devices: int = 1, artefacts: str | None = None
    ) -> None:
        self.address, self.limit, self.cpus, self.devices, self.artefacts = address, workers, cpus, devices, artefacts
        self._tasks: list[RayTask] = []
        self._needs: dict[str, int] = {}
        self._parcels: dict[str, list[Any]] = {}
        self._keys: dict[tuple[Path, tuple[str, ...] | None], str] = {}
        self._on_gpus = False
        self._each = 1
        self._alive: list[dict[str, Any]] = []
        self._asked = -_NODES_SECONDS
        self._ray: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        """Connect, and see that every node has this version of tuneoff.

        Raises:
            UsageError: ray is not installed, or no node can take a trial.
            RefusedError: there is no cluster, or a node cannot work for this one.
        """
        try:
            import ray
        except Exception as error:  # A package beside it that does not load takes it down with errors of any kind.
            raise UsageError("cluster.no_ray", reason=_line(error)) from error
        self._ray = ray
        try:
            _knock(self.address or "")
            with _same_signals():
                ray.init(address=self.address or "auto", log_to_driver=False, logging_level="error")
        except Exception as error:  # Ray's own have no common base here: OSError, RuntimeError, ValueError.
            raise RefusedError("cluster.no_cluster", where=self.address or "auto", reason=_line(error)) from error
        try:
            self._examine()
        except BaseException:
            ray.shutdown()
            raise
        self._task = ray.remote(_on_node)
        return self

    def __exit__(self, *reason: object) -> None:
        for task in self._tasks:
            task.stop()
        self._ray.shutdown()

    def _nodes(self) -> list[dict[str, Any]]:
        """Those that are alive and take trials."""
        if time.monotonic() - self._asked > _NODES_SECONDS:
            self._alive = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
            self._asked = time.monotonic()
        return self._alive

    def _examine(self) -> None:
        nodes = self._nodes()
        self._on_gpus = any(node["Resources"].get("GPU") for node in nodes)
        useful = [node["Resources"] for node in nodes if not self._on_gpus or node["Resources"].get("GPU", 0) >= self.devices]
        if not useful:
            raise UsageError("cluster.no_node", where=self.address or "auto", devices=self.devices)
        shares = [int(found["CPU"] // max(1, found.get("GPU", 0) // self.devices)) for found in useful]
        self._each = self.cpus or max(1, min(shares))
        if not any(found["CPU"] >= self._each for found in useful):
            raise UsageError("cluster.few_cores", where="--cpus", asked=self._each, most=int(max(found["CPU"] for found in useful)))
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        check = self._ray.remote(num_cpus=0, max_retries=0)(check_version)
        asked = [check.options(scheduling_strategy=strategy(node["NodeID"], soft=False)).remote(version("tuneoff")) for node in nodes]
        try:
            self._ray.get(asked, timeout=_CONNECT_SECONDS)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, TuneoffError):
                raise error.cause from error
            raise RefusedError("cluster.bad_node", where=self.address or "auto", reason=_line(error.cause)) from error
        except self._ray.exceptions.RayError as error:
            raise RefusedError("cluster.bad_node", where=self.address or "auto", reason=_line(error)) from error

    @property
    def workers(self) -> int:
        """As many attempts as the nodes that are alive can take, or fewer where fewer were asked for."""
        found = 0
        for node in self._nodes():
            resources = node["Resources"]
            fits = int(resources["CPU"] // self._each)
            found += min(fits, int(resources.get("GPU", 0) // self.devices)) if self._on_gpus else fits
        return max(1, found if self.limit is None else min(found, self.limit))

    def admit(self, plan: Plan) -> Mapping[str, Admission]:
        """How the cluster's devices can hold the plan's trials. GPUs are judged by the smallest kind that Ray and the forecast know."""
        target, beside = self._target()
        if target is None:
            return {}
        admissions = admit(plan, target, beside)
        if not self._on_gpus:
            self._needs = {name: admission.need for name, admission in admissions.items() if admission.need is not None}
        return admissions

    def _target(self) -> tuple[Target | None, int]:
        """The smallest device of the cluster, and how many attempts share one."""
        nodes = [node["Resources"] for node in self._nodes()]
        if self._on_gpus:
            kinds = [name.removeprefix("accelerator_type:") for found in nodes for name in found if name.startswith("accelerator_type:")]
            known = []
            for kind in kinds:
                try:
                    known.append(find_gpu(kind).target)
                except UsageError:  # One that the forecast has no table for: it is tried.
                    continue
            return min(known, key=lambda target: target.total or 0, default=None), 1
        # What a node's processor can do in bf16 is not known here: fp32 needs the most.
        largest = max(nodes, key=lambda found: float(found.get("memory", 0)))
        return Target("CPU", "cpu", False, total=int(largest.get("memory", 0)) or None), max(1, int(largest["CPU"] // self._each))

    def has_room(self, trial: str) -> bool:
        """Whether fewer attempts are under way than the cluster takes; which node has the memory, Ray decides."""
        self._tasks = [task for task in self._tasks if not task.ended]
        return len(self._tasks) < self.workers

    def start(self, job: Job) -> RayTask:
        """Give an attempt to the cluster with all that it needs."""
        parcels = {"prepared": self._parcel(job.prepared)}
        if job.backbone:
            patterns = (*WANTED, *(["*.py"] if job.trial.trust_remote_code else []))
            parcels["backbone"] = self._parcel(job.backbone.folder, patterns)
        pointer = None
        if job.pretrained and job.pretrained.exists():
            parcels["pretrained"] = self._parcel(job.pretrained)
        elif job.pretrained:
            pointer = pointer_of(job.pretrained)
        order = Order.of(replace(job, threads=self._each), parcels, pointer, self.artefacts)
        options: dict[str, Any] = {"num_cpus": self._each, "num_gpus": self.devices if self._on_gpus else 0, "max_retries": 0}
        if need := self._needs.get(job.trial.name):
            options["memory"] = need
        references = {key: self._parcels[key] for key in parcels.values()}
        task = self._task.options(scheduling_strategy="SPREAD", **options).remote(order.text(), references)
        started = RayTask(self._ray, task, job)
        self._tasks.append(started)
        return started

    def _parcel(self, source: Path, take: tuple[str, ...] | None = None) -> str:
        """Put a file or folder into the object store, once; returns its hash."""
        if (source, take) not in self._keys:
            with TemporaryFile() as archive:
                pack(source, archive, take=take)
                key = digest(archive)
                self._parcels[key] = [self._ray.put(chunk) for chunk in _chunks(archive)]
            self._keys[source, take] = key
        return self._keys[source, take]

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until an attempt has ended."""
        references = [task.reference for task in self._tasks if not task.ended]
        if references:
            self._ray.wait(references, timeout=seconds)
        else:
            time.sleep(seconds)


def _on_node(order: str, references: Mapping[str, Iterable[Any]]) -> tuple[str, bytes]:
    """The task. References come inside a mapping, so that Ray fetches only what is asked for."""
    import ray

    return carry_out(order, lambda key: (ray.get(reference) for reference in references[key]))


def _knock(address: str) -> None:
    """See that something listens there, where an address names a port: Ray itself goes on trying for minutes.

    Raises:
        OSError: nothing does.
    """
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if port.isdigit():
        with socket.create_connection((host.strip("[]"), int(port)), _KNOCK_SECONDS):
            pass


@contextmanager
def _same_signals() -> Iterator[None]:
    """Keep who handles signals: Ray takes SIGTERM for itself, and a run would end without releasing its claims."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _chunks(stream: IO[bytes]) -> Iterable[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _take(archive: bytes, folder: Path) -> None:
    """Unpack an attempt in place of its folder.

    Raises:
        StorageError: the folder cannot be written.
        TrialError: the archive is not safe to unpack.
    """
    with storage(folder, len(archive)):
        shutil.rmtree(folder)  # It holds who is at work on it, for this machine.
        unpack(io.BytesIO(archive), folder)


def _failure(error: TuneoffError) -> dict[str, Any]:
    return {"state": "failed", "error": error.as_dict()}


def _line(error: BaseException) -> str:
    """The first line of an error that says something."""
    lines = [line.strip() for line in f"{type(error).__name__}: {error}".splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
