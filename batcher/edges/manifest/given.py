"""Rows that a program passes, as a manifest: text is an object's key, a mapping is a row as in JSON Lines.

They are read in the thread that reads a file otherwise, a row at a time, and only once. An asynchronous iterable stays
in the event loop of the program.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Any, Self, TypeAlias

from batcher.edges.manifest.lines import json_row
from batcher.edges.manifest.rows import Ignored, Rows
from batcher.edges.manifest.skipped import Choice, Skipped
from batcher.errors import ManifestError, UsageError
from batcher.model import BadRow, Json, Mark, Parameter, Row
from batcher.rules.rows.plain_rows import Block

Given: TypeAlias = str | Mapping[str, Any]
"""A row: an object's key, or a mapping with `object`, and optionally `bucket` and `inputs`."""
GivenRows: TypeAlias = Iterable[Given] | AsyncIterable[Given]

NAME = "rows"


class PassedRows:
    """The rows of a program. Read them once with `blocks`, then close, or use it in a `with` statement."""

    lines_before = 0
    header_lines = 0
    header: tuple[str, ...] = ()
    lines: int | None = None
    """The number of rows, None as for a pipe: an iterable need not have an end yet."""
    has_inputs = True

    def __init__(self, rows: GivenRows, choice: Choice) -> None:
        """Take the rows; nothing is read yet. Raises UsageError if the choice is one among an inventory's objects."""
        if choice.storage_classes:
            raise UsageError("--storage-class: rows that a program passes have no storage classes", "Remove it.")
        self._given = rows
        self._skipped = Skipped(choice)
        self.ignored = Ignored(choice.ignored_columns)
        self._rows: Rows | None = None
        self._waited_for: Future[Any] | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the wait for the next row of an asynchronous iterable, if there is one."""
        self._is_closed = True
        if self._waited_for is not None:
            self._waited_for.cancel()

    @property
    def warnings(self) -> list[str]:
        """Messages about what has been ignored or skipped so far."""
        return self.ignored.sentences(NAME) + self._skipped.sentences(NAME)

    @property
    def first_unnamed(self) -> int | None:
        """The number of the first row read so far that has the default bucket, since it names none."""
        return None if self._rows is None else self._rows.first_unnamed

    @property
    def skipped(self) -> Mapping[str, int]:
        """The number of rows skipped so far, by kind."""
        return self._skipped.counts

    def check(self, _read: Mark | None = None) -> None:
        """Do nothing: the rows can be read only once."""

    def change(self) -> ManifestError | None:
        """Return None: what was read is not read again."""
        return None

    def enter(self, _mark: Mark) -> bool:
        """Return False: every row is read."""
        return False

    def mark(self, _rows: int) -> Mark | None:
        """Return None: there is no place to begin at later."""
        return None

    def blocks(
        self,
        *,
        bucket: str | None = None,
        static_inputs: Mapping[str, Json] | None = None,
        parameters: Mapping[str, Parameter] | None = None,  # noqa: ARG002 - only cells of a table are converted
    ) -> Iterator[Block]:
        """Read the rows, each in a block of its own as soon as it is there. Arguments are those of other manifests.

        Raises what the program's iterable raises.
        """
        rows = self._rows = Rows(bucket, static_inputs or {}, 0)
        make = json_row(rows, self.ignored)
        # Made here, in the event loop. A row that cannot be JSON is a bad one.
        given = self._awaited() if isinstance(self._given, AsyncIterable) else iter(self._given)
        blocks = ([_row(number, each, rows, make)] for number, each in enumerate(given, 1))
        return self._skipped.without_placeholders(blocks)

    def _awaited(self) -> Iterator[Given]:
        """Iterate in a thread over what the event loop iterates over."""
        assert isinstance(self._given, AsyncIterable)  # noqa: S101 - as the caller has found
        return self._each(self._given.__aiter__(), asyncio.get_running_loop())

    def _each(self, given: AsyncIterator[Given], loop: asyncio.AbstractEventLoop) -> Iterator[Given]:
        async def following() -> Given:
            return await anext(given)

        while not self._is_closed:
            self._waited_for = asyncio.run_coroutine_threadsafe(following(), loop)
            try:
                yield self._waited_for.result()
            except (StopAsyncIteration, CancelledError):
                return


def _row(number: int, given: Given, rows: Rows, make: Callable[[int, str], Row | BadRow | None]) -> Row | BadRow:
    entry: Given = {"object": given} if isinstance(given, str) else given
    try:
        # A mapping of any type, also one that only behaves like a dict.
        text = json.dumps(dict(entry) if isinstance(entry, Mapping) else entry)
    except (TypeError, ValueError) as fault:
        return rows.bad(number, "", "", fault, repr(entry))
    row = make(number, text)
    assert row is not None  # noqa: S101 - only a blank line is no row
    return row
