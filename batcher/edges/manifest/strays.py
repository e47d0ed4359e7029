"""Records of a table that are not rows: repeated headers, empty rows, and what tools print around rows.

They are skipped and counted. A header with other columns ends the reading: what follows it means something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from batcher.edges.manifest.skipped import EMPTY_ROW, FOOTER, HEADER, Skipped
from batcher.errors import ManifestError

_MARKS = "\ufeff\x1a"
"""What may stand before a header after joining: a byte order mark, and the end-of-file character of DOS."""
_TYPE = "#TYPE "
"""The beginning of the line that Export-Csv of PowerShell writes before the header."""
_FOOTER = re.compile(r"\([0-9,]+ rows?(?: affected)?\)|[0-9,]+ rows? (?:selected|in set|affected)\b.*")


class Strays:
    """Finds the stray records of one reading of a table. `name` is its name for messages."""

    def __init__(self, header: Sequence[str], delimiter: str, skipped: Skipped, name: str) -> None:
        self._header = list(header)
        self._skipped = skipped
        self._name = name
        self._separator = f"sep={delimiter}"
        known = {"bucket", "object", "inputs", *filter(None, header)}
        self.suspects = frozenset(
            {"", "sep=", *known, *(mark + name for mark in (*_MARKS, "\x1a\ufeff") for name in known)}
        )
        """Objects whose records must be examined. The records of all others of full width are rows."""
        self._known = known

    def is_stray(self, line: int, cells: Sequence[str], text: str) -> bool:
        """Return whether a record is none of a row, and count it. Raises ManifestError for another header."""
        kind = self._kind(line, cells, text)
        if kind:
            self._skipped.counts[kind] += 1
        return bool(kind)

    def _kind(self, line: int, cells: Sequence[str], text: str) -> str:
        if not any(cells):
            return EMPTY_ROW if len(cells) > 1 and '"' not in text else ""
        if len(cells) == 1:
            if cells[0].startswith(_TYPE):
                return HEADER
            if _FOOTER.fullmatch(cells[0]):
                return FOOTER
        named = [cells[0].lstrip(_MARKS), *cells[1:]]
        if named == self._header or is_preamble(cells, text, self._separator):
            return HEADER
        at = self._header.index("object")
        if named[at : at + 1] == ["object"] or ("object" in named and self._known.issuperset(filter(None, named))):
            raise ManifestError(
                f"{self._name}, line {line}: another header, with the columns {', '.join(map(repr, named))}",
                "Rows with other columns must be in a file of their own. An object of this name is written as"
                " obs://BUCKET/object. Rows before it may have been started; run the same command again to continue.",
            )
        return ""


def is_preamble(cells: Sequence[str] | str, text: str, separator: str) -> bool:
    """Return whether a record is one that a tool writes before the header, as PowerShell and Excel do."""
    return text.rstrip("\r\n") == separator or (not isinstance(cells, str) and cells[0].startswith(_TYPE))
