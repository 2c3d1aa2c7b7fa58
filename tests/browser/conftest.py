"""A real browser, driven by playwright, that may reach nothing but the file it opens."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from scripts.browsers import browser_program


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = browser_program()
    if found is None:
        pytest.fail("no Chromium: run scripts/install_chromium.sh, or set CHROMIUM to the program")
    with sync_playwright() as playwright:
        # In a container the browser's own sandbox is not to be had; it opens a file of ours.
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@dataclass
class Opened:
    """A page, and all that it said and asked for besides itself."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Opens a file; at the end nothing may have gone wrong in it and nothing may have been asked of anyone."""
    contexts, pages = [], []

    def open_(file: Path, **context: Any) -> Opened:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "offline": True} | context))
        opened = Opened(contexts[-1].new_page())
        opened.page.on("console", lambda message: opened.said.append(f"{message.type}: {message.text}"))
        opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
        opened.page.on("request", lambda request: opened.asked.append(request.url))
        opened.page.on("dialog", lambda dialog: (opened.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        opened.page.goto(file.as_uri())
        pages.append((opened, file))
        return opened

    yield open_
    for opened, file in pages:
        assert opened.said == []
        assert set(opened.asked) == {file.as_uri()}
    for context in contexts:
        context.close()
