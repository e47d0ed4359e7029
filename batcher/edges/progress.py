"""The progress on stderr: a bar on a terminal, a line now and then elsewhere, JSON lines for programs, or nothing.

It only looks at the run: it asks for a view a few times a second and never slows a row down.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple, TextIO

from batcher.rules.events import number

_LINE_SECONDS = 10.0
_BAR_SECONDS = 0.2


class Mode(StrEnum):
    """How progress is shown."""

    AUTO = "auto"
    BAR = "bar"
    LINE = "line"
    JSON = "json"
    NONE = "none"


class View(NamedTuple):
    """What a run looks like at a moment.

    `rate` is that of the last seconds, `limit` what the service was found to take (None: not known), both in starts a
    second; `state` says what keeps the run from going faster, if anything does. `fraction` of the manifest is done
    (None: unknown), `seconds` have passed.
    """

    rows: int
    started: int
    rejected: int
    invalid: int
    in_doubt: int
    retries: int
    in_flight: int
    rate: float
    limit: float | None
    state: str
    fraction: float | None
    seconds: float


@asynccontextmanager
async def showing(mode: Mode, look: Callable[[], View], stream: TextIO = sys.stderr) -> AsyncIterator[None]:
    """Show the progress of what happens within the block."""
    if mode is Mode.AUTO:
        is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        mode = Mode.BAR if is_terminal else Mode.LINE
    with _painter(mode, stream) as paint:

        def show() -> None:
            # Whoever watched may have gone (a closed pipe, a lost terminal). The job goes on.
            with suppress(OSError):
                paint(look())

        task = asyncio.create_task(_repeat(show, _BAR_SECONDS if mode is Mode.BAR else _LINE_SECONDS))
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
def _painter(mode: Mode, stream: TextIO) -> Iterator[Callable[[View], None]]:
    if mode is Mode.BAR:
        with _bar(stream) as paint:
            yield paint
    elif mode is Mode.LINE:
        yield lambda view: print(line(view), file=stream, flush=True)
    elif mode is Mode.JSON:
        yield lambda view: print(json.dumps(view._asdict()), file=stream, flush=True)
    else:
        yield lambda _: None


def line(view: View) -> str:
    """Say in one line how far the run is."""
    done = "" if view.fraction is None else f"{view.fraction:.0%} done, "
    parts = [
        f"{done}{view.rows:,} rows read",
        f"{view.started:,} started",
        f"{number(view.rate)}/s" + ("" if view.limit is None else f" of about {number(view.limit)}/s"),
        f"{view.in_flight} in flight",
    ]
    optional = (
        (view.rejected, "rejected"),
        (view.invalid, "invalid"),
        (view.in_doubt, "in doubt"),
        (view.retries, "sent again"),
    )
    parts += [f"{count:,} {name}" for count, name in optional if count]
    parts += [view.state] if view.state else []
    parts.append(f"{timedelta(seconds=int(view.seconds))}")
    return ", ".join(parts)


@contextmanager
def _bar(stream: TextIO) -> Iterator[Callable[[View], None]]:
    # Imported late: only a terminal needs it, and it takes longer to import than a short run takes.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(file=stream), auto_refresh=False) as progress:
        task = progress.add_task("reading the manifest", total=None)

        def paint(view: View) -> None:
            total = None if view.fraction is None else 1.0
            progress.update(
                task,
                total=total,
                completed=view.fraction or 0.0,
                description=line(view).replace("[", r"\["),
                refresh=True,
            )

        yield paint
