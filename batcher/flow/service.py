"""The service: one workflow at one endpoint. Arguments and results are nouns, whatever the dialect is.

No other module signs, sends, or passes a body to a dialect. This one owns two things that outlast a request: the
service's time, and what to do if the service refuses the credentials.
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
from batcher.rules.service.secrets import Secrets
from batcher.rules.service.verdicts import SUCCESS

AnswerT = TypeVar("AnswerT", bound=Answer)

Send = Callable[[str, str, Mapping[str, str], bytes | None], Awaitable[Reply | Lost]]
"""Sends method, target, headers and body once. Returns the reply, or how it was lost."""

NOTABLE = 60.0
"""Seconds by which the local clock must be off to be the reason why the service refuses a request's date."""

MOST_USED = 8
"""How many of the credentials used last are masked in what the service says. It cannot quote older ones any more."""

STOPPED = "the job is stopping; nothing was sent"

LOCKED_SECONDS = 310.0
"""How long to wait for an access key that the service has locked: five minutes, and some seconds for its clock."""
MOST_LOCKS = 3
"""How many times to wait in succession."""
_ASKED_NOTHING = 200
"""The status of a page that was not asked for: the service has refused nothing."""


class Clock(NamedTuple):
    """The machine's two clocks, in seconds: POSIX time, which can be set, and a steady clock, which cannot."""

    wall: Callable[[], float]
    steady: Callable[[], float]
    """Returns the seconds since a fixed moment, including the time for which the machine was suspended."""


class _Reader(NamedTuple, Generic[AnswerT]):
    """How to read a reply, and the type of answer that this results in."""

    read: Callable[[Reply], AnswerT]
    kind: type[AnswerT]
    tells_time: bool = True
    """Whether the clock is learned from it. What the clock is to judge, the list and its details, does not set it."""


