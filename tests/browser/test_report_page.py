"""report.html in a real browser: it sorts, filters, switches, obeys the keyboard, asks no one and runs nothing of the data."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Opened
from tests.support import pages

Open = Callable[..., Opened]
#: They need a browser, which ``make test`` does not ask for.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pages.written(pages.study(), tmp_path_factory.mktemp("study"))


@pytest.fixture
def page(open_page: Open, file: Path) -> Page:
    return open_page(file).page


def names(page: Page) -> list[str]:
    """Methods of the table as they stand, without their badges."""
    return [str(row.get_attribute("data-value")) for row in page.locator("#table tbody tr:visible > th").all()]


def values(page: Page, key: str) -> list[str]:
    return [str(cell.get_attribute("data-value")) for cell in page.locator(f"#table tbody tr:visible > td[data-key={key}]").all()]


def plot(page: Page, chart: str) -> Locator:
    """A chart that was drawn."""
    page.locator(f"[data-chart={chart}]").scroll_into_view_if_needed()
    found = page.locator(f"[data-chart={chart}] .plot svg")
    expect(found).to_be_visible()
    return found


def drawn(page: Page, chart: str) -> list[str]:
    """All text of a chart."""
    return plot(page, chart).locator("text").all_text_contents()


def test_it_says_first_how_many_trials_are_complete(page: Page) -> None:
    assert page.locator("body").inner_text().index("12 of 14 trials are complete") < 60
    expect(page.locator("h1")).to_contain_text("made-up")


def test_the_table_is_sorted_by_its_headings_and_says_so(page: Page) -> None:
    accuracy, time = (page.locator(f"#table th[data-key={key}]") for key in ("accuracy", "time"))
    expect(accuracy).to_have_attribute("aria-sort", "descending")
    time.get_by_role("button").click()
    expect(time).to_have_attribute("aria-sort", "ascending")
    expect(accuracy).to_have_attribute("aria-sort", "none")
    seconds = values(page, "time")
    # What was not measured is last both ways.
    assert seconds[-1] == ""
    assert [float(one) for one in seconds[:-1]] == sorted(map(float, seconds[:-1]))
    time.get_by_role("button").click()
    seconds = values(page, "time")
    assert seconds[-1] == ""
    assert [float(one) for one in seconds[:-1]] == sorted(map(float, seconds[:-1]), reverse=True)
    page.locator("#table th[data-key=method] button").click()
    assert names(page) == sorted(names(page), key=str.lower)


def test_the_table_is_filtered_by_name_and_by_what_a_method_is(page: Page) -> None:
    everything = names(page)
    assert len(everything) == 7
    page.get_by_label("Filter methods").fill("lor")
    assert names(page) == ["LoRA"]
    expect(page.locator("[data-controls=results] output")).to_contain_text("1 of 7 methods")
    page.get_by_label("Filter methods").fill("")
    page.get_by_label("Show", exact=True).select_option("kind_0")
    assert set(names(page)) == {"Majority class", "TF-IDF + linear"}
    page.get_by_label("Show", exact=True).select_option("incomplete")
    assert names(page) == ["Prefix tuning"]
    page.get_by_label("Show", exact=True).select_option("all")
    assert names(page) == everything


def test_every_column_of_the_full_table_can_be_shown(page: Page) -> None:
    hidden = page.locator("#table thead th.later")
    assert hidden.count() > 3
    page.locator(".columns summary").click()
    page.get_by_label("MCC").check()
    expect(page.locator("#table th[data-key=mcc]")).to_be_visible()
    page.get_by_label("MCC").uncheck()
    expect(page.locator("#table th[data-key=mcc]")).to_be_hidden()
    page.get_by_role("button", name="all columns").click()
    assert hidden.count() == 0


def test_the_cost_of_the_scatter_is_switched_by_mouse_and_by_arrow_keys(page: Page) -> None:
    assert "Peak memory of training" in drawn(page, "trade")
    assert any(text.endswith(" MB") for text in drawn(page, "trade"))
    box = page.locator("[data-controls=trade]")
    options = box.get_by_role("radio").all()
    assert len(options) == 5
    box.get_by_text("Training and search time").click()
    assert "Training and search time" in drawn(page, "trade")
    page.keyboard.press("ArrowRight")
    assert "Artefact" in drawn(page, "trade")
    assert {"LoRA", "Full fine-tuning"} <= set(drawn(page, "trade"))


def test_curves_switch_measure_and_axis_and_methods_can_be_hidden(page: Page) -> None:
    def marks() -> int:
        return plot(page, "curves").locator(".mark-symbol path").count()

    assert "Training loss" in drawn(page, "curves")
    everything = marks()
    # Four methods with 30 points each.
    assert everything == 120
    page.locator("[data-controls=curves]").get_by_text("wall-clock").click()
    assert {"Training loss", "Training time"} <= set(drawn(page, "curves"))
    page.locator("[data-controls=curves]").get_by_text("Validation accuracy").click()
    assert "Validation accuracy" in drawn(page, "curves")
    assert marks() == 12
    button = page.locator("#curves .legend").get_by_role("button", name="LoRA")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert marks() == 9
    page.locator("#curves .legend").get_by_role("button", name="All").click()
    assert marks() == 12


def test_a_point_tells_its_numbers(page: Page) -> None:
    plot(page, "trade").locator(".mark-symbol path").first.hover()
    expect(page.locator("#tip")).to_contain_text("TF-IDF + linear")
    expect(page.locator("#tip")).to_contain_text("200 MB")


def test_rates_and_forecasts_are_drawn(page: Page) -> None:
    assert "Validation accuracy" in drawn(page, "rates")
    assert {"chosen", "did not train"} <= set(drawn(page, "rates"))
    assert {"Forecast", "Measured"} <= set(drawn(page, "forecast"))
    page.locator("[data-controls=forecast]").get_by_text("Training time").click()
    assert any(text.endswith(" s") for text in drawn(page, "forecast"))


def test_confusions_are_those_of_the_chosen_method(page: Page) -> None:
    def counts() -> list[int]:
        return [int(text) for text in page.locator("#confusion td small").all_inner_texts()]

    page.get_by_label("Method", exact=True).select_option(label="Majority class")
    majority = counts()
    # 120 rows of two seeds.
    assert sum(majority) == 2 * pages.ROWS
    page.get_by_label("Method", exact=True).select_option(label="Full fine-tuning")
    assert sum(counts()) == 2 * pages.ROWS
    assert counts() != majority
    expect(page.locator("#confusion th[scope=row]")).to_have_count(3)


def test_disputed_rows_are_searched_and_asked_for_by_who_is_right(page: Page) -> None:
    shown = page.locator("#rows article")
    expect(shown).to_have_count(10)
    page.get_by_role("button", name="Show more").click()
    expect(shown).to_have_count(20)
    page.get_by_label("Right:").select_option(label="LoRA")
    page.get_by_label("but wrong:").select_option(label="Full fine-tuning")
    for row in shown.all():
        expect(row.locator("dd.right")).to_contain_text("LoRA")
        expect(row.locator("dd.right")).not_to_contain_text("Full fine-tuning")
    page.get_by_label("Search in texts").fill("row 7")
    assert all("row 7" in text for text in shown.all_inner_texts())
    page.get_by_label("Search in texts").fill("no such text")
    expect(shown).to_have_count(0)


def test_markup_in_the_data_stays_text(page: Page) -> None:
    for harm in ("<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "<!-- <script>"):
        page.get_by_label("Search in texts").fill(harm)
        expect(page.locator("#rows article .text").first).to_contain_text(harm)
    assert page.locator("img").count() == 0
    # One block of data, the charts and the page's own script.
    assert page.locator("script").count() == 3


def test_dark_and_light_follow_the_system_until_one_is_chosen(open_page: Open, file: Path) -> None:
    def background(page: Page) -> int:
        return sum(map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]))

    dark, light = (open_page(file, color_scheme=scheme).page for scheme in ("dark", "light"))
    assert background(dark) < 150 < 600 < background(light)
    axis = "[data-chart=trade] .plot svg .mark-text text"
    plot(light, "trade")
    before = light.locator(axis).first.get_attribute("fill")
    button = light.get_by_role("button", name="Dark page")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.focus()
    light.keyboard.press("Space")
    expect(button).to_have_attribute("aria-pressed", "true")
    assert background(light) < 150
    assert light.locator(axis).first.get_attribute("fill") != before
    light.reload()
    assert background(light) < 150


def test_the_keyboard_reaches_every_control_in_order(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the results")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_focused()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.closest('[data-controls]')?.dataset.controls ?? document.activeElement.closest('thead')?.tagName"
            )
        )
    assert {"results", "THEAD", "trade"} <= reached


def test_everything_has_a_name_for_screen_readers(page: Page) -> None:
    for chart in ("trade", "curves", "rates", "forecast"):
        expect(page.locator(f"[data-chart={chart}] .plot")).to_have_attribute("aria-label", re.compile("chart|plot", re.IGNORECASE))
    assert page.locator("table:not(:has(th[scope=col]))").count() == 0
    assert page.locator("tbody tr:not(:has(th[scope=row]))").count() == 0
    assert (
        page.locator("input:not([type=radio]):not([type=checkbox]), select").evaluate_all(
            "all => all.filter((one) => !one.labels.length).length"
        )
        == 0
    )
    assert page.locator("button").evaluate_all("all => all.filter((one) => !one.textContent.trim()).length") == 0
    levels = [int(level) for level in page.locator("h1, h2, h3, h4").evaluate_all("all => all.map((one) => one.tagName[1])")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_a_phone_needs_no_sideways_scrolling(open_page: Open, file: Path) -> None:
    page = open_page(file, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True).page
    for chart in ("trade", "curves"):
        assert plot(page, chart).bounding_box()["width"] <= 360
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_print_is_light_unfolded_and_drawn(open_page: Open, file: Path) -> None:
    page = open_page(file, color_scheme="dark").page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    for chart in ("trade", "curves", "rates", "forecast"):
        expect(page.locator(f"[data-chart={chart}] .plot svg")).to_be_visible()
    expect(page.locator("#measuring details").first).to_have_attribute("open", "")
    expect(page.locator("nav")).to_be_hidden()
    fill = page.locator("[data-chart=trade] .plot svg .mark-text text").first.get_attribute("fill")
    assert sum(map(int, re.findall(r"\d+", str(fill))[:3])) < 400
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator("#measuring details").first).not_to_have_attribute("open", "")
    assert page.pdf().startswith(b"%PDF")


def test_the_korean_page_is_korean_and_one_link_away(open_page: Open, file: Path) -> None:
    opened = open_page(file)
    link = opened.page.get_by_role("link", name="한국어")
    assert link.get_attribute("href") == "report.ko.html"
    korean = open_page(file.with_name("report.ko.html")).page
    assert korean.evaluate("document.documentElement.lang") == "ko"
    expect(korean.locator("#results h2")).to_have_text("실험 결과")
    korean.get_by_label("기법 이름으로 거르기").fill("어댑터")
    assert names(korean) == ["어댑터"]
    assert "학습 손실(loss)" in drawn(korean, "curves")


def test_a_study_without_results_is_a_page_too(open_page: Open, tmp_path: Path) -> None:
    from tests.support import made_up

    targets = made_up.targets(pages.ROWS)
    methods = [made_up.method(name, {}, targets, planned=[0, 1]) for name in ("majority", "full")]
    page = open_page(pages.written(made_up.material(methods), tmp_path)).page
    expect(page.locator("#progress")).to_contain_text("0 of 4 trials are complete")
    expect(page.locator("#answer")).to_contain_text("No trial has ended")
    assert len(names(page)) == 2


def test_it_is_read_without_its_script(open_page: Open, file: Path) -> None:
    page = open_page(file, java_script_enabled=False).page
    expect(page.locator("#answer")).to_contain_text("most reasonable")
    expect(page.locator("#table tbody tr")).to_have_count(7)
