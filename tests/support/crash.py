"""Every state that a power cut can leave on a disk, from the system calls that a program made (after ALICE, Pillai et al. 2014).

``strace`` records what a program does to the files below a folder. A small model of a file system then replays each prefix of
those calls and says what may be left: at worst only what was synced (a file's bytes by an ``fsync`` of the file, its name by
one of the folder that holds it); or all names but only synced bytes, as after a rename that overtook its data; or everything.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = "open,openat,creat,write,writev,pwrite64,sendfile,copy_file_range,ftruncate,fsync,fdatasync,link,linkat,rename,renameat,renameat2"
CALLS += ",unlink,unlinkat,mkdir,mkdirat,rmdir"
#: The largest write that is kept.
LONGEST = 1 << 24
_LINE = re.compile(r"^(\d+) +(.*)$")
_UNFINISHED = re.compile(r"^(\w+)\((.*?)\s*<unfinished \.\.\.>$")
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
_DONE = re.compile(r"^(\w+)\((.*)\)\s*= (-?\d+)(.*)$")
_HEX = re.compile(r"((?:\\x[0-9a-f]{2})*)")


@dataclass
class Inode:
    """A file: its bytes, those that a power cut leaves (``None``: none), and where the next write goes (``None``: to its end)."""

    data: bytearray = field(default_factory=bytearray)
    synced: bytes | None = None
    place: int | None = 0


@dataclass(frozen=True)
class State:
    """Files that are left, by path below the folder, and what had been printed by then."""

    kind: str
    files: dict[str, bytes]
    printed: str

    def build(self, folder: Path) -> Path:
        """Write them to a real folder."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, data in self.files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return folder


