"""The nouns of the house: rows, answers, verdicts, records and credentials.

Everything here is a plain value. This module imports nothing of the project, so every room may import it. What there
is one of for each row is a Struct: to make and to read a named tuple takes several times as long.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import UNSET, Struct, UnsetType

Noun = TypeVar("Noun")

Json = Any  # A decoded JSON value. The service's JSON is hostile until a rule has looked at it.


class Row(Struct, frozen=True, gc=False):
    """One entry of the manifest that can be started.

    `number` counts the manifest's rows from 1 (a header is no row) and `line` is the line it begins on. `inputs` is
    the canonical JSON object of the row's inputs and the job's static inputs together, empty when there are none.
    `key` is the row's identity: 16 bytes that depend on bucket, object and inputs alone.
    """

    number: int
    line: int
    bucket: str
    object: str
    inputs: bytes
    key: bytes


class BadRow(Struct, frozen=True, gc=False):
    """One entry of the manifest that cannot be started, and why.

    `bucket` and `object` are what could be read of it (empty where nothing could). `key` identifies the entry's
    text, so that the same bad entry is recorded once however often the command runs.
    """

    number: int
    line: int
    bucket: str
    object: str
    reason: str
    key: bytes


class Mark(NamedTuple):
    """A place between two rows of a manifest's file: so many `rows` are before it, and a `line` begins there."""

    rows: int
    line: int
    offset: int
    digest: str
    """The SHA-256 of the `offset` bytes before it, hexadecimal."""


BEGINNING = Mark(0, 1, 0, "")
"""Where a manifest begins, before its header."""


class Execution(Struct, frozen=True, gc=False):
    """One run of the workflow, as a start's answer or the execution list names it; an answer knows less than the list.

    `started_at` is the service's own text, and `at` the same time in POSIX seconds, None where the list shows none that
    can be read. `type` and `state` are the service's own words.
    """

    name: str
    urn: str = ""
    started_at: str = ""
    at: float | None = None
    is_event: bool = False
    """Whether an event of a bucket started it, and not a request."""
    type: str = ""
    state: str = ""


class ExecutionDetail(NamedTuple):
    """An execution with the text that it was started with; None where that cannot be read."""

    execution: Execution
    input: str | None


class Parameter(NamedTuple):
    """One declared parameter of a workflow. `type` is folded to lower case: string, integer, float, boolean ..."""

    name: str
    type: str
    has_value: bool
    """Whether a caller may leave it out: the workflow holds a value or a default for it."""
    constraints: Mapping[str, Json]
    has_blank_default: bool = False
    """Whether all that it holds is a default of empty text: nowhere is it said whether that counts."""


class Workflow(NamedTuple):
    """A workflow as the service describes it: its declared parameters by name."""

    name: str
    parameters: Mapping[str, Parameter]
    triggers: tuple[str, ...] = ()
    """The buckets whose events start it too."""


class Page(NamedTuple):
    """One page of the execution list; `next_marker` leads to the next page and is empty on the last."""

    executions: tuple[Execution, ...]
    next_marker: str = ""
    counted: int | None = None
    """How many executions there are, as the page says; None where it says nothing."""


class Fault(enum.Enum):
    """How a request ended without a whole answer; what matters is whether a byte may have left."""

    UNREACHED = "unreached"
    """Nothing was sent: no address, refused, no connection in time, the TLS handshake failed."""
    UNTRUSTED = "untrusted"
    """Nothing was sent: the server's TLS certificate is not one that we trust."""
    LOST = "lost"
    """Something may have been sent, and no whole answer came back."""


