"""The data types that all layers share: rows, answers, verdicts, records and credentials.

All are plain values, and this module imports nothing from the project. Types with one instance per row are Structs:
making and reading a named tuple takes several times as long.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import UNSET, Struct, UnsetType

Noun = TypeVar("Noun")

Json = Any  # A decoded JSON value. The service's JSON is untrusted until a rule has checked it.


class Row(Struct, frozen=True, gc=False):
    """One entry of the manifest that can be started.

    `number` counts the manifest's rows from 1 (a header is not a row). `line` is the line on which the row begins.
    `inputs` is the canonical JSON object of the row's and the job's inputs together, empty if there are none. `key` is
    the row's identity: 16 bytes that depend only on bucket, object and inputs.
    """

    number: int
    line: int
    bucket: str
    object: str
    inputs: bytes
    key: bytes


class BadRow(Struct, frozen=True, gc=False):
    """One entry of the manifest that cannot be started, and why.

    `bucket` and `object` are what could be read of it, else empty. `key` identifies the text of the entry, so that the
    same bad entry is recorded only once when the command runs again.
    """

    number: int
    line: int
    bucket: str
    object: str
    reason: str
    key: bytes


class Mark(NamedTuple):
    """A place between two rows of a manifest's file, after `rows` of the job and `elsewhere` of other shards."""

    rows: int
    line: int
    offset: int
    digest: str
    """The hexadecimal SHA-256 of the `offset` bytes before it."""
    elsewhere: int = 0


BEGINNING = Mark(0, 1, 0, "")
"""Where a manifest begins, before its header."""


class Execution(Struct, frozen=True, gc=False):
    """One run of the workflow, as the answer to a start or the execution list names it. An answer has less data.

    `started_at` and `stopped_at` are texts of the service. `at` is the first in POSIX seconds, None if not readable.
    `type` and `state` are the words of the service.
    """

    name: str
    urn: str = ""
    started_at: str = ""
    at: float | None = None
    is_event: bool = False
    """Whether an event of a bucket started it, instead of a request."""
    type: str = ""
    state: str = ""
    stopped_at: str = ""


class ExecutionDetail(NamedTuple):
    """An execution with the text that it was started with, None if that cannot be read, and the state that failed."""

    execution: Execution
    input: str | None
    failure: tuple[str, str] = ("", "")  # The state that failed, and its message.


class Parameter(NamedTuple):
    """One declared parameter of a workflow. `type` is in lower case: string, integer, float, boolean ..."""

    name: str
    type: str
    has_value: bool
    """Whether a caller may leave it out, since the workflow has a value or a default for it."""
    constraints: Mapping[str, Json]
    has_blank_default: bool = False
    """Whether it has only a default of empty text. The documentation does not say whether that counts as a value."""


class Workflow(NamedTuple):
    """A workflow as the service describes it: its declared parameters by name."""

    name: str
    parameters: Mapping[str, Parameter]
    triggers: tuple[str, ...] = ()
    """The buckets whose events start it too."""
    keeps_history: bool = True
    """Whether its executions can be listed."""


class Page(NamedTuple):
    """One page of the execution list. `next_marker` leads to the next page and is empty on the last page."""

    executions: tuple[Execution, ...]
    next_marker: str = ""
    counted: int | None = None
    """The number of executions that the page states, if any."""


class Fault(enum.Enum):
    """How a request ended without a complete answer. The kinds differ in whether a byte may have been sent."""

    UNREACHED = "unreached"
    """Nothing was sent: no address, connection refused or timed out, or the TLS handshake failed."""
    UNTRUSTED = "untrusted"
    """Nothing was sent: the server's TLS certificate is not trusted."""
    LOST = "lost"
    """Something may have been sent, and no complete answer came back."""
    OVERSIZED = "oversized"
    """An answer came back that is too large to be read."""


class Reply(Struct, frozen=True, gc=False):
    """One HTTP answer as received: the status, the headers (looked up without case) and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Lost(NamedTuple):
    """No HTTP answer: what went wrong, and a sentence for people."""

    fault: Fault
    detail: str


class Kind(enum.Enum):
    """What an error proves about its row, before the history of the run is considered."""

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
    """Fatal until a start of this run has succeeded. After that, it concerns only the row's bucket."""
    UNPROVEN = "unproven"
    """Its status refuses, but the answer has no form of the service's, so somebody else may have written it."""
    UNAVAILABLE = "unavailable"
    """In doubt, or refused if the user trusts that nothing runs after such an answer."""


class Cause(enum.Enum):
    """Why the service refuses, if that affects more than one row."""

    SIGNATURE = "signature"
    """The access key or the signature is wrong."""
    TOKEN = "token"  # noqa: S105 - a cause, not a token
    """The temporary credentials have expired."""
    LOCKED = "locked"
    """The access key is locked for some minutes, after several wrong signatures."""
    PERMISSION = "permission"
    CLOCK = "clock"
    """The service refuses the date of the request."""
    ENDPOINT = "endpoint"
    UNSERVED = "unserved"
    """The endpoint does not serve workflows."""
    ACCOUNT = "account"
    AGENCY = "agency"
    REQUEST = "request"
    """The request was changed on its way."""
    OTHER = "other"


