"""What a node of a cluster does with an order: have what it needs, by its hash; run the attempt; hand the folder back.

No file system is shared with whoever gave the order.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from multiprocessing import connection
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self
from uuid import uuid4

from tuneoff.errors import RefusedError, TrialError
from tuneoff.run.attempt import attempt
from tuneoff.run.depot import Pointer, fetch, send, write_pointer
from tuneoff.run.job import Job
from tuneoff.run.packing import packed, unpack
from tuneoff.store import ARTEFACT, JOB
from tuneoff.store.owner import is_dead, this_process

#: Folder on a node for what it was sent, for tokens and features, and for attempts under way.
CACHE_VARIABLE = "TUNEOFF_NODE_CACHE"
_OWNER = "owner.json"
_POLL_SECONDS = 0.2

Chunks = Callable[[str], Iterable[bytes]]


@dataclass(frozen=True)
class Order:
    """An attempt for a node, as plain values.

    Attributes:
        job: with names in place of the paths of whoever gave it.
        parcels: hashes of the archives that hold its ``prepared`` splits, its ``backbone``, what was ``pretrained``.
        pointer: where what was pretrained lies, if it is too large to travel.
        artefacts: URL that takes artefacts.
        version: of tuneoff, which must be the node's.
    """

    job: dict[str, Any]
    parcels: dict[str, str]
    pointer: Pointer | None
    artefacts: str | None
    version: str

    @classmethod
    def of(cls, job: Job, parcels: dict[str, str], pointer: Pointer | None, artefacts: str | None) -> Self:
        """An order for a job; no path of this machine stands in it."""
        values = job.as_dict() | {"folder": "", "cache": "", "prepared": job.prepared.name, "gpus": None}
        if job.backbone:
            values["backbone"] = job.backbone.as_dict() | {"folder": ""}
        if job.pretrained:
            values["pretrained"] = job.pretrained.name
        return cls(values, parcels, pointer, artefacts, version("tuneoff"))

    def text(self) -> str:
        """As it travels."""
        return json.dumps(vars(self) | {"pointer": vars(self.pointer) if self.pointer else None})

    @classmethod
    def read(cls, text: str) -> Self:
        """The inverse of :meth:`text`."""
        values = json.loads(text)
        return cls(**(values | {"pointer": Pointer(**values["pointer"]) if values["pointer"] else None}))


def carry_out(text: str, chunks: Chunks) -> tuple[str, bytes]:
    """Run an attempt.

    Args:
        text: the order.
        chunks: hash of an archive → its bytes, asked only for what is not here.

    Returns:
        What the record is made of, as JSON, and the attempt's folder as an archive.

    Raises:
        RefusedError: this node has another version of tuneoff, or a stage's artefact cannot be had.
        TrialError: what arrived is not what was sent, or the artefact cannot be stored at its URL.
    """
    order = Order.read(text)
    check_version(order.version)
    root = node_cache()
    _sweep(root / "attempts")
    scratch = root / "attempts" / uuid4().hex
    scratch.mkdir(parents=True)
    (scratch / _OWNER).write_text(this_process().text(), encoding="utf-8")
    folder = scratch / "attempt"
    folder.mkdir()
    try:
        result = _run(_placed(order, root, folder, chunks))
        if order.artefacts and (folder / ARTEFACT).is_dir():
            write_pointer(folder, send(folder / ARTEFACT, order.artefacts))
            return json.dumps(result), packed(folder, leave={JOB, ARTEFACT})
        return json.dumps(result), packed(folder, leave={JOB})
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def check_version(wanted: str) -> None:
    """Refuse to work for another version: a trial's key does not name it, and results would mix.

    Raises:
        RefusedError: this node has another one.
    """
    here = version("tuneoff")
    if here != wanted:
        raise RefusedError("cluster.other_version", where=os.uname().nodename, wanted=wanted, found=here)


def node_cache() -> Path:
    """The node's own folder."""
    said = os.environ.get(CACHE_VARIABLE)
    return Path(said) if said else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tuneoff" / "node"


def have(key: str, root: Path, chunks: Chunks) -> Path:
    """The folder with the content of an archive; fetched once for all attempts of this node.

    Raises:
        TrialError: the bytes are not those of this hash, or no archive that is safe to unpack.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        raise TrialError("cluster.cut_archive")
    folder = root / "parcels" / key
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder.parent) as archive:
        found = hashlib.sha256()
        for chunk in chunks(key):
            archive.write(chunk)
            found.update(chunk)
        if found.hexdigest() != key:
            raise TrialError("cluster.cut_archive")
        archive.seek(0)
        _unpack_once(lambda: unpack(archive, folder), folder)
    return folder


def _unpack_once(make: Callable[[], None], folder: Path) -> None:
    """Two attempts may want the same at once; the first one's is as good."""
    try:
        make()
    except OSError:
        if not folder.is_dir():
            raise


def _placed(order: Order, root: Path, folder: Path, chunks: Chunks) -> Job:
    """The job with paths of this node."""
    places = {name: have(key, root, chunks) for name, key in order.parcels.items()}
    if order.pointer:
        pointer, place = order.pointer, root / "parcels" / f"at-url-{order.pointer.sha256}"
        if not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            _unpack_once(lambda: fetch(pointer, place), place)
        places["pretrained"] = place
    job = Job.of(order.job)
    return replace(
        job,
        folder=folder,
        cache=root / "cache",
        prepared=places["prepared"] / job.prepared.name,
        backbone=replace(job.backbone, folder=places["backbone"]) if job.backbone else None,
        pretrained=places.get("pretrained"),
        gpus=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def _run(job: Job) -> dict[str, Any]:
    work = attempt(job)
    try:
        while True:
            connection.wait([next(work).sentinel], _POLL_SECONDS)
    except StopIteration as end:
        result: dict[str, Any] = end.value
        return result
    finally:
        work.close()


def _sweep(attempts: Path) -> None:
    """Remove what killed attempts left on this node."""
    if attempts.is_dir():
        for scratch in attempts.iterdir():
            if is_dead(scratch / _OWNER):
                shutil.rmtree(scratch, ignore_errors=True)
