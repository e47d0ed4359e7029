"""`batcher status`: shows the state of a job, also during a run, without changing anything."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from batcher.app.ends import SeenEnds, seen_ends
from batcher.app.job_identity import job_of
from batcher.app.membership import holders_of
from batcher.app.run_folder import Shards, shards_in
from batcher.app.voice import say, show
from batcher.edges.checkpoint import Glance, glance
from batcher.edges.control import ask
from batcher.edges.run_folder import is_run_folder
from batcher.errors import ExitCode
from batcher.model import Json, Status, Unsettled
from batcher.options.verbs import StatusOptions
from batcher.rules.ends import summary
from batcher.rules.ends.ending import in_order
from batcher.rules.progress.eta import Range, in_words
from batcher.rules.progress.extent import UNKNOWN, Extent, Length, extent, percent
from batcher.rules.rate.bottleneck import Slowed
from batcher.rules.records.codec import timestamp
from batcher.rules.records.standing import current_counts
from batcher.rules.report import next_commands
from batcher.rules.report.next_commands import left_of, next_steps
from batcher.rules.shards.totals import combined
from batcher.rules.shell import command_line
from batcher.rules.text import counted, number, printable

OPTIONS = StatusOptions

HELP = """Show the number of rows in each state (started, refused, rejected ...), and list those in doubt.

\b
Examples:
  batcher status objects.csv.checkpoint
  batcher status objects.csv.checkpoint --rows in_doubt
  batcher status objects.csv.checkpoint --json | jq .rows.in_doubt
  batcher status objects.csv.run

Given the run folder of a sharded job, it shows all shards together, each of them, and whether their totals add up.

If batcher watch follows the executions of the job, it also shows how these stand.