class Meaning(NamedTuple):
    """What an error means by the table of a dialect. `advice` says what to do if it ends the job."""

    kind: Kind
    cause: Cause = Cause.OTHER
    advice: str = ""
    label: str = ""
    """The error's code as the table spells it, so one of a bounded set. Empty for a code not in the table."""


UNKNOWN = Meaning(Kind.DOUBT)
"""The meaning of an error that was not looked up: it proves nothing."""


class Answer(Struct, frozen=True, gc=False):
    """The parsed result of one request: either an HTTP answer (`status` > 0) or a `fault`.

    `code` and `message` are the service's words about an error; for a fault, `message` says what happened. `date` and
    `retry_after` are the texts of the headers, empty if absent. `execution` is the one that the answer to a start
    names, if any. `meaning` is that of an error.
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
    """The answer to a query. `noun` is what it describes, None if that cannot be read."""

    noun: Noun | None = None
    is_garbled: bool = False
    """Whether a success has a body that is truncated or not the expected document. A retry may return it complete."""


class Verdict(enum.StrEnum):
    """What the answer to an attempt proves about the row. A StrEnum hashes as fast as its text."""

    STARTED = "started"
    REJECTED = "rejected"
    """The service will never start this row as it stands."""
    REFUSED = "refused"
    """Not started and safe to send again later: the service is busy."""
    UNSENT = "unsent"
    """Not started and safe to send again: nothing left this machine."""
    IN_DOUBT = "in_doubt"
    """May have been started. Never sent again on a guess."""
    FATAL = "fatal"
    """The service refuses the whole job. The row is untouched."""


# Modules on the path of every row look members up once, since Python 3.11 finds them slowly.
class Status(enum.StrEnum):
    """The state of a row. All outputs and modules use these words."""

    PENDING = "pending"
    """Not started; the next run sends it."""
    SENDING = "sending"
    """On the wire, or about to be. If no run is in progress, such a row is in doubt."""
    STARTED = "started"
    REFUSED = "refused"
    """The service was too busy until the last attempt. Not started; the next run sends it again."""
    REJECTED = "rejected"
    """The service will never start this row as it stands."""
    INVALID = "invalid"
    """Cannot be sent as it stands in the manifest."""
    DUPLICATE = "duplicate"
    """Has the same content as an earlier row, and is not sent."""
    DISMISSED = "dismissed"
    """Was rejected or invalid, and the user declared it settled: never sent again, and not counted as left."""
    IN_DOUBT = "in_doubt"
    """May have been started. Never sent again on a guess."""

    @property
    def words(self) -> str:
        """The status as people read it."""
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
"""The number of each status in the checkpoint. They are part of its format: numbers may be added, but never changed."""

STATUSES: Mapping[int, Status] = {number: status for status, number in NUMBERS.items()}

RECORDED = frozenset(Status) - {Status.PENDING, Status.SENDING, Status.DISMISSED}
"""The statuses that a record may have. Only the checkpoint has the others."""


class Found(Struct, frozen=True, gc=False):
    """A row of the manifest as the checkpoint sees it, at `id`. New content has no status. Equal rows are numbered."""

    id: int
    row: Row | BadRow
    status: Status | None
    copy: int


class Admitted(Struct, frozen=True, gc=False):
    """A row that the checkpoint has durably stored: SENDING if it will be sent, otherwise it only needs a record."""

    id: int
    row: Row | BadRow
    status: Status
    copy: int = 1
    new: bool = True


class Unsettled(NamedTuple):
    """A row that is not settled, as the checkpoint stores it: what is needed to name it, match it and send it."""

    id: int
    status: Status
    number: int
    bucket: str
    object: str
    inputs: bytes
    reason: str
    intent_at: float
    """POSIX seconds by the service's clock, before which the row was not sent. 0 if that clock was not known yet.

    See `rules/doubts/unknown.py` for rows that are held although they were never sent.
    """
    doubt_at: float | None = None
    """POSIX seconds by the service's clock, after which the row was not sent. None until a later answer has a time."""

    @property
    def last_at(self) -> float:
        """The last time, in POSIX seconds, at which the row can have been sent."""
        return inf if self.doubt_at is None else self.doubt_at


class Settlement(Struct, frozen=True, gc=False):
    """The current state of a row. `execution` is the name of its execution if it is started."""

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
    """`{"code": ..., "message": ...}`, or None if there is no error."""
    latency_ms: float | None = None
    recorded_at: str = ""
    reconciled: bool | UnsetType = UNSET
    """True if the execution list, not an answer, shows that the row is started. Otherwise it is not written."""


class Outcome(Struct, frozen=True, gc=False):
    """How an admitted row ends in this run.

    A PENDING row is returned unchanged and gets no record; that of any other row has its status. `latency` is that of
    the last attempt, in seconds. `execution` is set if the row is started, or was by another job.
    """

    admitted: Admitted
    status: Status
    answer: Answer = Answer()
    execution: Execution | None = None
    attempts: int = 0
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What requests are signed with. `source` says where they were found. The `repr` never contains a secret.

    Two are equal if they sign alike. `expires_at` is in POSIX seconds, None if no expiry is known.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    source: str = field(default="", compare=False)
    expires_at: float | None = field(default=None, repr=False, compare=False)
