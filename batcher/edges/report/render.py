"""Renders a report as an HTML page."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from batcher.rules.progress.extent import percent
from batcher.rules.report import chart
from batcher.rules.report.page import Page
from batcher.rules.text import counted

SMALLEST_NUMBER = 0.001
"""A smaller number is shown as less than this, and not with an exponent."""

_FOLDER = Path(__file__).parent
_SCRIPT = (_FOLDER / "live.js").read_text()
_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
LIVE_POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_HASH}'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of a live page: its own script and no other, and no address but its own."""


def render(page: Page) -> bytes:
    """Return the page as HTML, encoded as UTF-8."""
    html = _template().render(page=page, chart=chart, script=_SCRIPT)
    # Bytes of a file name that are not UTF-8 are shown as escapes, as everywhere.
    return html.encode(errors="surrogateescape").decode(errors="backslashreplace").encode()


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "counted": counted, "number": _number, "share": percent}
    return environment.get_template("page.html")


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: float | None) -> str:
    """Format a number with three significant digits, or as a whole number from 100 on."""
    if value is None:
        return ""
    if 0 < value < SMALLEST_NUMBER:
        return f"<{SMALLEST_NUMBER}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
