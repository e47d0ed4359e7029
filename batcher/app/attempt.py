"""The attempt of this process at a shard: it waits for its turn, claims the shard, and looks at the fence.

To run one shard as an attempt, call `batcher.app.run.run_job` with options that have a `shard`: it opens the attempt
and ends with ExitCode.TAKEN_OVER if another process takes the shard over. An engine that gives shards to machines first
calls `batcher.edges.probe` on each of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from batcher.app.world import World
from batcher.edges.attempts import Claimed, Claims
from batcher.edges.checkpoint.snapshot import inherit
from batcher.edges.run_folder import is_run_folder
from batcher.errors import BusyError, DiskError, ExitCode, JobError, OtherJobError, TakenOverError, UsageError
from batcher.flow.beside import beside
from batcher.flow.drain import Drain
from batcher.options.verbs import RunOptions
from batcher.rules.shards.assignment import Shard
from batcher.rules.shards.attempts import (
    CHECKPOINT,
    RECORDS,
    Claim,
    Patience,
    Step,
    all_files,
    files_in,
    is_of_shard,
    named,
    stem_of,
    step,
    unproven,
)
from batcher.rules.shards.mounts import Trust, mount_of, verdict
from batcher.rules.shards.plan import stem

BEAT_SECONDS = 5.0
"""How often a process gives a sign of life, and looks whether it is taken over even if it sends nothing."""
LOOK_SECONDS = 1.0
"""How often a process that waits looks for the end, or a sign of life, of the one that works on the shard."""


class Terms(NamedTuple):
    """When a process may take over a shard from one that has not proven to be over.

    `after` are the seconds without a sign of life that it waits for, None for one that does not wait. `is_dead`: a
    person says so.
    """

    after: float | None = None
    is_dead: bool = False


class Attempt:
    """The claimed shard. `checkpoint` and `output` are the files of this attempt, which no other one writes."""

    def __init__(self, claims: Claims, claimed: Claimed, world: World) -> None:
        files = stem_of(claims.shard, claimed.claim.files)
        self.checkpoint = claims.folder / f"{files}{CHECKPOINT}"
        self.output = claims.folder / f"{files}{RECORDS}"
        self._claims = claims
        self._claimed = claimed
        self._machine = world.machine()
        self._is_local = trust_of(claims.folder, world) is Trust.LOCAL

    async def look(self, drain: Drain) -> None:
        """Look at the fence, and begin the drain if the shard is taken over, or if that cannot be seen.

        After intents are durable, and before the first of their rows is sent.
        """
        try:
            # In a thread only where the look may take longer than the thread.
            look = self._claimed.is_fenced
            found = look() if self._is_local else await asyncio.to_thread(look)
        except DiskError as error:
            drain.begin(error)
            return
        if found:
            drain.begin(self._taken_over())

    def _taken_over(self) -> TakenOverError:
        number = self._claimed.claim.number
        return TakenOverError(
            f"{self._claims.folder}: {self._claims.shard} was taken over by another process (attempt {number + 1});"
            f" this one (attempt {number}) has stopped sending",
            "What was on the wire is settled, and the other process starts the rest. batcher status shows both.",
        )

    def doubters(self) -> list[Claim]:
        """Return the earlier attempts whose processes may still send what they intended to send.

        While there are any, no row in doubt may be sent again.
        """
        found = self._claims.all()
        return unproven(found, self._claims.ended(found, self._machine), self._claimed.claim.number)

    async def keep(self, drain: Drain) -> None:
        """Give signs of life, and begin the drain as soon as the shard is taken over."""
        while not drain.begun:
            await asyncio.to_thread(self._claimed.beat)
            await drain.sleep(BEAT_SECONDS)
            await self.look(drain)
        while True:
            # What is on the wire is still settled.
            await asyncio.to_thread(self._claimed.beat)
            await asyncio.sleep(BEAT_SECONDS)


@asynccontextmanager
async def open_attempt(
    checkpoint: Path, world: World, drain: Drain, terms: Terms, *, is_rebuilt: bool = False
) -> AsyncIterator[Attempt | None]:
    """Claim the shard that a checkpoint in a run folder is of, and hold it. Yields None for a job without shards.

    Waits for the process that works on it, as the terms say. With `is_rebuilt`, the checkpoint of the attempt is left
    to the caller, who makes it. Raises BusyError if the terms do not allow to wait, or if the drain begins meanwhile,
    and what reading the former checkpoint raises.
    """
    claims = claims_of(checkpoint)
    if claims is None:
        if terms.is_dead:
            raise UsageError("--predecessor-is-dead is for shards", "A job without shards has no other processes.")
        yield None
        return
    claimed, decided = await _claimed(claims, world, drain, terms)
    attempt = Attempt(claims, claimed, world)
    try:
        async with beside(attempt.keep(drain), "attempt"):
            if not is_rebuilt:
                await asyncio.to_thread(_begin, claims, claimed.claim, decided)
            yield attempt
    except Exception:
        claimed.note_ended()
        raise
    else:
        claimed.note_ended()
    finally:
        claimed.release()


@asynccontextmanager
async def open_short(checkpoint: Path, world: World, drain: Drain) -> AsyncIterator[Attempt | None]:
    """Hold a shard for a command that sends nothing, if no process works on it. Raises as `open_attempt`."""
    need_latest(checkpoint)
    async with open_attempt(checkpoint, world, drain, Terms()) as attempt:
        yield attempt


def claims_of(checkpoint: Path) -> Claims | None:
    """Return the claims of the shard that a checkpoint is of, None if it is that of a job without shards."""
    found = named(checkpoint.name)
    if found is None or not is_of_shard(checkpoint.name) or not is_run_folder(checkpoint.parent):
        return None
    return Claims(checkpoint.parent, found.shard)


def latest_checkpoint(folder: Path, shard: Shard) -> Path:
    """Return the checkpoint of the latest attempt at a shard, which need not exist."""
    claims = Claims(folder, stem(shard))
    return folder / f"{stem_of(claims.shard, files_in(claims.names(), claims.shard))}{CHECKPOINT}"


def with_latest_files(options: RunOptions) -> RunOptions:
    """Return the options with the latest files of their shard. If there are none yet, they are the first attempt's."""
    is_named = options.has("checkpoint") or options.has("output")
    if options.shard is None or is_named or not options.run_dir.is_dir():
        return options
    checkpoint = latest_checkpoint(options.run_dir, options.shard)
    return options.but(checkpoint=checkpoint, output=checkpoint.with_name(f"{checkpoint.stem}{RECORDS}"))


