"""Material → report.html: one file to explore a study in, without a network."""

from tuneoff.report.page.document import page, page_name

__all__ = ["page", "page_name"]
