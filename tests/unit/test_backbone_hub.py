"""Backbones of a hub: a server on localhost speaks its protocol, each case is a process with a cache of its own.

A process takes 0.3 s because it imports ``tuneoff.backbone.resolve`` alone, without torch and transformers.
"""

import json
import os
import pickle
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub_server import Fault, HubServer, Said, ask, folder_files, serve, start
from tests.support.said_hub import hub_study
from tests.support.tiny import edit_json, tiny_encoder

NAME, KEY = "team/bert", "models/team/bert"
TOKEN, WRONG_TOKEN = "hf_accepted0123456789", "hf_refused9876543210"

#: Resolves backbones and prints where each is, or the error in both languages; the traceback is what --debug would show.
RESOLVE = """
import json, sys, traceback, types
import tuneoff
package = types.ModuleType("tuneoff.backbone")
package.__path__ = [f"{tuneoff.__path__[0]}/backbone"]
sys.modules["tuneoff.backbone"] = package
from pathlib import Path
from tuneoff.backbone.resolve import resolve
from tuneoff.errors import BackboneError
from tuneoff.strings import has
answers = []
for name in json.loads(sys.argv[1]):
    try:
        answers.append(resolve(name, Path("no-study"), trust_remote_code="trust" in sys.argv).as_dict())
    except BackboneError as error:
        traceback.print_exc()
        text = [error.text(lang) for lang in ("en", "ko")] if has(error.key) else []
        answers.append({"key": error.key, "where": error.where, "facts": error.facts, "text": text})
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("model"))


@pytest.fixture
def hub(model: Path) -> Iterator[HubServer]:
    with serve() as server:
        server.tokens.add(TOKEN)
        server.add(KEY, model)
        yield server


def resolve(hub: HubServer | str, name: str, home: Path, *options: str, **environment: str) -> dict[str, Any]:
    endpoint = hub if isinstance(hub, str) else hub.url
    return ask(RESOLVE, json.dumps([name]), *options, endpoint=endpoint, home=home, **environment).answer[0]


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# ------------------------------------------------------------------------------------------------- downloading


def test_a_model_is_downloaded_whole_and_its_commit_recorded(hub: HubServer, model: Path, tmp_path: Path) -> None:
    said = resolve(hub, NAME, tmp_path)
    assert said["origin"] == "hub"
    assert said["revision"] == hub.repositories[KEY].names["main"]
    assert folder_files(Path(said["folder"])) == folder_files(model)


def test_the_second_run_downloads_nothing(hub: HubServer, tmp_path: Path) -> None:
    first = resolve(hub, NAME, tmp_path)
    hub.requests.clear()
    assert resolve(hub, NAME, tmp_path) == first
    assert not [path for path in hub.paths() if "/resolve/" in path or path.startswith("storage/")]


def test_the_cache_serves_without_a_network(hub: HubServer, tmp_path: Path) -> None:
    first = resolve(hub, NAME, tmp_path)
    hub.requests.clear()
    assert resolve(hub, NAME, tmp_path, HF_HUB_OFFLINE="1") == first
    assert hub.requests == []
    hub.close()
    assert resolve(hub, NAME, tmp_path) == first


def test_the_cache_serves_when_the_hub_is_in_trouble(hub: HubServer, tmp_path: Path) -> None:
    first = resolve(hub, NAME, tmp_path)
    for fault in (Fault("info", 500), Fault("info", 403), Fault("info", "hang")):
        hub.faults[KEY] = fault
        assert resolve(hub, NAME, tmp_path, HF_HUB_DOWNLOAD_TIMEOUT="1") == first


def test_a_revision_pins(hub: HubServer, model: Path, tmp_path: Path) -> None:
    repository = hub.repositories[KEY]
    old = repository.names["v1"] = repository.names["main"]
    new = repository.commit(folder_files(model) | {"config.json": b'{"model_type": "bert", "hidden_size": 64}'})
    found = {name: resolve(hub, name, tmp_path) for name in (NAME, f"{NAME}@v1", f"{NAME}@{old}")}
    assert {name: said["revision"] for name, said in found.items()} == {NAME: new, f"{NAME}@v1": old, f"{NAME}@{old}": old}
    assert (Path(found[f"{NAME}@v1"]["folder"]) / "config.json").read_bytes() == (model / "config.json").read_bytes()
    assert (Path(found[NAME]["folder"]) / "config.json").read_bytes() != (model / "config.json").read_bytes()


def test_only_what_a_classifier_needs_is_fetched(hub: HubServer, model: Path, tmp_path: Path) -> None:
    spare = ("onnx/model.safetensors", "consolidated.safetensors", "tf_model.h5", "pytorch_model.bin", "vocab.pkl", "own.py", "README.md")
    hub.add(KEY, folder_files(model) | dict.fromkeys(spare, b"spare"))
    folder = Path(resolve(hub, NAME, tmp_path)["folder"])
    assert sorted(folder_files(folder)) == sorted(folder_files(model))


def test_the_token_goes_to_the_hub_and_not_to_its_storage(hub: HubServer, tmp_path: Path) -> None:
    hub.repositories[KEY].access = "private"
    assert resolve(hub, NAME, tmp_path, HF_TOKEN=TOKEN)["origin"] == "hub"
    assert all(request.authorised for request in hub.requests if "/resolve/" in request.path)
    storage = [request for request in hub.requests if request.path.startswith("storage/")]
    assert storage
    assert not any(request.authorised for request in storage)


def test_a_killed_download_is_not_taken_for_a_model(hub: HubServer, model: Path, tmp_path: Path) -> None:
    hub.faults["storage"] = Fault("storage", "hang")
    process = start(RESOLVE, json.dumps([NAME]), endpoint=hub.url, home=tmp_path)
    deadline = time.monotonic() + 30
    while not any(path.startswith("storage/") for path in hub.paths()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert resolve(hub, NAME, tmp_path, HF_HUB_OFFLINE="1")["key"] == "backbone.offline"
    hub.faults.clear()
    folder = Path(resolve(hub, NAME, tmp_path)["folder"])
    assert folder_files(folder) == folder_files(model)


# ------------------------------------------------------------------------------------------------- refusals, told apart

TOKENS = {
    "none": "",
    "accepted": TOKEN,
    "refused": WRONG_TOKEN,
    "control character": WRONG_TOKEN + "\x01",
    "no ASCII": WRONG_TOKEN + "토큰",
}
#: Which token, what is asked for: what the refusal is called.
REFUSALS = {
    ("none", "team/none"): "backbone.not_found",
    ("accepted", "team/none"): "backbone.hidden",
    ("none", "team/private"): "backbone.not_found",
    ("none", "team/gated"): "backbone.gated",
    ("accepted", "team/gated"): "backbone.gated",
    ("refused", NAME): "backbone.bad_token",
    ("refused", "team/none"): "backbone.bad_token",
    ("control character", NAME): "backbone.bad_token",
    ("no ASCII", NAME): "backbone.bad_token",
    ("none", f"{NAME}@v9"): "backbone.no_revision",
    ("none", f"{NAME}@{'0' * 40}"): "backbone.no_revision",
    ("none", "team/no such name"): "backbone.bad_name",
    ("accepted", "team/info-403"): "backbone.forbidden",
    ("accepted", "team/file-403"): "backbone.forbidden",
    ("none", "team/info-429"): "backbone.busy",
    ("none", "team/info-500"): "backbone.server",
    ("none", "team/info-503"): "backbone.server",
    ("none", "team/info-portal"): "backbone.offline",
    ("none", "team/file-portal"): "backbone.offline",
    ("none", "team/info-hang"): "backbone.offline",
}
FAULTS = {f"{stage}-{what}": Fault(stage, what) for stage in ("info", "file") for what in (403, 429, 500, 503, "portal", "hang")}


@pytest.fixture(scope="module")
def refused(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Said]:
    """What each token's owner is told: one process a token, all backbones in turn."""
    said = {}
    with serve() as server:
        server.tokens.add(TOKEN)
        server.add(KEY, model)
        server.add("models/team/private", model, access="private")
        server.add("models/team/gated", model, access="gated")
        for name, fault in FAULTS.items():
            server.add(f"models/team/{name}", model)
            server.faults[f"models/team/{name}"] = fault
        for owner, token in TOKENS.items():
            names = json.dumps([name for who, name in REFUSALS if who == owner])
            environment = {"HF_TOKEN": token, "HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_DEBUG": "1"}
            said[owner] = ask(RESOLVE, names, endpoint=server.url, home=tmp_path_factory.mktemp("home"), **environment)
    return said


