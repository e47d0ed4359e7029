"""The report as a page: one HTML file that loads nothing from the network and runs no script.

`page.html` is a Jinja2 template (https://jinja.palletsprojects.com) with autoescape: keys and messages are untrusted.
"""

from batcher.edges.report.render import render

__all__ = ["render"]
