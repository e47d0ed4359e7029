"""The library for asyncio: `async with run(...) as job`, and the running job."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from batcher.app.attempt import with_latest_files
from batcher.app.bucket_runs import listed
from batcher.app.monitor import Monitor
from batcher.app.report import write_report
from batcher.app.run import run_job
from batcher.app.world import World
from batcher.edges.checkpoint import glance
from batcher.errors import ExitCode, JobError, UsageError
from batcher.flow.drain import Drain
from batcher.library.arguments import Manifest, in_arguments, prepared, signature
from batcher.model import Json, Record, Status
from batcher.options.verbs import RunOptions
from batcher.rules.progress.figures import Figures
from batcher.rules.records.standing import current_counts


@asynccontextmanager
async def run(
    manifest: Manifest, *, environment: Mapping[str, str] | None = None, **arguments: Any
) -> AsyncIterator[Running]:
    """Run a job inside an `async with` block. Iterate over the yielded object to get the job's records.

    `manifest` is a path, or the rows: an iterable or asynchronous iterable of keys, or of mappings with `object`, and
    optionally `bucket` and `inputs`. Rows need `checkpoint` and `output`, since they have no name to derive these from.
    The arguments are the options of `batcher run`, with the same defaults, or one RunOptions. Times are in seconds, or
    texts such as "15m". Credentials and OBS_ENDPOINT are read from `environment`, by default that of the process.
    A block that takes no records ends when the job does. Leaving the block while it takes records, or with an error,
    drains the job: it sends nothing new and settles the requests on the wire.
    The messages of the command go to the logger `batcher`. Progress is shown only if `progress` is given. Signals are
    left to the program.

    Raises JobError if the job cannot begin or continue, here, while iterating or at the end of the block: UsageError,
    ManifestError, ServiceError, CredentialsError, DiskError, BusyError, OtherJobError, FailuresError or
    CanaryError. What an iterable of rows raises is raised as it is.
    """
    running = Running(*prepared(manifest, arguments, environment))
    try:
        yield running
    except BaseException:
        running.stop()
        raise
    else:
        running.leave()
    finally:
        await running.end()
    running.raise_unseen()


run.__signature__ = signature()  # type: ignore[attr-defined]


class Running:
    """A running job. Made by `run`."""

    def __init__(self, options: RunOptions, world: World) -> None:
        self._drain = Drain()
        self._blocks: asyncio.Queue[Sequence[Record] | None] = asyncio.Queue(maxsize=1)
        """Records that are on the disk, then None. A program that takes them slowly slows the job down."""
        self._is_over = False
        self._is_taken = False
        self._has_raised = False
        self._options = options
        self._monitor: Monitor | None = None
        """Attends the run as soon as its files are open."""
        self._wishes: deque[Mapping[str, Json]] = deque()
        """What was asked of the run before that."""
        self._job = asyncio.create_task(self._run(options, world), name="batcher")

    @property
    def checkpoint(self) -> Path:
        """The checkpoint of the job, of a shard that of the latest attempt at it."""
        return with_latest_files(self._options).checkpoint

    @property
    def exit_code(self) -> ExitCode | None:
        """The exit code of the command for this job. None before the end, and if an error ended the job."""
        has_ended = self._job.done() and not self._job.cancelled() and self._job.exception() is None
        return self._job.result() if has_ended else None

    def stop(self) -> None:
        """Send nothing new. The records end when the requests on the wire are settled."""
        self._drain.begin(ExitCode.STOPPED)

    def pause(self) -> None:
        """Send nothing new until `resume`. Requests on the wire are finished."""
        self._ask({"do": "pause"})

    def resume(self) -> None:
        """Continue to send after `pause`."""
        self._ask({"do": "resume"})

    def rate(self, starts_per_second: float | None) -> None:
        """Change the maximum rate, within that of the job; None lets it adapt to the service. Raises UsageError."""
        if starts_per_second is not None and not starts_per_second > 0:
            raise UsageError(f"rate {starts_per_second}: expected a number above 0, or None")
        self._ask({"do": "rate", "value": starts_per_second})

    def progress(self) -> Figures | None:
        """Return the live figures, those of `--progress json`. None before the job's files are open."""
        return None if self._monitor is None else self._monitor.figures()

    async def status(self) -> Mapping[Status, int]:
        """Return the number of rows in each status, earlier runs included, as `batcher status` shows them.

        It is read from the checkpoint, which takes longer the larger the job is. Empty before there is one.
        """
        return await asyncio.to_thread(status_of, self.checkpoint)

    async def __aiter__(self) -> AsyncIterator[Record]:
        """Yield the records that this run writes, after they are on the disk. The output has those of earlier runs."""
        while (block := await self.take()) is not None:
            for record in block:
                yield record
        self.raise_unseen()

    async def take(self) -> Sequence[Record] | None:
        """Return the next records of this run, as many as were written together. None after the last ones."""
        self._is_taken = True
        return await self._next()

    def leave(self) -> None:
        """Stop the job if its records were being taken. Otherwise it is to run to its end."""
        if self._is_taken:
            self.stop()

    async def end(self) -> None:
        """Wait until the job ends. Its remaining records are only in the output."""
        try:
            while await self._next() is not None:
                pass
        finally:
            # If the wait is cancelled, the job is cancelled at once, which is as safe as a crash.
            self._job.cancel()
            await asyncio.gather(self._job, return_exceptions=True)

    def raise_unseen(self) -> None:
        """Raise the error that ended the job, unless it was raised before."""
        if not self._has_raised:
            self._has_raised = True
            self._job.result()
            if isinstance(self._drain.reason, JobError):
                raise in_arguments(self._drain.reason)

    async def _next(self) -> Sequence[Record] | None:
        if self._is_over:
            return None
        block = await self._blocks.get()
        if block is None:
            self._is_over = True
            await asyncio.wait([self._job])
        return block

    async def _run(self, options: RunOptions, world: World) -> ExitCode:
        try:
            with_list = await listed(options, world, self._drain)
            if isinstance(with_list, ExitCode):
                await self._blocks.put(None)
                return with_list
            options = with_list
            code = await run_job(options, world, self._drain, self._blocks.put, attend=self._attend)
            if options.report is not None:
                await asyncio.to_thread(
                    write_report, with_latest_files(options).checkpoint, options.report, world.voice
                )
        except JobError as error:
            await self._blocks.put(None)
            raise in_arguments(error) from error
        except Exception:
            await self._blocks.put(None)
            raise
        # Not put when the job is cancelled, since the program no longer takes anything.
        await self._blocks.put(None)
        return code

    def _attend(self, monitor: Monitor) -> None:
        self._monitor = monitor
        while self._wishes:
            monitor.answer(self._wishes.popleft())

    def _ask(self, question: Mapping[str, Json]) -> None:
        if self._monitor is None:
            self._wishes.append(question)
        else:
            self._monitor.answer(question)


def status_of(checkpoint: Path) -> Mapping[Status, int]:
    """Return the number of rows in each status. Raises DiskError if the checkpoint cannot be read."""
    if not checkpoint.exists():
        return {}
    seen = glance(checkpoint)
    return current_counts(seen.counts, running=seen.running)
