"""What `batcher redrive` does: restores the executions of a job that failed, and follows them to their end."""

from __future__ import annotations

from collections.abc import Iterator

from batcher.app.end_metrics import measuring
from batcher.app.run_folder import job_at
from batcher.app.watch import VIEW, OpenWatch, ending_in_time, open_watch, report
from batcher.app.world import World
from batcher.edges.ends import database_of, reading_ends
from batcher.edges.progress import showing
from batcher.errors import ExitCode
from batcher.flow.attempts import Action, Attempts
from batcher.flow.drain import Drain
from batcher.flow.preflight import contact
from batcher.flow.queues import Places
from batcher.flow.redrive import MOST_NAMED, Redrive, Result, judge, name_of
from batcher.options.redriving import RedriveOptions
from batcher.rules.ends import summary
from batcher.rules.ends.ending import words_of
from batcher.rules.ends.followed import Known
from batcher.rules.progress.counts import Tally
from batcher.rules.rate.stop import Streak

MAX_ATTEMPTS = 6
"""How often a restore is sent that the service refuses because it is busy."""


async def redrive_job(options: RedriveOptions, world: World, drain: Drain | None = None) -> ExitCode:
    """Restore executions that failed, follow all until none runs, and report how they ended.

    Raises JobError if that is impossible, or if the service refuses to restore or to list executions.
    """
    drain = drain or Drain()
    if options.dry_run:
        return _show(options, world)
    with ending_in_time(options, world, drain):
        async with open_watch(options, world, drain, options.concurrency) as opened:
            return await _redriven(options, world, opened, drain)


async def _redriven(options: RedriveOptions, world: World, opened: OpenWatch, drain: Drain) -> ExitCode:
    redrive = _redrive_of(options, world, opened, drain)
    await opened.ends.renew()
    await contact(opened.service.workflow, drain, world.draw, world.monotonic)
    figures_of = opened.watch.figures
    measured = measuring(options, world, opened.service.name, opened.ends, figures_of)
    async with measured, showing(options.progress, figures_of, VIEW):
        if not drain.begun:
            await redrive.settle_doubts()
            await opened.watch.look()
        if not drain.begun:
            await redrive.restore_all()
        for line in _restored(redrive, opened):
            world.voice.say(line)
        if not drain.begun and opened.ends.running:
            opened.say_begun()
        await opened.watch.until_ended()
    left = opened.ends.doubts()
    code = report(options, world, opened, drain, options.max_redrives)
    return ExitCode.ROWS_IN_DOUBT if left and code in {ExitCode.OK, ExitCode.ENDS} else code


def _redrive_of(options: RedriveOptions, world: World, opened: OpenWatch, drain: Drain) -> Redrive:
    service = opened.service
    attempts = Attempts(
        action=Action(lambda row: service.restore(name_of(row)), judge),
        tally=Tally(),
        turns=opened.turns,
        now=service.now,
        monotonic=world.monotonic,
        draw=world.draw,
        max_attempts=MAX_ATTEMPTS,
        places=Places(options.concurrency),
        # Many executions may be too old to be restored: that says nothing about the others.
        streak=Streak(is_proven=True),
    )
    return Redrive(
        store=opened.ends,
        service=service,
        attempts=attempts,
        drain=drain,
        settle_time=options.settle_time,
        ends=tuple(map(str, options.only)),
        most=options.max_redrives,
        workers=options.concurrency,
    )


def _restored(redrive: Redrive, opened: OpenWatch) -> Iterator[str]:
    """Say what was restored, and name what was not."""
    doubts = opened.ends.doubts()
    counts = {
        "restored": redrive.results[Result.RESTORED],
        "not restored by the service": redrive.results[Result.REJECTED],
        "refused because the service is busy": redrive.results[Result.REFUSED],
        "in doubt": len(doubts),
        "restored as often as --max-redrives allows": opened.ends.spent(redrive.ends, redrive.most),
    }
    yield "redrive:   " + ", ".join(
        f"{count:,} {words}" for words, count in counts.items() if count or words == "restored"
    )
    for result in (Result.REJECTED, Result.REFUSED):
        kept = redrive.named.get(result, [])
        yield from (f"not restored: {summary.named(each.known)}: {each.reason}" for each in kept)
        more = redrive.results[result] - len(kept)
        if more:
            yield f"not restored: and {more:,} more"
    for each in doubts[:MOST_NAMED]:
        yield f"in doubt: {summary.named(each.known)}: {redrive.reasons.get(each.known.id, 'it was not looked up')}"
    if len(doubts) > MOST_NAMED:
        yield f"in doubt: and {len(doubts) - MOST_NAMED:,} more"


def _show(options: RedriveOptions, world: World) -> ExitCode:
    """Show what would be restored, by what the last watch has found."""
    say = world.voice.say
    job_at(options.checkpoint)
    ends = tuple(map(str, options.only))
    with reading_ends(database_of(options.checkpoint)) as store:
        if store is None:
            say("no watch has followed this job: batcher watch finds out which executions failed")
            return ExitCode.OK
        some: list[Known] = store.restorable(ends, options.max_redrives, 0, MOST_NAMED)
        total = sum(store.ends.get(end, 0) for end in ends)
        spent, doubts = store.spent(ends, options.max_redrives), len(store.doubts())
    say(f"would restore {summary.executions(total - spent - doubts)}")
    for each in sorted(some, key=lambda known: known.row):
        say(f"would restore: {summary.named(each)}: {words_of(each.end or '')}")
    more = total - spent - doubts - len(some)
    if more > 0:
        say(f"would restore: and {more:,} more")
    if spent:
        say(f"not restored: {summary.executions(spent)} that were restored {options.max_redrives} times")
    if doubts:
        say(f"in doubt: {summary.executions(doubts)}; their states are read first")
    say("This was a dry run: nothing was restored.")
    return ExitCode.OK
