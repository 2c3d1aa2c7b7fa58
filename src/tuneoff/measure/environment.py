"""Where a number was measured: versions, device, commit."""

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("tuneoff", "torch", "transformers", "peft", "accelerate", "datasets", "tokenizers", "scikit-learn", "numpy", "bitsandbytes")


def package_versions() -> dict[str, str | None]:
    """Versions of what a result depends on; ``None`` for what is not installed."""
    found: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def cpu_name() -> str:
    """The processor's model as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


@cache
def source_commit() -> str | None:
    """Commit of a source checkout, with ``+dirty`` where files differ; ``None`` for an installed package."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    run = [
        subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True)
        for command in (["rev-parse", "HEAD"], ["status", "--porcelain"])
    ]
    if run[0].returncode:
        return None
    return run[0].stdout.strip() + ("+dirty" if run[1].stdout.strip() else "")


def environment() -> dict[str, Any]:
    """What the report says of the machine. Imports torch for the device's name."""
    import torch

    gpu = torch.cuda.get_device_properties(0) if torch.cuda.is_available() else None
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": package_versions(),
        "commit": source_commit(),
        "device": "cuda" if gpu else "cpu",
        "device_name": gpu.name if gpu else cpu_name(),
        "device_bytes": gpu.total_memory if gpu else memory_bytes(),
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
    }


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Memory of the machine, or ``None`` where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
