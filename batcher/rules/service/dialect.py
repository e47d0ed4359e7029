"""The dialect: how one API of the service is called, signed and read, and what its errors mean, as one value. Pure.

A dialect is made of functions that only compute and of tables. `flow/service.py` is the one place that sends what a
dialect composes; everybody above it gets nouns. Today's API is in `obs_v2.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from batcher.model import Answer, Credentials, Described, ExecutionDetail, Page, Reply, Row, Workflow
from batcher.rules.service.names import Endpoint
from batcher.rules.service.verdicts import Table

LONGEST = 500
"""The number of characters kept of the service's words: they go to terminals and into records."""

# A refused signature may be answered with the text that the server signed, and the security token is part of it.
_TOKEN = re.compile(r"""x-(?:obs-|amz-)?security-token["']?\s*[:=]\s*["']?[^\s"',;<>&]+""", re.IGNORECASE)


class Call(NamedTuple):
    """One request, before it is signed. `path` is percent-encoded; `query` is not, and keeps its order."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    """The body, None where there is none. That of a start is made for each row, by `Dialect.start_body`."""


class Window(NamedTuple):
    """A span of time in POSIX seconds by the service's clock, both ends included."""

    begin: float
    end: float


Walk = Generator[Call, Page, str]
"""Yields the next call of a walk over the execution list and is sent the page that it brought.

Its return value says why the walk cannot go on, and is empty where it has seen all that was asked for.
"""


class PageCall(Protocol):
    """Composes the call for one page of a workflow's execution list, whatever the time of its executions."""

    def __call__(self, workflow: str, *, marker: str = "", limit: int = 1000, is_event: bool | None = None) -> Call:
        """Begin at the page before's `next_marker`; `is_event` selects by what started an execution, None takes any."""


class EndpointRule(Protocol):
    """Reads the address of the service. Raises UsageError that says what is wrong with it."""

    def __call__(self, text: str, *, allow_http: bool) -> Endpoint:
        """Refuse plain http to other machines unless `allow_http`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One API of the service. Each `read_...` takes a whole HTTP reply, successful or not, and never fails.

    Of an error they give the service's words; what these mean is looked up in `errors`, by the caller.
    """

    name: str
    """The name by which the dialect is told from others."""

    start: Callable[[str], Call]
    """The call that starts a workflow, but for its body."""
    start_body: Callable[[Row], bytes]
    workflow: Callable[[str], Call]
    """The question how a workflow is defined."""
    walk: Callable[[str, Sequence[Window]], Walk]
    """The questions that bring every execution of a workflow that began within one of these windows; and maybe more."""
    page: PageCall
    execution: Callable[[str, str], Call]
    """The question about one execution of a workflow, by the names of both."""
    restore: Callable[[str, str], Call]
    """The call by which a failed execution of a workflow goes on, by the names of both."""

    sign: Callable[[Credentials, Call, bytes | None, int], Mapping[str, str]]
    """The headers of a call with this body at this time (POSIX seconds), the signature among them."""
    signs_body: bool
    """Whether the signature covers the body. If not, the starts of one second share their headers."""

    read_start: Callable[[Reply], Answer]
    """Also reads the answer to `restore`."""
    read_workflow: Callable[[Reply], Described[Workflow]]
    read_page: Callable[[Reply], Described[Page]]
    read_execution: Callable[[Reply], Described[ExecutionDetail]]
    errors: Table

    workflow_fault: Callable[[str], str | None]
    """What is wrong with the name of a workflow, None where nothing is."""
    region_endpoint: Callable[[str], str]
    """The endpoint of a region. Raises UsageError for what cannot be a region's name."""
    endpoint: EndpointRule


def legible(text: str) -> str:
    """Make text fit for one line of a terminal: short, nothing unprintable, no security token."""
    text = text.strip()[:LONGEST]
    if text.isalnum():
        # A request id, in every answer: it holds neither blanks nor a token's name.
        return text
    if not text.isprintable():
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return _TOKEN.sub("[security token]", text)