@pytest.mark.parametrize(("owner", "name"), REFUSALS)
def test_refusals_are_told_apart(refused: dict[str, Said], owner: str, name: str) -> None:
    answer = next(answer for answer in refused[owner].answer if answer.get("where") == name)
    assert answer["key"] == REFUSALS[owner, name]
    assert answer["facts"]["repository"] == name.partition("@")[0]
    assert len(answer["text"]) == 2


@pytest.mark.parametrize("owner", [owner for owner, token in TOKENS.items() if token])
def test_a_token_is_never_shown(refused: dict[str, Said], owner: str) -> None:
    """Not in the message, not in the traceback, not in what the client logs for debugging."""
    shown = json.dumps(refused[owner].answer) + refused[owner].talk
    assert "Traceback" in shown
    assert "authorization" in shown.lower() or owner == "no ASCII"  # The client did log its requests; this one never left.
    for secret in (TOKEN, WRONG_TOKEN):
        assert secret not in shown


def test_a_gated_model_says_where_to_ask(hub: HubServer, model: Path, tmp_path: Path) -> None:
    hub.add("models/team/gated", model, access="gated")
    for text in resolve(hub, "team/gated", tmp_path, HF_TOKEN=TOKEN)["text"]:
        assert f"{hub.url}/team/gated" in text
    assert resolve(hub, NAME, tmp_path, HF_TOKEN=TOKEN)["origin"] == "hub"  # Other backbones are unaffected.


