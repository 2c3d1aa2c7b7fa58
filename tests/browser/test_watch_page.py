"""The served report in a real browser: the page works as its file does, shows the trial at work, and loads itself again."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import pages
from tuneoff.store import Store
from tuneoff.watch import Watcher

pytestmark = pytest.mark.slow  # `make browser` runs it, which installs the browser.


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Watcher]:
    pages.written(pages.study(), tmp_path)
    found = Watcher(tmp_path, "en")
    found.start()
    yield found
    found.close()


@pytest.fixture
def served(browser: Browser, watcher: Watcher) -> Iterator[Page]:
    """The page; at the end nothing was said on its console, and nobody was asked but this server."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(watcher.url)
    yield page
    assert said == []
    assert all(url.startswith(watcher.url) for url in asked)
    context.close()


def train(folder: Path, name: str, steps: int) -> Path:
    """A trial that this process has claimed; returns its curve."""
    store = Store(folder / "results")
    store.claim(name)
    _, attempt = store.new_attempt(name)
    (attempt / "job.json").write_text(json.dumps({"trial": {"method": "<img src=x onerror=alert(1)>", "seed": 2}}))
    points = [
        {"step": step, "steps": 40, "loss": 2 / step, "validation_accuracy": step / 80 if step % 5 == 0 else None}
        for step in range(1, steps + 1)
    ]
    (attempt / "curve.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    return attempt / "curve.jsonl"


def test_the_page_works_as_the_file_does_and_shows_the_trial_at_work(served: Page, watcher: Watcher) -> None:
    time = served.locator("#table th[data-key=time]")
    time.get_by_role("button").click()
    expect(time).to_have_attribute("aria-sort", "ascending")
    panel = served.locator("#tuneoff-live")
    expect(panel).to_contain_text("Nothing is running")
    curve = train(watcher.folder.folder, "lora-s2-x", 10)
    expect(panel).to_contain_text("step 10/40")
    expect(panel).to_contain_text("loss 0.200")
    expect(panel).to_contain_text("validation accuracy 0.125")
    # Text of a study stays text.
    expect(panel).to_contain_text("<img src=x onerror=alert(1)>, seed 2")
    assert panel.locator("svg polyline").count() == 2
    with curve.open("a") as file:
        file.write(json.dumps({"step": 20, "steps": 40, "loss": 0.05, "validation_accuracy": None}) + "\n")
    expect(panel).to_contain_text("step 20/40")


def test_a_rewritten_report_loads_itself_unless_somebody_is_at_it(served: Page, watcher: Watcher) -> None:
    panel = served.locator("#tuneoff-live")
    expect(panel).to_contain_text("Nothing is running")
    report = watcher.folder.report
    report.write_text(report.read_text(encoding="utf-8").replace("<h1>", "<h1>Second: ", 1), encoding="utf-8")
    expect(served.locator("h1")).to_contain_text("Second: ")
    expect(panel).to_contain_text("Nothing is running")
    served.keyboard.press("Tab")
    report.write_text(report.read_text(encoding="utf-8").replace("Second: ", "Third: ", 1), encoding="utf-8")
    button = panel.get_by_role("button")
    expect(button).to_have_text("New results: show them")
    expect(served.locator("h1")).to_contain_text("Second: ")
    button.click()
    expect(served.locator("h1")).to_contain_text("Third: ")


def test_the_other_language_is_a_click_away(served: Page) -> None:
    served.locator("a[hreflang=ko]").click()
    expect(served.locator("html")).to_have_attribute("lang", "ko")
    expect(served.locator("#tuneoff-live")).to_be_visible()


def test_the_page_says_when_the_server_has_ended(served: Page, watcher: Watcher) -> None:
    panel = served.locator("#tuneoff-live")
    expect(panel).to_have_css("opacity", "1")
    served.route("**/live.json", lambda route: route.fulfill(body="no answer of ours"))
    expect(panel).to_have_css("opacity", "0.4")