def written_by_all(folder: Path, shard: Shard, suffix: str) -> tuple[Path, ...]:
    """Return the files with this suffix of all attempts at a shard, those of the latest one last."""
    claims = Claims(folder, stem(shard))
    return tuple(folder / name for name in all_files(claims.names(), claims.shard, suffix))


def need_latest(checkpoint: Path) -> None:
    """Raise OtherJobError if a later attempt at its shard has a checkpoint of its own."""
    claims = claims_of(checkpoint)
    if claims is None:
        return
    files = stem_of(claims.shard, files_in(claims.names(), claims.shard))
    if checkpoint.name != f"{files}{CHECKPOINT}":
        raise OtherJobError(
            f"{checkpoint}: a later attempt at this shard has a checkpoint of its own: {files}{CHECKPOINT}",
            "Give the run folder.",
        )


async def _claimed(claims: Claims, world: World, drain: Drain, terms: Terms) -> tuple[Claimed, Step]:
    """Claim the shard as soon as that is decent. Raises as `open_attempt`."""
    machine, patience, has_said = world.machine(), Patience(), False
    while True:
        found = await asyncio.to_thread(claims.all)
        ended = await asyncio.to_thread(claims.ended, found, machine)
        files = files_in(await asyncio.to_thread(claims.names), claims.shard)
        last = found[-1] if found else None
        still = patience.seconds((len(found), await asyncio.to_thread(claims.beat)), world.steady())
        if terms.is_dead and last is not None and last.machine == machine and last.number not in ended:
            raise BusyError(f"{claims.folder}: {claims.shard}: {last.who} is running", "End that process first.")
        has_stood_still = terms.is_dead or (terms.after is not None and still >= terms.after)
        decided = step(found, ended, files, has_stood_still=has_stood_still)
        if decided is not Step.WAIT:
            number = 1 if last is None else last.number + 1
            claim = Claim(number, files if decided is Step.CONTINUE else number, *machine, os.getpid())
            claimed = await asyncio.to_thread(claims.claim, claim)
            if claimed is not None:
                for each in (each.number for each in found) if terms.is_dead else ended:
                    await asyncio.to_thread(claims.note_ended, each)
                return claimed, decided
            continue
        assert last is not None  # noqa: S101 - without a claim there is nothing to wait for
        if terms.after is None:
            raise _busy(claims, last)
        if not has_said:
            has_said = True
            world.voice.say(
                f"{claims.shard}: {last.who} works on it, or was killed elsewhere: waiting until it ends, or until"
                f" it has given no sign of life for {terms.after:g} s"
            )
        if drain.begun:
            raise _stopped(claims, drain)
        await drain.sleep(LOOK_SECONDS)


def _begin(claims: Claims, claim: Claim, decided: Step) -> None:
    """Make the checkpoint of an attempt that has files of its own. Only now, since its claim is durable."""
    if decided is Step.CONTINUE:
        return
    files = stem_of(claims.shard, files_in(claims.names(), claims.shard))
    former = claims.folder / f"{files}{CHECKPOINT}"
    if former.exists():
        inherit(former, claims.folder / f"{stem_of(claims.shard, claim.number)}{CHECKPOINT}")
    elif (claims.folder / f"{files}{RECORDS}").exists():
        raise OtherJobError(
            f"{former}: missing, and its output is there",
            "Put the checkpoint back, or rebuild it with batcher recover.",
        )


def _busy(claims: Claims, last: Claim) -> BusyError:
    return BusyError(
        f"{claims.folder}: {claims.shard}: {last.who} works on it, or was killed elsewhere",
        "Wait for that process. If it is dead and was on another machine, run the shard: it is taken over.",
    )


def _stopped(claims: Claims, drain: Drain) -> JobError:
    """Return the error for a process that is asked to end while it waits, with the exit code of what asked it."""
    if isinstance(drain.reason, JobError):
        return drain.reason
    error = BusyError(f"{claims.folder}: {claims.shard}: stopped waiting for the other process", "")
    error.exit_code = drain.reason or ExitCode.STOPPED
    return error


def trust_of(folder: Path, world: World) -> Trust:
    """Return what is known of the filesystem of a run folder."""
    return verdict(mount_of(os.path.realpath(folder), world.mounts())).trust


def need_shareable(folder: Path, world: World, warn: Callable[[str], None]) -> None:
    """Raise UsageError if a run folder is on a filesystem without a safe fence. Warn if that is unproven."""
    found = verdict(mount_of(os.path.realpath(folder), world.mounts()))
    if found.trust is Trust.UNSAFE:
        raise UsageError(
            f"{folder}: the run folder is on {found.type}, on which rows could be started twice: {found.why}",
            f"{found.advice} --run-dir DIR names another place.",
        )
    if found.trust is Trust.UNPROVEN:
        warn(
            f"{folder}: the run folder is on a filesystem ({found.type}) on which it is not proven that two machines"
            " see each other's claims; do not run one shard on two machines at once"
        )
