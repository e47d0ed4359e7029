"""What a job knows about the rate of its service when it begins, and what it leaves for the next one.

It is in the job's checkpoint and, if the user allows it, in a cache that jobs share.
"""

from __future__ import annotations

from batcher.app.job_files import Files
from batcher.app.world import World
from batcher.options.verbs import RunOptions
from batcher.rules.rate.remembered import UNKNOWN, Remembered


async def remembered(options: RunOptions, files: Files, world: World) -> Remembered:
    """Return what earlier runs of this job learned, or else, with --remember-rate, earlier jobs with its workflow."""
    own = await files.remembered()
    if own != UNKNOWN or not options.remember_rate:
        return own
    # Imported here, as below, since only --remember-rate has a cache.
    from batcher.app.rate_cache import cache_path, read_rate  # noqa: PLC0415

    return read_rate(cache_path(world.environment), files.card.endpoint, files.card.workflow)


def remember(options: RunOptions, files: Files, world: World, learned: Remembered) -> None:
    """Keep what this run has learned for new jobs, with --remember-rate."""
    if options.remember_rate and learned != UNKNOWN:
        from batcher.app.rate_cache import cache_path, write_rate  # noqa: PLC0415

        card = files.card
        if not write_rate(cache_path(world.environment), card.endpoint, card.workflow, learned):
            world.voice.warn("--remember-rate: the rate cannot be stored in the cache folder (XDG_CACHE_HOME or HOME)")
