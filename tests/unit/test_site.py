"""The documentation site: it builds without a warning, every page is in the navigation, every link leads somewhere, nothing is fetched."""

import re
from pathlib import Path

import pytest
import yaml

from scripts.docs import site


def placed(entries: object) -> list[str]:
    """Every page of a navigation."""
    if isinstance(entries, str):
        return [entries]
    below = entries if isinstance(entries, list) else list(entries.values()) if isinstance(entries, dict) else []
    return [page for entry in below for page in placed(entry)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both sites, built in a folder of their own."""
    return site.build(tmp_path_factory.mktemp("site"))


@pytest.mark.parametrize("lang", site.LANGUAGES)
def test_every_page_is_in_the_navigation(lang: str) -> None:
    navigation = yaml.safe_load((site.ROOT / site.CONFIGS[lang]).read_text(encoding="utf-8"))["nav"]
    assert sorted(placed(navigation)) == sorted(site.pages(lang).values()), f"a new page needs its place in {site.CONFIGS[lang]}"


def test_every_link_leads_somewhere_and_nothing_is_fetched_from_elsewhere(built: Path) -> None:
    assert len(list(built.rglob("*.html"))) > 25
    drawn = re.compile(r"assets/(learning_curve|report)\.(en|ko)\.png, which is not there")  # From the demo, before a release.
    assert [fault for fault in site.faults(built) if not drawn.search(fault)] == []


def test_each_page_says_its_language_and_has_the_other_at_hand(built: Path) -> None:
    for page, lang, other in (("quickstart", "en", "../ko/"), ("ko/quickstart", "ko", "../../")):
        text = (built / page / "index.html").read_text(encoding="utf-8")
        assert f'<html lang="{lang}"' in text
        assert re.search(rf'href="{other}" hreflang="\w+"', text), page
        assert "[[[cog" not in text
    assert "<table>" in (built / "ko" / "study_file" / "index.html").read_text(encoding="utf-8")


def test_faults_are_found(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text('<h1 id="there">x</h1>', encoding="utf-8")
    (tmp_path / "style.css").write_text("@import 'https://example.org/a.css'; b {background: url(local.png)}", encoding="utf-8")
    page = (
        '<link rel="stylesheet" href="https://fonts.example.org/css"><script src="//cdn.example.org/x.js"></script>'
        '<a href="other/#there">ok</a><a href="other/#not">no anchor</a><a href="gone/">no page</a><a href="https://example.org">a link</a>'
    )
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    assert len(found := list(site.faults(tmp_path))) == 5, found


def test_links_move_with_their_page() -> None:
    def moved(text: str) -> str:
        return site._move_links(text, "docs/methods.md", "methods.md", "en")

    assert moved("[a](../README.ko.md) `[b](c.md)` [d](study_file.md#train)") == "[a](ko/) `[b](c.md)` [d](study_file.md#train)"
    assert moved("![`x` [1]](assets/learning_curve.en.png), [x](https://example.org/a_(b))") == (
        "![`x` [1]](assets/learning_curve.en.png), [x](https://example.org/a_(b))"
    )
    assert moved("see [the code](../src/tuneoff/errors.py)") == "see the code"
    assert site._move_links("[측정](../measuring.md#time)", "docs/ko/methods.md", "methods.md", "ko") == "[측정](../measuring/#time)"
    with pytest.raises(LookupError, match="not there"):
        moved("see [this](nowhere.md)")
