"""The report: what a page about a job says, put together from its checkpoint and from the digest of its records. Pure.

The counts of rows are the checkpoint's, and add up; what the records tell is counted by the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from batcher.model import Status, Unsettled
from batcher.rules.records.standing import current_counts
from batcher.rules.report import next_commands as commands
from batcher.rules.report.chart import Axis, Chart, Series, Tick, chart
from batcher.rules.report.digest import Digest, Example, Failure
from batcher.rules.report.next_commands import Command, Job
from batcher.rules.report.prefixes import Prefix
from batcher.rules.report.timeline import Span, Timeline
from batcher.rules.text import printable

PREFIXES = 10
NAMED = 100
"""Rows in doubt that are named."""

_DAY = 24 * 3600.0
_UNREAD = "No run is known to have read the manifest to its end."


class Known(NamedTuple):
    """What the checkpoint knows of a job, and when that was read (POSIX seconds).

    `read_whole` says that the job's own manifest was read to its end, as far as is known. `in_doubt` are the first rows
    in doubt, `limit` is in starts per second, None where none was found.
    """

    job: Job
    running: bool
    read_whole: bool
    counts: Mapping[Status, int]
    in_doubt: Sequence[Unsettled]
    limit: float | None
    at: float


class Total(NamedTuple):
    """So many rows stand like this; `share` is from 0 to 1."""

    kind: str
    name: str
    rows: int
    share: float


class Doubts(NamedTuple):
    """How doubts came and went. `interrupted` rows have neither a record nor an answer."""

    doubted: int
    adopted: int
    released: int
    held: int
    interrupted: int
    named: list[Example]


class Moment(NamedTuple):
    """The figures of one span: its time, starts a second, and latencies in milliseconds."""

    time: str
    rate: float
    p50: float | None
    p95: float | None
    p99: float | None


class Page(NamedTuple):
    """All that the report says."""

    job: Job
    made_at: str
    running: bool
    headline: str
    rows: int
    totals: list[Total]
    records: int
    limit: float | None
    charts: list[Chart]
    span_seconds: float
    moments: list[Moment]
    failures: list[Failure]
    doubts: Doubts
    prefixes: list[Prefix]
    commands: list[Command]


def page(known: Known, digest: Digest) -> Page:
    """Put the page together."""
    counts = current_counts(known.counts, running=known.running)
    spans = digest.timeline.filled()
    moments = _moments(digest.timeline, spans)
    return Page(
        job=known.job,
        made_at=f"{datetime.fromtimestamp(known.at, UTC):%Y-%m-%d %H:%M:%S} UTC",
        running=known.running,
        headline=_headline(counts, running=known.running, read_whole=known.read_whole),
        rows=sum(counts.values()),
        totals=_totals(counts),
        records=digest.records,
        limit=known.limit,
        charts=_charts(moments, [place for place, span in enumerate(spans) if span.after_pause], known.limit),
        span_seconds=digest.timeline.seconds,
        moments=moments,
        failures=digest.failures(),
        doubts=_doubts(known, digest),
        prefixes=digest.prefixes.slowest(PREFIXES),
        commands=_commands(known, counts),
    )


def _totals(counts: Mapping[Status, int]) -> list[Total]:
    rows = sum(counts.values()) or 1
    return [Total(each.value, each.words, count, count / rows) for each, count in counts.items()]


def _headline(counts: Mapping[Status, int], *, running: bool, read_whole: bool) -> str:
    if running:
        return "A run is going on. These are the figures of the moment at which the report was made."
    if not sum(counts.values()):
        return "No row has been taken in yet."
    kinds = (
        (counts[Status.REJECTED] + counts[Status.INVALID], "failed"),
        (counts[Status.IN_DOUBT], "may have been started; it is not known yet"),
        (counts[Status.REFUSED], "not started, since the service was too busy"),
        (counts[Status.PENDING], "not started yet, and will be sent by the next run"),
    )
    parts = [f"{count:,} {'row is' if count == 1 else 'rows are'} {text}" for count, text in kinds[2:] if count]
    parts[:0] = [f"{count:,} {'row' if count == 1 else 'rows'} {text}" for count, text in kinds[:2] if count]
    done = "Every row is started or dismissed" if counts[Status.DISMISSED] else "Every row is started"
    said = f"{'; '.join(parts) or (done if read_whole else 'Every row read so far is started')}."
    return said if read_whole else f"{said} {_UNREAD}"


def _moments(timeline: Timeline, spans: Sequence[Span]) -> list[Moment]:
    is_long = bool(spans) and spans[-1].at - spans[0].at >= _DAY
    clock = "%m-%d %H:%M" if is_long else "%H:%M:%S"
    # The last span is not over.
    seconds = [*[timeline.seconds] * (len(spans) - 1), timeline.last_seconds]
    return [
        Moment(
            f"{datetime.fromtimestamp(span.at, UTC):{clock}}",
            span.starts / lasted,
            *(span.latencies.percentile(share) for share in (0.5, 0.95, 0.99)),
        )
        for span, lasted in zip(spans, seconds, strict=False)
    ]


def _charts(moments: Sequence[Moment], pauses: Sequence[int], limit: float | None) -> list[Chart]:
    if not moments:
        return []
    axis = Axis([moment.time for moment in moments], pauses)
    level = Tick(limit, "limit found") if limit is not None else None
    rates = Series("starts a second", [moment.rate for moment in moments])
    latencies = [
        Series("p50", [moment.p50 for moment in moments]),
        Series("p95", [moment.p95 for moment in moments]),
        Series("p99", [moment.p99 for moment in moments]),
    ]
    return [
        chart("Starts over time", "starts a second", [rates], axis, level),
        chart("Latency of starts over time", "milliseconds", latencies, axis),
    ]


def _doubts(known: Known, digest: Digest) -> Doubts:
    held = known.counts.get(Status.IN_DOUBT, 0)
    # Each doubt has one record, and one more if the list settles it; what is not held either was free to be sent.
    released = max(0, digest.doubted - digest.adopted - held)
    interrupted = 0 if known.running else known.counts.get(Status.SENDING, 0)
    named = [Example(row.number, f"{row.bucket}/{printable(row.object)}", "") for row in known.in_doubt]
    return Doubts(digest.doubted, digest.adopted, released, held, interrupted, named)


def _commands(known: Known, counts: Mapping[Status, int]) -> list[Command]:
    job = known.job
    # While a run holds the checkpoint, no other can.
    found = [] if known.running else commands.next_steps(job, commands.left_of(counts, read_whole=known.read_whole))
    found.append(Command("Get one line for each row.", commands.export(job, "rows.csv")))
    found.append(Command("Show the history of a row, by its number or its object.", commands.explain(job, 1)))
    return found
