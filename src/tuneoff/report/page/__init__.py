"""Material → report.html: one file to explore a study in, without a network."""

from tuneoff.report.page.document import page

__all__ = ["page"]
