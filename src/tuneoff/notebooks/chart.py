"""A chart that shows itself: interactive where Vega-Lite is understood (JupyterLab, VS Code), a picture elsewhere (Colab)."""

import base64
import json
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tuneoff.drawing import png, svg
from tuneoff.errors import UsageError
from tuneoff.strings import say

VEGA_LITE: Final = "application/vnd.vegalite.v5+json"


class Chart:
    """A Vega-Lite chart of a study.

    Args:
        definition: the chart as Vega-Lite, its data inside; ``None`` while there is nothing to draw.
        lang: ``en`` or ``ko``.
    """

    def __init__(self, definition: dict[str, Any] | None, lang: str) -> None:
        self.definition, self.lang = definition, lang

    def save(self, file: str | Path) -> Path:
        """Write the chart as ``.png``, ``.svg``, or ``.json`` (the definition).

        Raises:
            UsageError: another ending, or nothing to draw yet.
        """
        file = Path(file)
        if self.definition is None:
            raise UsageError("notebook.nothing_drawn", where=str(file))
        match file.suffix.lower():
            case ".png":
                file.write_bytes(self.png)
            case ".svg":
                file.write_bytes(svg(self.definition))
            case ".json":
                file.write_text(json.dumps(self.definition, ensure_ascii=False, indent=1), encoding="utf-8")
            case ending:
                raise UsageError("notebook.chart_ending", where=str(file), ending=ending)
        return file

    @cached_property
    def png(self) -> bytes:
        """The picture; empty while there is nothing to draw."""
        return png(svg(self.definition)) if self.definition else b""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        text = {"text/plain": str(self)}
        if self.definition is None:
            return text
        return {VEGA_LITE: self.definition, "image/png": base64.b64encode(self.png).decode()} | text

    def __str__(self) -> str:
        if self.definition is None:
            return say("notebook.nothing_drawn", self.lang)
        title = self.definition.get("title", "")
        return say("notebook.chart", self.lang, title=title["text"] if isinstance(title, dict) else title)

    __repr__ = __str__
