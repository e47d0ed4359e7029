"""Rows of a job whose checkpoint is not proven to be the newest: the question before the first start, and the holding.

A row that an unknown execution fits is admitted and put in doubt without being sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct, field

from batcher.app.doubts import Doubts
from batcher.errors import ServiceError
from batcher.flow.unknown import Asked, ask
from batcher.model import Admitted, Answer, Outcome, Row, Status
from batcher.rules.choices import OnDoubt
from batcher.rules.doubts.unknown import HELD, MOST, NEVER_SENT, Unknown
from batcher.rules.records.codec import timestamp
from batcher.rules.text import counted

Fire = Callable[[Admitted], Awaitable[Outcome]]

TWICE = "If this checkpoint is an older copy of the job's, rows are started twice."


class Newness(Struct):
    """Holds the rows of one run that an unknown execution fits. `warn` shows a sentence to the user."""

    doubts: Doubts
    warn: Callable[[str], None]
    unknown: Unknown = field(default_factory=Unknown)
    held: dict[int, str] = field(default_factory=dict)
    """The held rows that are not in doubt yet: by id, the name of the execution. Bounded by the engine."""
    _is_asked: bool = False

    async def ask(self) -> None:
        """Ask the service once, before the first start. Begin the drain if the service cannot answer now."""
        unproven, drain = self.doubts.files.unproven, self.doubts.drain
        if unproven is None or self._is_asked or self.doubts.on_doubt is OnDoubt.RESEND or drain.begun:
            return
        self._is_asked = True
        since = f"since {timestamp(unproven.since)} " if unproven.since else ""
        self.doubts.world.voice.say(
            f"{unproven.reason}: checking the service's execution list for executions {since}that this checkpoint does"
            " not know"
        )
        checkpoint = self.doubts.files.checkpoint
        rows = await checkpoint.unsettled({Status.IN_DOUBT})
        try:
            asked = await ask(self.doubts.inquiry(), checkpoint.first_unowned, unproven.since, rows)
        except ServiceError as error:
            drain.begin(error)
            return
        if drain.begun:
            return
        self.unknown = asked.unknown
        self._report(asked)
        if not (self.unknown or asked.fault or asked.left_out):
            await self.doubts.files.prove()

    async def admit(self, rows: Sequence[Admitted], now: float) -> None:
        """Admit rows, those that are held with an intent that says that they are never sent."""
        if not self.unknown:
            await self.doubts.files.admit(rows, now)
            return
        sending = {each.id: each.row for each in rows if each.status is Status.SENDING and isinstance(each.row, Row)}
        held = self.unknown.fitting(sending)
        self.held |= held
        for part, at in (
            ([each for each in rows if each.id in held], NEVER_SENT),
            ([each for each in rows if each.id not in held], now),
        ):
            if part:
                await self.doubts.files.admit(part, at)

    def firing(self, fire: Fire) -> Fire:
        """Return `fire` for the rows that are not held. For the others, return their doubt."""

        def fire_or_hold(admitted: Admitted) -> Awaitable[Outcome]:
            name = self.held.pop(admitted.id, "") if self.held else ""
            return _doubt(admitted, name) if name else fire(admitted)

        return fire_or_hold

    def _report(self, asked: Asked) -> None:
        fitting = (
            f"{counted(len(asked.unknown), 'execution')}; rows that they fit are held" if asked.unknown else "none"
        )
        self.doubts.world.voice.say(f"executions that this checkpoint does not know: {fitting}")
        if asked.fault:
            self.warn(f"the execution list may lack executions: {asked.fault}. {TWICE}")
        if asked.left_out:
            self.warn(
                f"not looked at: {counted(asked.left_out, 'more execution')} that this checkpoint does not know (the"
                f" maximum is {MOST:,}). {TWICE}"
            )
        if asked.unreadable:
            self.warn(
                f"without readable content: {counted(asked.unreadable, 'execution')} that this checkpoint does not"
                f" know. {TWICE}"
            )


async def _doubt(admitted: Admitted, name: str) -> Outcome:
    message = f"execution {name}, which this checkpoint does not know, has this row's content; the row was not sent"
    return Outcome(admitted, Status.IN_DOUBT, Answer(code=HELD, message=message))
