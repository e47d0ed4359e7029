"""The library for programs without asyncio: `with run_sync(...) as job`, the twin of `run`.

The job runs in an event loop of its own, in a thread, so that it goes on while the program does something else.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from batcher.app.process import fast_loop
from batcher.errors import ExitCode
from batcher.library.arguments import Manifest, signature
from batcher.library.running import Running, run, status_of
from batcher.model import Record, Status
from batcher.rules.progress.figures import Figures

T = TypeVar("T")


@contextmanager
def run_sync(
    manifest: Manifest, *, environment: Mapping[str, str] | None = None, **arguments: Any
) -> Iterator[RunningSync]:
    """Run a job inside a `with` block: `run` for programs without asyncio, with the same arguments and errors.

    An iterable of rows is read in a thread of its own.
    """
    with _loop() as loop:
        job = run(manifest, environment=environment, **arguments)
        running = RunningSync(_waited(loop, job.__aenter__()), loop)
        try:
            yield running
        except BaseException as error:
            _waited(loop, job.__aexit__(type(error), error, error.__traceback__))
            raise
        _waited(loop, job.__aexit__(None, None, None))


run_sync.__signature__ = signature()  # type: ignore[attr-defined]


class RunningSync:
    """A running job, for programs without asyncio. Made by `run_sync`."""

    def __init__(self, running: Running, loop: asyncio.AbstractEventLoop) -> None:
        self._running = running
        self._loop = loop

    @property
    def exit_code(self) -> ExitCode | None:
        """The exit code of the command for this job. None before the end, and if an error ended the job."""
        return self._running.exit_code

    def __iter__(self) -> Iterator[Record]:
        """Yield the records that this run writes, after they are on the disk. The output has those of earlier runs."""
        while not self._has_ended and (block := _waited(self._loop, self._running.take())) is not None:
            yield from block
        self._call(self._running.raise_unseen)

    def stop(self) -> None:
        """Send nothing new. The records end when the requests on the wire are settled."""
        self._call(self._running.stop)

    def end(self) -> None:
        """Wait until the job ends. Its remaining records are only in the output."""
        if not self._has_ended:
            _waited(self._loop, self._running.end())

    def pause(self) -> None:
        """Send nothing new until `resume`. Requests on the wire are finished."""
        self._call(self._running.pause)

    def resume(self) -> None:
        """Continue to send after `pause`."""
        self._call(self._running.resume)

    def rate(self, starts_per_second: float | None) -> None:
        """Change the maximum rate, within that of the job; None lets it adapt to the service. Raises UsageError."""
        self._call(lambda: self._running.rate(starts_per_second))

    def progress(self) -> Figures | None:
        """Return the live figures, those of `--progress json`. None before the job's files are open."""
        return self._call(self._running.progress)

    def status(self) -> Mapping[Status, int]:
        """Return the number of rows in each status, earlier runs included, as `batcher status` shows them."""
        return status_of(self._running.checkpoint)

    @property
    def _has_ended(self) -> bool:
        """Whether the block has ended, and with it the loop."""
        return self._loop.is_closed()

    def _call(self, method: Callable[[], T]) -> T:
        async def called() -> T:
            return method()

        return method() if self._has_ended else _waited(self._loop, called())


def _waited(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result()


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread while the block lasts."""
    with asyncio.Runner(loop_factory=fast_loop(tls=True)) as runner:
        loop = runner.get_loop()
        thread = threading.Thread(target=loop.run_forever, name="batcher", daemon=True)
        thread.start()
        try:
            yield loop
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
