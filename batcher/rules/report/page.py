"""The report: the content of a page about a job, from its checkpoint and the digest of its records. Pure.

Rows are counted from the checkpoint, so that the counts add up. Failures are counted from the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from batcher.model import Status, Unsettled
from batcher.rules.job.runs import History
from batcher.rules.progress.extent import Extent, Length, extent
from batcher.rules.rate.bottleneck import Slowed
from batcher.rules.records.standing import current_counts
from batcher.rules.report import glossary
from batcher.rules.report import next_commands as commands
from batcher.rules.report.curves import Curves, curves
from batcher.rules.report.digest import Digest, Example, Failure
from batcher.rules.report.ends import Ends
from batcher.rules.report.facts import Fact, facts, moment
from batcher.rules.report.glossary import UNREAD, Word
from batcher.rules.report.headline import headline, notes
from batcher.rules.report.next_commands import Command, Job
from batcher.rules.report.prefixes import Prefix
from batcher.rules.text import printable

PREFIXES = 10
"""Number of prefixes that are listed."""
NAMED = 100
"""Maximum number of rows in doubt that are named."""


_BAR = (
    Status.STARTED,
    Status.REJECTED,
    Status.INVALID,
    Status.IN_DOUBT,
    Status.REFUSED,
    Status.DUPLICATE,
    Status.DISMISSED,
    Status.SENDING,
    Status.PENDING,
    UNREAD,
)


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
    ends: Ends | None = None
    """How the executions ended, None if no watch has followed them."""
    remarks: Sequence[str] = ()
    """What else is to be said below the headline, in sentences."""
    history: History | None = None
    """The runs of the job. None if a checkpoint of an earlier version does not have them."""


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


class Latest(NamedTuple):
    """A row that failed lately."""

    status: Status
    code: str
    example: Example


class Page(NamedTuple):
    """The content of the report."""

    job: Job
    made_at: str
    running: bool
    headline: str
    notes: Sequence[str]
    facts: Sequence[Fact]
    rows: int
    """Rows that were read."""
    extent: Extent
    totals: list[Total]
    bar: list[Total]
    """Those with rows, in the order in which a bar shows them: what is started, what is not, what comes."""
    records: int
    limit: float | None
    """In starts per unit of the curves."""
    slowed: Slowed
    curves: Curves
    failures: list[Failure]
    doubts: Doubts
    prefixes: list[Prefix]
    commands: list[Command]
    words: list[Word]
    """The words that the page explains."""
    ends: Ends | None
    is_live: bool = False
    """Whether it is the page of a run that lasts, which renews itself."""
    knows_errors: bool = True
    """Whether it shows errors and rows in doubt. The page of several processes does not know them."""
    latest: Sequence[Latest] = ()
    """Rows that failed lately, the last one first."""


def page(known: Known, digest: Digest) -> Page:
    """Return the content of the report."""
    counts = current_counts(known.counts, running=known.running)
    whole = extent(counts, known.length, read_whole=known.read_whole)
    drawn = curves(digest.timeline, known.limit)
    totals = _totals(counts, whole)
    prefixes = digest.prefixes.slowest(PREFIXES)
    return Page(
        job=known.job,
        made_at=moment(known.at),
        running=known.running,
        headline=headline(counts, whole, running=known.running, read_whole=known.read_whole),
        notes=[*notes(counts, whole, running=known.running, read_whole=known.read_whole), *known.remarks],
        facts=facts(known.history, digest, running=known.running, at=known.at),
        rows=sum(counts.values()),
        extent=whole,
        totals=totals,
        bar=sorted((total for total in totals if total.rows), key=lambda total: _BAR.index(total.kind)),
        records=digest.records,
        limit=None if known.limit is None else known.limit * drawn.unit.seconds,
        slowed=known.slowed,
        curves=drawn,
        failures=digest.failures(),
        doubts=_doubts(known, digest),
        prefixes=prefixes,
        commands=_commands(known, counts),
        words=_words(known, totals, has_starts=bool(drawn.moments), has_prefixes=bool(prefixes)),
        ends=known.ends,
    )


def _words(known: Known, totals: Sequence[Total], *, has_starts: bool, has_prefixes: bool) -> list[Word]:
    """Return the words that the page uses and that are to be explained."""
    found = [glossary.MANIFEST, glossary.CHECKPOINT, glossary.RECORDS]
    found += glossary.of_kinds([total.kind for total in totals if total.rows])
    found += [glossary.LATENCY] if has_starts else []
    found += [glossary.LIMIT] if known.limit is not None else []
    found += glossary.of_causes(known.slowed.shown)
    found += [glossary.DURATION] if known.ends is not None else []
    return found + ([glossary.PREFIX] if has_prefixes else [])


def _totals(counts: Mapping[Status, int], whole: Extent) -> list[Total]:
    totals = [Total(each.value, each.words, count, whole.share_of(count)) for each, count in counts.items()]
    if whole.unread:
        totals.append(Total(UNREAD, "not read yet", whole.unread, whole.share_of(whole.unread)))
    return totals


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