@pytest.mark.parametrize("offline", [{"HF_HUB_OFFLINE": "1"}, {}], ids=["offline mode", "connection refused"])
def test_without_network_and_cache_the_message_says_what_to_fetch(tmp_path: Path, offline: dict[str, str]) -> None:
    said = resolve(f"http://127.0.0.1:{closed_port()}", f"{NAME}@v1", tmp_path, **offline)
    assert said["key"] == "backbone.offline"
    for text in said["text"]:
        for part in (NAME, "v1", str(tmp_path / "hub"), f"hf download {NAME}", said["facts"]["reason"]):
            assert part in text


def test_a_token_that_the_client_quotes_is_struck_out(hub: HubServer, tmp_path: Path) -> None:
    """Whatever an exception's words carry, the reason does not."""
    script = f"""
import json
from tuneoff.hub import diagnose
print(json.dumps([diagnose(OSError(words)).reason for words in ("sent {TOKEN}!", "header b'Bearer abc.def'", "hf_someoneelses000")]))
"""
    reasons = ask(script, endpoint=hub.url, home=tmp_path, HF_TOKEN=TOKEN).answer
    assert list(reasons) == ["OSError: sent ***!", "OSError: header b'***'", "OSError: ***"]


def test_a_cache_that_cannot_be_written_is_not_called_offline(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said = resolve(hub, NAME, tmp_path / "home", HF_HUB_CACHE=str(tmp_path / "file" / "hub"))
    assert said["key"] == "backbone.cache_failed"
    assert said["facts"]["cache"] == str(tmp_path / "file" / "hub")


# ------------------------------------------------------------------------------------------------- weights and code


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


def test_a_pickle_only_repository_is_refused_and_not_even_downloaded(hub: HubServer, model: Path, tmp_path: Path) -> None:
    mark = tmp_path / "opened"
    files = {path: content for path, content in folder_files(model).items() if not path.endswith(".safetensors")}
    hub.add(KEY, files | {"pytorch_model.bin": pickle.dumps(Payload(mark))})
    said = resolve(hub, NAME, tmp_path / "home")
    assert said["key"] == "backbone.pickle_only"
    assert all("pytorch_model.bin" in text for text in said["text"])
    assert not any(path.endswith("pytorch_model.bin") for path in hub.paths())
    assert not mark.exists()


def test_a_repository_without_weights_is_refused(hub: HubServer, model: Path, tmp_path: Path) -> None:
    hub.add(KEY, {"config.json": (model / "config.json").read_bytes()})
    assert resolve(hub, NAME, tmp_path)["key"] == "backbone.no_weights"
    hub.add(KEY, {"adapter_config.json": b"{}", "adapter_model.safetensors": b"x" * 20})
    assert resolve(hub, NAME, tmp_path)["key"] == "backbone.no_config"


def test_weights_that_are_cut_on_the_hub_are_refused(hub: HubServer, model: Path, tmp_path: Path) -> None:
    weights = (model / "model.safetensors").read_bytes()
    hub.add(KEY, folder_files(model) | {"model.safetensors": weights[:-100]})
    said = resolve(hub, NAME, tmp_path)
    assert said["key"] == "backbone.cut_weights"
    assert (said["facts"]["expected"], said["facts"]["actual"]) == (len(weights), len(weights) - 100)
    assert said["where"].endswith("model.safetensors")


def test_a_repositorys_own_code_comes_only_when_asked_for(hub: HubServer, model: Path, tmp_path: Path) -> None:
    hub.add(KEY, folder_files(model) | {"own.py": b"raise SystemExit('ran')"})
    commit = hub.repositories[KEY].names["main"]
    plain = resolve(hub, NAME, tmp_path / "a")
    for name in (NAME, f"{NAME}@main", f"{NAME}@{commit[:12]}"):
        refused = resolve(hub, name, tmp_path / "b", "trust")
        assert refused["key"] == "backbone.unpinned_code"
        assert all("@" in text for text in refused["text"])
    trusted = resolve(hub, f"{NAME}@{commit}", tmp_path / "b", "trust")
    assert not (Path(plain["folder"]) / "own.py").exists()
    assert (Path(trusted["folder"]) / "own.py").exists()


#: The whole way to a classifier, and what the hub is asked on it after the download.
LOAD = """
import json, sys
from pathlib import Path
from tuneoff.backbone import load_classifier, load_tokenizer, read_config, read_facts, resolve
from tuneoff.errors import BackboneError
resolved = resolve(sys.argv[1], Path("no-study"))
Path(sys.argv[3]).touch()
other = resolve(sys.argv[2], Path("no-study"))
config = read_config(resolved)
config.num_labels = 3
facts = read_facts(resolved.name, resolved.revision, config)
tokenizer = load_tokenizer(resolved)
model = load_classifier(resolved, facts, tokenizer.pad_token_id, 0)
try:
    read_config(other)
except BackboneError as error:
    refused = error.key
print(json.dumps({"labels": model.config.num_labels, "tokens": len(tokenizer), "revision": facts.revision, "refused": refused}))
"""


def test_nothing_is_asked_of_the_hub_after_the_download(hub: HubServer, model: Path, tmp_path: Path) -> None:
    own = folder_files(model) | {"own.py": f"open({str(tmp_path / 'ran')!r}, 'w')".encode()}
    config = tmp_path / "config.json"
    config.write_bytes(own["config.json"])
    edit_json(config, model_type="own_bert", auto_map={"AutoConfig": "own.OwnConfig"})
    hub.add("models/team/own", own | {"config.json": config.read_bytes()})
    said = ask(LOAD, NAME, "team/own", str(tmp_path / "resolved"), endpoint=hub.url, home=tmp_path / "home").answer
    assert said["labels"] == 3
    assert said["tokens"] == 300
    assert said["revision"] == hub.repositories[KEY].names["main"]
    assert said["refused"] == "backbone.remote_code"
    assert not (tmp_path / "ran").exists()
    last = [number for number, path in enumerate(hub.paths()) if "team/own" in path or path.startswith("storage/")][-1]
    assert last == len(hub.requests) - 1


STATUS = """
import json, sys
from tuneoff import Study
print(json.dumps(Study.load(sys.argv[1]).status().trials))
"""


def test_to_ask_how_far_a_study_is_downloads_no_weights(hub: HubServer, tmp_path: Path) -> None:
    said = ask(STATUS, str(hub_study(tmp_path / "study", NAME)), endpoint=hub.url, home=tmp_path / "home").answer
    assert set(said.values()) == {"pending"}
    assert [path for path in hub.paths() if path.endswith("config.json")]
    assert not [path for path in hub.paths() if path.startswith("storage/") or "safetensors" in path]


# ------------------------------------------------------------------------------------------------- bounded in time

#: Where a hub may fall silent after it has said what a repository is. The client asks again five times, with
#: 1 + 2 + 4 + 8 + 8 s between, or each second for a file's content: 6 × 1 s + 23 s, and a file's header once more.
SILENCES = {"tree": Fault("tree", "hang"), "file": Fault("file", "hang"), "storage": Fault("storage", "hang")}
LONGEST = 1 + 6 * 1 + 23 + 25  # Seconds; 25 of them for a machine that is busy with the other cases.


@pytest.fixture(scope="module", autouse=True)
def silent(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[float, object]]]:
    """All of them wait at once, while the module's other tests run."""
    with serve() as server:
        running = {}
        for case, fault in SILENCES.items():
            server.add(f"models/team/{case}", model)
            server.faults["storage" if case == "storage" else f"models/team/{case}"] = fault
            environment = {"HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}
            home = tmp_path_factory.mktemp(case)
            running[case] = time.monotonic(), start(RESOLVE, json.dumps([f"team/{case}"]), endpoint=server.url, home=home, **environment)
        yield running
        for _, process in running.values():
            process.kill()
            process.communicate()


@pytest.mark.parametrize("case", SILENCES)
def test_a_hub_that_falls_silent_does_not_hold_a_study(silent: dict[str, tuple[float, object]], case: str) -> None:
    began, process = silent[case]
    out, talk = process.communicate(timeout=max(1.0, began + LONGEST - time.monotonic()))
    said = json.loads(out.splitlines()[-1])[0]
    assert said["key"] == "backbone.offline", talk
    assert "imed out" in said["facts"]["reason"]
