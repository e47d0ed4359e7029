"""What a run tells while it goes on, each where it is asked for: events to its log, figures to its metrics."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batcher import __version__
from batcher.app.job_files import PassOn
from batcher.app.options import MetricsOptions, Options
from batcher.app.world import World
from batcher.edges.log import Log, open_log
from batcher.errors import ExitCode, JobError, UsageError
from batcher.flow.attempts import Attempt
from batcher.flow.reconcile import Findings
from batcher.model import Admitted, Record, Status
from batcher.rules.progress.view import View
from batcher.rules.records import event_log as log
from batcher.rules.records.event_log import Level, Line

if TYPE_CHECKING:
    from batcher.edges.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells what it is told of to those that are there to hear it."""

    log: Log | None
    metrics: Metrics | None
    world: World
    pass_on: PassOn | None = None
    """Takes the records; None where nobody does."""

    @property
    def seen(self) -> Callable[[Admitted, Sequence[Attempt]], None] | None:
        """What is to be told of each attempt; None where nobody hears it, which costs a row nothing."""
        return self._seen if self.log or self.metrics else None

    def tell(self, line: Line | None) -> None:
        """Tell the log of an event."""
        if self.log is not None and line is not None:
            self.log.tell(line)

    def warn(self, text: str) -> None:
        """Warn the person too."""
        self.world.voice.warn(text)
        self.tell(Line("warned", {"text": text}))

    def recorded(self, records: Sequence[Record]) -> None:
        """Tell of rows whose records are on the disk."""
        if self.log is None:
            return
        all_of_them = self.log.wants(Level.DEBUG)
        for record in records:
            if all_of_them or record.status is not Status.STARTED:
                self.tell(log.of_record(record))

    def reconciled(self, findings: Findings) -> None:
        """Tell what became of the rows in doubt."""
        for row, found in findings.adopted:
            self.tell(log.of_row("row_adopted", row.number, row.bucket, row.object, execution=found.execution.name))
        for event, rows in (("row_released", findings.released), ("row_held", findings.held)):
            for row in rows:
                self.tell(log.of_row(event, row.number, row.bucket, row.object))
        counts = {
            "adopted": len(findings.adopted),
            "released": len(findings.released),
            "held": len(findings.held),
            "elsewhere": len(findings.elsewhere),
        }
        if any(counts.values()):
            self.tell(Line("reconciled", {**counts, "reason": findings.reason}))

    def ended(self, code: ExitCode, view: View) -> None:
        """Tell how the run has ended."""
        known = {"exit_code": code.value, **view._asdict(), "seconds": round(view.seconds, 1)}
        self.tell(Line("run_ended", {name: known[name] for name in log.VOCABULARY["run_ended"].fields.split()}))
        if self.metrics is not None and code is ExitCode.OK:
            self.metrics.succeeded(self.world.clock())

    def failed(self, error: BaseException) -> None:
        """Tell of the error that ends the run; of one that nobody expected only its kind, for it may hold anything."""
        known = (error.exit_code.value, str(error)) if isinstance(error, JobError) else (1, type(error).__name__)
        self.tell(Line("run_failed", dict(zip(("exit_code", "error"), known, strict=True))))

    @asynccontextmanager
    async def measuring(self, options: MetricsOptions | None, look: Callable[[], View]) -> AsyncIterator[None]:
        """Keep the metrics while the block lasts, where they are asked for. Raises what their edge raises."""
        if self.metrics is None or options is None:
            yield
            return
        from batcher.edges.metrics import keeping, serving  # noqa: PLC0415 - as in `open_telling`

        async with AsyncExitStack() as stack:
            await stack.enter_async_context(keeping(self.metrics, look, options.file, self.warn))
            if options.port is not None:
                server = serving(self.metrics, options.host, options.port)
                self.world.voice.say(f"metrics on {await stack.enter_async_context(server)}")
            yield

    def _seen(self, admitted: Admitted, made: Sequence[Attempt]) -> None:
        last = made[-1]
        if self.metrics is not None:
            self.metrics.attempted(last.verdict, last.answer, last.latency, is_retry=len(made) > 1)
        if self.log is not None:
            self.tell(log.of_attempt(admitted.row, len(made), last.verdict, last.answer, last.latency))


@asynccontextmanager
async def open_telling(options: Options, world: World, pass_on: PassOn | None = None) -> AsyncIterator[Telling]:
    """Open the log if there is to be one, and tell it how the run begins and whether it fails.

    Raises UsageError where one file would be two things, DiskError where the log cannot be opened.
    """
    _refuse_same_files(options)
    async with AsyncExitStack() as stack:
        opened = None
        if options.log is not None:
            run = uuid.uuid4().hex[:12]
            opened = await stack.enter_async_context(open_log(*options.log, run, world.voice.warn))
        telling = Telling(opened, _metrics(options), world, pass_on)
        telling.tell(_begun(options))
        try:
            yield telling
        except BaseException as error:
            telling.failed(error)
            raise


def _metrics(options: Options) -> Metrics | None:
    if options.metrics is None:
        return None
    # Imported late: the library takes longer to import than all of ours.
    from batcher.edges.metrics import Metrics  # noqa: PLC0415

    return Metrics(options.workflow, options.checkpoint.name)


def _begun(options: Options) -> Line:
    return Line(
        "run_begun",
        {
            "version": __version__,
            "workflow": options.workflow,
            "endpoint": options.endpoint,
            "manifest": str(options.manifest or "-"),
            "output": str(options.output),
            "checkpoint": str(options.checkpoint),
            "concurrency": options.concurrency,
        },
    )


def _refuse_same_files(options: Options) -> None:
    """Refuse files that are the same: each is written in a way of its own, and the manifest not at all."""
    known: dict[Path, str] = {}
    log_file = None if options.log is None else options.log.file
    metrics_file = None if options.metrics is None else options.metrics.file
    files = {
        "MANIFEST": options.manifest,
        "--checkpoint": options.checkpoint,
        "--output": options.output,
        "--report": options.report,
        "--log-file": log_file,
        "--metrics-file": metrics_file,
    }
    for name, path in files.items():
        other = name if path is None else known.setdefault(path.resolve(), name)
        if other != name:
            raise UsageError(f"{other} and {name} are the same file: {path}", "Give each of them a file of its own.")
