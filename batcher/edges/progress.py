"""The progress on stderr: a bar on a terminal, else a line now and then, JSON lines for programs, or nothing.

It only reads the figures of the run, a few times per second, and never delays a row.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Generic, TextIO, TypeVar

from batcher.rules.choices import Mode
from batcher.rules.progress.view import Shown, View, bar, line, line_interval, lines, rows_used

ShownT = TypeVar("ShownT", bound=Shown)

SECONDS = {Mode.BAR: 0.2, Mode.JSON: 1.0, Mode.NONE: 3600.0}
"""Seconds between two updates. Lines come at growing intervals, see `line_interval`."""

_ERASE_ROW, _UP = "\x1b[2K", "\x1b[1A"
_COLUMNS, _LINES = 80, 24
"""The size of a terminal that does not know its own."""
# Control sequences: ECMA-48, https://ecma-international.org/publications-and-standards/standards/ecma-48/.


@asynccontextmanager
async def showing(
    mode: Mode, look: Callable[[], ShownT], view: View[ShownT], stream: TextIO = sys.stderr
) -> AsyncIterator[None]:
    """Show progress during the block. A bar is shown only on a terminal that can move its cursor."""
    can_move = stream.isatty() and os.environ.get("TERM") != "dumb"
    if mode in {Mode.AUTO, Mode.BAR}:
        mode = Mode.BAR if can_move else Mode.LINE
    with _painter(mode, stream, view) as paint:

        def show() -> float:
            figures = look()
            # The reader may be gone (a closed pipe, a lost terminal). The job continues.
            with suppress(OSError):
                paint(figures)
            return SECONDS.get(mode) or line_interval(figures.seconds)

        task = asyncio.create_task(_repeat(show, SECONDS.get(mode) or line_interval(0.0)))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            show()


async def _repeat(show: Callable[[], float], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        seconds = show()


@contextmanager
def _painter(mode: Mode, stream: TextIO, view: View[ShownT]) -> Iterator[Callable[[ShownT], None]]:
    if mode is Mode.BAR:
        with _bar(stream, view) as paint:
            yield paint
    elif mode is Mode.LINE:
        yield lambda figures: print(line(figures, view), file=stream, flush=True)
    elif mode is Mode.JSON:
        yield lambda figures: print(json.dumps(view.document(figures)), file=stream, flush=True)
    else:
        yield lambda _: None


@contextmanager
def _bar(stream: TextIO, view: View[ShownT]) -> Iterator[Callable[[ShownT], None]]:
    """Keep a bar at the end of a terminal. What else is written to stderr meanwhile is shown above it."""
    shown = Bar(stream, view)
    before = sys.stderr
    if before is stream:
        sys.stderr = _Above(shown, before)
    try:
        yield shown.paint
    finally:
        sys.stderr = before
        with suppress(OSError):
            shown.leave()


class Bar(Generic[ShownT]):
    """A bar with lines below it, drawn again in its place.

    The cursor stays visible: one that is hidden would stay so if the run is killed or stopped.
    """

    def __init__(self, stream: TextIO, view: View[ShownT]) -> None:
        self._stream = stream
        self._view = view
        self._has_colour = not os.environ.get("NO_COLOR")
        self._latest: ShownT | None = None
        self._widths: list[int] = []

    def paint(self, figures: ShownT) -> None:
        """Draw the figures in place of the last ones."""
        self._latest = figures
        self._redraw("")

    def write_above(self, text: str) -> None:
        """Write whole lines where the bar is, and draw the bar again below them."""
        self._redraw(text)

    def leave(self) -> None:
        """End below the bar."""
        if self._widths:
            self._write("\n")

    def _redraw(self, above: str) -> None:
        """Erase the bar, write what comes above it, and draw it again, for the width that the terminal has now."""
        size = os.get_terminal_size(self._stream.fileno())
        # A terminal that became narrower has wrapped the lines of the bar.
        rows = rows_used(self._widths, size.columns or _COLUMNS)
        erased = f"\r{_ERASE_ROW}" + (_UP + _ERASE_ROW) * (rows - 1) if rows else ""
        self._write(erased + above + self._drawn(size.columns or _COLUMNS, size.lines or _LINES))

    def _drawn(self, columns: int, height: int) -> str:
        if self._latest is None:
            return ""
        # A full row would leave the cursor where terminals disagree about its place.
        columns = max(1, columns - 1)
        head = bar(self._latest, columns, has_colour=self._has_colour)
        below = [text[:columns] for text in lines(self._view.parts(self._latest), columns)][: max(0, height - 2)]
        self._widths = [head.width, *map(len, below)]
        return "\n".join([head.text, *below])

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class _Above:
    """Stands for stderr while there is a bar: each write goes above the bar, as soon as its line is whole."""

    def __init__(self, shown: Bar[Any], stream: TextIO) -> None:
        self._bar = shown
        self._stream = stream
        self._rest = ""

    def write(self, text: str) -> int:
        """Write what is whole, and keep the rest until its line ends."""
        whole, end, rest = (self._rest + text).rpartition("\n")
        self._rest = rest
        if end:
            self._bar.write_above(whole + end)
        return len(text)

    def flush(self) -> None:
        """Do nothing: whole lines are written at once."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
