"""The canary of a run: starts some rows first, judges them by their ends, and lets the run go on or not.

The rows are pinned in the checkpoint before the first of them is sent, and the verdict before any other row is. What
is between them follows from the statuses of the pinned rows and from the ends of their executions.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple

from batcher.app.confirm import UnconfirmedError, is_confirmed
from batcher.app.job import UNCONFIRMED, Run
from batcher.app.job_identity import job_of
from batcher.app.summary import report_end
from batcher.edges.checkpoint import reading
from batcher.edges.checkpoint.facts import CANARY
from batcher.edges.progress import showing
from batcher.errors import CanaryError, ExitCode, UsageError
from batcher.flow import engine
from batcher.flow.resend import Sift
from batcher.model import Found, Status
from batcher.options.verbs import RunOptions
from batcher.rules.ends.canary import GOES_ON, Canary, Tried, Verdict, causes, decoded, encoded
from batcher.rules.ends.ending import End, words_of
from batcher.rules.ends.followed import Known
from batcher.rules.ends.summary import NAMED, Cause, cause_in_words
from batcher.rules.progress.view import RUN
from batcher.rules.report import next_commands, opening
from batcher.rules.rows.spread import Spread, in_order_of_trial, most_candidates
from batcher.rules.text import counted

FAILED = (
    "Nothing else is started. Find out what went wrong; the end records name the executions. The same command with"
    " --canary-passed then starts all rows."
)


class Watching(NamedTuple):
    """What is to be watched before the run goes on."""

    executions: Sequence[str]
    """The names of the executions of the canary."""
    sent: int
    """The number of rows that were sent for it."""
    was_asked: bool
    """Whether a person has agreed that all rows are started."""


def need_possible(options: RunOptions) -> None:
    """Raise UsageError if a canary is asked for and cannot be had: the list has to be read more than once.

    Nor can a shard know how many executions of the others run.
    """
    if options.max_running is not None and options.shard is not None:
        raise UsageError("--max-running and shards cannot be combined", "It counts the executions of one process.")
    if options.canary is None:
        return
    if options.shard is not None:
        raise UsageError("--canary and shards cannot be combined", "A canary is one of the whole list, in one process.")
    if options.manifest is None or (options.manifest.exists() and not options.manifest.is_file()):
        raise UsageError(
            "--canary: the list is read more than once, which standard input and pipes do not allow",
            "Give the list as a file.",
        )
    if options.limit is not None and options.limit < options.canary:
        raise UsageError("--canary: --limit is less than the number of canaries", "Raise --limit, or leave it out.")


async def work(run: Run) -> ExitCode | Watching | None:
    """Start the canary of the job, return what to watch, or judge it. Return None if the whole list may be started."""
    canary = await _due(run)
    if canary is not None and not run.drain.begun:
        named = await _executions(run, canary)
        if not canary.is_started(len(named)):
            was_asked = await _start(run, canary)
            if not run.drain.begun and not run.tally.is_limited:
                return Watching(await _executions(run, await _kept(run)), run.tally.taken, was_asked)
            return await report_end(run)
        # Imported here, since only a canary needs it.
        from batcher.app.ends import executions_named  # noqa: PLC0415

        known = await asyncio.to_thread(executions_named, run.options.checkpoint, named)
        if len(known) < len(named) or any(each.end is None for each in known.values()):
            return Watching(named, 0, was_asked=False)
        await _judge(run, canary, [*known.values()])
    if isinstance(run.drain.reason, CanaryError):
        return _report_failed(run, run.drain.reason)
    return None


def _report_failed(run: Run, error: CanaryError) -> ExitCode:
    """Report that nothing else is started, and the command that starts all rows all the same."""
    run.world.voice.complain(error)
    job = job_of(run.files.card, run.options.checkpoint)
    run.world.voice.say(f"next: {next_commands.run(job, '--canary-passed')}")
    return error.exit_code


async def _kept(run: Run) -> Canary:
    kept = decoded(await run.files.checkpoint.recall(CANARY))
    assert kept is not None  # noqa: S101 - it was stored before its first row was sent
    return kept


async def _keep(run: Run, canary: Canary) -> None:
    await run.files.checkpoint.remember({CANARY: encoded(canary)})


async def _due(run: Run) -> Canary | None:
    """Return the canary that has to be started, watched or judged. None if the whole list may be started.

    Begins the drain if it has failed. Raises UsageError if it is declared passed and there is none.
    """
    options, kept = run.options, decoded(await run.files.checkpoint.recall(CANARY))
    if kept is None and options.canary_passed:
        raise UsageError("--canary-passed: this job has had no canary", "Leave it out.")
    if kept is None:
        return None if options.canary is None else Canary(options.canary, options.canary_success)
    if kept.verdict in GOES_ON:
        return None
    if options.canary_passed:
        await _keep(run, kept._replace(verdict=Verdict.DECLARED))
        run.world.voice.say("canary: declared passed, all rows are started")
        return None
    if kept.verdict is Verdict.FAILED:
        run.drain.begin(CanaryError(f"the canary has failed: {kept.result}", FAILED))
    elif options.canary is not None:
        kept = kept._replace(number=options.canary, success=options.canary_success)
    return kept


async def _executions(run: Run, canary: Canary) -> list[str]:
    """Return the names of the executions of the canary."""
    pinned = set(map(bytes.fromhex, canary.pinned))

    def find() -> list[str]:
        with reading(run.options.checkpoint) as seen:
            standings = (each for each in seen.standings() if each.key in pinned and each.status is Status.STARTED)
            return [each.execution for each in standings if each.execution]

    return await asyncio.to_thread(find) if pinned else []


async def _start(run: Run, canary: Canary) -> bool:
    """Start the rows of the canary, and replace those that cannot be started. Return whether a person was asked."""
    rows = await run.entered()
    await run.settle_doubts()
    missing = canary.number - len(await _executions(run, canary))
    candidates, new = await _candidates(run, rows, canary, missing)
    if run.unread is not None:
        run.drain.begin(run.unread)
    was_asked = not run.drain.begun and await _asked(run, new)
    if run.drain.begun:
        return was_asked
    canary = canary._replace(pinned=(*canary.pinned, *_unpinned(candidates, canary)))
    await _keep(run, canary)
    left, is_whole = list(candidates), len(candidates) == new
    async with showing(run.options.progress, run.monitor.figures, RUN):
        while missing > 0 and left and not run.drain.begun and not run.tally.is_limited:
            count = await _at_once(run, missing)
            some, left = left[:count], left[count:]
            before = run.tally.started
            await run.send(*_one_block(some))
            await run.settle_doubts()
            missing -= run.tally.started - before
    run.tally.read_whole = False
    if missing > 0 and not run.drain.begun and not run.tally.is_limited:
        await _keep(run, canary._replace(tried=Tried.LIST if is_whole else Tried.CANDIDATES))
    if not run.drain.begun:
        started = canary.number - max(0, missing)
        run.world.voice.say(f"canary: {counted(started, 'row')} started, watching them to their end before all others")
    return was_asked


async def _at_once(run: Run, missing: int) -> int:
    """Return how many rows to send next. One, if a known start is what lets the list settle rows in doubt."""
    doubts = (await run.files.checkpoint.count_unsettled())[Status.IN_DOUBT]
    return 1 if doubts and not await run.files.checkpoint.controls() else missing


def _unpinned(candidates: Sequence[Found], canary: Canary) -> list[str]:
    known = set(canary.pinned)
    return [key for key in (each.row.key.hex() for each in candidates) if key not in known]


async def _candidates(
    run: Run, rows: AsyncIterator[engine.Block], canary: Canary, missing: int
) -> tuple[Sequence[Found], int]:
    """Read the list. Return the rows to try, pinned ones first, and how many rows could be sent at all."""
    pinned = {bytes.fromhex(key): at for at, key in enumerate(canary.pinned)}
    again: list[Found] = []
    spread: Spread[Found] = Spread(most_candidates(canary.number))
    async with aclosing(run.drain.until(rows)) as blocks:
        async for block in blocks:
            found, passed = await run.sift(block)
            run.tally.known += passed
            run.tally.rows += passed.total()
            for each in found:
                if _is_sendable(run, each):
                    if each.row.key in pinned:
                        again.append(each)
                    else:
                        spread.add(each)
    again.sort(key=lambda each: pinned[each.row.key])
    # A crash changes neither which rows are tried nor how many. New ones are chosen if the list lacks pinned ones.
    more = [] if len(again) >= missing and pinned else in_order_of_trial(spread.kept, canary.number)
    return again + more, len(again) + spread.added


def _is_sendable(run: Run, found: Found) -> bool:
    """Return whether a row may be sent, and is the first of its content."""
    admitted = run.decide(found)
    if admitted is None or admitted.status is Status.SENDING:
        return admitted is not None and found.copy == 1
    if run.files.sharing is not None:
        # What the ledger has said about it is asked again when the whole list is read.
        run.files.sharing.unsent(admitted)
    return False


async def _asked(run: Run, new: int) -> bool:
    """Ask a person if many rows would be sent, and begin the drain if the answer is no. Return whether it did."""
    confirm = run.confirm
    if confirm is None or min(new, run.options.limit or new) <= confirm.above:
        return False
    question = opening.question(confirm.above, run.options.workflow, run.monitor.listed)
    if not await is_confirmed(confirm, question, run.drain):
        run.drain.begin(UnconfirmedError("not confirmed: nothing was started", UNCONFIRMED))
    return True


def _one_block(some: Sequence[Found]) -> tuple[AsyncIterator[engine.Block], Sift]:
    """Return rows that were looked up as one block, in the order of the list, and a sift that finds them."""
    found = sorted(some, key=lambda each: each.row.number)

    async def blocks() -> AsyncIterator[engine.Block]:
        yield [each.row for each in found]

    async def sift(_: engine.Block) -> tuple[Sequence[Found], Counter[Status]]:
        return found, Counter()

    return blocks(), sift


async def _judge(run: Run, canary: Canary, known: Sequence[Known]) -> None:
    """Store the verdict about a canary whose executions have ended. Begin the drain if it has failed."""
    ends: Mapping[str, int] = Counter(each.end or End.UNKNOWN for each in known)
    judged = canary.judged(ends)
    await _keep(run, judged)
    voice = run.world.voice
    voice.say(judged.words)
    if judged.verdict in GOES_ON:
        return
    bad = [(each.end or "", each.state, each.message) for each in known if each.end != End.SUCCEEDED]
    for cause in [Cause(*each) for each in causes(bad)][:NAMED]:
        where = f" {cause_in_words(cause)}" if cause.state or cause.message else ""
        voice.say(f"canary: {words_of(cause.end)}: {cause.number:,}{where}")
    run.drain.begin(CanaryError(f"the canary has failed: {judged.result}", FAILED))
