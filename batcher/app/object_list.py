"""Makes the list of a bucket: opens the bucket and the file, and lists until the end, a drain, or an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from batcher.app.bucket_service import BucketPlace, open_bucket
from batcher.app.service import open_credentials
from batcher.app.world import World
from batcher.edges.object_list import ObjectFile, open_list
from batcher.errors import ExitCode, JobError, ServiceError, UsageError
from batcher.flow.drain import Drain
from batcher.flow.object_list import ObjectWalk
from batcher.model import Credentials
from batcher.rules.bucket.address import Address, key_bytes
from batcher.rules.bucket.filters import Keeps, Wanted, keeper, utf8_only
from batcher.rules.bucket.page import ObjectPage
from batcher.rules.bucket.rows import written
from batcher.rules.service.credentials import described
from batcher.rules.text import counted

BLOCK_BYTES = 1 << 20
"""Rows are written when there are this many bytes of them."""
BLOCK_SECONDS = 2.0
"""Or when this time has passed since the last ones, whatever their number."""
SPOKEN_SECONDS = 10.0
"""Seconds between two reports of progress."""


class ListJob(NamedTuple):
    """What to list, from where, and into which file. `side_by_side` is the most groups to list at a time."""

    address: Address
    path: Path
    place: BucketPlace
    wanted: Wanted
    delimiter: str = ""
    relist: bool = False
    side_by_side: int = 1


async def make_list(job: ListJob, world: World, drain: Drain) -> ExitCode:
    """List a bucket into a file, or continue. OK if the list is whole by then, otherwise why the drain began.

    A list that is whole stays as it is, unless it is to be listed again. Raises JobError.
    """
    if job.path.suffix.lower() != ".csv":
        raise UsageError(f"{job.path}: a list is written as CSV", "Give a name that ends in .csv.")
    made_with = {"list": str(job.address), **job.wanted.described()}
    with open_list(job.path, made_with) as file:
        if file.reached.is_done and not job.relist:
            rows = counted(file.reached.rows, "object")
            world.voice.say(f"{job.path}: {rows}, listed before; --relist lists again and adds what is new")
            return ExitCode.OK
        if file.reached.is_done:
            begins = (*file.reached.begins, file.reached.length)
            reached = structs.replace(file.reached, marker="", seen=0, now=0.0, is_done=False, begins=begins)
            await asyncio.to_thread(file.note, reached)
        async with _open_walk(job, world, drain) as walk:
            return await Listing(job, world, drain, file, walk).run()


@asynccontextmanager
async def _open_walk(job: ListJob, world: World, drain: Drain) -> AsyncIterator[ObjectWalk]:
    place, host = job.place, job.place.host(job.address.bucket)
    connections = job.side_by_side if job.delimiter else 1
    async with (
        open_credentials(place.connection.credentials, world, drain, world.voice.warn) as credentials,
        open_bucket(place, host, connections + 1, credentials, world, drain) as questions,
    ):
        _introduce(job, credentials.current, world)
        yield ObjectWalk(questions, host, connections)


def _introduce(job: ListJob, credentials: Credentials, world: World) -> None:
    world.voice.say(f"listing {job.address} at {job.place.endpoint} into {job.path}")
    world.voice.say(f"credentials: {described(credentials)}")


class Listing:
    """One listing, while it runs: takes pages, leaves out what is not wanted, and writes rows in blocks."""

    def __init__(self, job: ListJob, world: World, drain: Drain, file: ObjectFile, walk: ObjectWalk) -> None:
        self._job, self._world, self._drain, self._file, self._walk = job, world, drain, file, walk
        self._reached = file.reached
        self._block = bytearray()
        self._began = self._written = self._spoken = world.monotonic()
        self._seen_before = file.reached.seen
        self._keeps: Keeps | None = None
        self._known: Iterator[str] | None = None
        self._next_known: bytes | None = None
        if len(file.reached.begins) > 1:
            self._known = file.known_keys()
            self._advance()

    async def run(self) -> ExitCode:
        """List to the end or to a drain, and say how it ended. What was listed until then is in the file."""
        job = self._job
        if self._reached.seen:
            self._world.voice.say(f"continuing after {counted(self._reached.seen, 'object')}")
        try:
            is_whole = await self._walk.walk(job.address.prefix, self._reached.marker, job.delimiter, self._take)
        finally:
            await self._write(is_done=False)
        if is_whole:
            await self._write(is_done=True)
        self._report(is_whole=is_whole)
        if is_whole:
            return ExitCode.OK
        if isinstance(self._drain.reason, JobError):
            raise self._drain.reason
        return ExitCode(self._drain.reason or ExitCode.STOPPED)

    async def _take(self, page: ObjectPage, marker: str) -> None:
        kept = utf8_only(page)
        left_out = len(page.keys) - len(kept.keys)
        kept = self._unknown(self._wanted(kept))
        self._block += written(self._job.address.bucket, kept)
        reached = self._reached
        self._reached = structs.replace(
            reached,
            marker=marker,
            rows=reached.rows + len(kept.keys),
            seen=reached.seen + len(page.keys),
            left_out=reached.left_out + left_out,
        )
        now = self._world.monotonic()
        if len(self._block) >= BLOCK_BYTES or now - self._written >= BLOCK_SECONDS:
            await self._write(is_done=False)
            self._written = now
        if now - self._spoken >= SPOKEN_SECONDS:
            self._spoken = now
            self._world.voice.say(f"{self._figures()}")

    def _wanted(self, page: ObjectPage) -> ObjectPage:
        """Leave out what is not wanted. Ages are counted back from the service's time at the first page."""
        if self._keeps is None:
            if not self._reached.now:
                self._reached = structs.replace(self._reached, now=self._walk.questions.service.now())
            if self._job.wanted.needs_time and not self._reached.now:
                raise ServiceError("the service shows no time, so that ages have no meaning", "Give dates instead.")
            self._keeps = keeper(self._job.wanted, self._reached.now)
        try:
            return self._keeps(page)
        except ValueError as fault:
            raise ServiceError(f"{self._job.address}: {fault}", "List without these options.") from None

    def _unknown(self, page: ObjectPage) -> ObjectPage:
        """Leave out the objects that earlier listings have written. Both are in the order of their keys."""
        if self._known is None or self._next_known is None:
            return page
        places = []
        for at, key in enumerate(page.keys):
            name = key_bytes(key)
            while self._next_known is not None and self._next_known < name:
                self._advance()
            if self._next_known != name:
                places.append(at)
        return page.part(places)

    def _advance(self) -> None:
        key = next(self._known, None) if self._known is not None else None
        self._next_known = None if key is None else key_bytes(key)

    async def _write(self, *, is_done: bool) -> None:
        """Write what was taken. The rows are on the disk before the journal counts them."""
        block, self._block = bytes(self._block), bytearray()
        is_due = block or is_done or self._reached.marker != self._file.reached.marker
        if not is_due or self._file.is_broken:
            return
        reached = structs.replace(self._reached, is_done=is_done)
        appended = asyncio.ensure_future(asyncio.to_thread(self._file.append, block, reached))
        try:
            await asyncio.shield(appended)
        finally:
            # A thread cannot be cancelled, and no second one may write beside it.
            await asyncio.wait((appended,))

    def _figures(self) -> str:
        seconds = max(self._world.monotonic() - self._began, 0.001)
        rate = (self._reached.seen - self._seen_before) / seconds
        return (
            f"{counted(self._reached.seen, 'object')} seen, {self._reached.rows:,} in the list, {rate:,.0f} per second"
        )

    def _report(self, *, is_whole: bool) -> None:
        say = self._world.voice.say
        say(f"{self._figures()}; {'the list is complete' if is_whole else 'the list is not complete'}")
        if self._reached.left_out:
            keys = counted(self._reached.left_out, "key")
            self._world.voice.warn(f"{keys} left out that are not UTF-8, since no request can name them")
        if not is_whole:
            say("Run the same command again to continue.")
