"""The first look through a manifest, before anything is sent. A job that goes on looks only at what is new to it.

It may begin before the run does, while the rest of the command is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias

import orjson

from batcher import __version__
from batcher.app.job_identity import choice_of
from batcher.edges.checkpoint.facts import PREFIX
from batcher.edges.checkpoint.reading import hint_at
from batcher.edges.manifest import AnyManifest, Choice, Manifest, WholeManifest, format_of, is_text, open_manifest
from batcher.errors import JobError
from batcher.model import Mark
from batcher.options.verbs import RunOptions
from batcher.rules.rows.settled_prefix import decoded

Open: TypeAlias = Callable[[Path | None, str, Choice], WholeManifest]


@contextmanager
def looking_early(options: RunOptions) -> Iterator[Open]:
    """Begin to look through the manifest of a run in a thread of its own, for as long as the block lasts at most.

    Yield what opens manifests for the run: this one is open. What is wrong with it is raised where the run opens it and
    looks through it. Standard input, pipes, the lists of shards and rare formats are left to the run.
    """
    begun = _begun(options)
    if begun is None:
        yield open_manifest
        return
    manifest, given = begun
    unused = [manifest]

    def opened(path: Path | None, format_: str, choice: Choice) -> WholeManifest:
        return unused.pop() if unused and (path, format_, choice) == given else open_manifest(path, format_, choice)

    with manifest:
        yield opened


def _begun(options: RunOptions) -> tuple[Manifest, tuple[Path, str, Choice]] | None:
    """Open the manifest and begin the look. Return it with that by which it was opened, None if the run is to do it."""
    if options.shard is not None or options.manifest is None or not options.manifest.is_file():
        return None
    # The run reports in its turn why a manifest cannot be opened.
    with suppress(JobError):
        format_, choice = format_of(options.manifest, options.format), choice_of(options)
        manifest = open_manifest(options.manifest, format_, choice) if is_text(format_) else None
        if isinstance(manifest, Manifest):
            manifest.begin_check(partial(_read_before, options))
            return manifest, (options.manifest, format_, choice)
    return None


def look_through(manifest: AnyManifest, options: RunOptions) -> None:
    """Check a manifest as a whole, unless that was begun. Raises what its `check` raises."""
    manifest.check(_read_before(options))


def _read_before(options: RunOptions) -> Mark | None:
    """Return the end of the job's settled prefix, None if it has none or it may have been read by other rules.

    It is a hint: whether the manifest still begins with this prefix is shown by its digest.
    """
    # Of a shard's checkpoint only a copy can be read, which takes longer than to look through the list.
    if options.shard is not None:
        return None
    kept = hint_at(options.checkpoint, PREFIX)
    # A later version may write it in another way.
    with suppress(ValueError, TypeError, LookupError):
        prefix = decoded(str(kept or ""))
        split_by = orjson.dumps(splitting(options)).decode()
        return prefix.mark if prefix.reading.startswith(split_by.removesuffix("]")) else None
    return None


def splitting(options: RunOptions) -> list[str]:
    """Return what decides how the bytes of a manifest are split into entries."""
    return [__version__, format_of(options.manifest, options.format)]
