"""The report: the content of a page about a job, from its checkpoint and the digest of its records. Pure.

Rows are counted from the checkpoint, so that the counts add up. Failures are counted from the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from batcher.model import Status, Unsettled
from batcher.rules.progress.extent import Extent, Length, extent
from batcher.rules.rate.bottleneck import Slowed
from batcher.rules.records.standing import current_counts
from batcher.rules.report import next_commands as commands
from batcher.rules.report.chart import Axis, Chart, Series, Tick, chart
from batcher.rules.report.digest import Digest, Example, Failure
from batcher.rules.report.next_commands import Command, Job
from batcher.rules.report.prefixes import Prefix
from batcher.rules.report.timeline import Span, Timeline
from batcher.rules.text import counted, printable

PREFIXES = 10
"""Number of prefixes that are listed."""
NAMED = 100
"""Maximum number of rows in doubt that are named."""

_DAY = 24 * 3600.0
_LEFT = (
    ({Status.REJECTED, Status.INVALID}, "failed", "failed"),
    ({Status.IN_DOUBT}, "is in doubt: it may have been started", "are in doubt: they may have been started"),
    (
        {Status.REFUSED},
        "was not started because the service was too busy",
        "were not started because the service was too busy",
    ),
    ({Status.PENDING}, "is not started yet", "are not started yet"),
)
"""What the headline says of rows that are left, by their statuses: of one row, and of more."""
_MAY_HAVE_MORE = "The manifest may have more rows."
UNREAD = "unread"
"""The kind of the rows that no run has read yet, beside the statuses."""


class Known(NamedTuple):
    """The content of a job's checkpoint, and when it was read (POSIX seconds).

    `read_whole` is whether the job's own manifest was read to its end, as far as is known. `length` is how many rows it
    has, None if that is not known. `in_doubt` are the first rows in doubt. `limit` is in starts per second, None if
    none was found. `slowed` is about the last run that ended.
    """

    job: Job
    running: bool
    read_whole: bool
    length: Length | None
    counts: Mapping[Status, int]
    in_doubt: Sequence[Unsettled]
    limit: float | None
    slowed: Slowed
    at: float
    ends: Sequence[str] = ()
    """How the executions ended that a watch has followed, in lines."""


class Total(NamedTuple):
    """The number of rows with one status, or unread. `share` is from 0 to 1, None if the total is unknown."""

    kind: str
    name: str
    rows: int
    share: float | None


class Doubts(NamedTuple):
    """Rows in doubt, past and present. `interrupted` rows have neither a record nor an answer."""

    doubted: int
    adopted: int
    released: int
    held: int
    interrupted: int
    named: list[Example]


class Moment(NamedTuple):
    """The figures of one span: its time, starts per second, and latencies in milliseconds."""

    time: str
    rate: float
    p50: float | None
    p95: float | None
    p99: float | None


class Page(NamedTuple):
    """The content of the report."""

    job: Job
    made_at: str
    running: bool
    read_whole: bool
    headline: str
    rows: int
    """Rows that were read."""
    extent: Extent
    totals: list[Total]
    records: int
    limit: float | None
    slowed: Slowed
    charts: list[Chart]
    span_seconds: float
    moments: list[Moment]
    failures: list[Failure]
    doubts: Doubts
    prefixes: list[Prefix]
    commands: list[Command]
    ends: Sequence[str]


def page(known: Known, digest: Digest) -> Page:
    """Return the content of the report."""
    counts = current_counts(known.counts, running=known.running)
    whole = extent(counts, known.length, read_whole=known.read_whole)
    spans = digest.timeline.filled()
    moments = _moments(digest.timeline, spans)
    return Page(
        job=known.job,
        made_at=f"{datetime.fromtimestamp(known.at, UTC):%Y-%m-%d %H:%M:%S} UTC",
        running=known.running,
        read_whole=known.read_whole,
        headline=_headline(counts, whole, running=known.running, read_whole=known.read_whole),
        rows=sum(counts.values()),
        extent=whole,
        totals=_totals(counts, whole),
        records=digest.records,
        limit=known.limit,
        slowed=known.slowed,
        charts=_charts(moments, [place for place, span in enumerate(spans) if span.after_pause], known.limit),
        span_seconds=digest.timeline.seconds,
        moments=moments,
        failures=digest.failures(),
        doubts=_doubts(known, digest),
        prefixes=digest.prefixes.slowest(PREFIXES),
        commands=_commands(known, counts),
        ends=known.ends,
    )


def _totals(counts: Mapping[Status, int], whole: Extent) -> list[Total]:
    totals = [Total(each.value, each.words, count, whole.share_of(count)) for each, count in counts.items()]
    if whole.unread:
        totals.append(Total(UNREAD, "not read yet", whole.unread, whole.share_of(whole.unread)))
    return totals


def _headline(counts: Mapping[Status, int], whole: Extent, *, running: bool, read_whole: bool) -> str:
    if running:
        return "A run is in progress. The figures are those at the time of the report."
    if not sum(counts.values()):
        return "The manifest has no rows." if read_whole else "No rows have been processed yet."
    said = []
    for statuses, one, more in _LEFT:
        count = sum(counts[status] for status in statuses)
        if count:
            said.append(f"{counted(count, 'row')} {one if count == 1 else more}.")
    if not said:
        done = "started or dismissed" if counts[Status.DISMISSED] else "started"
        known = sum(counts.values())
        said = [f"Every row is {done}." if read_whole else f"{counted(known, 'row')} {_are(known)} {done}."]
    return " ".join(said if read_whole else [*said, _unread(whole)])


def _unread(whole: Extent) -> str:
    if not whole.unread:
        return _MAY_HAVE_MORE
    about = "" if whole.is_exact else "About "
    return f"{about}{counted(whole.unread, 'row')} of the manifest {_are(whole.unread)} not read yet."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _moments(timeline: Timeline, spans: Sequence[Span]) -> list[Moment]:
    is_long = bool(spans) and spans[-1].at - spans[0].at >= _DAY
    clock = "%m-%d %H:%M" if is_long else "%H:%M:%S"
    # The last span may be shorter.
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
    level = Tick(limit, "estimated limit") if limit is not None else None
    rates = Series("starts per second", [moment.rate for moment in moments])
    latencies = [
        Series("p50", [moment.p50 for moment in moments]),
        Series("p95", [moment.p95 for moment in moments]),
        Series("p99", [moment.p99 for moment in moments]),
    ]
    return [
        chart("Start rate", "starts per second", [rates], axis, level),
        chart("Start latency", "milliseconds", latencies, axis),
    ]


def _doubts(known: Known, digest: Digest) -> Doubts:
    held = known.counts.get(Status.IN_DOUBT, 0)
    # A doubt has one record, and one more if the row was found in the list. All others that are not held were released.
    released = max(0, digest.doubted - digest.adopted - held)
    interrupted = 0 if known.running else known.counts.get(Status.SENDING, 0)
    named = [Example(row.number, f"{row.bucket}/{printable(row.object)}", "") for row in known.in_doubt]
    return Doubts(digest.doubted, digest.adopted, released, held, interrupted, named)


def _commands(known: Known, counts: Mapping[Status, int]) -> list[Command]:
    job = known.job
    # While a run has locked the checkpoint, no other run can use it.
    found = [] if known.running else commands.next_steps(job, commands.left_of(counts, read_whole=known.read_whole))
    found.append(Command("Write the final state of each row, one line per row.", commands.export(job, "rows.csv")))
    found.append(Command("Show the history of a row, given its number or its object.", commands.explain(job, 1)))
    return found
