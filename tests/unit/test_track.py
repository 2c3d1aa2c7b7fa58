"""Records sent to real MLflow stores and TensorBoard folders, and what happens when a place fails."""

import json
import os
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tuneoff.errors import RefusedError, UsageError
from tuneoff.spec import StudySpec
from tuneoff.store import Store
from tuneoff.track import Sink, TrackedRun, Tracker, open_sinks, tracked_runs, with_sinks
from tuneoff.track import tracker as tracker_module

BEGAN = "2026-03-01T10:00:00+00:00"


def spec(**more: Any) -> StudySpec:
    values = {"study": "내 연구", "backbone": "tiny", "data": {"train": "rows.csv"}, "methods": ["lora"]}
    return StudySpec.model_validate(values | more)


def publish(store: Store, trial: str, state: str = "complete", steps: int = 3, **more: Any) -> None:
    """A record as a run leaves it, with its curve."""
    number, folder = store.new_attempt(trial)
    points = [
        {"step": step, "seconds": 0.5 * step, "loss": 1.0 / step, "validation_accuracy": 0.5 if step == steps else None}
        for step in range(1, steps + 1)
    ]
    if state == "complete":
        (folder / "curve.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    body: dict[str, Any] = {
        "trial": {"method": "lora", "seed": 1, "stage": None, "config": {"r": 8, "targets": {"kind": "all"}}, "train": {"epochs": 3}},
        "study": "내 연구",
        "backbone": "tiny",
        "began": BEGAN,
        "wall_seconds": 4.0,
        "state": state,
    }
    if state == "complete":
        body |= {"quality": {"test": {"accuracy": 0.75, "macro_f1": 0.5, "mcc": None, "ece": 0.1, "confusion": [[1]]}}}
        body |= {"memory": {"train": {"bytes": 10**9}, "evaluate": {"bytes": None}}, "phases": {"train": 2.0}, "artefact_bytes": 7}
        body |= {"rates": {"learning_rate": 3e-4}, "parameters": {"adapter": 5, "percent": 0.5}}
        body |= {"energy": {"train": {"gpu_joules": 120.0, "cpu_joules": None}, "search": None}}
    else:
        body["error"] = {"key": "run.oom", "facts": {}}
    store.publish(trial, number, body | more)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "한글 study").mkdir()
    return Store(tmp_path / "한글 study" / "results")


@pytest.fixture(autouse=True)
def _no_address_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


LABELS = {"lora-s1-a": "lora-r8", "lora-s1-b": "lora-r8"}


def runs(store: Store) -> list[TrackedRun]:
    return list(tracked_runs(store, LABELS))


def test_a_record_becomes_a_run(store: Store) -> None:
    publish(store, "lora-s1-a", "oom")
    publish(store, "lora-s1-a")
    failed, run = runs(store)
    assert (failed.key, failed.state, failed.tags["error"], failed.curve) == ("lora-s1-a/1", "oom", "run.oom", [])
    assert run.key == "lora-s1-a/2"
    assert run.name == "lora-r8 s1"
    assert run.parameters["config.targets.kind"] == "all"
    assert run.parameters["config.learning_rate"] == "0.0003"
    assert run.numbers["test_accuracy"] == 0.75
    assert run.numbers["train_peak_bytes"] == 1e9
    assert run.numbers["train_gpu_joules"] == 120.0
    # What was not measured is missing, not 0.
    assert not {"test_mcc", "evaluate_peak_bytes", "train_cpu_joules"} & set(run.numbers)
    assert run.curve[0] == (1, 0.5, {"loss": 1.0})
    assert run.curve[-1][2]["validation_accuracy"] == 0.5
    assert [found.key for found in tracked_runs(store, LABELS, {"lora-s1-a/1"})] == ["lora-s1-a/2"]
    assert list(tracked_runs(store, {})) == []


# MLflow


def mlflow_sink(store: Store, **more: Any) -> Any:
    (sink,) = open_sinks(spec(track={"mlflow": more}), store.results.parent)
    return sink


def client(store: Store) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{store.results / 'mlflow.db'}")


def there(store: Store, experiment: str = "내 연구") -> list[Any]:
    found = client(store).get_experiment_by_name(experiment)
    return list(client(store).search_runs([found.experiment_id], order_by=["attributes.start_time"]))


