"""report.html as a file: small, the same every time, on its own, and no text of the data is anything but text."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import made_up, pages
from tuneoff.report import write_report
from tuneoff.report.charts import Look, curve_chart, curve_rows, trade_chart, trade_rows
from tuneoff.report.names import page_name
from tuneoff.report.page import page
from tuneoff.report.page.document import MOST_PAGE
from tuneoff.report.page.markup import html
from tuneoff.report.page.payload import as_script, disputed
from tuneoff.report.scales import cost_axis, ticks
from tuneoff.strings import LANGUAGES


class Parts(HTMLParser):
    """Scripts, styles and everything that would make a browser ask for something."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[tuple[str, dict[str, str | None], str]] = []
        self.asked: list[tuple[str, str]] = []
        self.policy = ""
        self._open: tuple[str, dict[str, str | None]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in ("script", "style"):
            self._open = tag, found
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(found["content"])
        self.asked += [(tag, str(found[name])) for name in ("src", "srcset", "data", "action", "poster") if found.get(name)]
        if tag in ("link", "base", "iframe", "object", "embed", "form") or any(name.startswith("on") or name == "style" for name in found):
            self.asked.append((tag, str(found)))

    def handle_data(self, data: str) -> None:
        if self._open:
            self.blocks.append((*self._open, data))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._open = None


@pytest.fixture(scope="module")
def study() -> Any:
    return pages.study()


@pytest.fixture(scope="module", params=LANGUAGES)
def parts(request: pytest.FixtureRequest, study: Any) -> Parts:
    read = Parts()
    read.feed(page(study, request.param, "en").decode())
    return read


def test_the_policy_names_exactly_what_is_in_the_page(parts: Parts) -> None:
    def named(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    policy = dict(part.strip().split(" ", 1) for part in parts.policy.split(";"))
    scripts = [text for tag, attributes, text in parts.blocks if tag == "script" and attributes.get("type") != "application/json"]
    styles = [text for tag, _, text in parts.blocks if tag == "style"]
    assert policy["default-src"] == "'none'"
    assert policy["script-src"].split() == [named(text) for text in scripts]
    assert policy["style-src"].split() == [named(text) for text in styles]
    assert len(scripts) == 2
    assert "unsafe" not in parts.policy


def test_the_page_asks_for_nothing(parts: Parts) -> None:
    assert parts.asked == []


def test_texts_are_in_the_page_as_data_alone(parts: Parts, study: Any) -> None:
    (told,) = [json.loads(text) for tag, attributes, text in parts.blocks if attributes.get("type") == "application/json"]
    texts = {text for row in told["disputed"]["rows"] for text in row[1]}
    assert any("<img src=x onerror=alert(1)>" in text for text in texts)
    assert any("</script><script>alert(2)</script>" in text for text in texts)
    assert len(told["disputed"]["rows"]) == told["disputed"]["count"] > 50


def test_the_same_study_gives_the_same_bytes() -> None:
    assert page(pages.study(), "ko", "en") == page(pages.study(), "ko", "en")


def test_json_in_a_script_block_never_ends_it() -> None:
    harm = "</script><!--<script>&\u2028\u2029"
    text = as_script({"a": harm})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"a": harm}


def test_a_large_study_stays_below_three_megabytes() -> None:
    """30,000 rows of 2,000 Korean characters, on which six methods disagree."""
    rows = 30_000
    targets = made_up.targets(rows)
    names = ("tfidf", "full", "lora", "adapter", "prefix", "prompt")
    methods = [made_up.method(name, {0: np.random.default_rng(place).random(rows) < 0.7}, targets) for place, name in enumerate(names)]
    study = made_up.material(methods)
    object.__setattr__(study, "texts", [(f"{row} " + "가나다라마" * 400,) for row in range(rows)])
    written = page(study, "ko", "ko")
    assert len(written) <= MOST_PAGE == 3_000_000
    found = disputed(study)
    assert found is not None
    assert 100 < len(found["rows"]) < found["count"]
    assert all(len(text) <= 602 for row in found["rows"] for text in row[1])


def test_markdown_of_the_report_becomes_tables_that_are_read_aloud() -> None:
    lines = ["| Method | F1 |", "| --- | ---: |", "| <b>x</b> ![a](http://example.org/a.png) | **0.5** |"]
    made = str(html(lines, "F1 by class"))
    assert '<div class="scroll" role="region" tabindex="0" aria-label="F1 by class">' in made
    assert made.count('scope="col"') == 2
    assert '<th scope="row">&lt;b&gt;x&lt;/b&gt;' in made
    assert '<td class="number"><strong>0.5</strong></td>' in made
    assert "style=" not in made
    assert "<img" not in made


def test_the_pages_stand_beside_each_other_as_the_readmes_do() -> None:
    assert [page_name(lang, "ko") for lang in ("ko", "en")] == ["report.html", "report.en.html"]


def test_a_report_writes_the_page_in_both_languages(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    study = pages.study(tmp_path)
    write_report(study, "ko", artist=None)
    written = {name: (tmp_path / name).read_bytes() for name in ("report.html", "report.en.html")}
    assert b'<html lang="ko">' in written["report.html"]
    assert b'<html lang="en">' in written["report.en.html"]
    write_report(study, "ko", artist=None)
    assert {name: (tmp_path / name).read_bytes() for name in written} == written


@pytest.mark.parametrize("chart", ["trade", "forecast"])
def test_every_number_of_a_chart_stands_in_the_table_below_it(chart: str) -> None:
    targets, rng = made_up.targets(60), np.random.default_rng(0)
    methods = [
        made_up.method(name, {0: rng.random(60) < 0.8}, targets, costs={"memory": 10**9 + place, "seconds": 50.0 + place})
        for place, name in enumerate(("full", "lora"))
    ]
    forecasts = {"full": made_up.forecast(11 * 10**8, 50.0, 70.0), "lora": made_up.forecast(9 * 10**8, 40.0, 80.0)}
    written = page(made_up.material(methods, forecasts=forecasts), "en", "en").decode()
    told = json.loads(re.findall(r'<script type="application/json" id="payload">(.*?)</script>', written)[0])
    (figure,) = re.findall(rf'<figure class="chart" data-chart="{chart}">.*?</figure>', written, re.DOTALL)
    choices = told["charts"][chart]["choices"]
    assert len(choices) > 2
    for choice in choices:
        for values in choice["rows"]["values"]:
            row = dict(zip(choice["rows"]["fields"], values, strict=True))
            lines = re.findall(r"<tr>.*?</tr>", figure, re.DOTALL)
            (line,) = [line for line in lines if f">{choice['title']}<" in line and f">{row['name']}<" in line]
            assert row["reading"] in line
            assert row["said" if chart == "forecast" else "score"] in line


def test_names_of_methods_are_no_markup_on_the_page() -> None:
    targets, rng = made_up.targets(60), np.random.default_rng(0)
    labels = {"full": "full", "r*8*": "lora", "[x](https://e.org)": "adapter"}
    hits = {label: {seed: rng.random(60) < 0.8 for seed in (0, 1)} for label in labels}
    methods = [made_up.method(label, hits[label], targets, of=of) for label, of in labels.items()]
    seen: list[str] = []

    class Texts(HTMLParser):
        def handle_data(self, data: str) -> None:
            seen.append(data)

    written = (
        page(made_up.material(methods, study={"domain": "*law*"}), "en", "en").decode().partition('<script type="application/json"')[0]
    )
    Texts().feed(written)
    text = "".join(seen)
    assert 'href="https://e.org"' not in written
    assert "r<em>8</em>" not in written
    assert "<em>law</em>" not in written
    assert "\\" not in text
    for label in list(labels)[1:]:
        assert text.count(f"({label})") > 3


def test_without_its_script_a_reader_is_told_what_is_missing(study: Any) -> None:
    assert "need JavaScript" in page(study, "en", "en").decode()


def test_methods_look_the_same_in_every_chart(study: Any) -> None:
    from tuneoff.analyse import curve_points

    names = {method.label: study.name(method, "en") for method in study.methods}
    look = Look(list(names.values()), "en")
    rows = curve_rows(curve_points(study.methods), names)
    trades = trade_rows(study.analysis, names, "en")
    assert set(trades) == {"memory", "seconds", "artefact", "parameters", "latency"}
    made = [curve_chart(look, "loss", "step", rows), *(trade_chart(look, cost, found) for cost, found in trades.items())]
    domains = {
        tuple(layer["encoding"]["color"]["scale"]["domain"]) for chart in made for layer in chart["layer"] if "color" in layer["encoding"]
    }
    assert domains == {tuple(names.values())}


@pytest.mark.parametrize(
    ("kind", "values", "scale", "says"),
    [
        ("time", [0.5, 90.0], "log", " s"),
        ("time", [300.0, 900.0], None, " min"),
        ("time", [0.001, 0.004], None, " ms"),
        ("bytes", [1e6, 9e8], "log", "B"),
        ("joules", [5.0, 20.0], None, "J"),
    ],
)
def test_axes_of_costs_have_the_unit_that_a_reader_expects(kind: str, values: list[float], scale: str | None, says: str) -> None:
    axis = cost_axis(kind, values)
    assert axis["scale"].get("type") == scale
    assert says in axis["axis"]["labelExpr"]


def test_ticks_of_a_logarithmic_axis_cover_it_in_round_numbers() -> None:
    for low, high in ((1.3, 88.0), (2e-4, 3.0), (64_000, 2.3e8)):
        found = ticks(low, high)
        assert found[0] <= low
        assert found[-1] >= high
        assert len(found) <= 12
        assert all(re.fullmatch(r"[125]e[+-]\d+", f"{tick:.0e}") for tick in found)
