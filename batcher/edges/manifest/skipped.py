"""Entries of a manifest that are skipped: by the user's choice, or because they are not objects to start.

Nothing is skipped silently: each kind is counted and reported at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import NamedTuple

from batcher.model import BadRow
from batcher.rules.rows.plain_rows import Block, PlainRows

PLACEHOLDER = "placeholders"
DELETE_MARKER = "delete_markers"
OLD_VERSION = "old_versions"
OTHER_CLASS = "other_storage_classes"
VERSION = "versions"
UPLOAD = "unfinished_uploads"
OTHER_SECTION = "entries_of_other_sections"
EMPTY_ROW = "empty_rows"
HEADER = "repeated_headers"
FOOTER = "footers"

_WORDS = {
    PLACEHOLDER: "directory placeholders (names that end in /; use --keep-placeholders to send them)",
    DELETE_MARKER: "delete markers",
    OLD_VERSION: "versions that are not the latest",
    OTHER_CLASS: "objects in other storage classes",
    VERSION: "versions of objects (the list does not show which is the latest; list again without -v)",
    UPLOAD: "unfinished uploads",
    OTHER_SECTION: "entries that are not in a list of objects",
    EMPTY_ROW: "empty rows",
    HEADER: "repeated headers",
    FOOTER: "footers such as (2 rows)",
}


_LAST_CHARACTER = itemgetter(-1)


class Choice(NamedTuple):
    """Which entries and columns of a manifest to use. Storage classes are in upper case; an empty set means all."""

    keep_placeholders: bool = False
    storage_classes: frozenset[str] = frozenset()
    ignored_columns: frozenset[str] = frozenset()
    has_marks: bool = True
    """Whether a later reading may begin at a mark of this one. Otherwise there are none, which takes less time."""


class Skipped:
    """Counts what one reading of a manifest skips, by kind, and keeps other notes about the manifest."""

    def __init__(self, choice: Choice) -> None:
        self.counts: Counter[str] = Counter()
        self.notes: list[str] = []
        self._keeps_placeholders = choice.keep_placeholders

    def note(self, text: str) -> None:
        """Keep a note about the manifest, once."""
        if text not in self.notes:
            self.notes.append(text)

    def is_placeholder(self, object_: str) -> bool:
        """Return whether an object only stands for a directory and is to be skipped. If so, count it.

        Tools create such objects, of 0 bytes, to show a directory tree.
        """
        if not object_.endswith("/") or self._keeps_placeholders:
            return False
        self.counts[PLACEHOLDER] += 1
        return True

    def without_placeholders(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Remove placeholders from blocks. The other rows keep their numbers in the manifest."""
        for block in blocks:
            kept: Block = block
            objects = block.objects if isinstance(block, PlainRows) else [row.object or " " for row in block]
            if not self._keeps_placeholders and "/" in set(map(_LAST_CHARACTER, objects)):
                kept = [row for row in block if isinstance(row, BadRow) or not self.is_placeholder(row.object)]
            if kept:
                yield kept

    def sentences(self, manifest: str) -> list[str]:
        """Return messages about what was skipped; an empty list if nothing was."""
        counts = [f"{count:,} {_WORDS[kind]}" for kind, count in self.counts.items()]
        return [f"{manifest}: {note}" for note in self.notes] + (
            [f"{manifest}: skipped: {', '.join(counts)}"] if counts else []
        )
