"""Case 15: all downloads come before training and are bounded in time; what is wrong is said with repository, cache and command."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.hub_server import Fault, HubServer, serve
from tests.support.said_hub import Told, hub_study, tell
from tests.support.studies import start_tuneoff
from tests.support.tiny import tiny_encoder

#: A server that says nothing is given up: seconds for each request, and in all, on a machine where tests share the cores.
TIMEOUT, LONGEST_WAIT = "1", 45
TROUBLES = {"hang": "offline", 429: "busy", 500: "server", 503: "server", "portal": "offline"}


@dataclass(frozen=True)
class Story:
    """A user whose first download was killed, and what came after."""

    hub: HubServer
    home: Path
    resumed: Told
    resumed_ranges: list[str]
    troubles: dict[object, Told]
    run: Told
    requests_in_trials: list[str]
    offline: list[Told]
    lost: list[Told]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("no network")
    model, home = tiny_encoder(folder / "model"), folder / "home"
    with serve() as hub:
        for name in ("bert", *map(str, TROUBLES)):
            hub.add(f"models/team/{name}", model)
        studies = {name: hub_study(folder / f"study {name}", f"team/{name}") for name in ("bert", *map(str, TROUBLES))}
        _kill_in_mid_download(hub, studies["bert"], home)
        for what in TROUBLES:
            hub.faults[f"models/team/{what}"] = Fault("info", what)  # type: ignore[arg-type]
        before = len(hub.requests)
        counted = threading.Thread(target=_count_at_start, args=(hub, studies["bert"], counts := []), daemon=True)
        counted.start()
        steps = [{"argv": ["check", str(studies["bert"])]}, {"argv": ["run", str(studies["bert"]), "--json"]}]
        steps += [{"argv": ["check", str(studies[str(what)])], "lang": "en"} for what in TROUBLES]
        told, _ = tell(steps, hub.url, home, HF_HUB_DOWNLOAD_TIMEOUT=TIMEOUT)
        ranges = [request.range for request in hub.requests[before:] if request.path.startswith("storage/")]
        counted.join(60)
        asked = [request.path for request in hub.requests[counts[0] :] if "team/bert" in request.path]
        offline, _ = tell([{"argv": ["check", str(studies[name])]} for name in ("bert", "500")], hub.url, home, HF_HUB_OFFLINE="1")
        nowhere = [{"argv": ["check", str(studies[name])], "lang": lang} for name, lang in (("bert", "en"), ("500", "en"), ("500", "ko"))]
        lost, _ = tell(nowhere, "http://no-such-host.invalid", home, HF_HUB_DOWNLOAD_TIMEOUT=TIMEOUT)
        troubles = dict(zip(list(TROUBLES), told[2:], strict=True))
        yield Story(hub, home, told[0], ranges, troubles, told[1], asked, offline, lost)


def _kill_in_mid_download(hub: HubServer, study: Path, home: Path) -> None:
    hub.faults["storage"] = Fault("storage", "hang")
    environment = {"HF_HOME": str(home), "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
    with start_tuneoff("check", study, **environment) as process:
        deadline = time.monotonic() + 120
        while not list((home / "hub").rglob("*.incomplete")) or not any(path.startswith("storage/") for path in hub.paths()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.2)  # The half that was sent is written by now, or comes again: either way nothing must be lost.
        os.kill(process.pid, signal.SIGKILL)
    del hub.faults["storage"]


def _count_at_start(hub: HubServer, study: Path, counts: list[int]) -> None:
    """How many requests had been made when the trials began: their data are written last before that."""
    while not list((study / "results").glob("cache/*.parquet")):
        time.sleep(0.01)
    counts.append(len(hub.requests))


def test_a_killed_download_is_resumed_by_the_same_command(story: Story) -> None:
    assert story.resumed.code == 0, story.resumed.err
    assert story.resumed_ranges, "the file that was cut is asked for again"


def test_no_network_during_trials(story: Story) -> None:
    assert story.run.code == 0, story.run.err
    assert story.requests_in_trials == []


@pytest.mark.parametrize("what", list(TROUBLES))
def test_a_hub_in_trouble_is_told_apart_and_given_up_in_time(story: Story, what: object) -> None:
    told = story.troubles[what]
    assert told.code == 3, told.err
    assert f"team/{what}" in told.line
    words = {
        "offline": ["(revision main)", str(story.home / "hub"), "cannot be reached", f"hf download team/{what}"],
        "busy": ["asks to slow down (429)", "run the same command"],
        "server": [f"answered {what}", "run the same command later"],
    }
    for part in words[TROUBLES[what]]:  # type: ignore[index]
        assert part in told.line
    assert told.seconds < LONGEST_WAIT


def test_offline_mode_takes_the_cache_and_says_what_it_lacks(story: Story) -> None:
    cached, missing = story.offline
    assert cached.code == 0, cached.err
    assert missing.code == 3
    for part in ("team/500", "(revision main)", str(story.home / "hub"), "hf download team/500"):
        assert part in missing.line


def test_a_name_that_no_server_resolves_is_no_network(story: Story) -> None:
    cached, english, korean = story.lost
    assert cached.code == 0, "what is in the cache needs no hub"
    assert (english.code, korean.code) == (3, 3)
    for told in (english, korean):
        assert "hf download team/500" in told.line
        assert str(story.home / "hub") in told.line
        assert told.seconds < LONGEST_WAIT
    assert "허브에 연결할 수 없습니다" in korean.line