class Reply(Struct, frozen=True, gc=False):
    """One HTTP answer as it came over the wire: the status, the headers (looked up without case) and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Lost(NamedTuple):
    """No HTTP answer: what went wrong on the way, and a sentence for people."""

    fault: Fault
    detail: str


class Kind(enum.Enum):
    """What an error proves about the row that it answers, before the run's own experience is considered."""

    FATAL = "fatal"
    """Every row would get it."""
    ROW = "row"
    """This row will always get it."""
    REFUSED = "refused"
    """Refused before anything ran."""
    DOUBT = "doubt"
    """The service cannot say whether anything ran."""
    ONCE = "once"
    """Refused, and fatal if the same row gets such an error again."""
    DENIED = "denied"
    """Fatal until a start of this run has succeeded; from then on it is about the row's own bucket."""
    UNAVAILABLE = "unavailable"
    """In doubt, or refused where the user trusts that nothing runs behind such an answer."""


class Cause(enum.Enum):
    """Why the service refuses, where that matters to more than one row."""

    SIGNATURE = "signature"
    """The access key or the signature is wrong."""
    TOKEN = "token"  # noqa: S105 - a cause, not a token
    """The temporary credentials have expired."""
    PERMISSION = "permission"
    CLOCK = "clock"
    """The date of the request is refused."""
    ENDPOINT = "endpoint"
    UNSERVED = "unserved"
    """The endpoint does not serve workflows."""
    ACCOUNT = "account"
    AGENCY = "agency"
    REQUEST = "request"
    """The request did not arrive as it was sent."""
    OTHER = "other"


class Meaning(NamedTuple):
    """What an error means by the table of a dialect. `advice` says what to do where it ends the job."""

    kind: Kind
    cause: Cause = Cause.OTHER
    advice: str = ""
    label: str = ""
    """The error's code as the table spells it, so one of few; empty for a code that the table does not know."""


UNKNOWN = Meaning(Kind.DOUBT)
"""The meaning of an error that nobody has looked up: it proves nothing."""


class Answer(Struct, frozen=True, gc=False):
    """What one request brought back, read: either an HTTP answer (`status` > 0) or a `fault`.

    `code` and `message` are the service's own words about an error, `message` says what happened where there is a
    fault. `retry_after` and `date` are the headers' texts, empty when absent. `execution` is what the answer to a
    start names, None where it names none. `meaning` is that of an error.
    """

    status: int = 0
    code: str = ""
    message: str = ""
    request_id: str = ""
    retry_after: str = ""
    date: str = ""
    execution: Execution | None = None
    fault: Fault | None = None
    meaning: Meaning = UNKNOWN


class Described(Answer, Generic[Noun], frozen=True, gc=False):
    """The answer to a question. `noun` is what it describes, None where it describes nothing that can be read."""

    noun: Noun | None = None
    is_garbled: bool = False
    """Whether a success has a body that is cut off or no such document at all: asking again may bring it whole."""


class Verdict(enum.StrEnum):
    """What an attempt's answer proves about the row. A StrEnum hashes at the speed of its text."""

    STARTED = "started"
    REJECTED = "rejected"
    """The service will never start this row as it stands."""
    REFUSED = "refused"
    """Not started, and safe to send again later: the service is busy."""
    UNSENT = "unsent"
    """Not started, and safe to send again: nothing left this machine."""
    IN_DOUBT = "in_doubt"
    """May have been started. Never sent again on a guess."""
    FATAL = "fatal"
    """The service refuses the whole job. The row is untouched."""


class Status(enum.StrEnum):
    """How a row stands, in the one word that every output and every module has for it.

    Members are looked up once in each module where a row passes by: Python 3.11 takes long to find them.
    """

    PENDING = "pending"
    """Not started, and free to be sent: the next run sends it."""
    SENDING = "sending"
    """Taken in to be sent: on the wire, or about to be. Found so where no run goes on, the row is in doubt."""
    STARTED = "started"
    REFUSED = "refused"
    """The service was too busy, to the last attempt. Not started: the next run sends it again."""
    REJECTED = "rejected"
    """The service will never start this row as it stands."""
    INVALID = "invalid"
    """Cannot be sent as it stands in the manifest."""
    DUPLICATE = "duplicate"
    """Of the same content as an earlier row, and not sent."""
    DISMISSED = "dismissed"
    """Was rejected or invalid, and is settled by a person's decision: never sent again, and not counted as left."""
    IN_DOUBT = "in_doubt"
    """May have been started. Never sent again on a guess."""

    @property
    def words(self) -> str:
        """The same for people."""
        return self.value.replace("_", " ")


