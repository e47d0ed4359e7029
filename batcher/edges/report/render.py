"""Renders a report as an HTML page."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from batcher.rules.progress.extent import percent
from batcher.rules.report import chart
from batcher.rules.report.page import Page
from batcher.rules.text import counted

SMALLEST_NUMBER = 0.001
"""A smaller number is shown as less than this, and not with an exponent."""


def render(page: Page) -> bytes:
    """Return the page as HTML, encoded as UTF-8."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "counted": counted, "number": _number, "share": percent}
    html = environment.get_template("page.html").render(page=page, chart=chart)
    # Bytes of a file name that are not UTF-8 are shown as escapes, as everywhere.
    return html.encode(errors="surrogateescape").decode(errors="backslashreplace").encode()


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: float | None) -> str:
    """Format a number with three significant digits, or as a whole number from 100 on."""
    if value is None:
        return ""
    if 0 < value < SMALLEST_NUMBER:
        return f"<{SMALLEST_NUMBER}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
