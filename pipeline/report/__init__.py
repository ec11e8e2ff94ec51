"""The report of a run: figures for print, and one HTML file in which every number leads to its images."""

from pipeline.report.sources import Sources, read_sources
from pipeline.report.write import write_report

__all__ = ["Sources", "read_sources", "write_report"]
