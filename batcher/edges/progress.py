"""The progress on stderr: a bar on a terminal, else a line every few seconds, JSON lines for programs, or nothing.

It only reads the figures of the run, a few times per second, and never delays a row.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TextIO

from batcher.rules.choices import Mode
from batcher.rules.progress.figures import Figures, document
from batcher.rules.progress.view import elapsed, line, lines, percent

SECONDS = {Mode.BAR: 0.2, Mode.LINE: 10.0, Mode.JSON: 1.0, Mode.NONE: 3600.0}
"""Seconds between two updates."""


@asynccontextmanager
async def showing(mode: Mode, look: Callable[[], Figures], stream: TextIO = sys.stderr) -> AsyncIterator[None]:
    """Show progress during the block. A bar is shown only on a terminal that can move its cursor."""
    can_move = stream.isatty() and os.environ.get("TERM") != "dumb"
    if mode in {Mode.AUTO, Mode.BAR}:
        mode = Mode.BAR if can_move else Mode.LINE
    with _painter(mode, stream) as paint:

        def show() -> None:
            # The reader may be gone (a closed pipe, a lost terminal). The job continues.
            with suppress(OSError):
                paint(look())

        task = asyncio.create_task(_repeat(show, SECONDS[mode]))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            show()


async def _repeat(show: Callable[[], None], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        show()


@contextmanager
def _painter(mode: Mode, stream: TextIO) -> Iterator[Callable[[Figures], None]]:
    if mode is Mode.BAR:
        with _bar(stream) as paint:
            yield paint
    elif mode is Mode.LINE:
        yield lambda figures: print(line(figures), file=stream, flush=True)
    elif mode is Mode.JSON:
        yield lambda figures: print(json.dumps(document(figures)), file=stream, flush=True)
    else:
        yield lambda _: None


@contextmanager
def _bar(stream: TextIO) -> Iterator[Callable[[Figures], None]]:
    # Imported late: only a terminal needs it, and it takes longer to import than a short run takes.
    from rich.console import Console, Group  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    class Screen(Console):
        """A console whose cursor stays visible: one that is hidden stays so if the run is killed or stopped."""

        def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002 - as rich calls it
            return super().show_cursor(show=True)

    console = Screen(file=stream)

    def drawn(figures: Figures) -> Group:
        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(ratio=1)
        head.add_row(
            ProgressBar(total=None if figures.fraction is None else 1.0, completed=figures.fraction or 0.0),
            Text(percent(figures), no_wrap=True),
            Text(elapsed(figures), no_wrap=True),
        )
        # `Text` does not interpret markup.
        return Group(head, *(Text(text, no_wrap=True) for text in lines(figures, console.width)))

    with Live(console=console, auto_refresh=False) as live:
        yield lambda figures: live.update(drawn(figures), refresh=True)
