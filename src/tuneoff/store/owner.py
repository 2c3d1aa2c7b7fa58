"""Which process made a file, and whether it still lives."""

import json
import os
import socket
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

#: What another machine made is left behind when nobody has touched it for so long.
LEASE_SECONDS = 120.0
#: A file without its owner's name is being written, or was cut by a kill between creating and writing: old enough, it is the latter.
GRACE_SECONDS = 5.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


@dataclass(frozen=True)
class Owner:
    """A process, told apart from another with the same number by machine, boot, process namespace and start time."""

    host: str
    pid: int
    boot: str
    started: str
    namespace: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """Where its number means something. Two machines or containers may share a name, and a machine's numbers begin anew."""
        return self.host, self.boot, self.namespace

    def text(self) -> str:
        """As it stands in a file."""
        return json.dumps(asdict(self))


def this_process() -> Owner:
    """The running process."""
    return Owner(socket.gethostname(), os.getpid(), _boot(), _started(os.getpid()) or "", _namespace())


@cache
def _boot() -> str:
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""


def _namespace() -> str:
    try:
        return os.readlink(_NAMESPACE)
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """Start time of a process in clock ticks; ``None`` when there is no such process, or only what its parent has not yet buried."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""


def owner_in(text: str) -> Owner | None:
    """The owner that a file names, or ``None`` when it is cut."""
    try:
        values = json.loads(text)
        return Owner(**{name: values[name] for name in Owner.__dataclass_fields__ if name in values})
    except (ValueError, TypeError):
        return None


def is_dead(file: Path, lease: float = LEASE_SECONDS) -> bool:
    """Whether the owner that a file names is gone: at once for this machine, after the lease in seconds for another."""
    try:
        owner = owner_in(file.read_text(encoding="utf-8", errors="replace"))
        touched = file.stat().st_mtime
    except FileNotFoundError:
        return True
    if owner is None:
        return _now(file.parent) - touched > GRACE_SECONDS
    if owner.place != this_process().place:
        return _now(file.parent) - touched > lease
    return not is_alive(owner.pid, owner.started)


def is_alive(pid: int, started: str) -> bool:
    """Whether the process of this machine that had this number and start time still runs."""
    now = _started(pid)
    return now is not None and not (now and started and now != started)


def _now(folder: Path) -> float:
    """The time as the file system stamps it: a server's clock and this machine's may differ by more than a lease."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()
