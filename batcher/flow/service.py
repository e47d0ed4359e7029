"""The service: one workflow at one endpoint, asked in nouns and answering in nouns, in whatever dialect it speaks.

Nobody else signs, sends or hands a body to a dialect. It owns two things that outlast a request: the service's time,
and what is done when the service refuses the credentials.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from msgspec import structs

from batcher.flow.ask import Patience, ask_patiently
from batcher.flow.credentials import CredentialsInUse
from batcher.model import (
    Answer,
    Credentials,
    Described,
    ExecutionDetail,
    Fault,
    Lost,
    Noun,
    Page,
    Reply,
    Row,
    Workflow,
)
from batcher.rules.service import verdicts
from batcher.rules.service.clock import Lead, lead, posix_of_header
from batcher.rules.service.dialect import Call, Dialect, Walk, Window, legible
from batcher.rules.service.signing import wire_query
from batcher.rules.service.verdicts import SUCCESS

AnswerT = TypeVar("AnswerT", bound=Answer)

Send = Callable[[str, str, Mapping[str, str], bytes | None], Awaitable[Reply | Lost]]
"""Sends method, target, headers and body once, and says what came of it."""

NOTABLE = 60.0
"""Seconds by which this machine's clock must be off to be the reason why the service refuses a request's date."""

STOPPED = "the job stops, nothing was sent"


class Clock(NamedTuple):
    """The machine's two clocks, in seconds: POSIX time, which may be set, and one that nobody can set."""

    wall: Callable[[], float]
    steady: Callable[[], float]
    """The seconds since some instant of the past, those of a sleeping machine included."""


class _Reader(NamedTuple, Generic[AnswerT]):
    """How a reply is read, and the kind of answer that it becomes."""

    read: Callable[[Reply], AnswerT]
    kind: type[AnswerT]


