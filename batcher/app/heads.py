"""Looks at a sample of a list's objects in their buckets, before anything is started."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from batcher.app.bucket_service import BucketPlace, obs_endpoint, open_bucket
from batcher.app.job_identity import choice_of, need_bucket
from batcher.app.service import open_credentials
from batcher.app.world import World
from batcher.edges.manifest import format_of
from batcher.errors import JobError, ManifestError, UsageError
from batcher.flow.bucket_questions import Questions
from batcher.flow.drain import Drain
from batcher.model import Answer, BadRow
from batcher.options.verbs import CheckOptions, RunOptions
from batcher.rules.bucket import heads
from batcher.rules.bucket.heads import Finding, Looked
from batcher.rules.bucket.host import BucketHost
from batcher.rules.rows.plain_rows import Block, PlainRows
from batcher.rules.rows.spread import Spread, sample
from batcher.rules.text import counted

AT_A_TIME = 8
"""The most objects of a bucket that are asked for at the same time."""
Place = tuple[str, str]
"""A bucket and a key in it."""


def place_of(options: RunOptions | CheckOptions, max_outage: float = 900.0) -> BucketPlace:
    """Return where the buckets of a list are. `max_outage` is in seconds."""
    endpoint = options.bucket_endpoint or obs_endpoint(options.endpoint)
    return BucketPlace(endpoint, options, options.allow_http, max_outage)


async def need_objects(options: RunOptions, place: BucketPlace, world: World, drain: Drain) -> None:
    """Look at objects, and say what was found. Raises ManifestError if one is missing, and what `look` raises."""
    looked = await look(options, place, world, drain)
    for line in heads.lines(looked):
        world.voice.say(line)
    missing = sum(each.finding is Finding.MISSING for each in looked)
    if missing:
        are = "is" if missing == 1 else "are"
        raise ManifestError(
            f"{options.manifest}: {missing:,} of {counted(len(looked), 'object')} that were looked at {are} missing",
            "Nothing was started. Correct the list, the bucket or --bucket-endpoint, or run without --head.",
        )


async def look(options: RunOptions | CheckOptions, place: BucketPlace, world: World, drain: Drain) -> Sequence[Looked]:
    """Look at --head objects of the list. Fewer if the list has fewer rows, or if the drain begins.

    Raises UsageError for standard input, which can be read once only, and JobError if the objects cannot be looked at.
    """
    if options.manifest is None:
        raise UsageError("--head: standard input can be read only once", "Give the list as a file.")
    sample = await asyncio.to_thread(_sample, options, world)
    found: dict[Place, Finding] = {}
    async with open_credentials(options.credentials, world, drain, world.voice.warn) as credentials:
        for bucket in dict.fromkeys(bucket for bucket, _ in sample):
            host = place.host(bucket)
            waiting = iter([each for each in dict.fromkeys(sample) if each[0] == bucket])
            async with open_bucket(place, host, AT_A_TIME, credentials, world, drain) as questions:
                await _at_a_time(waiting, host, questions, found)
    return [Looked(*each, found[each]) for each in dict.fromkeys(sample) if each in found]


async def _at_a_time(
    waiting: Iterator[Place], host: BucketHost, questions: Questions, found: dict[Place, Finding]
) -> None:
    """Ask about objects until none waits, or the drain begins. Raises the first error."""

    def refused(answer: Answer) -> JobError:
        return heads.refused(answer, host.bucket, host.origin)

    async def ask() -> None:
        for each in waiting:
            answer = await questions.ask(host.head_call(each[1]), heads.read_head, refused, heads.is_final)
            if answer is None or answer.noun is None:
                return
            found[each] = answer.noun

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_A_TIME):
                tasks.create_task(ask())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _sample(options: RunOptions | CheckOptions, world: World) -> list[Place]:
    """Read the whole list, and return places that are spread over it. Blocks the thread. Raises as reading it does."""
    spread = Spread[Place](2 * options.head)
    format_ = format_of(options.manifest, options.format)
    with world.open_manifest(options.manifest, format_, choice_of(options)) as manifest:
        need_bucket(manifest, format_, options.bucket, options.manifest)
        for block in manifest.blocks(bucket=options.bucket, static_inputs=options.inputs):
            places = _places(block)
            spread.extend(len(places), places.__getitem__)
    return sample(spread.kept, options.head)


def _places(block: Block) -> Sequence[Place]:
    if isinstance(block, PlainRows):
        return list(zip(block.buckets, block.objects, strict=True))
    return [(row.bucket, row.object) for row in block if not isinstance(row, BadRow)]
