"""``tuneoff watch`` as a process: it prints its address, serves, and Ctrl-C ends it cleanly."""

import json
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.studies import start_tuneoff, tuneoff, write_study


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    folder = write_study(tmp_path / "study", ["majority"], lang="ko")
    process = start_tuneoff("watch", folder, "--json", "--no-open")
    assert process.stdout is not None
    answer = ""
    while not answer.endswith("}\n"):
        answer += process.stdout.readline()
    url = json.loads(answer)["url"]
    with urllib.request.urlopen(url, timeout=10) as page:
        assert "아직 보고서가 없습니다" in page.read().decode()
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0, err
    assert "Traceback" not in out + err
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=2)


def test_without_a_study_there_is_nothing_to_watch(tmp_path: Path) -> None:
    ran = tuneoff("watch", tmp_path, "--no-open")
    assert ran.returncode == 2
    assert "no such study" in ran.stderr
