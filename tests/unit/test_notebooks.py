"""The notebooks as files, where they find a study, and what their cells show."""

import ast
import base64
import io
import json
import shutil
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

from tests.support import made_up
from tuneoff.errors import UsageError
from tuneoff.notebooks import EXPERIMENTS, Device, device, notebook_names, study_folder, write_notebooks
from tuneoff.notebooks.chart import VEGA_LITE, Chart
from tuneoff.notebooks.results import Results
from tuneoff.report import results_table
from tuneoff.strings import LANGUAGES

ROOT = Path(__file__).parents[2]


def cells(file: Path, kind: str = "code") -> dict[str, str]:
    """Sources of the cells of a notebook, by id."""
    return {cell["id"]: cell["source"] for cell in nbformat.read(file, 4)["cells"] if cell["cell_type"] == kind}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_notebooks_are_valid_thin_and_named_as_in_the_brief(lang: str, tmp_path: Path) -> None:
    written = write_notebooks(tmp_path, 'a "study"', lang)
    assert [file.name for file in written] == [
        "01_feature_extraction.ipynb",
        "02_full_finetuning.ipynb",
        "03_continued_pretraining.ipynb",
        "04_peft_lora_tuning.ipynb",
    ]
    assert notebook_names() == [file.name for file in written]
    for file, experiment in zip(written, EXPERIMENTS, strict=True):
        notebook = nbformat.read(file, 4)
        nbformat.validate(notebook)
        # Jupyter spells the file the same way when it saves it: opening and saving is no change in git.
        assert nbformat.writes(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n" == file.read_text(encoding="utf-8")
        code = cells(file)
        assert f'study.experiments["{experiment}"]' in code["run"]
        assert 'study_folder("a \\"study\\"")' in code["study"]
        assert f"TUNEOFF_LANG={lang}" in code["install"]
        for name, source in code.items():
            assert len(source.splitlines()) <= 5, f"{name}: a cell is thin"
            if name != "install":
                ast.parse(source)
        prose = "\n".join(cells(file, "markdown").values())
        assert ("스터디" in prose) == (lang == "ko")


def test_the_same_study_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_notebooks(tmp_path / name, "one", "ko") for name in ("a", "b"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


@pytest.mark.parametrize(("folder", "lang"), [("notebooks", "en"), ("notebooks/ko", "ko")])
def test_the_repository_has_the_sample_s_notebooks_without_outputs(folder: str, lang: str, tmp_path: Path) -> None:
    """`make notebooks` writes them."""
    for file in write_notebooks(tmp_path, None, lang):
        assert (ROOT / folder / file.name).read_bytes() == file.read_bytes(), f"{folder}/{file.name} is old: make notebooks"
        assert all(cell["outputs"] == [] for cell in nbformat.read(file, 4)["cells"] if cell["cell_type"] == "code")


# Where a notebook finds its study.


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere" / "mine"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "rows.csv").write_text("text,label\na,b\n", encoding="utf-8")
    (folder / "study.yaml").write_text("study: mine\nbackbone: tiny\ndata: {train: data/rows.csv}\nmethods: [majority]\n", encoding="utf-8")
    return folder


Colab = Callable[..., list[str]]


@pytest.fixture
def colab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Colab:
    """Make this look like Google Colab: with a Drive that has something on it, and files that the user will choose."""
    monkeypatch.chdir(tmp_path)

    def start(on_drive: Callable[[Path], object] = lambda drive: None, uploads: dict[str, bytes] | None = None) -> list[str]:
        asked: list[str] = []

        def mount(place: str) -> None:
            asked.append("mount")
            (Path(place) / "MyDrive").mkdir(parents=True)
            on_drive(Path(place) / "MyDrive")

        def upload() -> dict[str, bytes]:
            asked.append("upload")
            return uploads or {}

        for name, contents in {"google": {}, "google.colab": {}, "drive": {"mount": mount}, "files": {"upload": upload}}.items():
            full = name if name.startswith("google") else f"google.colab.{name}"
            module: Any = types.ModuleType(full)
            module.__path__ = []
            module.__spec__ = types.SimpleNamespace(name=full)
            module.__dict__.update(contents)
            monkeypatch.setitem(sys.modules, full, module)
        return asked

    return start


def test_outside_colab_the_study_is_the_folder_around_the_notebook(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (study / "notebooks").mkdir()
    for place in (study, study / "notebooks", study.parent):
        monkeypatch.chdir(place)
        assert study_folder("mine") == study
    monkeypatch.chdir(study.parents[1])
    with pytest.raises(UsageError, match=r"no study\.yaml of `mine`"):
        study_folder("mine")


def test_in_colab_the_study_is_found_on_the_mounted_drive(colab: Colab, study: Path, tmp_path: Path) -> None:
    asked = colab(on_drive=lambda drive: shutil.copytree(study, drive / "work" / "mine"))
    assert study_folder("mine", tmp_path / "content") == tmp_path / "content" / "drive" / "MyDrive" / "work" / "mine"
    assert asked == ["mount"]


def test_in_colab_a_study_can_be_uploaded_as_a_zip(colab: Colab, study: Path, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in ("study.yaml", "data/rows.csv"):
            archive.write(study / file, f"mine/{file}")
    asked = colab(uploads={"mine.zip": packed.getvalue()})
    found = study_folder("mine", tmp_path / "content")
    assert asked == ["mount", "upload"]
    assert (found / "data" / "rows.csv").read_bytes() == (study / "data" / "rows.csv").read_bytes()


def test_in_colab_uploaded_files_go_where_the_study_expects_them(colab: Colab, study: Path, tmp_path: Path) -> None:
    colab(uploads={"study.yaml": (study / "study.yaml").read_bytes(), "rows.csv": b"text,label\n"})
    found = study_folder("mine", tmp_path / "content")
    assert (found / "data" / "rows.csv").read_bytes() == b"text,label\n"


def test_in_colab_an_upload_without_a_study_is_refused(colab: Colab, tmp_path: Path) -> None:
    colab(uploads={"rows.csv": b"text,label\n"})
    with pytest.raises(UsageError, match=r"no study\.yaml"):
        study_folder("mine", tmp_path / "content")


# What cells show.


def test_the_device_is_this_machine_s() -> None:
    import torch

    found = device()
    assert found.kind == ("cuda" if torch.cuda.is_available() else "cpu")
    assert found.memory_bytes is not None
    assert found.memory_bytes > 10**8
    assert found.name in repr(found)


def test_a_machine_without_gpu_is_told_what_to_do_and_one_with_it_its_free_memory() -> None:
    plain = Device("cpu", "Xeon", 13 * 10**9, None, 2, "fp32")
    assert "No GPU" in repr(plain)
    assert "T4 GPU" in repr(plain)
    assert "13 GB" in repr(plain)
    gpu = Device("cuda", "Tesla T4", 15_800_000_000, 15_000_000_000, 2, "fp16")
    assert repr(gpu) == "Tesla T4: 15.8 GB of memory (15 GB free), training in fp16."


@pytest.fixture
def results() -> Results:
    targets = made_up.targets(60)
    full = {seed: np.arange(60) % 7 != seed for seed in range(3)}
    lora = {seed: np.arange(60) % 5 != seed for seed in range(3)}
    methods = [
        made_up.method("full", full, targets, costs={"memory": 1_234_567_890, "seconds": 75.0}),
        made_up.method("lora", lora, targets),
        made_up.method("prefix", {}, targets, planned=[0, 1, 2]),
    ]
    return Results(results_table(made_up.material(methods)))


def test_results_show_rounded_values_and_keep_exact_ones(results: Results) -> None:
    text, page = repr(results), results._repr_html_()
    for shown in (text, page):
        assert "1.23 GB" in shown
        assert "75.0 s" in shown
        assert "prefix" in shown
        assert "nan" not in shown.lower()
    assert results.loc[0, "train_peak_bytes"] == 1_234_567_890
    assert results.loc[0, "accuracy"] == pytest.approx(np.mean([(np.arange(60) % 7 != s).mean() for s in range(3)]), abs=1e-15)
    # What is cut out of it is an ordinary frame.
    assert type(results[["label", "mcc"]]) is pd.DataFrame
    assert "mcc" in repr(results[["label", "mcc"]])


def test_results_escape_what_a_study_names(results: Results) -> None:
    results.loc[0, "label"] = "<img src=x onerror=alert(1)>"
    assert "<img" not in results._repr_html_()


CHART = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "title": "Two points", "data": {"values": [{"x": 1}, {"x": 2}]}}
CHART |= {"mark": "point", "encoding": {"x": {"field": "x", "type": "quantitative"}}}


def test_a_chart_shows_itself_as_vega_lite_and_as_a_picture(tmp_path: Path) -> None:
    chart = Chart(CHART, "en")
    bundle = chart._repr_mimebundle_()
    assert bundle[VEGA_LITE] == CHART
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == repr(chart) == "Chart: Two points"
    assert chart.save(tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in chart.save(tmp_path / "chart.svg").read_text()
    assert json.loads(chart.save(str(tmp_path / "chart.json")).read_text()) == CHART
    with pytest.raises(UsageError, match=r"not \.gif"):
        chart.save(tmp_path / "chart.gif")


def test_a_chart_of_nothing_says_so(tmp_path: Path) -> None:
    chart = Chart(None, "en")
    assert list(chart._repr_mimebundle_()) == ["text/plain"]
    assert repr(chart).startswith("Nothing to draw yet")
    with pytest.raises(UsageError, match="Nothing to draw"):
        chart.save(tmp_path / "chart.png")
