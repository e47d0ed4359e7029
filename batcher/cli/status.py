"""`batcher status`: what a checkpoint knows, also while a run goes on. It changes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from batcher.cli.console import complain, say
from batcher.edges.checkpoint import Glance, glance
from batcher.edges.control import ask
from batcher.model import JobError, Json, State, Unsettled
from batcher.rules.ending import printable
from batcher.rules.events import number
from batcher.rules.records import timestamp

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
    else:
        for line in map(_line, _in_doubt(seen)) if rows else _lines(checkpoint, seen, live):
            print(line)
        if not rows:
            say(f"next: {_next(checkpoint, seen)}")


def _next(checkpoint: Path, seen: Glance) -> str:
    if seen.running:
        return f"batcher rate, pause or drain {checkpoint}"
    if _in_doubt(seen):
        return f"batcher reconcile {checkpoint}, or the job's own command again, which asks first"
    return "the job's own command again, if rows of its manifest are left"


def _in_doubt(seen: Glance) -> list[Unsettled]:
    """Give the rows in doubt: those found so, and where no run goes on those whose answer will never come."""
    return [row for row in seen.unsettled if row.state is State.IN_DOUBT or not seen.running]


def _counts(seen: Glance) -> dict[str, int]:
    counts = {state.name.lower(): seen.states[state] for state in State if state is not State.INTENT}
    on_the_wire = seen.states[State.INTENT]
    counts["in_doubt"] += 0 if seen.running else on_the_wire
    return {"in_flight": on_the_wire if seen.running else 0, **counts}


def _document(checkpoint: Path, seen: Glance, live: Mapping[str, Json]) -> dict[str, object]:
    return {
        "checkpoint": str(checkpoint),
        "endpoint": seen.header.endpoint,
        "workflow": seen.header.workflow,
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
    yield f"{checkpoint}: workflow {seen.header.workflow} at {seen.header.endpoint}"
    yield "a run is going on" if seen.running else "no run is going on"
    if live:
        limit = "no limit found" if live["limit"] is None else f"limit about {number(live['limit'])}/s"
        state = f", {live['state']}" if live["state"] else ""
        yield f"now {number(live['rate'])} starts a second, {live['in_flight']:,} requests on the wire, {limit}{state}"
    for name, count in _counts(seen).items():
        # Rows between their intent and their verdict; few of them are on the wire at a time.
        yield f"{'in work' if name == 'in_flight' else name:>10}  {count:>12,}"
    doubtful = _in_doubt(seen)
    for row in doubtful[:SHOWN]:
        yield f"in doubt: {_line(row)}"
    if len(doubtful) > SHOWN:
        yield f"in doubt: and {len(doubtful) - SHOWN:,} more: batcher status {checkpoint} --rows in_doubt"


def _line(row: Unsettled) -> str:
    return f"row {row.number}: {row.bucket}/{printable(row.object)}"