def test_mlflow_has_parameters_numbers_and_curves_in_the_study_s_folder(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish(store, "lora-s1-a", steps=2500)
    publish(store, "lora-s1-b", "diverged")
    sink = mlflow_sink(store)
    for run in runs(store):
        sink.send(run)
    found = {run.data.tags["tuneoff.trial"]: run for run in there(store)}
    good, bad = found["lora-s1-a"], found["lora-s1-b"]
    assert (good.info.status, bad.info.status) == ("FINISHED", "FAILED")
    assert good.info.run_name == "lora-r8 s1"
    assert good.data.params["config.r"] == "8"
    assert good.data.metrics["test_accuracy"] == 0.75
    assert (good.info.end_time - good.info.start_time) == 4000
    history = client(store).get_metric_history(good.info.run_id, "loss")
    assert len(history) == 2500, "more points than MLflow takes in one request"
    assert history[1].timestamp - good.info.start_time == 1000
    assert bad.data.tags["tuneoff.error"] == "run.oom"
    assert list(tmp_path.iterdir()) == [store.results.parent], "nothing is left where the command was started"


def test_sending_again_leaves_a_run_there_once_even_if_it_was_cut_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(store, "lora-s1-a")
    (run,) = runs(store)
    sink = mlflow_sink(store)
    with monkeypatch.context() as patch:
        patch.setattr(type(sink._client), "set_terminated", lambda *a, **k: (_ for _ in ()).throw(ConnectionError("gone")))
        with pytest.raises(ConnectionError):
            sink.send(run)
    assert sink.known() == set(), "it is not whole"
    again = mlflow_sink(store)
    again.send(run)
    assert again.known() == {"lora-s1-a/1"}
    (only,) = there(store)
    assert len(client(store).get_metric_history(only.info.run_id, "loss")) == 3
    assert Tracker([again], pytest.fail, "tuneoff track").send([run])[0].there == 1


def test_studies_that_share_an_experiment_do_not_take_each_other_s_runs(store: Store) -> None:
    publish(store, "lora-s1-a")
    (run,) = runs(store)
    first, second = (
        open_sinks(spec(study=name, track={"mlflow": {"experiment": "both"}}), store.results.parent)[0] for name in ("one", "it's two")
    )
    first.send(run)
    assert (first.known(), second.known()) == ({run.key}, set())
    second.send(run)
    assert second.known() == {run.key}
    assert len(there(store, "both")) == 2


def test_the_study_s_address_counts_before_the_environment_s(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mlflow_sink(store).target == f"sqlite:///{store.results / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert mlflow_sink(store).target == "http://127.0.0.1:1"
    assert mlflow_sink(store, uri="http://127.0.0.1:2").target == "http://127.0.0.1:2"


def test_mlflow_s_settings_are_the_user_s_again_afterwards(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    before = dict(os.environ)
    assert mlflow_sink(store).known() == set()
    assert dict(os.environ) == before


# TensorBoard


def test_tensorboard_reads_back_what_was_written(store: Store) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    publish(store, "lora-s1-a")
    publish(store, "lora-s1-b", "diverged")
    (sink,) = open_sinks(spec(track=["tensorboard"]), store.results.parent)
    for _ in range(2):
        for run in runs(store):
            sink.send(run)
    assert sink.known() == {"lora-s1-a/1", "lora-s1-b/1"}
    events = EventAccumulator(str(store.results / "tensorboard" / "lora-s1-a" / "1")).Reload()
    assert [(point.step, round(point.value, 3)) for point in events.Scalars("loss")] == [(1, 1.0), (2, 0.5), (3, 0.333)]
    assert events.Scalars("result/test_accuracy")[0].value == 0.75
    assert "_hparams_/experiment" in events.PluginTagToContent("hparams")
    assert len(list((store.results / "tensorboard").rglob("events.*"))) == 2


def test_a_folder_that_was_cut_off_is_written_again(store: Store) -> None:
    publish(store, "lora-s1-a")
    (sink,) = open_sinks(spec(track={"tensorboard": {"folder": "events"}}), store.results.parent)
    cut = store.results.parent / "events" / "lora-s1-a" / ".1.part"
    cut.mkdir(parents=True)
    (cut / "events.half").write_text("half")
    assert sink.known() == set()
    sink.send(runs(store)[0])
    assert sink.known() == {"lora-s1-a/1"}
    assert not list((store.results.parent / "events").rglob("*half"))


# A sink that fails


class Flaky(Sink):
    """Fails while ``down``; counts what it is asked."""

    name: ClassVar[str] = "flaky"
    requires: ClassVar[tuple[str, ...]] = ()
    target = "somewhere"

    def __init__(self) -> None:
        self.got: list[str] = []
        self.asked = 0
        self.down = False

    def known(self) -> set[str]:
        self.asked += 1
        if self.down:
            raise ConnectionError("refused\nand a page of details")
        return set(self.got)

    def send(self, run: TrackedRun) -> None:
        if self.down:
            raise TimeoutError
        self.got.append(run.key)


@pytest.fixture
def flaky(store: Store) -> tuple[Flaky, Tracker, list[str]]:
    publish(store, "lora-s1-a")
    publish(store, "lora-s1-b")
    told: list[str] = []
    sink = Flaky()
    return sink, Tracker([sink], told.append, "tuneoff track study"), told


def test_a_sink_that_fails_is_said_once_and_gets_later_what_it_missed(
    flaky: tuple[Flaky, Tracker, list[str]], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, tracker, told = flaky
    first, second = runs(store)
    sink.down = True
    (sent,) = tracker.send([first], patient=False)
    assert (sent.sent, sent.missing, sent.error) == (0, 1, "ConnectionError: refused")
    assert len(told) == 1
    assert "flaky at somewhere" in told[0]
    assert told[0].endswith("tuneoff track study")
    # It rests: a server that hangs would hold up every trial.
    asked = sink.asked
    assert tracker.send([second], patient=False)[0].missing == 1
    assert sink.asked == asked
    sink.down = False
    (sent,) = tracker.send([first, second])
    assert (sent.sent, sent.there, sent.missing) == (2, 0, 0)
    assert tracker.send([first, second], patient=False)[0].missing == 2, "and for the rest of that minute it is only asked at the end"
    monkeypatch.setattr(tracker_module, "REST_SECONDS", 0.0)
    assert tracker.send([first, second])[0].there == 2
    assert sink.got == ["lora-s1-a/1", "lora-s1-b/1"]
    assert len(told) == 1


def test_one_sink_that_fails_keeps_nothing_from_the_others(store: Store) -> None:
    publish(store, "lora-s1-a")
    bad, good = Flaky(), Flaky()
    bad.down = True
    sent = Tracker([bad, good], lambda text: None, "").send(runs(store))
    assert [one.sent for one in sent] == [0, 1]


# The study file


@pytest.mark.parametrize(
    ("written", "mlflow", "tensorboard"),
    [
        (None, None, None),
        ("mlflow", {}, None),
        (["mlflow", "tensorboard"], {}, {}),
        ([{"mlflow": {"uri": "http://127.0.0.1:5000"}}, "tensorboard"], {"uri": "http://127.0.0.1:5000"}, {}),
        ({"mlflow": True}, {}, None),
        ({"mlflow": None}, None, None),
        ({"tensorboard": {"folder": "events"}}, None, {"folder": "events"}),
    ],
)
def test_track_is_a_name_a_list_or_a_mapping(written: Any, mlflow: Any, tensorboard: Any) -> None:
    track = spec(track=written).track
    assert (track.mlflow and track.mlflow.model_dump(exclude_none=True)) == mlflow
    assert (track.tensorboard and track.tensorboard.model_dump(exclude_none=True)) == tensorboard
    assert StudySpec.model_validate(spec(track=written).model_dump()).track == track


def test_a_tracker_with_nothing_behind_its_colon_is_named(tmp_path: Path) -> None:
    from tuneoff.spec import load

    text = "study: s\nbackbone: b\ndata: {train: r.csv}\nmethods: [lora]\ntrack:\n  mlflow:\n"
    (tmp_path / "study.yaml").write_text(text)
    track = load(tmp_path).spec.track
    assert track.mlflow is not None
    assert track.tensorboard is None
    assert load(tmp_path, ["track=[tensorboard]"]).spec.track.mlflow is None
    assert load(tmp_path, ["track.mlflow.experiment=x"]).spec.track.mlflow is not None


@pytest.mark.parametrize("uri", ["http://user:secret@host/", "ftp://host", "host:5000"])
def test_an_address_with_a_password_or_of_another_kind_is_refused_and_not_repeated(uri: str, tmp_path: Path) -> None:
    from tuneoff.spec import load

    (tmp_path / "study.yaml").write_text(
        json.dumps({"study": "s", "backbone": "b", "data": {"train": "r.csv"}, "methods": ["lora"], "track": {"mlflow": {"uri": uri}}})
    )
    with pytest.raises(UsageError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        load(tmp_path)
    assert "secret" not in str(refused.value)


def test_sinks_can_be_added_and_keep_their_settings() -> None:
    study = with_sinks(spec(track={"mlflow": {"experiment": "x"}}), ["mlflow", "tensorboard"])
    assert study.track.mlflow is not None
    assert study.track.mlflow.experiment == "x"
    assert study.track.tensorboard is not None
    with pytest.raises(UsageError, match=r"no tracker `mlfow`.*mlflow"):
        with_sinks(spec(), ["mlfow"])


def test_a_missing_library_is_refused_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuneoff.track.mlflow import MlflowSink

    monkeypatch.setattr(MlflowSink, "requires", ("no_such_library",))
    with pytest.raises(RefusedError, match=r"no_such_library.*tuneoff\[track\]"):
        open_sinks(spec(track="mlflow"), tmp_path)
