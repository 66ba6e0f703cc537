"""The report for people: one HTML file that needs nothing else, not even a network or JavaScript."""

from modelpack.audit.reports.html.page import html_report

__all__ = ["html_report"]