def record(command: list[str], trace: Path, env: dict[str, str] | None = None, timeout: float = 240) -> str:
    """Run a program and keep its system calls; returns what it printed on both streams."""
    strace = ["strace", "-f", "-y", "-xx", "-s", str(LONGEST), "-e", f"trace={CALLS}", "--seccomp-bpf", "-o", str(trace)]
    run = subprocess.run([*strace, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, env=env)
    assert run.returncode == 0, run.stdout
    return run.stdout


def states(trace: Path, folder: Path) -> Iterator[State]:
    """The states after each call that changed something below ``folder``, the three kinds of each."""
    disk = _Disk(str(folder.resolve()))
    for name, arguments, result, rest in _calls(trace):
        if disk.apply(name, arguments, result, rest):
            yield from disk.states()


def _calls(trace: Path) -> Iterator[tuple[str, str, int, str]]:
    open_calls: dict[str, tuple[str, str]] = {}
    with trace.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            found = _LINE.match(line.rstrip("\n"))
            if not found:
                continue
            process, text = found[1], found[2]
            if cut := _UNFINISHED.match(text):
                open_calls[process] = (cut[1], cut[2])
                continue
            if back := _RESUMED.match(text):
                name, begun = open_calls.pop(process)
                assert name == back[1]
                text = f"{name}({begun}{back[2]}"
            if done := _DONE.match(text):
                yield done[1], done[2], int(done[3]), done[4]


def _strings(text: str) -> list[bytes]:
    """Quoted strings of a call's arguments."""
    return [_bytes(part) for part in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', text)]


def _descriptors(text: str) -> list[str]:
    """Paths of the file descriptors in a call's arguments."""
    return [_bytes(part).decode() for part in re.findall(r"<((?:\\x[0-9a-f]{2})*)>", text)]


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


class _Disk:
    def __init__(self, root: str) -> None:
        self.root = root
        self.names: dict[str, Inode | None] = {}  # None is a folder.
        self.durable: dict[str, Inode | None] = {}
        self.printed = ""

    def apply(self, name: str, arguments: str, result: int, rest: str) -> bool:
        """Do one call; returns whether it touched the folder or printed something."""
        if result < 0:
            return False
        paths = [text.decode() for text in _strings(arguments)] if name not in ("write", "writev", "pwrite64") else []
        match name:
            case "open" | "openat" | "creat":
                path = self._inside(_descriptors(rest)[:1])
                if path is None:
                    return False
                known = self.names.get(path)
                place = None if "O_APPEND" in arguments else 0
                if known is None and path not in self.names and "O_CREAT" in arguments:
                    self.names[path] = Inode(place=place)
                    return True
                if isinstance(known, Inode) and ("O_WRONLY" in arguments or "O_RDWR" in arguments):
                    known.place = place
                if isinstance(known, Inode) and "O_TRUNC" in arguments and known.data:
                    known.data.clear()
                    return True
                return False
            case "write" | "writev" | "pwrite64":
                return self._write(arguments, result)
            case "fsync" | "fdatasync":
                path = self._inside(_descriptors(arguments)[:1])
                if path is None:
                    return False
                self._sync(path)
                return True
            case "link" | "linkat" | "rename" | "renameat" | "renameat2":
                one, other = (self._inside([p]) for p in paths[:2])
                if one is None or other is None:
                    return False
                self.names[other] = self.names[one]
                if name.startswith("rename"):
                    del self.names[one]
                return True
            case "unlink" | "unlinkat" | "rmdir":
                path = self._inside([self._at(arguments, paths[0])])
                return path is not None and self.names.pop(path, False) is not False
            case "mkdir" | "mkdirat":
                path = self._inside(paths[:1])
                if path is None:
                    return False
                self.names[path] = None
                return True
            case "ftruncate":
                path = self._inside(_descriptors(arguments)[:1])
                inode = self.names.get(path) if path else None
                if inode is None:
                    return False
                size = int(arguments.rsplit(",", 1)[1])
                inode.data[:] = inode.data[:size].ljust(size, b"\0")
                return True
        raise AssertionError(f"{name} is not modelled: {arguments[:200]}")

    @staticmethod
    def _at(arguments: str, path: str) -> str:
        """A path relative to a folder's descriptor, as ``rmtree`` removes."""
        found = _descriptors(arguments)
        return path if path.startswith("/") or not found else f"{found[0]}/{path}"

    def _write(self, arguments: str, count: int) -> bool:
        where = _descriptors(arguments)[:1]
        data = b"".join(_strings(arguments))[:count]
        path = self._inside(where)
        if path is None:
            if re.match(r"[12]<", arguments) and data:
                self.printed += data.decode(errors="replace")
                return True
            return False
        inode = self.names.get(path)
        if inode is None:
            return False  # Its name is gone: nobody will find it.
        if offset := re.search(r", (\d+)$", arguments) if "\\x" in arguments and arguments.count(", ") == 3 else None:
            place = int(offset[1])
        elif inode.place is None:
            place = len(inode.data)
        else:
            place = inode.place
            inode.place += count
        inode.data[place : place + count] = data
        return True

    def _inside(self, paths: list[str]) -> str | None:
        if not paths or not paths[0].startswith(self.root + "/"):
            return "" if paths and paths[0] == self.root else None
        return paths[0][len(self.root) + 1 :]

    def _sync(self, path: str) -> None:
        inode = self.names.get(path)
        if isinstance(inode, Inode):
            inode.synced = bytes(inode.data)
            return
        below = {name for name in (*self.names, *self.durable) if name.rpartition("/")[0] == path}
        for name in below:
            if name in self.names:
                self.durable[name] = self.names[name]
            else:
                self.durable.pop(name, None)

    def states(self) -> Iterator[State]:
        """What may be left now."""
        kept = {name: inode for name, inode in self.durable.items() if inode is not None and self._reached(name)}
        yield State("only what was synced", {name: inode.synced or b"" for name, inode in kept.items()}, self.printed)
        files = {name: inode for name, inode in self.names.items() if inode is not None}
        yield State("names overtook bytes", {name: inode.synced or b"" for name, inode in files.items()}, self.printed)
        yield State("everything", {name: bytes(inode.data) for name, inode in files.items()}, self.printed)

    def _reached(self, name: str) -> bool:
        folder = name.rpartition("/")[0]
        return not folder or (folder in self.durable and self._reached(folder))
