"""Analysis → Markdown, plots, CSV, JSON, in Korean and English. Same material, same bytes."""

from tuneoff.report.material import Material
from tuneoff.report.names import by_language
from tuneoff.report.write import report_json, results_table, write_report

__all__ = ["Material", "by_language", "report_json", "results_table", "write_report"]
