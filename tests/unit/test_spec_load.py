"""A study file and its overrides: what may be written, and one clear line for what may not."""

from pathlib import Path
from typing import Any

import pytest

from tuneoff.errors import UsageError
from tuneoff.spec import STUDY_FILE, StudySpec, load

BASE = {
    "study": "sentiment",
    "backbone": "sample:en",
    "data": "{train: train.csv}",
    "methods": "[majority, lora]",
}


def write(folder: Path, **changed: str) -> Path:
    """A study of one line a key, in this order: study, backbone, data, methods, then what was added."""
    lines = BASE | changed
    (folder / STUDY_FILE).write_text("".join(f"{key}: {value}\n" for key, value in lines.items()), encoding="utf-8")
    return folder


def refused(folder: Path, *overrides: str, **changed: str) -> str:
    with pytest.raises(UsageError) as caught:
        load(write(folder, **changed), overrides)
    said = caught.value.text("en")
    assert said.isprintable()
    assert any("가" <= character <= "힣" for character in caught.value.text("ko"))
    assert caught.value.exit_code == 2
    return said


def spec(folder: Path, *overrides: str, **changed: str) -> StudySpec:
    return load(write(folder, **changed), overrides).spec


def test_the_smallest_study_has_sensible_defaults(tmp_path: Path) -> None:
    found = spec(tmp_path)
    assert found.seeds == 3
    assert found.train.epochs == 3
    assert found.data.text_columns == ("text",)
    assert found.data.label == "label"
    assert [entry.label for entry in found.methods] == ["majority", "lora"]


def test_the_study_of_the_design_page_is_read(tmp_path: Path) -> None:
    found = spec(
        tmp_path,
        study="finance-sentiment",
        domain="금융",
        backbone="klue/roberta-large",
        data="{train: data/train.csv, validation: 0.1, test: data/test.csv, text: [sentence, context], label: label, "
        "unlabelled: data/corpus.txt, limit: 2000}",
        methods="[majority, pretrain+full, {lora: {r: 16, learning_rate: 1e-4}, as: lora-r16}, {lora: {r: 4}, as: 4}, {adapter: }]",
        train="{epochs: 3, batch_size: 32, max_length: 128}",
        budget="{memory: 16 GB, time: 30 min, artefact: 50 MiB, within: 1.0}",
    )
    assert found.domain == "금융"
    assert found.data.validation is not None
    assert found.data.validation.share == 0.1
    assert found.data.test is not None
    assert found.data.test.file == "data/test.csv"
    assert found.data.text_columns == ("sentence", "context")
    assert found.data.limit.train == 2000
    assert [(entry.method, entry.label, entry.parameters) for entry in found.methods[1:]] == [
        ("pretrain+full", "pretrain+full", {}),
        ("lora", "lora-r16", {"r": 16, "learning_rate": 1e-4}),
        ("lora", "4", {"r": 4}),
        ("adapter", "adapter", {}),
    ]
    assert (found.budget.memory, found.budget.time, found.budget.artefact) == (16_000_000_000, 1800.0, 50 * 2**20)


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("train.csv", "file", "train.csv"),
        ("sample:finance-ko", "sample", "finance-ko"),
        ("{file: a.csv}", "file", "a.csv"),
        ("{sample: finance-en}", "sample", "finance-en"),
    ],
)
def test_a_source_is_told_by_its_form(tmp_path: Path, written: str, kind: str, value: str) -> None:
    assert getattr(spec(tmp_path, data=f"{{train: {written}}}").data.train, kind) == value


def test_a_hub_data_set_takes_its_fields(tmp_path: Path) -> None:
    found = spec(tmp_path, data="{train: {hub: {path: klue/klue, name: ynat, split: train, revision: abc}}}").data.train.hub
    assert found is not None
    assert found.model_dump() == {"path": "klue/klue", "name": "ynat", "split": "train", "revision": "abc"}


def test_what_is_not_named_comes_from_the_sample_or_as_a_share_of_train(tmp_path: Path) -> None:
    own = spec(tmp_path, data="{train: sample:finance-en}").data.held_out
    assert {name: source.sample for name, source in own.items()} == {"test": "finance-en", "validation": "finance-en"}
    cut = spec(tmp_path).data.held_out
    assert {name: source.share for name, source in cut.items()} == {"test": 0.2, "validation": 0.1}


