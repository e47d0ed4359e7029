"""What `batcher check` does: queries the service, reads the manifest, and compares both with the checkpoint.

Nothing is started and nothing of the job is changed. Memory stays bounded however long the manifest is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import orjson

from batcher.app.api import choose
from batcher.app.candidates import ValidRows
from batcher.app.cell_types import has_typed_cells, parameters_of_types
from batcher.app.columns import Columns
from batcher.app.job_identity import choice_of, identity, need_bucket
from batcher.app.preflight import Judge, Preflight
from batcher.app.process import fast_loop
from batcher.app.repeats import Repeats
from batcher.app.service import Site, open_credentials, open_service
from batcher.app.space import Paths, warn_if_short
from batcher.app.voice import Voice
from batcher.app.whole_list import need_whole_list
from batcher.app.world import World
from batcher.edges.checkpoint import Reading, reading_of
from batcher.edges.manifest import AnyManifest, Manifest, WholeManifest, format_of
from batcher.edges.run_folder import plan_in
from batcher.errors import DiskError, ManifestError, UsageError
from batcher.flow.drain import Drain
from batcher.model import BadRow, Parameter, Row, Workflow
from batcher.options.groups import RUN_FOLDER
from batcher.options.verbs import CheckOptions, default_output
from batcher.rules.bucket.heads import Looked
from batcher.rules.job.card import Card
from batcher.rules.records.codec import described
from batcher.rules.rows.admission import Policy
from batcher.rules.rows.declared import Screen
from batcher.rules.rows.forecast import Forecast
from batcher.rules.rows.plain_rows import Block, PlainRows, is_single
from batcher.rules.service.credentials import described as shown
from batcher.rules.service.dialect import Dialect
from batcher.rules.service.dialects import dialect_of
from batcher.rules.text import counted

SHOWN = 20
"""The maximum number of bad rows to show."""
MOST_BUCKETS = 1000
"""The maximum number of buckets to count by name. One account has fewer."""


class Checked:
    """What was found."""

    def __init__(self, card: Card, format_: str, forecast: Forecast, voice: Voice) -> None:
        self._voice = voice
        self.card = card
        self.format = format_
        self.credentials: str | None = None
        """Where the credentials were found and how the access key ends. None if no request was sent."""
        self.workflow: Workflow | None = None
        """None if no request was sent, or the service does not describe it."""
        self.rows = 0
        self.bad = 0
        self.first_bad: list[BadRow] = []
        self.buckets: Counter[str] = Counter()
        """Valid rows by bucket, for at most MOST_BUCKETS buckets."""
        self.skipped: Mapping[str, int] = {}
        self.forecast = forecast
        self.warnings: list[str] = []
        self.looked: Sequence[Looked] = ()
        """The objects that were looked at in their buckets."""

    @property
    def declared(self) -> Collection[str] | None:
        """The names of the workflow's parameters, None if they are not known."""
        return None if self.workflow is None else self.workflow.parameters.keys()

    def count(self, rows: ValidRows) -> None:
        """Count rows by bucket."""
        buckets = rows.buckets if isinstance(rows, PlainRows) else [row.bucket for row in rows]
        if buckets and is_single(buckets):
            self.buckets[buckets[0]] += len(buckets)
        else:
            self.buckets.update(buckets)
        if len(self.buckets) > MOST_BUCKETS:
            self.buckets = Counter(dict(self.buckets.most_common(MOST_BUCKETS)))

    def warn(self, text: str) -> None:
        """Warn a person at once, and a program at the end."""
        self._voice.warn(text)
        self.warnings.append(text)


def check_manifest(options: CheckOptions, world: World) -> Checked:
    """Check a manifest. Raises JobError for what would prevent a run from starting."""
    identity(options, dialect_of(options.api))
    need_whole_list(options.manifest)
    format_ = format_of(options.manifest, options.format)
    # Standard input may be checked without a checkpoint.
    checkpoint = options.checkpoint if options.manifest or options.has("checkpoint") else None
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        api = runner.run(choose(options, world, Drain(), checkpoint, may_ask=options.preflight))
    card = identity(options, *api)
    checked = Checked(card, format_, Forecast(Policy(options.retry_rejected, options.allow_duplicates)), world.voice)
    plan = None if options.manifest is None else plan_in(Path(f"{options.manifest}{RUN_FOLDER}"))
    if plan is not None:
        checked.warn(
            f"{options.manifest}: run in {counted(plan.shards, 'shard')}; what they have started is not counted"
        )
    with _opened(options, format_, world) as manifest:
        need_bucket(manifest, format_, options.bucket, options.manifest)
        columns = Columns(options, manifest, checked.warn)
        if options.preflight:
            is_new = checkpoint is None or not checkpoint.exists()
            described = _described(
                options, manifest, columns.of_header if is_new else None, checked, world, api.dialect
            )
            with asyncio.Runner(loop_factory=fast_loop()) as runner:
                checked.workflow = runner.run(described)
        with _kept(checkpoint, card) as kept, _writing(options.bad_rows) as note:
            types = _types(manifest, kept, checked.workflow)
            blocks = manifest.blocks(bucket=options.bucket, static_inputs=options.inputs, parameters=types)
            declared = types.keys() if types else checked.declared
            is_asked_again = kept is None and isinstance(manifest, Manifest) and manifest.is_readable_again
            again = partial(_again, options, format_, types, checked.workflow, world) if is_asked_again else None
            with closing(Repeats(again)) as repeats:
                _read(_judged(blocks, columns, declared if options.preflight else ()), checked, repeats, note)
                repeats.foresee(checked.forecast, kept)
        change = manifest.change()
        if change is not None:
            raise change
        checked.skipped = manifest.skipped
        for warning in manifest.warnings:
            checked.warn(warning)
    if options.manifest is not None:
        paths = Paths(options.manifest, options.checkpoint, default_output(options))
        warn_if_short(checked.rows, paths, world, checked.warn)
    if options.head:
        # Imported here, since most checks ask no bucket.
        from batcher.app.heads import look, place_of  # noqa: PLC0415

        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            checked.looked = runner.run(look(options, place_of(options), world, Drain()))
    if not checked.rows:
        raise ManifestError(f"{options.manifest or 'standard input'}: the manifest has no rows")
    return checked


