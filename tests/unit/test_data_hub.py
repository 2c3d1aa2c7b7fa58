"""Data sets of a hub: a server on localhost speaks its protocol, each process has a cache of its own."""

import io
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.hub_server import Fault, HubServer, ask, serve
from tuneoff.data.hub import read_hub
from tuneoff.errors import DataError
from tuneoff.spec import HubDataset

WRONG_TOKEN = "hf_refused9876543210"
#: What pandas takes for missing, for a number or for a truth value.
HARD = ("NA", "null", "None", "nan", "", " ", "007", "1e5", "TRUE", "1.0", "a\nb", '"quoted", twice', "영업이익 😀")
LABELS = ("007", "1", "1.0", "NA", "true") * 2 + ("null", "01", "부정")

#: Reads data sets, given as (settings, columns), and prints columns or errors.
READ = """
import json, sys
from tuneoff.data.hub import read_hub
from tuneoff.errors import DataError
from tuneoff.spec import HubDataset
answers = []
for settings, columns in json.loads(sys.argv[1]):
    try:
        answers.append(read_hub(HubDataset(**settings), columns).columns)
    except DataError as error:
        answers.append({"key": error.key, "where": error.where, "facts": {name: str(fact) for name, fact in error.facts.items()}})
print(json.dumps(answers))
"""


def read(endpoint: str, home: Path, *asked: dict[str, str], columns: Sequence[str] = ("text", "label"), **environment: str) -> Any:
    return ask(READ, json.dumps([[one, columns] for one in asked]), endpoint=endpoint, home=home, **environment).answer


def csv_bytes(delimiter: str = ",") -> bytes:
    rows = [("text", "label", "number"), *((text, label, "1") for text, label in zip(HARD, LABELS, strict=True))]
    quoted = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    return ("\n".join(quoted) + "\n").encode()


