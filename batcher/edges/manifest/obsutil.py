"""Manifests printed by `obsutil ls -s`: one `obs://bucket/object` per line, among headings and totals.

https://support.huaweicloud.com/intl/en-us/utiltg-obs/obs_11_0014.html. Without -s the end of an object name with spaces
is ambiguous, so that form is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from batcher.edges.manifest.rows import Rows
from batcher.edges.manifest.skipped import Skipped
from batcher.errors import ManifestError
from batcher.model import BadRow, Row

_SCHEME = "obs://"
_OBJECT = re.compile(r"obs://[a-z0-9.-]+/")
_NOISE = (
    "Start at ",
    "Listing ",
    "Bucket list:",
    "Folder list:",
    "Object list:",
    "Upload list:",
    "Total size of ",
    "Folder number",
    "File number",
    "Upload number",
)
_CUT = "Next marker is"
_LONG_FORM = re.compile(r"key\s+LastModified\s")

_CUT_NOTE = "obsutil stopped at its limit, so the list is incomplete: list again with -limit=-1"
_LONG_FORM_ADVICE = "List again with obsutil ls -s. Without -s the end of an object name with spaces is ambiguous."


def obsutil_row(rows: Rows, skipped: Skipped, name: str) -> Callable[[int, str], Row | BadRow | None]:
    """Return a function that makes a row of a line of the list, or None if the line names no object.

    It raises ManifestError for a list made without -s. `name` is the name of the list for messages.
    """

    def make(line: int, text: str) -> Row | BadRow | None:
        if text.startswith(_SCHEME):
            bucket, _, key = text.removeprefix(_SCHEME).partition("/")
            return None if skipped.is_placeholder(key) else _row(line, bucket, key, text, rows)
        if _LONG_FORM.match(text):
            raise ManifestError(f"{name}, line {line}: this is the long form of obsutil ls", _LONG_FORM_ADVICE)
        if text.startswith(_CUT):
            skipped.notes.append(_CUT_NOTE)
        elif not text.isspace() and not text.startswith(_NOISE):
            # Possibly the rest of an object name with a line break: that name is incomplete, and this line is no name.
            return rows.bad(line, "", "", "not a line that obsutil ls -s prints", text)
        return None

    return make


def is_printed_by_obsutil(head: str) -> bool:
    """Return whether text begins like such a list: the address of an object follows the headings."""
    lines = (line for line in head.splitlines() if line and not line.isspace() and not line.startswith(_NOISE))
    return _OBJECT.match(next(lines, "")) is not None


def _row(line: int, bucket: str, key: str, text: str, rows: Rows) -> Row | BadRow:
    try:
        return rows.row(line, bucket, key)
    except ValueError as fault:
        return rows.bad(line, bucket, key, fault, text)
