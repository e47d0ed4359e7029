"""What a run reports while it lasts, if that is asked for: events to its log, figures to its metrics."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from batcher import __version__
from batcher.app.job_files import PassOn
from batcher.app.unexpected import expected, frames
from batcher.app.world import World
from batcher.errors import ExitCode, UsageError
from batcher.flow.attempts import Attempt
from batcher.model import Admitted, Record, Status, Verdict
from batcher.options.verbs import RunOptions
from batcher.rules.choices import Level
from batcher.rules.doubts.findings import Findings
from batcher.rules.progress.answered import Answered
from batcher.rules.progress.figures import Figures, final
from batcher.rules.records import event_log
from batcher.rules.records.event_log import Line

if TYPE_CHECKING:
    from batcher.edges.log import Log
    from batcher.edges.metrics import Metrics
    from batcher.rules.report.live import Live
    from batcher.rules.report.page import Page


class Telemetry(Struct, frozen=True):
    """Passes events and figures on to the log and the metrics, where there are any."""

    log_file: Log | None
    metrics: Metrics | None
    world: World
    answered: Answered | None = None
    """Counts the attempts; None if nothing wants them."""
    live: Live | None = None
    """Takes what the page of the run shows; None if there is no page."""
    pass_on: PassOn | None = None
    """Takes the records; None if nothing wants them."""

    @property
    def seen(self) -> Callable[[Admitted, Sequence[Attempt]], None] | None:
        """Takes each attempt. None if nothing is logged or counted: then a row costs nothing here."""
        return self._seen if self.log_file or self.answered is not None else None

    def log(self, line: Line | None) -> None:
        """Write an event to the log."""
        if self.log_file is not None and line is not None:
            self.log_file.tell(line)

    def warn(self, text: str) -> None:
        """Warn the person, and in the log."""
        self.world.voice.warn(text)
        self.log(Line("warned", {"text": text}))

    def recorded(self, records: Sequence[Record]) -> None:
        """Log rows whose records are on the disk."""
        if self.live is not None:
            self.live.recorded(records)
        if self.log_file is None:
            return
        all_of_them = self.log_file.wants(Level.DEBUG)
        for record in records:
            if all_of_them or record.status is not Status.STARTED:
                self.log(event_log.of_record(record))

    def reconciled(self, findings: Findings) -> None:
        """Log what became of the rows in doubt."""
        if self.live is not None:
            released = [row.number for row in findings.released]
            self.live.settled([row.number for row, _ in findings.adopted], released)
        for row, found in findings.adopted:
            self.log(
                event_log.of_row("row_adopted", row.number, row.bucket, row.object, execution=found.execution.name)
            )
        for event, rows in (("row_released", findings.released), ("row_held", findings.held)):
            for row in rows:
                self.log(event_log.of_row(event, row.number, row.bucket, row.object))
        counts = {
            "adopted": len(findings.adopted),
            "released": len(findings.released),
            "held": len(findings.held),
            "elsewhere": len(findings.elsewhere),
        }
        if any(counts.values()):
            self.log(Line("reconciled", {**counts, "reason": findings.reason}))

    def ended(self, code: ExitCode, figures: Figures) -> None:
        """Report how the run has ended."""
        self.log(Line("run_ended", {"exit_code": code.value, **final(figures)}))
        if self.metrics is not None and code is ExitCode.OK:
            self.metrics.succeeded(self.world.clock())

    def failed(self, error: BaseException) -> None:
        """Log the error that ends the run. Of an unexpected one the text is left out, since it may hold anything."""
        known = expected(error)
        is_fault = known is None and isinstance(error, Exception)
        code = ExitCode.INTERNAL if is_fault else ExitCode.SIGINT if known is None else known.exit_code
        fields = {"exit_code": code.value, "error": str(known or type(error).__name__)}
        self.log(Line("run_failed", {**fields, "traceback": frames(error) if is_fault else ""}))

    @asynccontextmanager
    async def measuring(
        self, options: RunOptions, figures: Callable[[], Figures], page: Callable[[Live], Page]
    ) -> AsyncIterator[None]:
        """Keep the metrics up to date while the block lasts, if they are asked for, and serve them with the page.

        Raises what serving raises.
        """
        if self.metrics is None:
            yield
            return
        from batcher.edges.metrics import keeping  # noqa: PLC0415 - as in `_metrics`

        def look() -> Figures:
            looked = figures()
            if self.live is not None:
                self.live.look(looked, self.world.clock())
            return looked

        async with AsyncExitStack() as stack:
            await stack.enter_async_context(keeping(self.metrics, look, options.metrics_file, self.warn))
            if self.live is not None:
                await self._serve(options, self.metrics, partial(page, self.live), stack)
            yield

    async def _serve(
        self, options: RunOptions, metrics: Metrics, content: Callable[[], Page], stack: AsyncExitStack
    ) -> None:
        # Slow to import, and needed only here.
        from batcher.app.live import LivePage  # noqa: PLC0415
        from batcher.edges.metrics import exposed  # noqa: PLC0415
        from batcher.edges.report import LIVE_POLICY  # noqa: PLC0415
        from batcher.edges.web import METRICS, Site, serving  # noqa: PLC0415

        site = Site(partial(exposed, metrics.registry), LivePage(content).html, LIVE_POLICY)
        served = serving(site, options.metrics_host, options.metrics_port or 0)
        url, secret = await stack.enter_async_context(served)
        say = self.world.voice.say
        say(f"metrics on {url}{METRICS}")
        # Not in the log: who may read that need not be allowed to read names of objects.
        say(f"page on {url}/, with names of objects on {url}/{secret}/")

    def _seen(self, admitted: Admitted, made: Sequence[Attempt]) -> None:
        last = made[-1]
        if self.answered is not None:
            self.answered.add(last.verdict, last.answer, last.latency)
        if self.live is not None and last.verdict is Verdict.STARTED:
            self.live.started(last.latency)
        if self.log_file is not None:
            self.log(event_log.of_attempt(admitted.row, len(made), last.verdict, last.answer, last.latency))


@asynccontextmanager
async def open_telemetry(
    options: RunOptions, world: World, pass_on: PassOn | None = None, answered: Answered | None = None
) -> AsyncIterator[Telemetry]:
    """Open the log if one is asked for, and log the start of the run and its failure.

    `answered` counts the attempts for another process that wants them. Raises UsageError if one file would have two
    purposes, DiskError if the log cannot be opened.
    """
    check_files(options)
    async with AsyncExitStack() as stack:
        opened = None
        if options.log_file is not None:
            # Imported here, as the metrics are.
            from batcher.edges.log import open_log  # noqa: PLC0415

            run = uuid.uuid4().hex[:12]
            opening = open_log(options.log_file, options.log_format, options.log_level, run, world.voice.warn)
            opened = await stack.enter_async_context(opening)
        if answered is None and has_metrics(options):
            answered = Answered()
        metrics = None if answered is None else metrics_of(options, options.checkpoint.name, answered)
        live = None if options.metrics_port is None else _live()
        telemetry = Telemetry(opened, metrics, world, answered, live, pass_on)
        telemetry.log(_begun(options))
        try:
            yield telemetry
        except BaseException as error:
            telemetry.failed(error)
            if opened is not None:
                error.add_note(str(options.log_file))
            raise


def has_metrics(options: RunOptions) -> bool:
    """Return whether metrics are asked for."""
    return options.metrics_file is not None or options.metrics_port is not None


def metrics_of(options: RunOptions, job: str, answered: Answered) -> Metrics | None:
    """Return the metrics of a job, by the name of its checkpoint or run folder. None if they are not asked for."""
    if not has_metrics(options):
        return None
    # Imported late: it takes longer to import than the rest of the package.
    from batcher.edges.metrics import Metrics  # noqa: PLC0415

    return Metrics(options.workflow, job, answered)


def _live() -> Live:
    """Return what takes what the page of a run shows."""
    from batcher.rules.report.live import Live  # noqa: PLC0415 - as in `metrics_of`

    return Live()


def _begun(options: RunOptions) -> Line:
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


def check_files(options: RunOptions) -> None:
    """Refuse one file for two purposes: each file is written in its own way, and the manifest is never written.

    Raises UsageError.
    """
    known: dict[Path, str] = {}
    files = {
        "MANIFEST": options.manifest,
        "--checkpoint": options.checkpoint,
        "--output": options.output,
        "--report": options.report,
        "--log-file": options.log_file,
        "--metrics-file": options.metrics_file,
    }
    for name, path in files.items():
        other = name if path is None else known.setdefault(path.resolve(), name)
        if other != name:
            raise UsageError(f"{other} and {name} are the same file: {path}", "Give each of them a file of its own.")
    for name in ("--report", "--metrics-file"):
        path = files[name]
        if path is not None and path.exists() and not path.is_file():
            raise UsageError(f"{name} {path}: not a regular file", "Give the name of a file.")
    if options.report is not None and not options.report.parent.is_dir():
        raise UsageError(f"--report {options.report}: no such folder", "Create it, or name another file.")
