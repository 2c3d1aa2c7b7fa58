"""The comparison as one HTML file, in the looks of report.html: no network, no script."""

import base64
import hashlib
import re
from importlib.resources import files
from typing import Final

from markupsafe import Markup, escape

from tuneoff.comparison.chart import gap_chart
from tuneoff.comparison.found import Found
from tuneoff.comparison.markdown import page
from tuneoff.drawing import svg
from tuneoff.report.page.markup import html
from tuneoff.strings import say

_SECTION: Final = re.compile(r"^(?=## )", re.MULTILINE)
#: On a phone the picture is as wide as the page.
_STYLE: Final = "img { max-width: 100%; height: auto; }\n"
_PAGE: Final = Markup("""\
<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{head}
{chart}
{sections}
</main>
</body>
</html>
""")


def document(found: Found, lang: str) -> bytes:
    """The whole file. The same records give the same bytes."""
    style = (files("tuneoff.report.page") / "page.css").read_text(encoding="utf-8") + _STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    title = say("compare.title", lang, names=", ".join(found.names))
    head, *sections = _SECTION.split(page(found, lang))
    made = _PAGE.format(
        lang=lang,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
        title=title,
        style=Markup(style),
        head=html(head.splitlines()),
        chart=_figure(found, lang),
        sections=Markup("\n").join(Markup("<section>{}</section>").format(html(part.splitlines(), title)) for part in sections),
    )
    return made.encode("utf-8", "replace")


def _figure(found: Found, lang: str) -> Markup:
    chart = gap_chart(found, lang)
    if chart is None:
        return Markup()
    source = base64.b64encode(svg(chart)).decode()
    words = escape(say("compare.chart_described", lang))
    return Markup('<figure class="chart"><img src="data:image/svg+xml;base64,{}" alt="{}"></figure>').format(source, words)
