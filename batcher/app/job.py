"""One run over open edges: rows in doubt first, then the engine, then the rows that are in doubt now."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from batcher.app.cell_types import parameters_of
from batcher.app.columns import Columns
from batcher.app.job_files import Files
from batcher.app.monitor import Monitor
from batcher.app.preflight import Preflight
from batcher.app.resume_point import enter
from batcher.app.world import World
from batcher.edges.checkpoint.facts import SHARED_NAME
from batcher.edges.manifest import AnyManifest
from batcher.edges.progress import showing
from batcher.errors import FailuresError, JobError, ManifestError
from batcher.flow import engine
from batcher.flow.attempts import Action, Attempts
from batcher.flow.drain import Drain
from batcher.flow.preflight import contact
from batcher.flow.queues import Places
from batcher.flow.resend import Sift, released_rows
from batcher.flow.service import Service
from batcher.model import Admitted, Found, Parameter, Record, Row, Settlement, Status
from batcher.options.verbs import RunOptions
from batcher.rules.doubts.findings import Findings
from batcher.rules.progress.counts import Tally
from batcher.rules.progress.extent import Length
from batcher.rules.progress.view import RUN
from batcher.rules.rate import stop
from batcher.rules.rate.stop import Streak
from batcher.rules.report import opening
from batcher.rules.rows import admission
from batcher.rules.rows.declared import Screen
from batcher.rules.service.repeated import Names
from batcher.rules.service.verdicts import judge, serves_no_workflows, told
from batcher.rules.text import counted

if TYPE_CHECKING:
    from batcher.app.confirm import Confirm
    from batcher.app.doubts import Doubts
    from batcher.app.unknown import Newness

ROUNDS = 5
"""How many times a run sends rows again that were not in the execution list."""


UNCONFIRMED = (
    "Run the same command again and answer y, or add --yes. --confirm-above sets how many rows need no answer."
)


class Loop(Protocol):
    """The room for executions that run: see `batcher.app.closed_loop`."""

    async def let(self, rows: Sequence[Admitted]) -> int:
        """Wait until there is room for one of these rows. Return how many of them may be admitted."""

    def settled(self, settlements: Sequence[Settlement], records: Sequence[Record]) -> None:
        """Note how rows have ended."""

    def found(self, findings: Findings) -> None:
        """Note what was found about rows in doubt."""


class Run(Struct):
    """One run over open edges."""

    options: RunOptions
    world: World
    manifest: AnyManifest
    columns: Columns
    files: Files
    service: Service
    preflight: Preflight
    doubts: Callable[[], Doubts]
    """Returns what settles rows in doubt."""
    monitor: Monitor
    newness: Newness | None = None
    """Holds rows that an unknown execution fits. None if the checkpoint is proven to be the newest of its job."""
    confirm: Confirm | None = None
    """Asks a person before the first start. None if no one is to be asked."""
    names: Names = field(default_factory=Names)
    screen: Screen | None = None
    """Made before the first row is sent. None without a preflight, or if the service does not describe the workflow."""

    parameters: Mapping[str, Parameter] | None = None
    """Those that cells are converted by. None for a manifest without columns of its own."""

    length: Length | None = None
    """The length of the manifest at the last block. None if it is not known."""

    loop: Loop | None = None
    """The room for executions, None if their number is not limited."""

    unread: ManifestError | None = None
    """Why the manifest was not read to its end, if it was not."""

    @property
    def tally(self) -> Tally:
        """The counts of this run."""
        return self.monitor.tally

    @property
    def drain(self) -> Drain:
        """Whether the run is stopping, and why."""
        return self.monitor.turns.drain

    async def whole(self) -> None:
        """Settle the rows that earlier runs left in doubt, start the rows of the manifest, and settle doubts again."""
        rows, sift = await self._confirmed(await self.entered())
        async with showing(self.options.progress, self.monitor.figures, RUN):
            await self.send(rows, sift)
        await self.settle_doubts()
        self._end_unread(self.unread or await self._change())
        # The settled prefix may have grown without a settlement.
        await self.files.settle([])

    async def entered(self) -> AsyncIterator[engine.Block]:
        """Settle the rows that earlier runs left in doubt. Return the manifest from where reading it begins."""
        await self._settled(patient=False)
        self.parameters = await parameters_of(self.manifest, self.files, self.preflight)
        self.tally.pass_over(await enter(self.options, self.manifest, self.files, self.parameters))
        self.monitor.earlier_doubts = (await self.files.checkpoint.count_unsettled())[Status.IN_DOUBT]
        return self._rows()

    async def send(self, rows: AsyncIterator[engine.Block], sift: Sift) -> None:
        """Start an execution for each of these rows, as far as the limit allows."""
        await engine.run(self._job(rows, sift, self.options.limit), self.tally, self.drain)

    @property
    def decide(self) -> Callable[[Found], Admitted | None]:
        """What decides about each row of the manifest."""
        decide = partial(admission.admission, policy=self.options.policy)
        return decide if self.files.sharing is None else self.files.sharing.deciding(decide)

    async def _admit(self, rows: Sequence[Admitted]) -> None:
        """Make intents durable. In a shard, begin the drain if it was taken over: then the rows are given back."""
        sharing, admit = self.files.sharing, self.files.admit if self.newness is None else self.newness.admit
        if sharing is None:
            await admit(rows, self.service.now())
        else:
            await sharing.admit(rows, self.service.now(), admit, self.files.admit)
        if self.files.attempt is not None:
            await self.files.attempt.look(self.drain)

    async def _confirmed(self, rows: AsyncIterator[engine.Block]) -> tuple[AsyncIterator[engine.Block], Sift]:
        """Ask a person if many new rows would be sent, and begin the drain if the answer is no. Return what to run."""
        confirm, listed = self.confirm, self.monitor.listed
        if confirm is None or self.drain.begun or _is_within(confirm.above, listed, self.options.limit):
            return rows, self.sift
        # Imported here, since only a long list that a person starts needs it.
        from batcher.app.confirm import Ahead, UnconfirmedError, is_confirmed  # noqa: PLC0415

        if listed is None:
            self.world.voice.say(f"counting rows before the first start, at most {confirm.above + 1:,}")
        ahead = Ahead(rows, self.sift, self.decide, self.tally, self.drain)
        if await ahead.has_more_than(confirm.above) and not self.drain.begun:
            question = opening.question(confirm.above, self.options.workflow, listed)
            if not await is_confirmed(confirm, question, self.drain):
                self.drain.begin(UnconfirmedError("not confirmed: nothing was started", UNCONFIRMED))
        return ahead.blocks(), ahead.sift

    async def _settled(self, *, patient: bool, release: bool = True) -> Findings:
        """Look for the rows in doubt in the execution list, once."""
        findings = await self._findings(patient=patient, release=release)
        self.monitor.telemetry.reconciled(findings)
        if self.loop is not None:
            self.loop.found(findings)
        self.tally.found += len(findings.adopted)
        self.tally.missed += len(findings.released) - findings.freed
        return findings

    async def _findings(self, *, patient: bool, release: bool) -> Findings:
        if self.files.attempt is not None:
            return await self.doubts().settle(patient=patient, release=release)
        rows = await self.files.checkpoint.unsettled({Status.IN_DOUBT})
        if not rows:
            return Findings([], [], [], [])
        return await self.doubts().settle_rows(rows, patient=patient, release=release)

    async def settle_doubts(self) -> None:
        """Settle the rows in doubt, and send those again that were never started. At most ROUNDS times."""
        for round_ in range(ROUNDS + 1):
            findings = await self._settled(patient=True, release=round_ < ROUNDS)
            self.tally.adopted += len(findings.adopted)
            self.tally.duplicates_found += len(findings.duplicates)
            if not findings.released:
                return
            again = self.tally.again()
            await self._ask_for_unknown()
            rows, sift = released_rows(findings.released)
            await engine.run(self._job(rows, sift, self.options.limit), again, self.drain)
            # Rows beyond the limit are no longer in doubt either: they wait for the next run.
            self.tally.resent += len(findings.released)
            self.tally.take_over(again)

    async def _rows(self) -> AsyncIterator[engine.Block]:
        """Read the rows in a thread, and note whether the run waits for the next ones.

        The rows end where the manifest cannot be read on. `unread` is then the reason.
        """
        options, tally = self.options, self.tally
        blocks = self.manifest.blocks(bucket=options.bucket, static_inputs=options.inputs, parameters=self.parameters)
        tally.is_reading = True
        try:
            async for block in self.world.read_ahead(self._counted(blocks)):
                tally.is_reading = False
                yield block
                tally.is_reading = True
        except ManifestError as error:
            self.unread = error
        tally.is_reading = False

    async def _change(self) -> ManifestError | None:
        """Return the error for a manifest that was changed since it was opened, if its end matters."""
        if self.drain.begun or self.tally.is_limited:
            return None
        return await asyncio.to_thread(self.manifest.change)

    def _end_unread(self, error: ManifestError | None) -> None:
        """End the job with the error that kept it from reading its whole manifest, if there was one."""
        if error is not None:
            self.tally.read_whole = False
            self.drain.begin(error)

    def _counted(self, blocks: Iterator[engine.Block]) -> Iterator[engine.Block]:
        for block in blocks:
            self.tally.parsed += len(block)
            self.monitor.lines_parsed = self.manifest.lines_before + block[-1].line
            yield block
        self.tally.is_parsed = True

    async def sift(self, rows: engine.Block) -> tuple[Sequence[Found], Counter[Status]]:
        """Look up a block of the manifest. Return the rows that need a decision, and the number of others by status."""
        sifted = await self.files.checkpoint.sift(rows, admission.left_alone(self.options.policy))
        found: Sequence[Found] = sifted.found
        passed, policy = sifted.passed, self.options.policy
        if any(isinstance(each.row, Row) for each in found):
            await self._look_at_the_service()
            found = found if self.screen is None else self.screen.found(found)
        if self.columns.has_news:
            self._judge_columns()
        still: Counter[Status] = Counter()
        if any(policy):
            still.update(each.status for each in found if each.status and admission.is_still_ended(each, policy))
            passed = passed + still
        if self.files.sharing is not None:
            await self.files.sharing.look([each for each in found if admission.is_undecided(each, policy)])
        self.length = self.monitor.length
        frontier = self.files.frontier
        # Without shards, a place that is not the row's number shows that entries before it are no rows.
        last = rows[-1].number if self.options.shard is None else sifted.last
        is_in_order = sifted.in_order and last == sifted.last
        frontier.sifted(last, len(found) - still.total(), passed, is_in_order=is_in_order, ascended=sifted.ascended)
        mark = self.manifest.mark(last)
        if mark is not None:
            frontier.reached(mark)
        return found, passed

    async def _look_at_the_service(self) -> None:
        """Request what must be known before the first intent. Begin the drain if the job cannot continue."""
        if self.options.preflight and self.screen is None:
            try:
                workflow = await self.preflight.workflow()
            except JobError as error:
                self.drain.begin(error)
                return
            self.screen = None if workflow is None else Screen(workflow.parameters)
        if not self.service.now():
            # Intents are dated by the service's clock, since the local clock may be set later.
            answer = await contact(self.service.workflow, self.drain, self.world.draw, self.world.monotonic)
            if serves_no_workflows(answer):
                self.monitor.telemetry.warn(f"the endpoint does not seem to serve workflows: {told(answer)}")
        await self._ask_for_unknown()

    async def _ask_for_unknown(self) -> None:
        if self.newness is not None:
            await self.newness.ask()

    def _judge_columns(self) -> None:
        """Judge the columns that are not used. Begin the drain if one is probably misspelt."""
        # Cells have the types of the job's beginning; only without any, today's declarations are asked.
        declared = self.parameters or self.preflight.declared
        error = self.columns.of_rows(declared if self.options.preflight else ())
        if error is not None:
            self.drain.begin(error)

    def _job(self, blocks: AsyncIterator[engine.Block], sift: Sift, limit: int | None) -> engine.Job:
        places = Places(self.options.concurrency)
        attempts = Attempts(
            action=Action(self.service.start, judge),
            tally=self.tally,
            turns=self.monitor.turns,
            now=self.service.now,
            monotonic=self.world.monotonic,
            draw=self.world.draw,
            max_attempts=self.options.max_attempts,
            places=places,
            trust_503=self.options.trust_503,
            seen=self.monitor.telemetry.seen,
            names=self.names,
            streak=Streak(is_proven=self.tally.started > 0),
        )
        sharing = self.files.sharing
        fire = attempts.fire if self.newness is None else self.newness.firing(attempts.fire)
        return engine.Job(
            blocks=blocks,
            sift=sift,
            decide=self.decide,
            admit=self._admit,
            fire=fire if sharing is None else sharing.firing(fire),
            settle=self._settle,
            look=self._guard,
            now=self.world.clock,
            places=places,
            limit=limit,
            unsent=engine.as_admitted if sharing is None else sharing.unsent,
            let=None if self.loop is None else self.loop.let,
        )

    async def _settle(self, settlements: Sequence[Settlement], records: Sequence[Record]) -> None:
        self.tally.is_writing = True
        if self.names.repeated:
            await self._note_repeated()
        learned = self.monitor.learned
        await self.files.settle(settlements, records, learned=learned, length=self.length, now=self.service.now())
        self.tally.is_writing = False
        if self.loop is not None:
            self.loop.settled(settlements, records)
        self.monitor.telemetry.recorded(records)

    async def _note_repeated(self) -> None:
        """Store that the service has given one execution's name to two starts. No row is released from now on."""
        repeated, self.names.repeated = self.names.repeated, []
        await self.files.checkpoint.remember({SHARED_NAME: repeated[0]})
        for name in repeated:
            self.monitor.telemetry.warn(f"two starts were answered with execution {name}; the second is in doubt")

    def _guard(self, tally: Tally) -> None:
        """Stop the job if more rows failed than --max-failures allows."""
        allowed, failed = self.options.max_failures, tally.failed
        if allowed is not None and stop.is_exceeded(allowed, failed, tally.written.total()):
            self.drain.begin(
                FailuresError(
                    f"{counted(failed, 'row')} rejected or refused, more than --max-failures allows",
                    "The records say why. Fix the cause, then run the same command again, with --retry-rejected to"
                    " send rejected rows again.",
                )
            )


def _is_within(above: int, listed: Length | None, limit: int | None) -> bool:
    """Return whether a run cannot send more than `above` rows, by its limit or by the lines of its manifest."""
    return (limit is not None and limit <= above) or (listed is not None and listed.rows <= above)
