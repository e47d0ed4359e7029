"""The rows in doubt of a job: reconcile over the job's files and its service, for `run` and `reconcile`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec import Struct, structs

from batcher.app.job_files import Files
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.checkpoint.facts import SHARED_NAME
from batcher.edges.checkpoint.places import folder_of
from batcher.flow.drain import Drain
from batcher.flow.preflight import contact
from batcher.flow.reconcile import Inquiry, reconcile
from batcher.flow.service import Service
from batcher.model import Settlement, Status, Unsettled
from batcher.rules.choices import OnDoubt
from batcher.rules.doubts.contents import contents_of
from batcher.rules.doubts.evidence import NO_CONTROL
from batcher.rules.doubts.findings import Findings
from batcher.rules.doubts.unknown import REASON as UNKNOWN
from batcher.rules.doubts.unknown import is_held_for_unknown
from batcher.rules.records.codec import record_of_adopted, record_of_duplicate
from batcher.rules.report import next_commands
from batcher.rules.report.next_commands import Job
from batcher.rules.rows.sharing import REASON as ELSEWHERE
from batcher.rules.rows.sharing import Fate, is_held_elsewhere
from batcher.rules.shards.assignment import parsed
from batcher.rules.shards.attempts import Claim
from batcher.rules.shards.ownership import owner
from batcher.rules.text import printable

SHOWN = 5

UNKNOWN_WAYS_OUT = (
    "This checkpoint may be an older copy of the job's: then put the newest one back, with its -wal file if there is"
    " one. If other clients started these executions, --on-doubt resend sends the rows."
)

ELSEWHERE_WAYS_OUT = (
    "Settle them there: run that job's command again, or batcher reconcile with its checkpoint. Then run this again. If"
    " that job is gone, --again sends its rows from here, which may start them twice."
)

WAYS_OUT = (
    "An execution that is known to exist shows whether the list is complete. Start more rows of this job, or make one"
    " start that is kept for this, of an object KEY that may be processed once more. Or send these rows again without"
    " checking, with --on-doubt resend, which may start them twice."
)


class Doubts(Struct, frozen=True):
    """Settles rows in doubt by the execution list. `settle_time` is in seconds."""

    files: Files
    service: Service
    drain: Drain
    world: World
    on_doubt: OnDoubt
    settle_time: float
    job: Job

    async def settle(self, *, patient: bool, release: bool = True) -> Findings:
        """Record rows that are in the list as started. Release rows that are not, so that they are sent again.

        `patient` waits until the list must be complete. Without `release`, absent rows stay in doubt for the next run.
        """
        # In this order: a process that has ended records nothing afterwards.
        alive = await self._not_proven_over()
        await self._take_late()
        rows = await self.files.checkpoint.unsettled({Status.IN_DOUBT})
        return await self.settle_rows(rows, alive, patient=patient, release=release)

    async def settle_rows(
        self, rows: list[Unsettled], alive: Sequence[Claim] = (), *, patient: bool, release: bool = True
    ) -> Findings:
        """Settle all rows in doubt of the job. `alive` are the earlier attempts that may still send them."""
        if not rows or self.on_doubt is OnDoubt.HOLD or self.drain.begun:
            return Findings([], [], rows, [])
        elsewhere = [row for row in rows if is_held_elsewhere(row)]
        rows = [row for row in rows if not is_held_elsewhere(row)]
        findings = await self._settled(rows, alive, patient=patient, release=release)
        return await self._with_elsewhere(findings, elsewhere, patient=patient, release=release and not alive)

    async def _settled(
        self, rows: list[Unsettled], alive: Sequence[Claim], *, patient: bool, release: bool
    ) -> Findings:
        """Settle rows that this job may have started."""
        if not rows:
            return Findings([], [], [], [])
        if self.on_doubt is OnDoubt.RESEND and (alive or not release):
            return self._held(Findings([], [], rows, []), alive)
        if self.on_doubt is OnDoubt.RESEND:
            self.world.voice.say(f"rows in doubt: {len(rows):,}, sent again because of --on-doubt resend")
            await self._release(rows)
            return Findings([], rows, [], [])
        unknown = [row for row in rows if is_held_for_unknown(row)]
        rows = [row for row in rows if not is_held_for_unknown(row)]
        release = release and not alive
        # While a row may still be sent, no time is the last at which it can have been.
        inquiry = structs.replace(self.inquiry(), date=_leave_undated) if alive else self.inquiry()
        findings = Findings([], [], [], [])
        if rows:
            findings = await self._asked(inquiry, rows, patient=patient, release=release)
        findings = self._held(findings, alive)
        if unknown and patient and not findings.released:
            self.world.voice.say(f"rows in doubt: {len(unknown):,} held ({UNKNOWN})")
            self.world.voice.say(UNKNOWN_WAYS_OUT)
        reason = findings.reason or (UNKNOWN if unknown else "")
        return findings._replace(held=[*findings.held, *unknown], reason=reason)

    async def _not_proven_over(self) -> Sequence[Claim]:
        """Return the earlier attempts at the shard whose processes may still send what they intended to send."""
        attempt = self.files.attempt
        return [] if attempt is None else await asyncio.to_thread(attempt.doubters)

    async def _take_late(self) -> None:
        if self.files.attempt is not None:
            count = await self.files.take_late(folder_of(self.files.attempt.checkpoint))
            if count:
                self.world.voice.say(f"rows in doubt: {count:,} settled by records of an earlier attempt")

    def _held(self, findings: Findings, alive: Sequence[Claim]) -> Findings:
        """Say why rows in doubt are held that could otherwise be sent again."""
        if not alive or not findings.held:
            return findings
        self.world.voice.say(
            f"rows in doubt: {len(findings.held):,} held: {alive[0].who} is not proven to have ended, and may still"
            " send them. If it is dead, --predecessor-is-dead says so"
        )
        return findings._replace(reason=findings.reason or "an earlier process may still send them")

    async def _with_elsewhere(
        self, findings: Findings, rows: Sequence[Unsettled], *, patient: bool, release: bool
    ) -> Findings:
        """Ask the ledger about rows that are held for other jobs, and add what it says to the findings."""
        sharing = self.files.sharing
        if not rows:
            return findings
        asked = [] if sharing is None else await sharing.asked(rows)
        started = [(row, holder) for row, holder, fate in asked if fate is Fate.DUPLICATE]
        free = [row for row, _, fate in asked if fate is Fate.SEND and release]
        now = self.world.clock()
        await self.files.settle(
            [Settlement(row.id, Status.DUPLICATE) for row, _ in started],
            [record_of_duplicate(row, holder, now) for row, holder in started],
        )
        await self._release(free)
        ended = {row.id for row in (*free, *(row for row, _ in started))}
        held = [row for row in rows if row.id not in ended]
        if held and patient and not findings.released and not free:
            self.world.voice.say(f"rows in doubt: {len(held):,} held ({ELSEWHERE})")
            for job in sorted({holder.job for row, holder, _ in asked if row.id not in ended})[:SHOWN]:
                self.world.voice.say(f"another job: {printable(job)}")
            self.world.voice.say(ELSEWHERE_WAYS_OUT)
        reason = findings.reason or (ELSEWHERE if held else "")
        return findings._replace(
            released=[*findings.released, *free],
            held=[*findings.held, *held],
            reason=reason,
            duplicates=[row for row, _ in started],
            freed=len(free),
        )

    async def _asked(self, inquiry: Inquiry, rows: Sequence[Unsettled], *, patient: bool, release: bool) -> Findings:
        """Ask the execution list for rows that were sent, and settle those that it decides."""
        self.world.voice.say(f"rows in doubt: {len(rows):,}, checking the service's execution list")
        if not self.service.now():
            # Any answer carries the service's time, which shows whether a walk over the list is late enough.
            await contact(self.service.workflow, self.drain, self.world.draw, self.world.monotonic)
            if self.drain.begun:
                return Findings([], [], [*rows], [])
        findings = await reconcile(inquiry, rows, patient=patient)
        repeated = await self.files.checkpoint.recall(SHARED_NAME)
        if repeated is not None and findings.released:
            reason = f"the service answered two starts with the same execution, {repeated}"
            findings = findings._replace(released=[], held=[*findings.held, *findings.released], reason=reason)
        if not release:
            findings = findings._replace(released=[], held=[*findings.held, *findings.released])
        await self._adopt(findings)
        await self._release(findings.released)
        _report(self._without_other_shards(findings), self.world.voice, self.service.masked)
        # A run that is not patient yet sends its rows first: their starts may be what is missing.
        if patient and findings.held and NO_CONTROL in findings.reason:
            self.world.voice.say(WAYS_OUT)
            self.world.voice.say(f"one start: {next_commands.doctor(self.job)}")
        return findings

    def inquiry(self) -> Inquiry:
        """Return what a look at the execution list needs."""
        return Inquiry(
            executions=self.service.executions,
            execution=self.service.execution,
            note=self.files.checkpoint.note_listed,
            unowned=self.files.checkpoint.unowned,
            controls=self.files.checkpoint.controls,
            date=self._date,
            sleep=self.drain.sleep,
            stopped=lambda: self.drain.begun,
            now=self.service.now,
            settle_time=max(self.settle_time, self.service.dialect.closes_after or 0.0),
        )

    def _without_other_shards(self, findings: Findings) -> Findings:
        """Leave out executions that another shard may have started a moment ago, and not recorded yet."""
        written = self.files.card.shard
        if not written:
            return findings
        number, of = parsed(written)
        elsewhere = [
            found
            for found in findings.elsewhere
            if all(owner(each.object, of) == number for each in contents_of(found.input or "") or ())
        ]
        return findings._replace(elsewhere=elsewhere)

    async def _date(self, rows: Sequence[Unsettled], at: float) -> None:
        await self.files.settle([Settlement(row.id, Status.IN_DOUBT) for row in rows], doubt_at=at)

    async def _adopt(self, findings: Findings) -> None:
        now = self.world.clock()
        await self.files.settle(
            [Settlement(row.id, Status.STARTED, found.execution.name) for row, found in findings.adopted],
            [record_of_adopted(row, found.execution, now) for row, found in findings.adopted],
        )

    async def _release(self, rows: list[Unsettled]) -> None:
        await self.files.forget_inherited([row.id for row in rows])
        await self.files.settle([Settlement(row.id, Status.PENDING) for row in rows])


async def _leave_undated(_rows: Sequence[Unsettled], _at: float) -> None:
    """Store no time."""


def _report(findings: Findings, voice: Voice, masked: Callable[[str], str]) -> None:
    """Report the result, and name the executions that another client started. `masked` hides secrets in a text."""
    told = (
        (findings.adopted, "found started"),
        (findings.released, "never started, will be sent again"),
        (findings.held, "still in doubt"),
    )
    reason = f" ({findings.reason})" if findings.held and findings.reason else ""
    voice.say("rows in doubt: " + ", ".join(f"{len(rows):,} {name}" for rows, name in told if rows) + reason)
    for found in findings.elsewhere[:SHOWN]:
        contents = contents_of(found.input or "")
        where = masked(f" for {contents[0].bucket}/{printable(contents[0].object)}") if contents else ""
        voice.warn(f"execution {found.execution.name}{where} was started by another client")
    if len(findings.elsewhere) > SHOWN:
        voice.warn(f"and {len(findings.elsewhere) - SHOWN:,} more executions were started by another client")
