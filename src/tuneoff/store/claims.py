"""Who works on a trial: a file that only one process can create.

No lock of the operating system is used: on some cluster file systems it is granted to everybody.
"""

import hashlib
import json
import os
import secrets
from dataclasses import asdict
from pathlib import Path

from tuneoff.faults import fault
from tuneoff.store.files import make_folder, storage
from tuneoff.store.owner import is_dead, this_process


class Claim:
    """A claim file made by this process. Another may have taken it over since, if this one seemed dead."""

    def __init__(self, file: Path, text: str) -> None:
        self.file, self.text = file, text

    def heartbeat(self) -> bool:
        """Show that the owner is alive; returns whether the claim is still this one's."""
        with storage(self.file):
            if _text(self.file) != self.text:
                return False
            os.utime(self.file)
        return True

    def release(self) -> None:
        """Give the trial back; a claim that another process took over stays."""
        try:
            if _text(self.file) == self.text:
                self.file.unlink()
        except OSError:
            pass  # Gone with its folder, or the disk refuses: this process will be dead soon, and its claim with it.


def try_claim(file: Path) -> Claim | None:
    """Claim a trial, taking over from a dead owner; ``None`` while another process is alive on it.

    Raises:
        StorageError: the folder cannot be written.
    """
    with storage(file):
        make_folder(file.parent)
        claim = _acquire(file)
        if claim:
            fault("claim")
        return claim


def bury(file: Path) -> bool:
    """Remove the claim of a dead owner; ``False`` when it lives, or another process is at it.

    Looking and removing are two steps, between which another process may have buried the dead one and claimed the trial. So
    whoever removes a claim first claims the right to remove this very one, by a name that follows from its content.
    """
    text = _text(file)
    if text is None:
        return True
    if not is_dead(file):
        return False
    right = _acquire(file.with_name(f"{file.name}.{hashlib.sha256(text.encode()).hexdigest()[:12]}"))
    if right is None:
        return False
    try:
        if _text(file) == text:
            file.unlink()
    finally:
        right.release()
    return True


def _acquire(file: Path) -> Claim | None:
    text = json.dumps(asdict(this_process()) | {"nonce": secrets.token_hex(8)})
    for _ in range(2):
        if _create(file, text):
            return Claim(file, text)
        if not bury(file):
            return None
    return None


def _create(file: Path, text: str) -> bool:
    try:
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError:
        file.unlink(missing_ok=True)
        raise
    return True


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
