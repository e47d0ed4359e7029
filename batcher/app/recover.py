"""What `batcher recover` does: rebuilds the checkpoint of a job from its outputs and its manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from batcher.app.api import Chosen, choose
from batcher.app.attempt import Attempt, Terms, latest_checkpoint, open_attempt, written_by_all
from batcher.app.cell_types import has_typed_cells, parameters_of_types
from batcher.app.generation import Generation
from batcher.app.job_files import written
from batcher.app.job_identity import card_of, choice_of, is_side_manifest, job_of, need_bucket
from batcher.app.output_place import Place, place_of
from batcher.app.preflight import Preflight
from batcher.app.rebuild import Block, Knowledge, Rebuild
from batcher.app.service import Site, open_credentials, open_service
from batcher.app.shards import planned
from batcher.app.world import World
from batcher.edges.checkpoint import Store, replacing
from batcher.edges.checkpoint.facts import (
    BUCKET_USED,
    CARD,
    LENGTH,
    OUTPUT,
    PREFIX,
    READ_WHOLE,
    RECOVERED,
    UNPROVEN_SINCE,
)
from batcher.edges.checkpoint.places import folder_of, is_there
from batcher.edges.manifest import format_of, share_of
from batcher.edges.records import held_reading
from batcher.errors import DiskError, ExitCode, UsageError
from batcher.flow.drain import Drain
from batcher.model import Parameter, Status
from batcher.options.verbs import RecoverOptions, RunOptions
from batcher.rules.job.card import Card, encoded, renewed
from batcher.rules.records.standing import current_counts
from batcher.rules.report.next_commands import run
from batcher.rules.rows.identity import canonical
from batcher.rules.service.dialect import Dialect
from batcher.rules.shards.attempts import CHECKPOINT, RECORDS
from batcher.rules.text import counted


async def recover(options: RecoverOptions, world: World) -> ExitCode:
    """Rebuild the checkpoint, and say how the rows stand. Raises JobError if that is impossible.

    The former checkpoint is changed only when the new one is complete.
    """
    manifest = options.manifest
    if manifest is None:
        raise UsageError("standard input cannot be read twice", "Give the manifest as a file, with --format.")
    given = _as_run(options, options.output[-1])
    api = await choose(options, world, Drain(), options.checkpoint)
    wanted = card_of(given, *api)
    await planned(options, wanted)
    terms = Terms(options.take_over_after)
    async with open_attempt(_latest(options), world, Drain(), terms, is_rebuilt=True) as attempt:
        return await _recovered(_of_attempt(options, attempt), wanted, api, world)


def _latest(options: RecoverOptions) -> Path:
    """Return the checkpoint of the job, of the latest attempt at its shard."""
    if options.shard is None or not options.run_dir.is_dir():
        return options.checkpoint
    return latest_checkpoint(options.run_dir, options.shard)


def _of_attempt(options: RecoverOptions, attempt: Attempt | None) -> RecoverOptions:
    """Return the options with the checkpoint of this attempt, and the outputs of all attempts at its shard."""
    if attempt is None or options.shard is None:
        return options
    outputs = written_by_all(options.run_dir, options.shard, RECORDS)
    return options.but(checkpoint=attempt.checkpoint, output=outputs or options.output)


async def _recovered(options: RecoverOptions, wanted: Card, api: Chosen, world: World) -> ExitCode:
    given = _as_run(options, options.output[-1])
    all_of_shard = () if options.shard is None else written_by_all(options.run_dir, options.shard, CHECKPOINT)
    earlier = [path for path in reversed(all_of_shard) if path != options.checkpoint]
    with replacing(options.checkpoint) as replacement, ExitStack() as opened:
        with closing(replacement.begin(wanted, earlier)) as store:
            for path in replacement.damaged:
                world.voice.warn(f"{path}: damaged: {_shown_by(replacement.former)} how the rows stand")
            card = _card(store.card, wanted, options.checkpoint)
            reading = _Reading(given, world, card.cell_types, api.dialect)
            types = await reading.cell_types()
            rebuilt = _rebuilt(store, options, reading, world, opened, structs.replace(card, cell_types=types))
        kept = replacement.put_in_place()
        await rebuilt.generation.attest(rebuilt.length)
    _report(rebuilt, kept, options, card, world)
    return ExitCode.OK


def _shown_by(former: Path | None) -> str:
    return "only the output shows" if former is None else f"the outputs and {former} show"


class _Rebuilt(NamedTuple):
    """What was rebuilt. `length` is the number of bytes in all outputs."""

    counts: Mapping[Status, int]
    strangers: int
    length: int
    generation: Generation


def _as_run(options: RecoverOptions, output: Path) -> RunOptions:
    """Return the options as those of a run with this output."""
    return RunOptions.of(vars(options) | {"output": output})


def _card(kept: Card, wanted: Card, checkpoint: Path) -> Card:
    if is_side_manifest(kept, wanted, folder_of(checkpoint)):
        raise UsageError(
            f"{wanted.manifest}: the job's own manifest is {kept.manifest}", "Give that one: it has the job's rows."
        )
    return structs.replace(renewed(kept, wanted, is_side=False), ledger=kept.ledger)


class _Reading:
    """The manifest of a job, which can be read more than once. `types` are those of its cells, None if not known."""

    def __init__(self, options: RunOptions, world: World, types: Mapping[str, str] | None, dialect: Dialect) -> None:
        self._options = options
        self._dialect = dialect
        self._world = world
        self._types = types
        self._format = format_of(options.manifest, options.format)
        self.has_default_bucket = False
        """Whether a row has the default bucket, once the manifest was read."""

    @property
    def changed_at(self) -> int:
        """When the manifest was changed, in nanoseconds."""
        assert self._options.manifest is not None  # noqa: S101 - standard input was refused
        return self._options.manifest.stat().st_mtime_ns

    async def cell_types(self) -> Mapping[str, str] | None:
        """Return the types of the cells. If they are needed and not known, the service is asked for the workflow."""
        options = self._options
        with self._world.open_manifest(options.manifest, self._format, choice_of(options)) as manifest:
            need_bucket(manifest, self._format, options.bucket, options.manifest)
            if self._types is not None or not has_typed_cells(manifest):
                return self._types
            drain = Drain()
            voice, endpoint = self._world.voice, card_of(options, self._dialect).endpoint
            site = Site(endpoint, options.workflow, 1, options.timeout, options.verify_tls)
            async with (
                open_credentials(options.credentials, self._world, drain, voice.warn) as credentials,
                open_service(site, credentials, self._world, drain, voice.warn, self._dialect) as service,
            ):
                workflow = await Preflight(
                    service, options.workflow, drain, self._world, manifest, options.inputs, voice.warn
                ).workflow()
        self._types = {name: each.type for name, each in workflow.parameters.items()} if workflow else {}
        return self._types

    def blocks(self) -> Iterator[Block]:
        """Read the rows. Raises ManifestError."""
        options = self._options
        parameters: Mapping[str, Parameter] | None = None if self._types is None else parameters_of_types(self._types)
        with self._world.open_manifest(options.manifest, self._format, choice_of(options)) as whole:
            manifest = share_of(whole, options.shard)
            yield from manifest.blocks(bucket=options.bucket, static_inputs=options.inputs, parameters=parameters)
            change = manifest.change()
            if change is not None:
                raise change
            self.has_default_bucket = manifest.first_unnamed is not None


def _rebuilt(  # noqa: PLR0913, PLR0917 - all that a job consists of
    store: Store, options: RecoverOptions, reading: _Reading, world: World, opened: ExitStack, card: Card
) -> _Rebuilt:
    facts = store.facts()
    places = _places(options, facts)
    outputs = [opened.enter_context(held_reading(place.path, place.known or 0)) for place in places]
    is_edited = reading.changed_at > max(place.path.stat().st_mtime_ns for place in places)
    known = Knowledge(
        reading.blocks, canonical(options.inputs), options.concurrency, options.allow_duplicates, is_edited
    )
    with Rebuild(store, outputs, known) as rebuild:
        since = rebuild.whole()
    lengths = {LENGTH + place.name: length for place, length in zip(places, rebuild.lengths, strict=True)}
    length = written(facts | lengths)
    generation = opened.enter_context(
        closing(Generation(options.checkpoint, facts, world.environment, world.steady, written=length))
    )
    noted: dict[str, str | int] = {
        CARD: encoded(card),
        OUTPUT: places[-1].name,
        PREFIX: "",
        READ_WHOLE: 0,
        RECOVERED: 1,
        BUCKET_USED: int(bool(facts.get(BUCKET_USED)) or reading.has_default_bucket),
        UNPROVEN_SINCE: int(since),
    }
    store.begin()
    store.remember(noted | lengths | generation.following())
    store.commit()
    return _Rebuilt(current_counts(store.count(), running=False), rebuild.strangers, length, generation)


def _places(options: RecoverOptions, facts: Mapping[str, str | int]) -> list[Place]:
    """Return the outputs, the last run's last: those that the older checkpoint knows, and those of the command."""
    folder = folder_of(options.checkpoint)
    given = [place_of(path, facts, folder) for path in options.output]
    names = {place.name for place in given}
    others = [name.removeprefix(LENGTH) for name in facts if name.startswith(LENGTH)]
    former = [place_of(folder / name, facts, folder) for name in others if name not in names]
    places = [place for place in former if is_there(place.path)] + given
    for place in given:
        if not is_there(place.path):
            raise DiskError(
                f"{place.path}: no such output",
                "A checkpoint is rebuilt from the output. Give each output of the job with --output.",
            )
    return places


def _report(rebuilt: _Rebuilt, kept: Path | None, options: RecoverOptions, card: Card, world: World) -> None:
    say = world.voice.say
    shown = ", ".join(f"{rebuilt.counts[status]:,} {status.words}" for status in Status if rebuilt.counts[status])
    say(f"{options.checkpoint}: rebuilt: {shown or 'no row has a record'}")
    if rebuilt.strangers:
        world.voice.warn(
            f"{counted(rebuilt.strangers, 'start')} of rows that the manifest does not have: it was edited, or they are"
            " rows of another manifest"
        )
    if kept is not None:
        say(f"the former checkpoint is kept: {os.fspath(kept)}")
    say(f"next: {run(job_of(card, options.checkpoint))}")