# Misspelt keys: at every level, with the place and the nearest name.

MISSPELT = [
    ({"epochs": "3"}, "study.yaml:5:1: unknown key `epochs` (→ `train.epochs`?)"),
    ({"Seeds": "3"}, "study.yaml:5:1: unknown key `Seeds` (→ `seeds`?)"),
    ({"train": "{epoch: 3}"}, "study.yaml:5:9: unknown key `epoch` (→ `epochs`?)"),
    ({"train": "{epochs: 3, batch-size: 4}"}, "study.yaml:5:20: unknown key `batch-size` (→ `batch_size`?)"),
    ({"data": "{train: a.csv, txt: b}"}, "study.yaml:3:22: unknown key `txt` (→ `text`?)"),
    ({"data": "{train: a.csv, limit: {trian: 5}}"}, "study.yaml:3:30: unknown key `trian` (→ `train`?)"),
    ({"data": "{train: {hub: {pth: x}}}"}, "study.yaml:3:22: unknown key `pth` (→ `path`?)"),
    ({"data": "{train: {fiel: x}}"}, "study.yaml:3:16: unknown key `fiel` (→ `file`?)"),
    ({"budget": "{mem: 16 GB}"}, "study.yaml:5:10: unknown key `mem` (→ `memory`?)"),
    ({"pretrain": "{epoks: 1}"}, "study.yaml:5:12: unknown key `epoks` (→ `epochs`?)"),
    ({"tuning": "{trails: 1}"}, "study.yaml:5:10: unknown key `trails` (→ `trials`?)"),
    ({"zzz": "1"}, "study.yaml:5:1: unknown key `zzz`; known here: "),
    ({"train": "{lr: 1e-4}"}, "study.yaml:5:9: unknown key `lr`: every method has its own learning rate → write it in the method's entry"),
    ({"learning_rate": "1e-4"}, "study.yaml:5:1: unknown key `learning_rate`: every method has its own learning rate"),
]


@pytest.mark.parametrize(("changed", "start"), MISSPELT, ids=[str(changed) for changed, _ in MISSPELT])
def test_an_unknown_key_has_its_place_and_the_nearest_name(tmp_path: Path, changed: dict[str, str], start: str) -> None:
    assert refused(tmp_path, **changed).startswith(start)


def test_an_unknown_key_is_named_before_what_it_makes_missing(tmp_path: Path) -> None:
    (tmp_path / STUDY_FILE).write_text("study: s\nbackbone: b\ndta: {train: a.csv}\nmethods: [lora]\n")
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    assert caught.value.text("en").startswith("study.yaml:3:1: unknown key `dta` (→ `data`?)")


@pytest.mark.parametrize(
    ("text", "key"),
    [("", "study"), ("study: s\n", "backbone"), ("study: s\nbackbone: b\nmethods: [x]\ndata: {}\n", "data.train")],
    ids=["empty", "one key", "inside"],
)
def test_a_missing_key_is_named(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / STUDY_FILE).write_text(text)
    with pytest.raises(UsageError, match=rf"^study\.yaml:\d:1: `{key}` is missing$"):
        load(tmp_path)


# Bad values.

