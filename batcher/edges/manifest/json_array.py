"""Manifests that are one JSON array of objects, on one line or on many, read as it arrives.

The text is split into objects by their braces, and each object is then parsed as a line of JSON Lines is. At most one
incomplete object is kept, so that memory is bounded for an array of any length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

from batcher.edges.manifest.source import MOST_OBJECT
from batcher.errors import ManifestError
from batcher.model import BadRow, Row
from batcher.rules.rows.json_text import BLANK, Scan, fault_of_array, scan_object
from batcher.rules.rows.plain_rows import Block

_NOT_BLANK = re.compile(rf"[^{BLANK}]")
_NEXT = re.compile(rf"[{BLANK}]*+,[{BLANK}]*+(?=\{{)")
"""What stands between two objects."""
_ADVICE = "Correct the file. It must be one array of objects: [{...}, {...}]"


class _Place(Enum):
    """Where in the array the reading is. The value is what must follow."""

    BEFORE = "["
    AT_FIRST = "an object or ]"
    BETWEEN = ", or ]"
    AT_NEXT = "an object"
    BEHIND = "nothing"


_STEPS = {
    (_Place.BEFORE, "["): _Place.AT_FIRST,
    (_Place.AT_FIRST, "]"): _Place.BEHIND,
    (_Place.BETWEEN, ","): _Place.AT_NEXT,
    (_Place.BETWEEN, "]"): _Place.BEHIND,
}
_AT_OBJECT = frozenset({_Place.AT_FIRST, _Place.AT_NEXT})


class ArrayReader:
    """Splits an array into the texts of its objects. `line` is the line at which the text read so far ends."""

    def __init__(self, line: int, name: str, *, is_resumed: bool = False) -> None:
        """`name` is the name of the manifest for messages. `is_resumed`: begin after an object of the array."""
        self.line = line
        self.is_whole = is_resumed
        """Whether the text read so far ends after an object of the array, so that reading can begin there again."""
        self._name = name
        self._place = _Place.BETWEEN if is_resumed else _Place.BEFORE
        self._rest = ""
        """The beginning of an incomplete object, which begins on `line`."""
        self._scan = Scan(0, 0)
        """How far the incomplete object was followed."""

    def rows(self, texts: Iterable[str], make: Callable[[int, str], Row | BadRow | None]) -> Iterator[Block]:
        """Yield, for each text, what `make` returns for its objects, called with the lines on which they begin.

        Raises ManifestError if the file is not one array of objects.
        """
        for text in texts:
            yield [row for line, object_ in self._objects(text) if (row := make(line, object_)) is not None]
        self._need_end()

    def objects(self, texts: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Yield each object with the line on which it begins. Raises ManifestError as `rows` does."""
        for text in texts:
            yield from self._objects(text)
        self._need_end()

    def _need_end(self) -> None:
        if self._place is not _Place.BEHIND:
            raise self._error("the array is not closed; the file may be cut off", "Make or copy the manifest again.")

    def _objects(self, text: str) -> Iterator[tuple[int, str]]:
        if self._place is _Place.BEFORE and (fault := fault_of_array(text)):
            raise self._error(*fault)
        text = self._rest + text
        at = 0
        while True:
            begin = self._next_object(text, at)
            if begin is None:
                self._rest = ""
                self._scan = Scan(0, 0)
                return
            scan = scan_object(text, begin + self._scan.at, self._scan.depth)
            if (len(text) if scan.depth else scan.at) - begin > MOST_OBJECT:
                raise self._error(f"an object of more than {MOST_OBJECT >> 20} MiB begins here", _ADVICE)
            if scan.depth:
                self._rest, self._scan, self.is_whole = text[begin:], Scan(scan.at - begin, scan.depth), False
                return
            self._scan = Scan(0, 0)
            at = scan.at
            self._place = _Place.BETWEEN
            self.is_whole = True
            yield self.line, text[begin:at]
            self.line += text.count("\n", begin, at)

    def _next_object(self, text: str, at: int) -> int | None:
        """Return where the next object begins in a text read up to `at`, None if its end comes first."""
        if self._scan.depth:
            return at
        between = _NEXT.match(text, at) if self._place is _Place.BETWEEN else None
        if between is not None:
            self.line += between[0].count("\n")
            return between.end()
        while found := _NOT_BLANK.search(text, at):
            self.line += text.count("\n", at, found.start())
            at = found.start()
            if found[0] == "{" and self._place in _AT_OBJECT:
                return at
            step = _STEPS.get((self._place, found[0]))
            if step is None:
                raise self._error(f"{text[at : at + 20]!r} where {self._place.value} must follow", _ADVICE)
            self._place = step
            self.is_whole = False
            at += 1
        self.line += text.count("\n", at)
        return None

    def _error(self, fault: str, advice: str) -> ManifestError:
        return ManifestError(f"{self._name}, line {self.line}: {fault}", advice)
