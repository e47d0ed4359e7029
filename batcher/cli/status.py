"""`batcher status`: what a checkpoint knows, also while a run goes on. It changes nothing."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from batcher.app.job_identity import job_of
from batcher.app.voice import complain, say
from batcher.edges.checkpoint import Glance, glance
from batcher.edges.control import ask
from batcher.errors import JobError
from batcher.model import Json, State, Unsettled
from batcher.rules.records.codec import timestamp
from batcher.rules.records.standing import Fate, fates
from batcher.rules.report.next_commands import left_of, next_steps
from batcher.rules.text import number, printable

HELP = """Show how many rows of a job are started, rejected, in doubt and so on, and name those in doubt.

\b
Examples:
  batcher status objects.csv.checkpoint
  batcher status objects.csv.checkpoint --rows in_doubt
  batcher status objects.csv.checkpoint --json | jq .rows.in_doubt

Works while a run goes on, and changes nothing. Where no run holds the checkpoint, rows that were on the wire when the
last run ended are in doubt.
"""

SHOWN = 10

_WORDS = {Fate.IN_FLIGHT: "in work"}
"""Rows between their intent and their verdict; few of them are on the wire at a time."""
_STYLES = {Fate.STARTED: "green", Fate.REJECTED: "red", Fate.INVALID: "red", Fate.IN_DOUBT: "bold yellow"}


class Rows(StrEnum):
    """Which rows to name."""

    IN_DOUBT = "in_doubt"


def status(
    checkpoint: Annotated[Path, typer.Argument(help="The job's checkpoint file.", metavar="CHECKPOINT")],
    rows: Annotated[Rows | None, typer.Option(help="Name all of these rows, one a line, and nothing else.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> None:
    """Look at the checkpoint and print what it knows."""
    try:
        seen = glance(checkpoint)
    except JobError as error:
        complain(error)
        sys.exit(error.exit_code)
    live = (ask(checkpoint, {"do": "look"}) if seen.running and not rows else None) or {}
    if as_json:
        print(json.dumps(_document(checkpoint, seen, live)))
    elif rows:
        for row in _in_doubt(seen):
            print(_line(row))
    else:
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            _show_table(checkpoint, seen, live)
        else:
            for line in _lines(checkpoint, seen, live):
                print(line)
        for step in _next(checkpoint, seen):
            say(f"next: {step}")


def _next(checkpoint: Path, seen: Glance) -> list[str]:
    if seen.running:
        steering = (("rate", "auto"), ("pause",), ("drain",))
        return [shlex.join(["batcher", verb, str(checkpoint), *more]) for verb, *more in steering]
    left = left_of(_counts(seen), read_whole=seen.read_whole)
    return [step.command for step in next_steps(job_of(seen.card, checkpoint), left)] or ["nothing is left to do"]


def _in_doubt(seen: Glance) -> list[Unsettled]:
    """Give the rows in doubt: those found so, and where no run goes on those whose answer will never come."""
    return [row for row in seen.unsettled if row.state is State.IN_DOUBT or not seen.running]


def _counts(seen: Glance) -> dict[Fate, int]:
    return fates(seen.states, running=seen.running)


def _document(checkpoint: Path, seen: Glance, live: Mapping[str, Json]) -> dict[str, object]:
    return {
        "checkpoint": str(checkpoint),
        "endpoint": seen.card.endpoint,
        "workflow": seen.card.workflow,
        "running": seen.running,
        "live": live or None,
        "rows": _counts(seen),
        "in_doubt": [
            {
                "row": row.number,
                "bucket": row.bucket,
                "object": row.object,
                "inputs": json.loads(row.inputs or b"{}"),
                "intent_at": timestamp(row.intent_at),
            }
            for row in _in_doubt(seen)
        ],
    }


def _lines(checkpoint: Path, seen: Glance, live: Mapping[str, Json]) -> Iterator[str]:
    yield from _heading(checkpoint, seen, live)
    for fate, count in _counts(seen).items():
        yield f"{_WORDS.get(fate, fate):>10}  {count:>12,}"
    yield from _doubts(checkpoint, seen)


def _show_table(checkpoint: Path, seen: Glance, live: Mapping[str, Json]) -> None:
    # Imported late: only a terminal needs it.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    counts = _counts(seen)
    total = sum(counts.values())
    table = Table("rows", "count", "share", show_footer=total > 0)
    for column, footer in zip(table.columns, ("in all", f"{total:,}", ""), strict=True):
        column.footer = footer
        column.justify = "left" if column.header == "rows" else "right"
    for name, count in counts.items():
        share = f"{count / total:.1%}" if count else ""
        style = _STYLES.get(name) if count else "dim"
        table.add_row(_WORDS.get(name, name).replace("_", " "), f"{count:,}", share, style=style)
    console = Console(highlight=False)
    # As text: a name of a file or a key may look like rich's own markup.
    for line in _heading(checkpoint, seen, live):
        console.print(Text(line))
    console.print(table)
    for line in _doubts(checkpoint, seen):
        console.print(Text(line))


def _heading(checkpoint: Path, seen: Glance, live: Mapping[str, Json]) -> Iterator[str]:
    yield f"{checkpoint}: workflow {seen.card.workflow} at {seen.card.endpoint}"
    yield "a run is going on" if seen.running else "no run is going on"
    if live:
        limit = "no limit found" if live["limit"] is None else f"limit about {number(live['limit'])}/s"
        state = f", {live['state']}" if live["state"] else ""
        yield f"now {number(live['rate'])} starts a second, {live['in_flight']:,} requests on the wire, {limit}{state}"


def _doubts(checkpoint: Path, seen: Glance) -> Iterator[str]:
    doubtful = _in_doubt(seen)
    for row in doubtful[:SHOWN]:
        yield f"in doubt: {_line(row)}"
    if len(doubtful) > SHOWN:
        yield f"in doubt: and {len(doubtful) - SHOWN:,} more: batcher status {checkpoint} --rows in_doubt"


def _line(row: Unsettled) -> str:
    return f"row {row.number}: {row.bucket}/{printable(row.object)}"
