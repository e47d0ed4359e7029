"""The dialect: how one API of the service is called, signed and read, and what its errors mean, as one value. Pure.

A dialect consists of pure functions and tables. Only `flow/service.py` sends what a dialect composes; the code above it
gets nouns. The APIs are in `obs_v2.py` and `dwr_v3.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import NamedTuple, Protocol

import orjson
from msgspec import Struct

from batcher.model import Answer, Credentials, Described, ExecutionDetail, Page, Reply, Row, Workflow
from batcher.rules.service.names import Endpoint
from batcher.rules.service.signing import Query, wire_query
from batcher.rules.service.verdicts import Table

LONGEST = 500
"""The number of characters kept of a text from the service. Such texts go to terminals and into records."""

# If a signature is refused, the answer may contain the text that the server signed, including the security token.
_TOKEN = re.compile(
    r"""x-(?:(?:obs-|amz-)?security|auth|subject)-token["']?\s*[:=]\s*["']?[^\s"',;<>&]+""", re.IGNORECASE
)


class Call(NamedTuple):
    """One request, before it is signed. `path` is percent-encoded; `query` is not, and keeps its order."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    """The body, None if there is none. `Dialect.start_body` makes the body of a start for each row."""


class Window(NamedTuple):
    """A span of time in POSIX seconds by the service's clock, both ends included."""

    begin: float
    end: float


Walk = Generator[Call, Page | None, str]
"""Yields the next call of a walk over the execution list; the caller sends in the page that the call returned.

It sends in None if that page is too large to be read. Then the next call asks for less of the same.

The return value says why the walk cannot continue. It is empty if the walk has read everything that was asked for.
"""


class PageCall(Protocol):
    """Composes the call for one page of a workflow's execution list, regardless of the executions' times."""

    def __call__(self, workflow: str, *, marker: str = "", limit: int = 1000, is_event: bool | None = None) -> Call:
        """Begin at the previous page's `next_marker`. `is_event` selects by what started an execution; None is any."""


class EndpointRule(Protocol):
    """Reads the address of the service. Raises UsageError if it is invalid."""

    def __call__(self, text: str, *, allow_http: bool) -> Endpoint:
        """Refuse plain http to other machines unless `allow_http`."""


class Dialect(Struct, frozen=True, kw_only=True):
    """One API of the service. Each `read_...` takes a whole HTTP reply, successful or not, and never fails.

    For an error they return the service's words. The caller looks up in `errors` what these mean.
    """

    name: str
    """The name that identifies the dialect."""

    start: Callable[[str], Call]
    """The call that starts a workflow, without its body."""
    start_body: Callable[[Row], bytes]
    workflow: Callable[[str], Call]
    """The call that gets the definition of a workflow."""
    walk: Callable[[str, Sequence[Window]], Walk]
    """The calls that list every execution of a workflow that began within one of these windows, and perhaps others."""
    page: PageCall
    execution: Callable[[str, str], Call]
    """The call that gets one execution of a workflow. The arguments are the names of the workflow and the execution."""
    restore: Callable[[str, str], Call]
    """The call that resumes a failed execution. The arguments are the names of the workflow and the execution."""

    sign: Callable[[Credentials, Call, bytes | None, int], Mapping[str, str]]
    """Returns the headers of a call with this body at this time (POSIX seconds), including the signature."""
    signs_body: bool
    """Whether the signature covers the body. If it does not, the starts of one second share their headers."""
    wire_query: Callable[[Query], str] = wire_query
    """Writes the query of a call as it is sent, from its `?` on."""
    closes_after: float | None = None
    """If the list can only be asked for times that have passed: after how many seconds none of these is added to.

    None if it is never asked by time.
    """

    read_start: Callable[[Reply], Answer]
    """Also reads the answer to `restore`."""
    read_workflow: Callable[[Reply], Described[Workflow]]
    read_page: Callable[[Reply], Described[Page]]
    read_execution: Callable[[Reply], Described[ExecutionDetail]]
    errors: Table

    workflow_fault: Callable[[str], str | None]
    """Returns what is wrong with the name of a workflow, None if nothing is."""
    region_endpoint: Callable[[str], str]
    """Returns the endpoint of a region. Raises UsageError if the region's name is invalid."""
    endpoint: EndpointRule


def legible(text: str) -> str:
    """Make text safe for one line of a terminal: short, printable, and without a security token."""
    text = text.strip()[:LONGEST]
    if text.isalnum():
        # Fast path for the request id in every answer: it contains neither spaces nor the name of a token.
        return text
    if not text.isprintable():
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return _TOKEN.sub("[security token]", text)


def start_body(row: Row) -> bytes:
    """Write the body that starts a row. `inputs` are byte for byte those of its identity, omitted if there are none.

    The fields are the same in both APIs: https://support.huaweicloud.com/en-us/api-obs/obs_04_0127.html and
    https://support.huaweicloud.com/api-dwr/dwr_04_0127.html.
    """
    body: dict[str, str | orjson.Fragment] = {"bucket": row.bucket, "object": row.object}
    if row.inputs:
        body["inputs"] = orjson.Fragment(row.inputs)
    return orjson.dumps(body)
