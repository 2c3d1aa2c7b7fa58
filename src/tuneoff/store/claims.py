"""Who works on a trial: a file that only one process can create."""

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tuneoff.store.faults import fault
from tuneoff.store.files import storage

#: A claim of another machine whose heartbeat is older than this is dead.
LEASE_SECONDS = 120.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Owner:
    """A process, told apart from another with the same number by boot and start time."""

    host: str
    pid: int
    boot: str
    started: str


def _started(pid: int) -> str | None:
    """Start time of a process in clock ticks, or ``None`` when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""


def this_process() -> Owner:
    """The running process."""
    boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
    return Owner(socket.gethostname(), os.getpid(), boot, _started(os.getpid()) or "")


class Claim:
    """A claim file held by this process."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def heartbeat(self) -> None:
        """Show that the owner is alive."""
        with storage(self.file):
            os.utime(self.file)

    def release(self) -> None:
        """Give the trial back."""
        self.file.unlink(missing_ok=True)


def try_claim(file: Path) -> Claim | None:
    """Claim a trial, taking over from a dead owner; ``None`` while another process is alive on it.

    Raises:
        StorageError: the folder cannot be written.
    """
    with storage(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            try:
                handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                if not is_dead(file):
                    return None
                # Only one of several takers can rename the dead claim away.
                grave = file.with_name(f".{file.name}.{os.getpid()}.part")
                try:
                    os.rename(file, grave)
                except FileNotFoundError:
                    continue
                grave.unlink()
                continue
            with os.fdopen(handle, "w") as stream:
                json.dump(asdict(this_process()), stream)
            fault("claim")
            return Claim(file)
    return None


def is_dead(file: Path) -> bool:
    """Whether a claim's owner is gone: at once for this machine, after the lease for another."""
    try:
        owner = Owner(**json.loads(file.read_text()))
        age = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return True
    except (ValueError, TypeError):
        # Being written, or cut by a kill between creating and writing.
        return time.time() - file.stat().st_mtime > 1.0
    here = this_process()
    if owner.host != here.host:
        return age > LEASE_SECONDS
    if owner.boot != here.boot:
        return True
    started = _started(owner.pid)
    return started is None or (bool(started) and started != owner.started)
