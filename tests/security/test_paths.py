"""A study file from a stranger names no path that is written outside the study's folder."""

import json
from pathlib import Path

import pytest

from tests.support.said import answer, refusals, rows, write_data_study

STRANGE = ("../../x", "/tmp/x", "..", "a/b\\c", "con:aux", "~", "x\u202ey", "x" * 300)


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    """Every path below a folder, with its size and time."""
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


def study(folder: Path, **changes: object) -> Path:
    write_data_study(folder, {"train.csv": rows()})
    values = json.loads((folder / "study.yaml").read_text(encoding="utf-8")) | changes
    (folder / "study.yaml").write_text(json.dumps(values), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_names_and_labels_never_become_paths(tmp_path: Path) -> None:
    around = tmp_path / "around" / "deeper"
    folder = study(
        around / "study",
        study="../../../evil",
        domain="../../x",
        methods=[{"majority": {}, "as": name} for name in STRANGE],
        data={"train": "train.csv", "name": "../../name", "source": "../../source"},
    )
    before = everything(tmp_path)
    run = answer("run", folder)
    assert run.code == 0, run.err
    new = set(everything(tmp_path)) - set(before)
    assert new, "it did write"
    assert all(Path(path).is_relative_to(folder) for path in new)
    outside = {path: state for path, state in before.items() if not Path(path).is_relative_to(folder)}
    assert {path: everything(tmp_path)[path] for path in outside} == outside


@pytest.mark.parametrize("name", ["results", "assets", "results/cache", "results/majority-s0"])
def test_a_link_that_leads_out_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "results.json").write_text("precious", encoding="utf-8")
    folder = study(tmp_path / "study")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(outside)
    for command in ("run", "report", "plan"):
        english, korean = refusals(command, folder, code=2)
        assert english.startswith(
            f"{folder / name}: is a link that leads out of the study's folder, to {outside}: nothing is written through it → "
        )
        assert "스터디 폴더 밖" in korean
    assert {file.name: file.read_text(encoding="utf-8") for file in outside.iterdir()} == {"results.json": "precious"}


def test_a_link_in_the_place_of_a_page_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine", encoding="utf-8")
    folder = study(tmp_path / "study")
    for name in ("README.md", "README.ko.md", "report.html"):
        (folder / name).symlink_to(precious)
    assert answer("run", folder).code == 0
    assert precious.read_text(encoding="utf-8") == "mine"
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# ")


def test_a_study_reached_through_a_link_and_links_inside_it_work(tmp_path: Path) -> None:
    """Who keeps a study on another disk links the whole of it."""
    folder = study(tmp_path / "disk" / "study")
    (folder / "store").mkdir()
    (folder / "results").symlink_to(folder / "store")
    (tmp_path / "link").symlink_to(folder)
    assert answer("run", tmp_path / "link").code == 0


@pytest.mark.parametrize("place", ["../events", "/tmp/events", "a/../../b", "..\\events"])
def test_trackers_write_inside_too(place: str, tmp_path: Path) -> None:
    english, korean = refusals("check", study(tmp_path, track={"tensorboard": {"folder": place}}), code=2)
    assert "must lie inside the study's folder" in english
    assert "스터디 폴더 안의 경로" in korean
