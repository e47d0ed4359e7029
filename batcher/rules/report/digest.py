"""The digest of a job's records: counts, histograms and a few examples, in bounded memory. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from batcher.model import Record, Status
from batcher.rules.report.prefixes import Prefixes
from batcher.rules.report.timeline import Timeline
from batcher.rules.service.clock import posix
from batcher.rules.text import printable

MOST_KINDS = 50
"""Maximum number of kinds of failures. The service can return any code, so there may be more."""
EXAMPLES = 3
"""Number of rows that are named for each kind."""

LONGEST = 160
"""Maximum length of such a name, in characters."""

_OTHER = "other codes"
FAILED = frozenset({Status.REFUSED, Status.REJECTED, Status.INVALID, Status.IN_DOUBT})
"""The statuses of rows that were not started, or may not have been."""


class Example(NamedTuple):
    """A row that failed."""

    row: int
    name: str
    request_id: str


@dataclass(slots=True)
class Failure:
    """Records with the same status, HTTP status and code. `message` is that of the first."""

    status: Status
    http_status: int | None
    code: str
    message: str
    count: int = 0
    examples: list[Example] = field(default_factory=list)

    def without_names(self, code: str) -> Failure:
        """Return the failure with this code, and without texts that may name objects."""
        return Failure(self.status, self.http_status, code, "", self.count, [])


class Digest:
    """The digest of records. Its size does not depend on their number."""

    def __init__(self) -> None:
        self.records = 0
        self.timeline = Timeline()
        self.prefixes = Prefixes()
        self.doubted = 0
        """Number of records with the status in doubt."""
        self.adopted = 0
        """Number of rows in doubt that were found in the execution list."""
        self.first: float | None = None
        """When the first record was written, in POSIX seconds. None without any."""
        self.last: float | None = None
        """When the last record was written."""
        self._failures: dict[tuple[Status, int | None, str], Failure] = {}
        self._recorded_at = ""
        self._at: float | None = None

    def add(self, record: Record) -> None:
        """Add a record. Records must be added in the order of writing."""
        self.records += 1
        if record.reconciled:
            # It was started earlier, at a time that is not known.
            self.adopted += 1
            return
        if record.recorded_at != self._recorded_at:
            self._recorded_at, self._at = record.recorded_at, posix(record.recorded_at)
            self.last = self._at
            if self.first is None:
                self.first = self._at
        if record.status is Status.STARTED:
            self._add_start(record)
        elif record.status in FAILED:
            self.doubted += record.status is Status.IN_DOUBT
            self._add_failure(record)

    def failures(self) -> list[Failure]:
        """Return the failures, the most frequent first."""
        return sorted(self._failures.values(), key=lambda failure: (-failure.count, failure.code))

    def _add_start(self, record: Record) -> None:
        span = self.timeline.note(self._at) if self._at is not None else None
        if span is not None:
            span.starts += 1
        if record.latency_ms is not None:
            self.prefixes.add(record.bucket, record.object, record.latency_ms)
            if span is not None:
                span.latencies.add(record.latency_ms)

    def _add_failure(self, record: Record) -> None:
        error = record.error or {"code": "", "message": ""}
        kind = (record.status, record.http_status, error["code"])
        if kind not in self._failures and len(self._failures) >= MOST_KINDS:
            kind = (record.status, None, _OTHER)
        failure = self._failures.setdefault(kind, Failure(*kind[:2], printable(kind[2]), printable(error["message"])))
        failure.count += 1
        if len(failure.examples) < EXAMPLES:
            failure.examples.append(example_of(record))


def example_of(record: Record) -> Example:
    """Return a row as it is named on a page."""
    return Example(record.row, _name(record), printable(record.request_id or ""))


def _name(record: Record) -> str:
    """Return the name of a row for a page: on one line, without the middle of a long name."""
    name = printable(record.object if not record.bucket else f"{record.bucket}/{record.object}")
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}...{name[-LONGEST // 2 :]}"
