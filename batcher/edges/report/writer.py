"""From what a report says to the bytes of its page."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from batcher.rules.report import chart
from batcher.rules.report.page import Page

_LEAST = 0.0005
"""The least share that a tenth of a percent tells of."""


def render(page: Page) -> bytes:
    """Write the page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "number": _number, "share": _share}
    return environment.get_template("page.html").render(page=page, chart=chart).encode()


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: float | None) -> str:
    """Three digits are enough for an eye."""
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - see above


def _share(value: float) -> str:
    """Few are not none, and most are not all."""
    return "<0.1%" if value < _LEAST else ">99.9%" if 1 - _LEAST < value < 1 else f"{value:.1%}"
