"""Counted things in words: one seed, three seeds; nothing is ever "1 seeds"."""

from tuneoff.strings import say


def seeds(count: int, lang: str) -> str:
    """So many seeds."""
    return say("report.seeds_one", lang) if count == 1 else say("report.seeds_many", lang, count=count)


def epochs(count: int, lang: str) -> str:
    """So many passes over the training rows."""
    return say("report.setting_epochs_one", lang) if count == 1 else say("report.setting_epochs", lang, count=count)


def in_points(value: float, lang: str) -> str:
    """Points of accuracy, exact to a hundredth and never written longer than they need be."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return say("report.point_one", lang) if text == "1" else say("report.in_points", lang, points=text)