BAD = [
    ({"train": "{epochs: three}"}, '5:9: `train.epochs` must be a whole number, not "three"'),
    ({"train": "{epochs: 1.5}"}, "5:9: `train.epochs` must be a whole number, not 1.5"),
    ({"train": "{epochs: }"}, "5:9: `train.epochs` must be a whole number, not nothing"),
    ({"train": "{epochs: [1]}"}, "5:9: `train.epochs` must be a whole number, not a list"),
    ({"train": "{epochs: 0}"}, "5:9: `train.epochs` must be at least 1, not 0"),
    ({"train": "{warmup: 1}"}, "5:9: `train.warmup` must be less than 1, not 1"),
    ({"train": "{clip: 0}"}, "5:9: `train.clip` must be more than 0, not 0"),
    ({"train": "{weight_decay: .nan}"}, "5:9: `train.weight_decay` must be a number, not nan"),
    ({"train": "{precision: fp8}"}, '5:9: `train.precision` must be one of auto, fp32, bf16, fp16, not "fp8"'),
    ({"train": "5"}, "5:1: `train` must be a block of `key: value` lines, not 5"),
    ({"seeds": "true"}, "5:1: `seeds` cannot be true"),
    ({"seeds": "1000000"}, "5:1: `seeds` must be at most 1000, not 1000000"),
    ({"lang": "kr"}, '5:1: `lang` must be one of en, ko, not "kr"'),
    ({"trust_remote_code": "maybe"}, '5:1: `trust_remote_code` must be true or false, not "maybe"'),
    ({"pretrain": "{learning_rate: 0}"}, "5:12: `pretrain.learning_rate` must be more than 0, not 0"),
    ({"pretrain": "{learning_rate: -1e-4}"}, "5:12: `pretrain.learning_rate` must be more than 0, not -0.0001"),
    ({"study": "''"}, "1:1: `study` must not be empty"),
    ({"study": "[a]"}, "1:1: `study` must be text"),
    ({"backbone": ""}, "2:1: `backbone` must be text"),
    ({"data": "train.csv"}, '3:1: `data` must be a block of `key: value` lines, not "train.csv"'),
    ({"data": "{train: [a.csv, b.csv]}"}, "3:8: `data.train` must be one of: a file"),
    ({"data": "{train: {file: a.csv, sample: b}}"}, "3:8: `data.train` must be one of: a file"),
    ({"data": "{train: 0.5}"}, "3:8: `data.train` cannot be a share (0.5)"),
    ({"data": "{train: a.csv, unlabelled: 0.5}"}, "3:22: `data.unlabelled` cannot be a share (0.5)"),
    ({"data": "{train: a.csv, validation: 0}"}, "3:22: `data.validation` must be more than 0, not 0"),
    ({"data": "{train: a.csv, validation: 200}"}, "3:22: `data.validation` must be less than 1, not 200"),
    ({"data": "{train: a.csv, validation: true}"}, "3:22: `data.validation` cannot be true"),
    ({"data": "{train: a.csv, validation: 0.6, test: 0.4}"}, "3:1: `data` leaves no training rows"),
    ({"data": "{train: a.csv, validation: 0.9}"}, "3:1: `data` leaves no training rows"),
    ({"data": "{train: a.csv, text: [a, b, c]}"}, "3:22: `data.text` must be the name of one column"),
    ({"data": "{train: a.csv, text: [a, a]}"}, '3:22: `data.text` uses column "a" twice'),
    ({"data": "{train: a.csv, text: label}"}, '3:1: `data` uses column "label" twice'),
    ({"data": "{train: a.csv, label: 5}"}, "3:22: `data.label` must be text, in quotes if need be, not 5"),
    ({"data": "{train: a.csv, limit: 0}"}, "3:22: `data.limit` must be at least 1, not 0"),
    ({"data": "{train: a.csv, limit: {test: 0}}"}, "3:30: `data.limit.test` must be at least 1, not 0"),
    ({"data": "{train: a.csv, unseen_labels: keep}"}, '3:22: `data.unseen_labels` must be one of error, drop, not "keep"'),
    ({"data": "{train: {hub: {name: x}}}"}, "3:16: `data.train.hub.path` is missing"),
    ({"methods": "lora"}, '4:1: `methods` must be a list, such as [a, b], not "lora"'),
    ({"methods": "[]"}, "4:1: `methods` must not be empty"),
    ({"methods": "[lora, 5]"}, "4:17: `methods #2` must be a method's name"),
    ({"methods": "[lora, {lora: {r: 1}, full: {}}]"}, "4:17: `methods #2` must be a method's name"),
    ({"methods": "[{lora: 5}]"}, "4:11: `methods #1` needs the parameters of lora"),
    ({"methods": "[{lora: {r: 1}, as: }]"}, "4:11: `methods #1` needs a name behind `as:` of lora"),
    ({"methods": "[{lora: {r: 1}, as: ''}]"}, "4:11: `methods #1` must not be empty"),
    ({"methods": "[lora, full, lora]"}, '4:1: `methods` has two entries called "lora"'),
    ({"methods": "[{lora: {r: 1}, as: a}, {full: , as: a}]"}, '4:1: `methods` has two entries called "a"'),
    ({"budget": "{memory: 16}"}, "5:10: `budget.memory` needs a number and a unit"),
    ({"budget": "{memory: 16 gigs}"}, "5:10: `budget.memory` needs a number and a unit"),
    ({"budget": "{time: 30}"}, "5:10: `budget.time` needs a number and a unit"),
    ({"budget": "{time: 0 s}"}, "5:10: `budget.time` must be more than 0"),
    ({"budget": "{memory: -1 GB}"}, "5:10: `budget.memory` needs a number and a unit"),
    ({"budget": "{memory: true}"}, "5:10: `budget.memory` cannot be true"),
]


