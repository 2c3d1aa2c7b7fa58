"""Charts as SVG and PNG, drawn by a process of their own, or here where that is gone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuneoff.drawing import Artist, on_paper, png, svg

CHART = on_paper({"data": {"values": [{"x": "가", "y": 1}]}, "mark": "bar", "encoding": {"x": {"field": "x"}, "y": {"field": "y"}}})


def test_an_artist_draws_as_is_drawn_here() -> None:
    with Artist() as artist:
        drawn = [artist.draw(CHART), artist.draw(on_paper({"data": {"values": [{}]}, "mark": "point"}))]
        first, second = (drawing.result(60) for drawing in drawn)
    assert first.svg == svg(CHART)
    assert first.png == png(first.svg)
    assert first != second


def test_what_an_artist_does_not_bring_is_drawn_here() -> None:
    with Artist() as artist:
        os.kill(artist.process.pid, signal.SIGKILL)
        assert artist.draw(CHART).result(60).svg == svg(CHART)


def test_a_wrong_chart_is_said_as_it_is_here() -> None:
    wrong = on_paper({"data": {"values": [{}]}, "mark": "no such mark"})
    with pytest.raises(ValueError, match="conversion failed") as here:
        svg(wrong)
    with Artist() as artist, pytest.raises(ValueError, match="conversion failed") as there:
        artist.draw(wrong).result(60)
    assert str(there.value) == str(here.value)


def test_an_artist_ends_with_its_report() -> None:
    with Artist() as artist:
        process = artist.process
    assert process.returncode is not None


def test_an_artist_ends_with_the_process_that_it_draws_for() -> None:
    script = "from tuneoff.drawing import Artist; import os; a = Artist().__enter__(); print(a.process.pid, flush=True); os._exit(0)"
    pid = int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout)
    end = time.monotonic() + 30
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():  # Empty once only its number is left.
        assert time.monotonic() < end
        time.sleep(0.05)
