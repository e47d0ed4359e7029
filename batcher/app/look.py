"""The first look through a manifest, before anything is sent. A job that goes on looks only at what is new to it."""

from __future__ import annotations

from contextlib import suppress

from batcher.app.resume_point import is_read_alike
from batcher.edges.checkpoint.facts import PREFIX
from batcher.edges.checkpoint.reading import hint_at
from batcher.edges.manifest import AnyManifest
from batcher.model import Mark
from batcher.options.verbs import RunOptions
from batcher.rules.rows.settled_prefix import decoded


def look_through(manifest: AnyManifest, options: RunOptions) -> None:
    """Check a manifest as a whole. Raises what its `check` raises."""
    manifest.check(_read_before(options))


def _read_before(options: RunOptions) -> Mark | None:
    """Return the end of the job's settled prefix, None if it has none or it may have been read by other rules.

    It is a hint: whether the manifest still begins with this prefix is shown by its digest.
    """
    # Of a shard's checkpoint only a copy can be read, which takes longer than to look through the list.
    if options.shard is not None or not options.checkpoint.exists():
        return None
    kept = hint_at(options.checkpoint, PREFIX)
    # A later version may write it in another way.
    with suppress(ValueError, TypeError, LookupError):
        prefix = decoded(str(kept or ""))
        return prefix.mark if is_read_alike(options, prefix.reading) else None
    return None