@pytest.mark.parametrize(("changed", "start"), BAD, ids=[str(changed) for changed, _ in BAD])
def test_a_bad_value_is_refused_with_place_name_and_value(tmp_path: Path, changed: dict[str, str], start: str) -> None:
    assert refused(tmp_path, **changed).startswith(f"study.yaml:{start}")


@pytest.mark.parametrize(
    ("written", "count"),
    [("16 GB", 16e9), ("16GiB", 16 * 2**30), ("1.5 tb", 1.5e12), ("512 KB", 512e3), ("7 B", 7)],
)
def test_sizes_carry_their_unit(tmp_path: Path, written: str, count: float) -> None:
    assert spec(tmp_path, budget=f"{{memory: {written}}}").budget.memory == count


@pytest.mark.parametrize(("written", "count"), [("90 s", 90), ("30 min", 1800), ("1.5h", 5400), ("2 d", 172800), ("250 ms", 0.25)])
def test_times_carry_their_unit(tmp_path: Path, written: str, count: float) -> None:
    assert spec(tmp_path, budget=f"{{time: {written}}}").budget.time == count


# Overrides.

OVERRIDES: list[tuple[str, str, Any]] = [
    ("seeds=5", "seeds", 5),
    ("train.epochs=1", "train.epochs", 1),
    ("train.clip = 1e-1", "train.clip", 0.1),
    ("train={epochs: 7}", "train.epochs", 7),
    ("study=다른 이름", "study", "다른 이름"),
    ("backbone=", "backbone", None),
    ("data.limit.train=50", "data.limit.train", 50),
    ("data.limit=60", "data.limit.train", 60),
    ("data.text=[a, b]", "data.text", ("a", "b")),
    ("data.test=0.3", "data.test.share", 0.3),
    ("data.train=sample:finance-ko", "data.train.sample", "finance-ko"),
    ("budget.memory=2 GB", "budget.memory", 2_000_000_000),
]


@pytest.mark.parametrize(("override", "path", "value"), OVERRIDES, ids=[override for override, _, _ in OVERRIDES])
def test_an_override_replaces_one_value(tmp_path: Path, override: str, path: str, value: Any) -> None:
    if value is None:
        assert refused(tmp_path, override).startswith(f"--set {override}: ")
        return
    found: Any = spec(tmp_path, override)
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_an_override_keeps_its_neighbours_and_the_last_one_wins(tmp_path: Path) -> None:
    found = spec(
        tmp_path, "train.epochs=1", "data.limit.test=9", "train.epochs=2", data="{train: a.csv, limit: 50}", train="{max_length: 64}"
    )
    assert (found.train.epochs, found.train.max_length) == (2, 64)
    assert (found.data.limit.train, found.data.limit.test) == (50, 9)


def test_methods_may_be_replaced_by_a_list(tmp_path: Path) -> None:
    found = spec(tmp_path, "methods=[full, {lora: {r: 2}, as: small}]")
    assert [(entry.method, entry.label) for entry in found.methods] == [("full", "full"), ("lora", "small")]