def _opened(options: CheckOptions, format_: str, world: World) -> WholeManifest:
    return world.open_manifest(options.manifest, format_, choice_of(options)._replace(has_marks=False))


def _judged(blocks: Iterable[Block], columns: Columns, parameters: Collection[str] | None) -> Iterator[Block]:
    """Judge the columns that each block brings. Raises ManifestError as a run would end."""
    for block in blocks:
        error = columns.of_rows(parameters) if columns.has_news else None
        if error is not None:
            raise error
        yield block


async def _described(  # noqa: PLR0913, PLR0917 - a manifest and its service meet here
    options: CheckOptions,
    manifest: AnyManifest,
    judge: Judge | None,
    checked: Checked,
    world: World,
    dialect: Dialect,
) -> Workflow | None:
    drain = Drain()
    site = Site(checked.card.endpoint, options.workflow, 1, options.timeout, options.trust)
    async with (
        open_credentials(options.credentials, world, drain, checked.warn) as credentials,
        open_service(site, credentials, world, drain, checked.warn, dialect) as service,
    ):
        checked.credentials = shown(credentials.current)
        preflight = Preflight(
            service,
            options.workflow,
            drain,
            world,
            manifest,
            options.inputs,
            checked.warn,
            judge=judge,
        )
        return await preflight.workflow()


def _kept(path: Path | None, card: Card) -> AbstractContextManager[Reading | None]:
    return nullcontext() if path is None else reading_of(path, card)


def _types(manifest: AnyManifest, kept: Reading | None, workflow: Workflow | None) -> Mapping[str, Parameter]:
    """Return the types of the cells: those of the job, else those that a new job would have."""
    if not has_typed_cells(manifest):
        return {}
    types = None if kept is None else kept.card.cell_types
    if types is not None:
        return parameters_of_types(types)
    return {} if workflow is None else workflow.parameters


def _read(
    blocks: Iterable[Block], checked: Checked, repeats: Repeats, note: Callable[[Sequence[BadRow]], None]
) -> None:
    screen = None if checked.workflow is None else Screen(checked.workflow.parameters)
    for block in blocks:
        rows, bad = _sorted_out(block, screen)
        if bad:
            note(bad)
            checked.first_bad += bad[: SHOWN - len(checked.first_bad)]
        checked.rows += len(block)
        checked.bad += len(bad)
        checked.count(rows)
        repeats.add(rows)
    for warning, count in (screen.warnings if screen else Counter[str]()).items():
        checked.warn(f"{counted(count, 'row')}: {warning}")


def _sorted_out(block: Block, screen: Screen | None) -> tuple[ValidRows, list[BadRow]]:
    """Return the valid rows of a block, and the others."""
    rows = block if screen is None else screen.rows(block)
    if isinstance(rows, PlainRows):
        return rows, []
    return [row for row in rows if isinstance(row, Row)], [row for row in rows if isinstance(row, BadRow)]


@contextmanager
def _again(
    options: CheckOptions,
    format_: str,
    types: Mapping[str, Parameter],
    workflow: Workflow | None,
    world: World,
) -> Iterator[Iterator[ValidRows]]:
    """Open the manifest once more, and yield its valid rows."""
    screen = None if workflow is None else Screen(workflow.parameters)
    with _opened(options, format_, world) as manifest:
        blocks = manifest.blocks(bucket=options.bucket, static_inputs=options.inputs, parameters=types)
        yield (_sorted_out(block, screen)[0] for block in blocks)


@contextmanager
def _writing(path: Path | None) -> Iterator[Callable[[Iterable[BadRow]], None]]:
    """Write bad rows to a new file, as JSON Lines, or nowhere.

    Raises UsageError where there is such a file, DiskError where it cannot be written.
    """
    if path is None:
        yield lambda _: None
        return
    try:
        with path.open("xb") as file:
            path.chmod(0o600)
            yield lambda rows: file.writelines(
                orjson.dumps(described(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows
            )
    except FileExistsError:
        raise UsageError(f"{path}: exists already", "Give --bad-rows the name of a new file.") from None
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror}", "Check the path that --bad-rows names, and the disk.") from error
