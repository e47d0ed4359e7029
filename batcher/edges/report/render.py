"""Renders a report as an HTML page."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from batcher.rules.report import chart
from batcher.rules.report.page import Page
from batcher.rules.text import counted

_LEAST = 0.0005
"""The smallest share that rounds to 0.1 % or more."""


def render(page: Page) -> bytes:
    """Return the page as HTML, encoded as UTF-8."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "counted": counted, "number": _number, "share": _share}
    html = environment.get_template("page.html").render(page=page, chart=chart)
    # Bytes of a file name that are not UTF-8 are shown as escapes, as everywhere.
    return html.encode(errors="surrogateescape").decode(errors="backslashreplace").encode()


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: float | None) -> str:
    """Format a number with three significant digits, or as a whole number from 100 on."""
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - see above


def _share(value: float) -> str:
    """Format a share with one decimal. Only none is shown as 0.0%, and only all as 100.0%."""
    return "<0.1%" if value < _LEAST else ">99.9%" if 1 - _LEAST < value < 1 else f"{value:.1%}"
