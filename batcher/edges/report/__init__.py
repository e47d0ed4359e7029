"""The report as a page: one HTML file that loads nothing from the network and runs no script.

`page.html` is a Jinja2 template (https://jinja.palletsprojects.com) with autoescape: keys and messages are untrusted.
The page of a running job is the same template, with one script that renews it.
"""

from batcher.edges.report.render import LIVE_POLICY, render

__all__ = ["LIVE_POLICY", "render"]
