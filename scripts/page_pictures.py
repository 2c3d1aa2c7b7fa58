"""Pictures of a study's report.html for the documentation: python -m scripts.page_pictures STUDY [FOLDER]."""

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from scripts.browsers import browser_program

#: File → language of the page, width, height, and what the context is like.
PICTURES: dict[str, tuple[str, int, int, dict[str, Any]]] = {
    "report.en.png": ("en", 1280, 1320, {}),
    "report.ko.png": ("ko", 1280, 1320, {}),
    "report.dark.png": ("en", 1280, 1250, {"color_scheme": "dark"}),
    "report.phone.png": ("en", 390, 1500, {"is_mobile": True, "has_touch": True}),
    "report.print.png": ("en", 794, 1123, {}),
}
#: Where the picture begins, if not at the top.
FROM = {"report.dark.png": "#trade", "report.print.png": "#results"}


def main() -> None:
    """Take all of them."""
    study, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/assets")
    program = browser_program()
    if program is None:
        raise SystemExit("no Chromium here: scripts/install_chromium.sh, or CHROMIUM=its path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name in PICTURES:
            _take(browser, study, name, folder / name)
        browser.close()


def _take(browser: Browser, study: Path, name: str, file: Path) -> None:
    lang, width, height, more = PICTURES[name]
    page = browser.new_page(viewport={"width": width, "height": 900}, **more)
    page.goto(_of(study, lang).as_uri())
    if name == "report.print.png":
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        # The margins of a sheet.
        page.evaluate("document.body.style.padding = '40px 56px'")
    _draw_all(page)
    top = page.locator(FROM[name]).bounding_box() if name in FROM else None
    page.screenshot(path=file, full_page=True, clip={"x": 0, "y": top["y"] - 30 if top else 0, "width": width, "height": height})
    page.close()


def _of(study: Path, lang: str) -> Path:
    """The page in a language: ``report.html`` where it is the study's own."""
    other = study / f"report.{lang}.html"
    return other if other.exists() else study / "report.html"


def _draw_all(page: Page) -> None:
    """Charts are drawn when they come into view."""
    for chart in page.locator("[data-chart]").all():
        chart.scroll_into_view_if_needed()
        chart.locator(".plot svg").wait_for()
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")


if __name__ == "__main__":
    main()
