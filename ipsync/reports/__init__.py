"""Reports as pages: values in, one self-contained HTML document out. No script, nothing from elsewhere.

Draws and words what `jobs.report` gathered; decides nothing, asks nothing. Everything passes Jinja's escaping.
"""

from ipsync.reports.page import render_report

__all__ = ["render_report"]
