"""`batcher list`: writes the objects of a bucket as a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.options.listing import ListCommandOptions

if TYPE_CHECKING:
    from batcher.errors import ExitCode

OPTIONS = ListCommandOptions

HELP = """Write the objects of a bucket as a manifest.

\b
Examples:
  batcher list obs://my-videos/raw/ --region cn-north-4 -o objects.csv
  batcher list obs://my-videos --suffix .mp4 --min-size 1M --newer 7d \\
      --region cn-north-4 -o objects.csv
  batcher list obs://my-videos/raw/ --delimiter / --region cn-north-4 \\
      -o objects.csv

The columns are bucket, object, size, last_modified, etag and storage_class. Keys are taken as they are: nothing is
decoded or normalised.

To resume after any interruption, run the same command again: the list continues after its last key. A list that is
complete stays as it is; --relist appends what is new.

Patterns are those of rclone: * and ? stay within a folder, ** does not. A pattern fits at the end of a key, after a
slash; with a slash in front it fits the whole key. Sizes are bytes, or have a unit (K, M, G, T: powers of 1024). A date
without a zone is UTC; an age is counted back from the service's time.

batcher run obs://BUCKET/PREFIX lists and starts in one command.
"""


def list(options: ListCommandOptions) -> ExitCode:  # noqa: A001 - the verb's name
    """List the bucket and return the exit code."""
    import asyncio

    from batcher.app.bucket_runs import list_command
    from batcher.app.process import calm_collector, fast_loop
    from batcher.app.world import World
    from batcher.flow.drain import Drain

    calm_collector()
    with asyncio.Runner(loop_factory=fast_loop(tls=options.endpoint.startswith("https:"))) as runner:
        return runner.run(list_command(options, World(), Drain()))
