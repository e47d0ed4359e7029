"""`batcher recover`: rebuilds a checkpoint from the output and the manifest, without starting anything."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import RecoverOptions

OPTIONS = RecoverOptions

HELP = """Rebuild the checkpoint of a job from its output and MANIFEST, if it is lost, damaged or older than the output.

\b
Examples:
  batcher recover objects.csv -w transcode --region cn-north-4 -b my-videos
  batcher recover objects.csv -w transcode --region cn-north-4 -b my-videos \\
      -c started.checkpoint -o first.jsonl -o second.jsonl

Give the options of the run that identify the job. MANIFEST must be as the last run has read it. This command starts
nothing. A former checkpoint is kept beside the new one, with the suffix .before-recover. If it can be read, what it
knows is kept too.

Rows with a record of their start are started. Rows that may have been sent without a record are in doubt: those that
were refused, and as many of the next rows as can have been on the wire, twice --concurrency. The next run, or batcher
reconcile, looks them up in the service's execution list, and no row is started twice.
"""


def recover(options: RecoverOptions) -> ExitCode:
    """Rebuild the checkpoint and say what is known of its rows."""
    import asyncio
    import os

    from batcher.app.process import fast_loop
    from batcher.app.recover import recover as recover_job
    from batcher.app.shards import with_shard
    from batcher.app.world import World

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(recover_job(with_shard(options, os.environ), World()))