NUMBERS: Mapping[Status, int] = {
    Status.PENDING: 0,
    Status.SENDING: 1,
    Status.STARTED: 2,
    Status.REJECTED: 3,
    Status.INVALID: 4,
    Status.DUPLICATE: 5,
    Status.IN_DOUBT: 6,
    Status.REFUSED: 7,
    Status.DISMISSED: 8,
}
"""The number of each status in the checkpoint. They are part of its format: add some, change none."""

STATUSES: Mapping[int, Status] = {number: status for status, number in NUMBERS.items()}
"""The status of each number in the checkpoint."""

RECORDED = frozenset(Status) - {Status.PENDING, Status.SENDING, Status.DISMISSED}
"""What a record may say of its row. The others are known to the checkpoint alone."""


class Found(Struct, frozen=True, gc=False):
    """A row of the manifest as the checkpoint sees it.

    `id` is the row's place in the checkpoint; `status` is None for content never met before. `copy` counts the rows
    of the same content in this reading of the manifest, from 1.
    """

    id: int
    row: Row | BadRow
    status: Status | None
    copy: int


class Admitted(Struct, frozen=True, gc=False):
    """A row that the checkpoint has taken in, durably, as `status` says: SENDING if it is to be sent.

    An invalid row and a duplicate are admitted too: they only wait for their record.
    """

    id: int
    row: Row | BadRow
    status: Status
    copy: int = 1
    new: bool = True


class Unsettled(NamedTuple):
    """A row without a settled end, as the checkpoint keeps it: what it takes to name it, match it and send it."""

    id: int
    status: Status
    number: int
    bucket: str
    object: str
    inputs: bytes
    reason: str
    intent_at: float
    """POSIX seconds by the service's clock; the row was not sent before. 0 where the service had told no time yet."""
    doubt_at: float | None = None
    """POSIX seconds by the service's clock; the row was not sent after. None until a later answer has told the time."""

    @property
    def last_at(self) -> float:
        """The last time, in POSIX seconds, at which the row can have been sent as far as is known."""
        return inf if self.doubt_at is None else self.doubt_at


class Settlement(Struct, frozen=True, gc=False):
    """How a row stands now: `execution` is the name of its execution where it is started."""

    id: int
    status: Status
    execution: str = ""


class Record(Struct, frozen=True, gc=False):
    """One line of the output file, in the order of its columns."""

    row: int
    bucket: str
    object: str
    status: Status
    execution_name: str | None = None
    execution_urn: str | None = None
    started_at: str | None = None
    request_id: str | None = None
    attempts: int = 0
    http_status: int | None = None
    error: Mapping[str, str] | None = None
    """`{"code": ..., "message": ...}`, or None when there is nothing to say."""
    latency_ms: float | None = None
    recorded_at: str = ""
    reconciled: bool | UnsetType = UNSET
    """True where the service's execution list, not an answer, says that the row is started. Else it is not written."""


class Outcome(Struct, frozen=True, gc=False):
    """How an admitted row ends in this run.

    A PENDING row is given back untouched and gets no record; the record of any other has its status. `latency` is the
    last attempt's, in seconds; `execution` is there when the row is started.
    """

    admitted: Admitted
    status: Status
    answer: Answer = Answer()
    execution: Execution | None = None
    attempts: int = 0
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What requests are signed with. `source` says where it was found; no secret is ever part of its `repr`.

    Two are equal when they sign alike. `expires_at` is POSIX seconds, None where nothing says that they expire.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    source: str = field(default="", compare=False)
    expires_at: float | None = field(default=None, repr=False, compare=False)