WRONG_OVERRIDES = [
    ("seeds", "write --set path.to.key=value"),
    ("=3", "write --set path.to.key=value"),
    ("train..epochs=3", "write --set path.to.key=value"),
    ("trian.epochs=3", "unknown key `trian` (→ `train`?)"),
    ("train.epoch=3", "unknown key `epoch` (→ `epochs`?)"),
    ("epochs=3", "unknown key `epochs` (→ `train.epochs`?)"),
    ("data.limit.trian=3", "unknown key `trian` (→ `train`?)"),
    ("train.epochs=three", '`train.epochs` must be a whole number, not "three"'),
    ("train={epochs: 0}", "`train.epochs` must be at least 1, not 0"),
    ("train.epochs=", '`train.epochs` must be a whole number, not ""'),
    ("data.train.file=b.csv", '`data.train` is "train.csv" and has no keys below it'),
    ("methods.0=full", "`methods` is a list and has no keys below it"),
    ("study=a: b", "not readable as YAML"),
    ("study=[a", "not readable as YAML"),
    ("methods=[lora, lora]", '`methods` has two entries called "lora"'),
    ("study=bell\x07", "control character U+0007"),
]


@pytest.mark.parametrize(("override", "words"), WRONG_OVERRIDES, ids=[repr(override) for override, _ in WRONG_OVERRIDES])
def test_a_wrong_override_is_named(tmp_path: Path, override: str, words: str) -> None:
    said = refused(tmp_path, override)
    assert said.startswith(f"--set {override}: {words}".replace("\x07", "\\x07"))


def test_an_error_in_the_file_keeps_the_files_place_beside_an_override(tmp_path: Path) -> None:
    assert refused(tmp_path, "seeds=2", train="{epochs: 0}").startswith("study.yaml:5:9: ")


def test_an_override_does_not_change_the_file(tmp_path: Path) -> None:
    before = (write(tmp_path) / STUDY_FILE).read_bytes()
    load(tmp_path, ["train.epochs=1"])
    assert (tmp_path / STUDY_FILE).read_bytes() == before


# Places and paths.


def test_a_methods_parameter_knows_its_place(tmp_path: Path) -> None:
    study = load(write(tmp_path, methods="[majority, {lora: {r: 16}, as: x}]"))
    assert study.where_method(1) == "study.yaml:4:21"
    assert study.where_method(1, "r") == "study.yaml:4:29"
    assert study.where_method(0, "r") == "study.yaml:4:11"


@pytest.mark.parametrize("name", ["plain", "with blanks", "한글 폴더", "é", "quote'd"])
def test_a_study_is_found_by_folder_and_by_file_whatever_its_path(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    write(folder)
    assert load(folder).spec == load(folder / STUDY_FILE).spec
    assert load(folder).folder == folder.resolve()


def test_a_folder_without_a_study_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such study"):
        load(tmp_path)


def test_five_wrong_studies_give_one_line_each(tmp_path: Path) -> None:
    said = [
        refused(tmp_path, epochs="3"),
        refused(tmp_path, data="{train: a.csv, limit: many}"),
        refused(tmp_path, methods="[lora, lora]"),
        refused(tmp_path, budget="{memory: 16}"),
        refused(tmp_path, study="a: b"),
    ]
    assert all(len(line.splitlines()) == 1 and line.startswith("study.yaml:") and len(line) < 250 for line in said)


def test_a_study_is_the_same_after_a_round_trip_through_json(tmp_path: Path) -> None:
    found = spec(
        tmp_path, methods="[lora, {full: {epochs: 1}, as: x}]", budget="{memory: 16 GB, time: 1 h}", data="{train: a, text: [b, c]}"
    )
    assert StudySpec.model_validate_json(found.model_dump_json()) == found
    assert StudySpec.model_validate(found.model_dump()) == found


def test_a_study_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        spec(tmp_path).seeds = 4


def test_a_grid_of_a_million_trials_is_refused_with_its_size_and_cost_unless_it_is_meant(tmp_path: Path) -> None:
    entries = "".join(f"  - {{full: {{}}, as: m{i}}}\n" for i in range(1000))
    text = f"study: big\nbackbone: b\ndata: {{train: t.csv}}\nseeds: 1000\nmethods:\n{entries}"
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    line = caught.value.text("en")
    assert line.startswith(
        "study.yaml:4:1: `seeds` makes 1,000,000 trials of 1,000 methods, 694.4 days of work at a minute each; lower it, or"
    )
    assert "`most_trials: 1000000`" in line
    assert "694.4일" in caught.value.text("ko")
    assert load(tmp_path, ["most_trials=1000000"]).spec.seeds == 1000
    assert load(tmp_path, ["seeds=10"]).spec.most_trials == 10_000
