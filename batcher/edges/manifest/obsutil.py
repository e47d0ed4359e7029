"""Manifests that `obsutil ls -s` printed: one `obs://bucket/key` a line, among headings and sums.

https://support.huaweicloud.com/intl/en-us/utiltg-obs/obs_11_0014.html. Without -s the end of a key that holds spaces
cannot be told, so that form is refused.
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

_CUT_NOTE = "obsutil stopped at its limit, so this list is not whole: list again with -limit=-1"
_LONG_FORM_ADVICE = "List again with obsutil ls -s: without it the end of a key that holds spaces cannot be told."


def obsutil_row(rows: Rows, skipped: Skipped, name: str) -> Callable[[int, str], Row | BadRow | None]:
    """Give the function that takes a line of the list for a key, exactly as it stands, or for nothing (None).

    It raises ManifestError for a list that was made without -s; `name` is the list's.
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
            # The rest of a key that holds a line break, perhaps: that key is not whole, and this is none.
            return rows.bad(line, "", "", "no line that obsutil ls -s prints", text)
        return None

    return make


def is_printed_by_obsutil(head: str) -> bool:
    """Tell by its beginning whether text is such a list: what comes after the headings is the address of an object."""
    lines = (line for line in head.splitlines() if line and not line.isspace() and not line.startswith(_NOISE))
    return _OBJECT.match(next(lines, "")) is not None


def _row(line: int, bucket: str, key: str, text: str, rows: Rows) -> Row | BadRow:
    try:
        return rows.row(line, bucket, key)
    except ValueError as fault:
        return rows.bad(line, bucket, key, fault, text)