The command changes nothing and can be used during a run. If no run uses the checkpoint, rows that were being sent when
the last run ended are in doubt.
"""

SHOWN = 10

_STYLES = {
    Status.STARTED: "green",
    Status.REFUSED: "yellow",
    Status.REJECTED: "red",
    Status.INVALID: "red",
    Status.IN_DOUBT: "bold yellow",
}


def status(options: StatusOptions) -> ExitCode:
    """Read the checkpoint and print the state of the job."""
    checkpoint, rows = options.checkpoint, options.rows
    shards = shards_in(checkpoint)
    seen = glance(checkpoint) if shards is None else shards.as_one
    live = (_live(checkpoint, shards) if seen.running and not rows else None) or {}
    if options.as_json:
        print(json.dumps(_document(checkpoint, seen, live, shards)))
    elif rows:
        held = holders_of(checkpoint, _in_doubt(seen)) if shards is None else {}
        for row in _in_doubt(seen):
            show(_line(row, held.get(row.id)))
    else:
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            _show_table(checkpoint, seen, live)
        else:
            for line in _lines(checkpoint, seen, live):
                show(line)
        for line in () if shards is None else _shards(shards):
            show(line)
        for line in [] if seen.canary is None else [seen.canary.words]:
            show(line)
        for line in _ends(seen_ends(checkpoint)):
            show(line)
        for step in _next(checkpoint, seen, shards):
            say(f"next: {step}")
    return ExitCode.OK


def _ends(seen: SeenEnds | None) -> Iterator[str]:
    """Say how the executions that a watch has followed ended."""
    if seen is not None:
        yield from summary.lines(seen.ends, seen.running, seen.causes)
        yield from summary.redriven(seen.redriven)


def _ends_document(seen: SeenEnds | None) -> Mapping[str, Json] | None:
    if seen is None:
        return None
    causes = [cause._asdict() for cause in seen.causes]
    redriven = seen.redriven._asdict()
    return {"running": seen.running, "ends": in_order(seen.ends), "causes": causes, "redriven": redriven}


def _live(checkpoint: Path, shards: Shards | None) -> Mapping[str, Json] | None:
    """Ask the run, or each running shard, for its figures."""
    if shards is None:
        return ask(checkpoint, {"do": "look"})
    running = (path for shard, path in shards.checkpoints.items() if shards.seen[shard].running)
    return combined([each for each in (ask(path, {"do": "look"}) for path in running) if each])


def _shards(shards: Shards) -> Iterator[str]:
    """Say how each shard stands, and what is wrong with their totals."""
    of = shards.plan.shards
    for shard, counts in shards.counts.items():
        seen = shards.seen[shard]
        state = "running" if seen.running else "has read its list" if seen.read_whole else "stopped"
        some = ", ".join(f"{count:,} {each.words}" for each, count in counts.items() if count)
        yield f"shard {shard}/{of}: {state}, {some or 'no rows'}"
    if shards.missing:
        yield f"not begun: {counted(len(shards.missing), 'shard')}, the first is {shards.missing[0]}/{of}"
    yield from shards.faults


def _next(checkpoint: Path, seen: Glance, shards: Shards | None) -> list[str]:
    if seen.running:
        steering = (("rate", "auto"), ("pause",), ("drain",))
        return [command_line(["batcher", verb, str(checkpoint), *more]) for verb, *more in steering]
    left = left_of(_counts(seen), read_whole=seen.read_whole)
    job = job_of(seen.card, checkpoint) if shards is None else shards.job
    steps = [step.command for step in next_steps(job, left)]
    ended = seen_ends(checkpoint)
    if ended is not None and ended.has_restorable:
        steps.append(next_commands.about("redrive", checkpoint))
    return steps or ["nothing is left to do"]


def _in_doubt(seen: Glance) -> list[Unsettled]:
    """Return the rows in doubt. If no run is in progress, rows that were being sent are in doubt too."""
    return [row for row in seen.unsettled if row.status is Status.IN_DOUBT or not seen.running]


def _counts(seen: Glance) -> dict[Status, int]:
    return current_counts(seen.counts, running=seen.running)


def _extent(seen: Glance, live: Mapping[str, Json]) -> Extent:
    """Return the extent of the job. A run that is in progress knows the length of the manifest best."""
    total = live.get("total")
    length = Length(total, is_exact=False) if isinstance(total, int) else seen.length
    return extent(_counts(seen), length, read_whole=seen.read_whole)


def _document(checkpoint: Path, seen: Glance, live: Mapping[str, Json], shards: Shards | None) -> dict[str, object]:
    whole = _extent(seen, live)
    parts = {} if shards is None else {"shards": _parts(shards), "not_begun": shards.missing, "faults": shards.faults}
    return {
        "checkpoint": str(checkpoint),
        "endpoint": seen.card.endpoint,
        "workflow": seen.card.workflow,
        "running": seen.running,
        "live": live or None,
        "rows": _counts(seen),
        "total": whole.total,
        "total_is_exact": whole.is_exact,
        "unread": whole.unread,
        "done": whole.done,
        "left": whole.left,
        "share": whole.share,
        "eta": live.get("eta"),
        "next": _next(checkpoint, seen, shards),
        **parts,
        "canary": None if seen.canary is None else seen.canary.document,
        "executions": _ends_document(seen_ends(checkpoint)),
        "in_doubt": [
            {
                "row": row.number,
                "bucket": row.bucket,
                "object": row.object,
                "inputs": json.loads(row.inputs or b"{}"),
                "intent_at": timestamp(row.intent_at) if row.intent_at > 0 else None,
            }
            for row in _in_doubt(seen)
        ],
    }


def _parts(shards: Shards) -> list[Mapping[str, object]]:
    return [
        {
            "shard": shard,
            "checkpoint": str(shards.checkpoints[shard]),
            "running": shards.seen[shard].running,
            "rows": counts,
            "read_whole": shards.seen[shard].read_whole,
        }
        for shard, counts in shards.counts.items()
    ]


def _lines(checkpoint: Path, seen: Glance, live: Mapping[str, Json]) -> Iterator[str]:
    yield from _heading(checkpoint, seen, live)
    for row_status, count in _counts(seen).items():
        yield f"{row_status:>10}  {count:>12,}"
    yield _done(seen, live)
    yield from _doubts(checkpoint, seen)


def _show_table(checkpoint: Path, seen: Glance, live: Mapping[str, Json]) -> None:
    # Imported here, since only a terminal needs it.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    whole = _extent(seen, live)
    table = Table("rows", "count", "share", show_footer=whole.total != 0)
    for column, footer in zip(table.columns, ("total", whole.words, ""), strict=True):
        column.footer = footer
        column.justify = "left" if column.header == "rows" else "right"
    for row_status, count in _counts(seen).items():
        style = _STYLES.get(row_status) if count else "dim"
        table.add_row(row_status.words, f"{count:,}", percent(whole.share_of(count)) if count else "", style=style)
    if whole.unread:
        table.add_row("not read yet", f"{whole.unread:,}", percent(whole.share_of(whole.unread)))
    console = Console(highlight=False)
    # As Text, since a file name or a key may look like rich markup.
    for line in _heading(checkpoint, seen, live):
        console.print(Text(printable(line)))
    console.print(table)
    console.print(_done(seen, live))
    for line in _doubts(checkpoint, seen):
        console.print(Text(printable(line)))


def _heading(checkpoint: Path, seen: Glance, live: Mapping[str, Json]) -> Iterator[str]:
    yield f"{checkpoint}: workflow {seen.card.workflow} at {seen.card.endpoint}"
    yield "a run is in progress" if seen.running else "no run is in progress"
    if live:
        limit = "no limit found" if live["limit"] is None else f"limit about {number(live['limit'])}/s"
        state = f", {live['state']}" if live["state"] else ""
        when = UNKNOWN if live["eta"] is None else in_words(Range(*live["eta"]))
        rate, wire = f"{number(live['rate'])}/s", f"{counted(live['on_wire'], 'request')} on the wire"
        refused = Slowed(live["chance"]).refused
        yield ", ".join(filter(None, [f"rate {rate}", wire, limit, refused, f"eta {when}{state}"]))


def _done(seen: Glance, live: Mapping[str, Json]) -> str:
    """Say how much of the job is done, and what is left."""
    whole = _extent(seen, live)
    if whole.left is None:
        return f"{counted(whole.done, 'row')} done; the total is {UNKNOWN}, and so is what is left"
    unread = f", {whole.unread:,} of them not read yet" if whole.unread else ""
    rows = "row" if whole.total == 1 else "rows"
    return f"{whole.words} {rows} in all: {percent(whole.share)} done, {whole.left:,} left{unread}"


def _doubts(checkpoint: Path, seen: Glance) -> Iterator[str]:
    doubtful = _in_doubt(seen)
    held = {} if is_run_folder(checkpoint) else holders_of(checkpoint, doubtful[:SHOWN])
    for row in doubtful[:SHOWN]:
        yield f"in doubt: {_line(row, held.get(row.id))}"
    if len(doubtful) > SHOWN:
        yield f"in doubt: and {len(doubtful) - SHOWN:,} more; batcher status {checkpoint} --rows in_doubt lists all"


def _line(row: Unsettled, holder: str | None = None) -> str:
    where = "" if holder is None else f" (on the wire or in doubt in job {holder})"
    return f"row {row.number}: {row.bucket}/{printable(row.object)}{where}"
