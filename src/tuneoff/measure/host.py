"""What this machine says of its main memory: how much a process holds, how much there is, and whether the kernel killed for it."""

from pathlib import Path

_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
#: A control group without a limit says a number near 2^63.
_UNLIMITED = 1 << 60


def resident_bytes(pid: int) -> int | None:
    """Main memory that a process of this machine holds now; ``None`` when it is gone or this system does not say."""
    try:
        pages = (_PROC / str(pid) / "statm").read_text().split()[1]
    except (OSError, IndexError):
        return None
    import resource

    return int(pages) * resource.getpagesize()


def memory_limit() -> int | None:
    """Bytes of main memory that processes here can have: the machine's, or less where a control group says so."""
    try:
        lines = (_PROC / "meminfo").read_text().splitlines()
        limits = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:")]
        groups = (_PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return None
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if controllers == "":
            root, name = _CGROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = _CGROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        folder = root / path.lstrip("/")
        # A group is held by the limits of those around it too; inside a container its own is mounted at the root.
        limits += [limit for above in (folder, *folder.parents) if above.is_relative_to(root) and (limit := _limit(above / name))]
    return min(limits, default=None)


def _limit(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() and int(text) < _UNLIMITED else None


def memory_kills() -> int | None:
    """How many processes of this machine the kernel has killed for want of memory, since it started; ``None`` where it does not say."""
    try:
        lines = (_PROC / "vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
