"""What of a manifest is no row, by the user's choice: directory placeholders, and what an inventory lists besides.

Nothing is skipped in silence: each kind is counted, and told at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from batcher.model import BadRow, Row

PLACEHOLDER = "placeholders"
DELETE_MARKER = "delete_markers"
OLD_VERSION = "old_versions"
OTHER_CLASS = "other_storage_classes"

_WORDS = {
    PLACEHOLDER: "directory placeholders (keys that end in /; --keep-placeholders sends them)",
    DELETE_MARKER: "delete markers",
    OLD_VERSION: "versions that are not the latest",
    OTHER_CLASS: "objects of other storage classes",
}


class Choice(NamedTuple):
    """What of a manifest a person wants; without storage classes those of all. They are in upper case."""

    keep_placeholders: bool = False
    storage_classes: frozenset[str] = frozenset()


class Skipped:
    """Counts what one reading of a manifest skips, by its kind, and keeps what else there is to say of the whole."""

    def __init__(self, choice: Choice) -> None:
        self.counts: Counter[str] = Counter()
        self.notes: list[str] = []
        self._keeps_placeholders = choice.keep_placeholders

    def is_placeholder(self, object_: str) -> bool:
        """Tell whether a key only stands for a directory and is to be skipped; it is counted then.

        Tools make such objects, of no bytes, to show a tree.
        """
        if not object_.endswith("/") or self._keeps_placeholders:
            return False
        self.counts[PLACEHOLDER] += 1
        return True

    def without_placeholders(self, blocks: Iterable[list[Row | BadRow]]) -> Iterator[list[Row | BadRow]]:
        """Leave them out. The other rows keep the numbers that they have in the manifest."""
        for block in blocks:
            kept = block
            if not self._keeps_placeholders and "/" in {row.object[-1:] for row in block}:
                kept = [row for row in block if isinstance(row, BadRow) or not self.is_placeholder(row.object)]
            if kept:
                yield kept

    def sentences(self, manifest: str) -> list[str]:
        """Say what was skipped, once for all kinds; nothing where nothing was."""
        told = [f"{count:,} {_WORDS[kind]}" for kind, count in self.counts.items()]
        return [f"{manifest}: {note}" for note in self.notes] + (
            [f"{manifest}: skipped: {', '.join(told)}"] if told else []
        )
