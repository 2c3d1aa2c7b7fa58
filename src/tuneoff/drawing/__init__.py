"""Vega-Lite charts → SVG and PNG."""

from tuneoff.drawing.artist import Artist
from tuneoff.drawing.paper import COLOURS, COLOURS_MORE, Drawing, on_paper, png, svg

__all__ = ["COLOURS", "COLOURS_MORE", "Artist", "Drawing", "on_paper", "png", "svg"]
