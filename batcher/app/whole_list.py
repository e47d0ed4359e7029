"""The list of a bucket as a command is given it: whether it is whole, and whether its bucket is to be asked first.

Most manifests are no such list. What asks a bucket is a package of its own, imported only where one is asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from batcher.edges.object_list import is_unfinished
from batcher.errors import UsageError
from batcher.options import groups
from batcher.options.bucket_list import address_in
from batcher.options.declaring import declared_by
from batcher.options.heads import Heads
from batcher.options.verbs import RunOptions

RunT = TypeVar("RunT", bound=RunOptions)
ONLY_LISTS = declared_by(groups.Wanted)
"""The options that choose objects of a bucket."""
_ONLY_BEFORE = {each.name for each in declared_by(Heads)}


def asks_bucket(options: RunOptions) -> bool:
    """Return whether a run asks the bucket of its list before it begins: for the list, or for a sample of its objects.

    Raises UsageError for an option that needs the address of a bucket where none is given, and for the list of a bucket
    that is not complete.
    """
    if address_in(options.manifest) is not None:
        return True
    given = next((each for each in ONLY_LISTS if options.has(each.name) and getattr(options, each.name)), None)
    if options.bucket_endpoint is not None and not options.head:
        raise UsageError("--bucket-endpoint: only to list a bucket or with --head", "Remove it.")
    if given is not None:
        raise UsageError(f"{given.flag}: only for a manifest obs://BUCKET/PREFIX", "Remove it, or list the bucket.")
    need_whole_list(options.manifest)
    return bool(options.head)


def need_whole_list(manifest: Path | None) -> None:
    """Raise UsageError for the list of a bucket that is not complete: a part of it would pass for the whole."""
    if manifest is None:
        return
    address = address_in(manifest)
    if address is not None and not manifest.exists():
        raise UsageError(f"{address}: not listed yet", f"List it first: batcher list {address} -o {manifest}.")
    if is_unfinished(manifest):
        raise UsageError(
            f"{manifest}: the list of the bucket is not complete", "Run the command again that lists the bucket."
        )


def with_asked(options: RunT) -> RunT:
    """Return the options of a run without those that only matter until its bucket is asked."""
    return options.of({name: value for name, value in vars(options).items() if name not in _ONLY_BEFORE})
