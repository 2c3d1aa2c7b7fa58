"""Who draws while others read and write."""

import base64
import json
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any

from tuneoff.drawing.paper import Drawing, draw, on_paper


class Artist:
    """Draws in a process of its own: vl-convert takes a second to start, and while it works it lets no other thread of Python run.

    It starts at once, so that reading the records and drawing need not wait for each other. A chart that the process does not
    bring is drawn here.
    """

    def __enter__(self) -> "Artist":
        command = [sys.executable, "-P", "-m", "tuneoff.drawing"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._thread = ThreadPoolExecutor(1, "artist")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self._thread.shutdown(cancel_futures=True)
        self.process.communicate()

    def draw(self, chart: dict[str, Any]) -> Future[Drawing]:
        """The chart, when it is ready."""
        return self._thread.submit(self._ask, chart)

    def _ask(self, chart: dict[str, Any]) -> Drawing:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            _write(self.process.stdin, chart)
            found = json.loads(self.process.stdout.readline())
        except (OSError, ValueError):  # It is gone. What was wrong with the chart, if it was the chart, is said here.
            return draw(chart)
        return Drawing(found["svg"].encode(), base64.b64decode(found["png"]))


def serve(charts: IO[bytes], drawings: IO[bytes]) -> None:
    """Answer each chart, a line of JSON, with its drawing."""
    draw(on_paper({"data": {"values": [{}]}, "mark": "point"}))
    for line in charts:
        drawing = draw(json.loads(line))
        _write(drawings, {"svg": drawing.svg.decode(), "png": base64.b64encode(drawing.png).decode()})


def _write(stream: IO[bytes], value: dict[str, Any]) -> None:
    stream.write(json.dumps(value).encode() + b"\n")
    stream.flush()
