"""The peak of main memory: what a process took for itself, and no page of a file that it merely read."""

import subprocess
import sys
from pathlib import Path

import pytest

from tuneoff.measure import CPU_COUNTER

MEASURED = """
import mmap, sys
import torch
from tuneoff.measure import MemoryMeter

meter = MemoryMeter(torch.device("cpu"))
meter.reset()
if sys.argv[1] == "own":
    kept = bytearray(BYTES)
    kept[:: mmap.PAGESIZE] = b"x" * len(kept[:: mmap.PAGESIZE])
    del kept
else:
    with open(sys.argv[2], "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    assert sum(mapped[place] for place in range(0, len(mapped), mmap.PAGESIZE)) == 0
peak = meter.peak()
print(peak.bytes, peak.counter)
"""
SIZE = 64 << 20
pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the mark is reset through /proc")


def measured(*arguments: str) -> int:
    code = MEASURED.replace("BYTES", str(SIZE))
    said = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True).stdout.split()
    assert said[1] == CPU_COUNTER
    return int(said[0])


def test_what_was_taken_and_given_back_counts() -> None:
    assert measured("own") == pytest.approx(SIZE, rel=0.1)


def test_pages_of_a_file_do_not(tmp_path: Path) -> None:
    file = tmp_path / "library"
    file.write_bytes(bytes(SIZE))
    assert measured("mapped", str(file)) < SIZE / 8