@dataclass(slots=True)
class Service:
    """One workflow of the service."""

    dialect: Dialect
    name: str
    """The workflow's name. It is valid."""
    send: Send
    credentials: CredentialsInUse
    clock: Clock
    patience: Patience
    """How to repeat requests without side effects, and whether the job has stopped sending."""
    warn: Callable[[str], None]
    """Shows a sentence to the user."""
    _start: Call = field(init=False)
    _starts: _Reader[Answer] = field(init=False)
    _lead: Lead | None = field(default=None, init=False)
    _date: str = field(default="", init=False)
    """The `Date` header of the latest answer."""
    _has_warned: bool = field(default=False, init=False)
    _used: list[Credentials] = field(default_factory=list, init=False)
    """The credentials used last, latest last, and below what masks them."""
    _secrets: Secrets = field(default_factory=lambda: Secrets(()), init=False)
    _signed_of: tuple[Credentials, Call, int] | None = field(default=None, init=False)
    _signed: Mapping[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        # Composed once for all rows.
        self._start = self.dialect.start(self.name)
        self._starts = _Reader(self.dialect.read_start, Answer)

    def now(self) -> float:
        """Return the service's time in POSIX seconds or slightly less, and 0 until an answer has brought it."""
        return 0.0 if self._lead is None else self.clock.steady() + self._lead.seconds

    def start(self, row: Row) -> Awaitable[Answer]:
        """Start one execution of a row. Sent once; sent again with other credentials only if these were refused."""
        return self._ask(self._start, self.dialect.start_body(row), self._starts)

    def restore(self, name: str) -> Awaitable[Answer]:
        """Resume a failed execution from the step that failed. Sent once, like a start."""
        call = self.dialect.restore(self.name, name)
        return self._ask(call, call.content, self._starts)

    async def workflow(self, name: str | None = None) -> Described[Workflow]:
        """Ask once for the definition of the workflow, or of another one with this name."""
        answer = await self._question(self.dialect.workflow(name or self.name), self.dialect.read_workflow)
        return structs.replace(answer, meaning=self.dialect.errors.meaning_of_question(answer))

    async def executions(self, windows: Sequence[Window]) -> AsyncIterator[Described[Page]]:
        """Yield all executions that began within one of the windows, and perhaps others, page by page.

        A page too large to be read is asked for in smaller ones. If the list cannot be read completely, the last
        answer has no noun, and its message says why.
        """
        walk = self.dialect.walk(self.name, self._past(windows))
        following = _following(walk, None)
        if isinstance(following, str) and following:
            yield Described(_ASKED_NOTHING, message=following)
        while isinstance(following, Call):
            answer = await self._patiently(following, self.dialect.read_page)
            if answer.fault is not Fault.OVERSIZED:
                yield answer
                if answer.noun is None:
                    return
            following = _following(walk, answer.noun)
            if isinstance(following, str) and following:
                yield structs.replace(answer, noun=None, message=following)

    def _past(self, windows: Sequence[Window]) -> Sequence[Window]:
        """Cut windows off at the service's time if the list can only be asked for times that have passed."""
        now = self.now()
        if self.dialect.closes_after is None or not now:
            return windows
        return [window._replace(end=max(window.begin, min(window.end, now))) for window in windows]

    async def page(self, *, marker: str = "", limit: int = 1000, is_event: bool | None = None) -> Described[Page]:
        """Ask for one page of the execution list, beginning at a page's `next_marker`. `is_event` selects one kind.

        The page is smaller if one of this size is too large to be read.
        """
        while True:
            call = self.dialect.page(self.name, marker=marker, limit=limit, is_event=is_event)
            answer = await self._patiently(call, self.dialect.read_page)
            if answer.fault is not Fault.OVERSIZED or limit == 1:
                return answer
            limit //= 2

    async def execution(self, name: str) -> Described[ExecutionDetail]:
        """Ask for one execution of the workflow, including the text that it was started with."""
        answer = await self._patiently(self.dialect.execution(self.name, name), self.dialect.read_execution)
        found = answer.noun
        if found is None or found.execution.name:
            return answer
        # An answer that names no execution is about the one that was asked for.
        return structs.replace(answer, noun=found._replace(execution=structs.replace(found.execution, name=name)))

    def ask(self, call: Call, read: Callable[[Reply], Described[Noun]]) -> Awaitable[Described[Noun]]:
        """Send a call of the caller's own once, read by `read`. It must be one without side effects."""
        return self._question(call, read)

    def masked(self, text: str) -> str:
        """Return a text of the service without the secrets of the credentials in use and of earlier ones."""
        return self._secrets.masked(text)

    def _mask(self, credentials: Credentials) -> None:
        """Mask these credentials from now on."""
        self._used = [*(each for each in self._used if each is not credentials), credentials][-MOST_USED:]
        self._secrets = Secrets(self._used)

    def _patiently(self, call: Call, read: Callable[[Reply], Described[Noun]]) -> Awaitable[Described[Noun]]:
        reader = _Reader(read, Described, tells_time=False)
        return ask_patiently(self.patience, self.now, lambda: self._ask(call, call.content, reader))

    def _question(self, call: Call, read: Callable[[Reply], Described[Noun]]) -> Awaitable[Described[Noun]]:
        return self._ask(call, call.content, _Reader(read, Described))

    async def _ask(self, call: Call, body: bytes | None, reader: _Reader[AnswerT]) -> AnswerT:
        """Send with the credentials in use. If they are refused, send once more with newer ones, if there are any.

        A refusal of credentials proves that nothing ran, so the same request may be sent again, with others only. All
        requests that need others wait for the same search. Until one request has shown that the credentials are
        accepted, it is the only one on the wire: the service blocks an access key that sends many wrong signatures.
        """
        credentials = self.credentials
        while True:
            if credentials.are_proven:
                lent = credentials.current
                # As `_exchange` does, without a coroutine between: most starts need nothing more.
                sent = self.clock.steady()
                answer = self._read(await self._leave(lent, call, body, sent), call, reader, sent)
                if answer.status in SUCCESS or not verdicts.refuses_credentials(answer):
                    return answer
                if credentials.current is lent:
                    # Nothing more leaves with them while others are looked for.
                    credentials.are_proven = False
                async with credentials.alone:
                    if self.patience.stopped():
                        return answer
                    is_unlocked = credentials.are_proven and verdicts.is_locked(answer)
                    if credentials.current is lent and not is_unlocked:
                        return await self._ask_with_newer(answer, call, body, reader, have_worked=True)
                    if call.method != "GET" and verdicts.is_unproven(answer):
                        return answer
            else:
                has_to_wait = credentials.alone.locked()
                async with credentials.alone:
                    if has_to_wait and self.patience.stopped():
                        return reader.kind(fault=Fault.UNREACHED, message=STOPPED)
                    if not credentials.are_proven:
                        return await self._ask_first(call, body, reader)

    async def _ask_first(self, call: Call, body: bytes | None, reader: _Reader[AnswerT]) -> AnswerT:
        """Send with credentials that no request has tried yet. No other request is on the wire."""
        answer = await self._exchange(self.credentials.current, call, body, reader)
        is_refused = verdicts.refuses_credentials(answer)
        # A service that refuses the date has not looked at the signature.
        self.credentials.are_proven = not is_refused and not verdicts.is_skewed(answer)
        return await self._ask_with_newer(answer, call, body, reader) if is_refused else answer

    async def _ask_with_newer(
        self,
        refusal: AnswerT,
        call: Call,
        body: bytes | None,
        reader: _Reader[AnswerT],
        *,
        have_worked: bool = False,
    ) -> AnswerT:
        """Look for newer credentials and send with them, with no other request on the wire.

        Return the refusal if there are none, or if it does not prove that the request had no effect. Credentials that
        `have_worked` may only be locked for a while.
        """
        newer = await self.credentials.find_newer()
        if newer is None and have_worked and verdicts.is_locked(refusal):
            return await self._ask_once_unlocked(refusal, call, body, reader)
        if newer is None or self.patience.stopped():
            return refusal
        self.credentials.current = newer
        if call.method != "GET" and verdicts.is_unproven(refusal):
            self.credentials.are_proven = False
            return refusal
        answer = await self._exchange(newer, call, body, reader)
        self.credentials.are_proven = not verdicts.refuses_credentials(answer)
        return answer

    async def _ask_once_unlocked(
        self, refusal: AnswerT, call: Call, body: bytes | None, reader: _Reader[AnswerT]
    ) -> AnswerT:
        """Wait until the access key may be used again, and send once more, at most MOST_LOCKS times.

        It is the one case in which refused credentials are sent again: they have worked, and the lock ends by itself.
        """
        answer = refusal
        for _ in range(MOST_LOCKS):
            self.warn(f"the service has locked the access key; waiting {LOCKED_SECONDS:,.0f} s")
            await self.patience.sleep(LOCKED_SECONDS)
            if self.patience.stopped():
                break
            answer = await self._exchange(self.credentials.current, call, body, reader)
            self.credentials.are_proven = not verdicts.refuses_credentials(answer)
            if not verdicts.is_locked(answer):
                break
        return answer

    async def _exchange(
        self, credentials: Credentials, call: Call, body: bytes | None, reader: _Reader[AnswerT]
    ) -> AnswerT:
        """Send one request once and read its answer."""
        sent = self.clock.steady()
        return self._read(await self._leave(credentials, call, body, sent), call, reader, sent)

    def _leave(self, credentials: Credentials, call: Call, body: bytes | None, sent: float) -> Awaitable[Reply | Lost]:
        """Sign a request at `sent`, in seconds of the steady clock, and send it once."""
        # The service compares the date with its own clock. Before the first answer, the local clock is the best guess.
        now = self.clock.wall() if self._lead is None else sent + self._lead.seconds
        headers = self._sign(credentials, call, body, int(now))
        target = call.path + self.dialect.wire_query(call.query) if call.query else call.path
        if not self._used or self._used[-1] is not credentials:
            self._mask(credentials)
        return self.send(call.method, target, headers, body)

    def _read(self, reply: Reply | Lost, call: Call, reader: _Reader[AnswerT], sent: float) -> AnswerT:
        """Read the answer to a request that left at `sent`. Learn the clock, and mask and explain an error."""
        if isinstance(reply, Lost):
            return reader.kind(fault=reply.fault, message=self.masked(legible(reply.detail)))
        answer = reader.read(reply)
        # A refusal sets the clock in any case: the next request must be signed with it.
        if answer.date != self._date and (reader.tells_time or answer.status not in SUCCESS):
            self._learn(answer.date, sent, may_be_old=call.method == "GET" and answer.status in SUCCESS)
        if answer.status in SUCCESS:
            return self._secrets.cleaned(answer) if self._secrets.may_be_in(reply, answer) else answer
        meaning = self.dialect.errors.meaning(answer.status, answer.code, answer.message)
        # The code decides what happens to the row, so a known one stays as it is.
        code = answer.code if meaning.label else self.masked(answer.code)
        answer = structs.replace(self._secrets.cleaned(answer), code=code, meaning=meaning)
        if verdicts.is_unproven(answer) and not answer.message:
            answer = structs.replace(answer, message=verdicts.FOREIGN)
        if verdicts.is_skewed(answer):
            self._warn_once()
        return answer

    def _sign(self, credentials: Credentials, call: Call, body: bytes | None, now: int) -> Mapping[str, str]:
        """Return the signed headers. If they do not cover the body, the starts of one second share them."""
        if self.dialect.signs_body:
            return self.dialect.sign(credentials, call, body, now)
        signed_of = (credentials, call, now)
        if signed_of != self._signed_of:
            self._signed_of, self._signed = signed_of, self.dialect.sign(credentials, call, None, now)
        return self._signed

    def _learn(self, date: str, sent: float, *, may_be_old: bool) -> None:
        """Update the lead of the service's clock from an answer. Answers of the same second are used once."""
        self._date = date
        served = posix_of_header(date)
        if served is not None:
            self._lead = lead(self._lead, served, sent, self.clock.steady(), may_be_old=may_be_old)

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
    """Advance a walk by one step. Return the next call, or why the walk ends: empty if it has read everything.

    `page` is None at the beginning, and for a page that is too large to be read.
    """
    try:
        return walk.send(page)
    except StopIteration as end:
        return str(end.value)