def parquet_bytes(**columns: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


CARD = """---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': negative
          '1': 긍정
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
---
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with serve() as server:
        server.add("datasets/team/csv", {"train.csv": csv_bytes()})
        server.add("datasets/team/tsv", {"train.tsv": csv_bytes("\t")})
        server.add("datasets/team/jsonl", {"train.jsonl": "".join(map(json_line, HARD, LABELS)).encode()})
        parts = {"train": (["good", "나쁨", "NA"], [1, 0, 1]), "test": (["withheld"], [-1])}
        files = {f"data/{split}-00000-of-00001.parquet": parquet_bytes(text=text, label=label) for split, (text, label) in parts.items()}
        server.add("datasets/team/classes", files | {"README.md": CARD.encode()})
        server.add("datasets/team/private", {"train.csv": csv_bytes()}, access="private")
        server.add("datasets/team/gated", {"train.csv": csv_bytes(), "README.md": b"---\n{}\n---\n"}, access="gated")
        server.add("datasets/team/script", {"script.py": b"raise SystemExit('ran')", "train.csv": csv_bytes()})
        server.add("datasets/team/empty", {"README.md": b"---\n{}\n---\n"})
        server.add("datasets/team/broken", {"train.parquet": b"no parquet"})
        server.add("datasets/team/ragged", {"train.csv": b"text,label\na,b\nc,d,e\n"})
        for what in (403, 429, 500, "portal", "hang"):
            server.add(f"datasets/team/info-{what}", {"train.csv": csv_bytes()})
            server.faults[f"datasets/team/info-{what}"] = Fault("info", what)
        yield server


def json_line(text: str, label: str) -> str:
    return json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n"


# ------------------------------------------------------------------------------------------------- what is read


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache that the first test fills."""
    return tmp_path_factory.mktemp("home")


READABLE = ({"path": "team/csv"}, {"path": "team/tsv"}, {"path": "team/jsonl"}, {"path": "team/classes"})
CLASSES = {"text": ["good", "나쁨", "NA"], "label": ["긍정", "negative", "긍정"]}


def test_texts_and_labels_are_what_the_files_have_with_the_hub_and_without(hub: HubServer, home: Path) -> None:
    """Class numbers become class names; nothing else changes, whatever it looks like."""
    hub.requests.clear()
    online = read(hub.url, home, *READABLE)
    for found in online[:3]:
        assert found == {"text": list(HARD), "label": list(LABELS)}
    assert online[3] == CLASSES
    assert any("/resolve/" in path for path in hub.paths())

    hub.requests.clear()
    assert read(hub.url, home, *READABLE, HF_HUB_OFFLINE="1") == online
    assert hub.requests == []
    assert read(f"http://127.0.0.1:{closed_port()}", home, *READABLE) == online


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_pinned_commit_is_the_one_that_is_read(tmp_path: Path) -> None:
    """Also offline, where ``datasets`` takes the newest that the cache has."""
    with serve() as server:
        repository = server.add("datasets/team/moving", {"train.csv": b"text,label\nold,a\n"})
        old = repository.names["v1"] = repository.names["main"]
        new = repository.commit({"train.csv": b"text,label\nnew,a\n"})
        unread = repository.commit({"train.csv": b"text,label\nunread,a\n"}, name="next")
        asked = [{"path": "team/moving"} | ({"revision": revision} if revision else {}) for revision in (old, "v1", new, "")]
        assert [one["text"] for one in read(server.url, tmp_path, *asked)] == [["old"], ["old"], ["new"], ["new"]]
    offline = read(server.url, tmp_path, asked[2], {"path": "team/moving", "revision": unread}, HF_HUB_OFFLINE="1")
    assert offline[0]["text"] == ["new"]
    assert offline[1]["key"] == "data.hub_offline"


# ------------------------------------------------------------------------------------------------- refusals, told apart

REFUSALS = {
    "missing": ({"path": "team/none"}, "data.hub_missing"),
    "private": ({"path": "team/private"}, "data.hub_missing"),
    "bad name": ({"path": "team/no such name"}, "data.hub_missing"),
    "gated": ({"path": "team/gated"}, "data.hub_gated"),
    "bad revision": ({"path": "team/csv", "revision": "v9"}, "data.hub_no_revision"),
    "forbidden": ({"path": "team/info-403"}, "data.hub_failed"),
    "too many requests": ({"path": "team/info-429"}, "data.hub_failed"),
    "broken hub": ({"path": "team/info-500"}, "data.hub_failed"),
    "a network that wants a login": ({"path": "team/info-portal"}, "data.hub_offline"),
    "silence": ({"path": "team/info-hang"}, "data.hub_offline"),
    "no such split": ({"path": "team/classes", "split": "dev"}, "data.hub_failed"),
    "no such configuration": ({"path": "team/classes", "name": "large"}, "data.hub_failed"),
    "a loading script": ({"path": "team/script"}, "data.hub_failed"),
    "no data files": ({"path": "team/empty"}, "data.hub_failed"),
    "a broken file": ({"path": "team/broken"}, "data.hub_failed"),
    "a ragged row": ({"path": "team/ragged"}, "data.hub_failed"),
    "a withheld label": ({"path": "team/classes", "split": "test"}, "data.bad_rows"),
}
#: What the reason must tell, where the key alone says little.
REASONS = {
    "forbidden": "403",
    "too many requests": "429",
    "broken hub": "500",
    "no such split": "train",
    "no such configuration": "default",
    "a loading script": "script.py",
    "a ragged row": "line 3",
}


@pytest.fixture(scope="module")
def refused(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """All in turn in one process."""
    asked = [settings for settings, _ in REFUSALS.values()]
    answers = read(hub.url, tmp_path_factory.mktemp("home"), *asked, HF_HUB_DOWNLOAD_TIMEOUT="1")
    return dict(zip(REFUSALS, answers, strict=True))


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_told_apart(refused: dict[str, dict[str, Any]], case: str) -> None:
    settings, key = REFUSALS[case]
    answer = refused[case]
    assert answer["key"] == key
    assert answer["where"].startswith(f"hub:{settings['path']}")
    if case in REASONS:
        assert REASONS[case] in answer["facts"]["reason"]


def test_a_gated_data_set_says_where_to_ask(hub: HubServer, refused: dict[str, dict[str, Any]]) -> None:
    assert refused["gated"]["facts"]["page"] == f"{hub.url}/datasets/team/gated"


def test_a_bad_token_is_told_apart_and_never_shown(hub: HubServer, tmp_path: Path) -> None:
    asked = json.dumps([[{"path": "team/csv"}, ["text", "label"]]])
    said = ask(READ, asked, endpoint=hub.url, home=tmp_path, HF_TOKEN=WRONG_TOKEN, HF_DEBUG="1")
    assert said.answer[0]["key"] == "data.hub_bad_token"
    assert WRONG_TOKEN not in json.dumps(said.answer) + said.talk


@pytest.mark.parametrize("offline", [{"HF_HUB_OFFLINE": "1"}, {}], ids=["offline mode", "connection refused"])
def test_without_network_and_cache_it_is_called_offline(tmp_path: Path, offline: dict[str, str]) -> None:
    (answer,) = read(f"http://127.0.0.1:{closed_port()}", tmp_path, {"path": "team/csv", "revision": "v1"}, **offline)
    assert answer["key"] == "data.hub_offline"
    assert answer["facts"]["dataset"] == "team/csv"
    assert answer["facts"]["revision"] == "v1"
    assert answer["facts"]["cache"] == str(tmp_path / "datasets")


# ------------------------------------------------------------------------------------------------- a folder on the disk


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set's folder; what is made of it is cached below the test's own."""
    from datasets import config

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    found = tmp_path / "set"
    (found / "data").mkdir(parents=True)
    (found / "README.md").write_text(CARD, encoding="utf-8")
    (found / "data/train-0.parquet").write_bytes(parquet_bytes(text=["a", "b", "c"], label=[0, 1, 0]))
    (found / "data/test-0.parquet").write_bytes(parquet_bytes(text=["a", None], label=[None, 1]))
    return found


def test_class_numbers_become_class_names(folder: Path) -> None:
    table = read_hub(HubDataset(path=str(folder)), ["label", "text"])
    assert table.columns == {"label": ["negative", "긍정", "negative"], "text": ["a", "b", "c"]}
    assert table.lines == [1, 2, 3]


def test_a_part_of_a_split_can_be_asked_for(folder: Path) -> None:
    assert read_hub(HubDataset(path=str(folder), split="train[1:]"), ["text"]).columns == {"text": ["b", "c"]}


def test_missing_values_are_reported_by_row(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_hub(HubDataset(path=str(folder), split="test"), ["text", "label"])
    assert caught.value.key == "data.bad_rows"
    assert caught.value.facts["count"] == 2


def test_a_missing_column_is_refused_with_those_there_are(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_hub(HubDataset(path=str(folder)), ["text", "Label"])
    assert caught.value.key == "data.no_column"
    assert '"label"' in str(caught.value.facts["has"])