@dataclass(slots=True)
class Service:
    """One workflow of the service."""

    dialect: Dialect
    name: str
    """The workflow's name, a valid one."""
    send: Send
    credentials: CredentialsInUse
    clock: Clock
    patience: Patience
    """How to ask again what has no side effect; it also tells when nothing more is to be sent."""
    warn: Callable[[str], None]
    """Takes a sentence for people."""
    _start: Call = field(init=False)
    _starts: _Reader[Answer] = field(init=False)
    _lead: Lead | None = field(default=None, init=False)
    _date: str = field(default="", init=False)
    """The `Date` of the latest answer."""
    _has_warned: bool = field(default=False, init=False)
    _signed_of: tuple[Credentials, Call, int] | None = field(default=None, init=False)
    _signed: Mapping[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        # Once for all rows.
        self._start = self.dialect.start(self.name)
        self._starts = _Reader(self.dialect.read_start, Answer)

    def now(self) -> float:
        """Give the service's time in POSIX seconds, or somewhat earlier; 0 while no answer has told it."""
        return 0.0 if self._lead is None else self.clock.steady() + self._lead.seconds

    def start(self, row: Row) -> Awaitable[Answer]:
        """Ask for one execution of a row. It is sent once; only refused credentials are replaced and tried again."""
        return self._ask(self._start, self.dialect.start_body(row), self._starts)

    def restore(self, name: str) -> Awaitable[Answer]:
        """Ask for a failed execution to go on from the step that failed. Sent once, like a start."""
        call = self.dialect.restore(self.name, name)
        return self._ask(call, call.content, self._starts)

    def workflow(self, name: str | None = None) -> Awaitable[Described[Workflow]]:
        """Ask once how the workflow is defined, or another one of this name."""
        return self._question(self.dialect.workflow(name or self.name), self.dialect.read_workflow)

    async def executions(self, windows: Sequence[Window]) -> AsyncIterator[Described[Page]]:
        """Give page by page all executions that began within one of the windows, and perhaps others.

        The last answer has no noun where the list cannot be read to its end, and says why.
        """
        walk = self.dialect.walk(self.name, windows)
        following = _following(walk, None)
        while isinstance(following, Call):
            answer = await self._patiently(following, self.dialect.read_page)
            yield answer
            if answer.noun is None:
                return
            following = _following(walk, answer.noun)
            if isinstance(following, str) and following:
                yield structs.replace(answer, noun=None, message=following)

    def page(self, *, marker: str = "", limit: int = 1000, is_event: bool | None = None) -> Awaitable[Described[Page]]:
        """Ask for one page of the execution list, from a page's `next_marker` on, perhaps of one kind only."""
        call = self.dialect.page(self.name, marker=marker, limit=limit, is_event=is_event)
        return self._patiently(call, self.dialect.read_page)

    def execution(self, name: str) -> Awaitable[Described[ExecutionDetail]]:
        """Ask for one execution of the workflow, with the text that it was started with."""
        return self._patiently(self.dialect.execution(self.name, name), self.dialect.read_execution)

    def _patiently(self, call: Call, read: Callable[[Reply], Described[Noun]]) -> Awaitable[Described[Noun]]:
        return ask_patiently(self.patience, self.now, lambda: self._question(call, read))

    def _question(self, call: Call, read: Callable[[Reply], Described[Noun]]) -> Awaitable[Described[Noun]]:
        return self._ask(call, call.content, _Reader(read, Described))

    async def _ask(self, call: Call, body: bytes | None, reader: _Reader[AnswerT]) -> AnswerT:
        """Ask with the credentials in use; where they are refused, once more with newer ones if there are any.

        A refusal of credentials proves that nothing ran, so the same request may be sent again, with others only.
        Whoever needs others waits for one and the same search. Until a request has shown that the credentials are not
        refused, it is the only one on the wire: an access key that sends many wrong signatures is blocked.
        """
        credentials = self.credentials
        while True:
            if credentials.are_proven:
                lent = credentials.current
                answer = await self._exchange(lent, call, body, reader)
                if answer.status in SUCCESS or not verdicts.refuses_credentials(answer):
                    return answer
                async with credentials.alone:
                    if self.patience.stopped():
                        return answer
                    if credentials.current is lent:
                        return await self._ask_with_newer(answer, call, body, reader)
            else:
                has_to_wait = credentials.alone.locked()
                async with credentials.alone:
                    if has_to_wait and self.patience.stopped():
                        return reader.kind(fault=Fault.UNREACHED, message=STOPPED)
                    if not credentials.are_proven:
                        return await self._ask_first(call, body, reader)

    async def _ask_first(self, call: Call, body: bytes | None, reader: _Reader[AnswerT]) -> AnswerT:
        """Ask with credentials that nobody has tried, alone."""
        answer = await self._exchange(self.credentials.current, call, body, reader)
        self.credentials.are_proven = not verdicts.refuses_credentials(answer)
        return answer if self.credentials.are_proven else await self._ask_with_newer(answer, call, body, reader)

    async def _ask_with_newer(
        self, refusal: AnswerT, call: Call, body: bytes | None, reader: _Reader[AnswerT]
    ) -> AnswerT:
        """Look for newer credentials and ask with them, alone; without any the refusal stands."""
        newer = await self.credentials.find_newer()
        if newer is None or self.patience.stopped():
            return refusal
        self.credentials.current = newer
        answer = await self._exchange(newer, call, body, reader)
        self.credentials.are_proven = not verdicts.refuses_credentials(answer)
        return answer

    async def _exchange(
        self, credentials: Credentials, call: Call, body: bytes | None, reader: _Reader[AnswerT]
    ) -> AnswerT:
        """Send one request, once, and read what came of it."""
        sent = self.clock.steady()
        # The service compares the date with its own clock. This machine's is a guess, until an answer has told.
        now = self.clock.wall() if self._lead is None else sent + self._lead.seconds
        headers = self._sign(credentials, call, body, int(now))
        target = call.path + wire_query(call.query) if call.query else call.path
        reply = await self.send(call.method, target, headers, body)
        if isinstance(reply, Lost):
            return reader.kind(fault=reply.fault, message=legible(reply.detail))
        answer = reader.read(reply)
        if answer.date != self._date:
            self._learn(answer.date, sent)
        if answer.status in SUCCESS:
            return answer
        answer = structs.replace(answer, meaning=self.dialect.errors.meaning(answer.status, answer.code))
        if verdicts.is_skewed(answer):
            self._warn_once()
        return answer

    def _sign(self, credentials: Credentials, call: Call, body: bytes | None, now: int) -> Mapping[str, str]:
        """Give the signed headers. Where they do not cover the body, the starts of one second share them."""
        if self.dialect.signs_body:
            return self.dialect.sign(credentials, call, body, now)
        signed_of = (credentials, call, now)
        if signed_of != self._signed_of:
            self._signed_of, self._signed = signed_of, self.dialect.sign(credentials, call, None, now)
        return self._signed

    def _learn(self, date: str, sent: float) -> None:
        """Take the time from an answer; the answers of one second tell it once."""
        self._date = date
        served = posix_of_header(date)
        if served is not None:
            self._lead = lead(self._lead, served, sent, self.clock.steady())

    def _warn_once(self) -> None:
        behind = self.now() - self.clock.wall()
        if self._lead is None or self._has_warned or abs(behind) < NOTABLE:
            return
        self._has_warned = True
        side = "behind" if behind > 0 else "ahead of"
        self.warn(
            f"this machine's clock is {abs(behind):,.0f} s {side} the service's;"
            " requests are signed with the service's time"
        )


def _following(walk: Walk, page: Page | None) -> Call | str:
    """Take a walk one step further: the next call, or why it ends; empty where it has seen everything."""
    try:
        return next(walk) if page is None else walk.send(page)
    except StopIteration as end:
        return str(end.value)
