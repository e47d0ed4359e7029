"""`batcher run`: runs the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.errors import MEANINGS, ExitCode, UsageError
from batcher.options.declaring import declared_by
from batcher.options.verbs import CheckOptions, RunCommandOptions
from batcher.rules.text import counted

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path
    from typing import Any

    from batcher.app.confirm import Confirm
    from batcher.app.look import Open
    from batcher.app.world import World
    from batcher.flow.drain import Drain

OPTIONS = RunCommandOptions

FOLLOWED = frozenset({ExitCode.OK, ExitCode.ROWS_REJECTED, ExitCode.ROWS_IN_DOUBT, ExitCode.FAILURES, ExitCode.STOPPED})
"""The exit codes of a run after which --watch follows what was started."""

EXAMPLES = """
  batcher run objects.csv -w transcode --region cn-north-4 -b my-videos
  batcher run objects.csv -w transcode --region cn-north-4 -i template-id:=7
  batcher run objects.csv -w transcode -b my-videos \\
      -e https://obs.cn-north-4.myhuaweicloud.com
  zcat keys.txt.gz | batcher run - --format txt -w transcode -b my-videos \\
      --region cn-north-4 -o started.jsonl -c started.checkpoint
"""

HELP = f"""Start one workflow execution for each row of MANIFEST, and write one record per row.

\b
Examples:
{EXAMPLES.strip(chr(10))}

MANIFEST is CSV, TSV, JSON Lines, a JSON array of objects or plain text with one key per line, plain or gzipped; - is
standard input. CSV needs a header with the column "object" and may have the columns "bucket", "inputs" (a JSON object)
and "inputs.NAME". MANIFEST can also be the manifest.json of an OBS inventory, the output of obsutil ls -s, or Parquet.
Of obs://BUCKET/PREFIX the objects are listed first, into BUCKET_PREFIX.csv, as batcher list does.
batcher check shows what it contains.

To resume after any interruption, run the same command again: rows that were started are not started again.

Credentials come from OBS_ACCESS_KEY_ID, OBS_SECRET_ACCESS_KEY and OBS_SECURITY_TOKEN (or HUAWEICLOUD_SDK_AK/SK,
HW_ACCESS_KEY/SECRET_KEY), from ~/.huaweicloud/credentials, or from the agency of the ECS that the command runs on.

\b
Exit codes:
{chr(10).join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())}
"""


def prepare(options: RunCommandOptions) -> None:
    """Begin to import the client of HTTP, if this process sends requests: nothing else takes as long to import."""
    sends = not options.dry_run and (options.processes or options.engine or options.scheduler) is None
    if sends and (options.manifest is None or options.manifest.exists()):
        from batcher.app.process import import_client_beside

        import_client_beside()


def run(options: RunCommandOptions) -> ExitCode:
    """Run the job, write its report if --report is given, and return the exit code. With --dry-run, only check it."""
    import os

    from batcher.app.process import make_room, need_threads
    from batcher.app.shards import with_shard

    listed = _listed(options)
    if isinstance(listed, ExitCode):
        return listed
    options = with_shard(listed, os.environ)
    if options.dry_run:
        return _dry_run(options)
    if options.processes is not None or options.engine is not None or options.scheduler is not None:
        return _run_shards(options)
    make_room(options.concurrency)
    need_threads()
    from batcher.app.look import looking_early

    # Half of this time the system reads the list, while the rest of the run is imported.
    with looking_early(options) as open_manifest:
        code = _run_job(options, open_manifest)
    code = _watched(options, options.checkpoint, code)
    if options.report is not None:
        from batcher.app.attempt import with_latest_files
        from batcher.app.report import write_report

        write_report(with_latest_files(options).checkpoint, options.report)
    return code


def _run_job(options: RunCommandOptions, open_manifest: Open) -> ExitCode:
    """Run the job in this process. `open_manifest` opens its manifest."""
    import asyncio

    from batcher.app.process import calm_collector, fast_loop
    from batcher.app.run import run_job
    from batcher.app.world import World
    from batcher.flow.drain import Drain

    calm_collector()
    with asyncio.Runner(loop_factory=fast_loop(tls=options.endpoint.startswith("https:"))) as runner:
        world, drain = World(open_manifest=open_manifest), Drain()
        leased = None if options.shard is None else _leased(options, world, drain)
        return runner.run(leased or run_job(options, world, drain, confirm=_confirm(options)))


def _leased(options: RunCommandOptions, world: World, drain: Drain) -> Coroutine[Any, Any, ExitCode] | None:
    """Return the run of a shard within the lease of this process. None if it is no worker of another one."""
    import os

    from batcher.app.engines.processes import lessee_of
    from batcher.app.leases import run_leased

    lease = lessee_of(os.environ, options.shard, world)
    return None if lease is None else run_leased(options, world, drain, lease)


def _watched(options: RunCommandOptions, job: Path, code: ExitCode) -> ExitCode:
    """Follow what the run has started, with --watch. Return the exit code of the run, unless every row is started."""
    if not options.watch or code not in FOLLOWED:
        return code
    from batcher.cli.watch import watch
    from batcher.options.watching import WatchOptions

    names = {each.name for each in declared_by(WatchOptions)} - {"output", "spreadsheet", "checkpoint"}
    given = {name: value for name, value in vars(options).items() if name in names}
    watched = watch(WatchOptions.of({**given, "checkpoint": job}))
    # What ended the watch early comes first: the executions are not all known then.
    return code if code is not ExitCode.OK and watched in {ExitCode.OK, ExitCode.ENDS, ExitCode.DEADLINE} else watched


def _listed(options: RunCommandOptions) -> RunCommandOptions | ExitCode:
    """Return the options with the list of a bucket as the manifest, or why it is not complete."""
    import asyncio

    from batcher.app.whole_list import asks_bucket, with_asked

    if not asks_bucket(options):
        return with_asked(options)
    from batcher.app.bucket_runs import listed
    from batcher.app.process import fast_loop
    from batcher.app.world import World
    from batcher.flow.drain import Drain

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(listed(options, World(), Drain()))


def _confirm(options: RunCommandOptions) -> Confirm | None:
    """Return how a person is asked before many rows are started. None if no one is to be asked."""
    from batcher.edges import terminal

    if not options.confirm_above or options.yes or not terminal.has_person():
        return None
    from batcher.app.confirm import Confirm

    return Confirm(options.confirm_above, terminal.answers)


def _run_shards(options: RunCommandOptions) -> ExitCode:
    """Run the shards in workers, and write the report of all of them if --report is given."""
    import asyncio

    from batcher.app.processes import run_shards
    from batcher.app.world import World

    code = asyncio.run(run_shards(options, World(), _confirm(options)))
    code = _watched(options, options.run_dir, code)
    if options.report is not None:
        from batcher.app.report import write_report

        write_report(options.run_dir, options.report)
    return code


def _dry_run(options: RunCommandOptions) -> ExitCode:
    """Check what this run would start. The check itself knows of no limit."""
    from batcher.app.voice import say
    from batcher.cli.check import check

    if options.shard is not None:
        raise UsageError("--dry-run and shards cannot be combined", "batcher check MANIFEST checks the whole list.")

    names = {each.name for each in declared_by(CheckOptions)}
    code = check(CheckOptions.of({name: value for name, value in vars(options).items() if name in names}))
    if options.ledger is not None:
        say("--ledger: rows that other jobs have started are counted as if they would be started.")
    if options.canary is not None:
        say(f"--canary: {counted(options.canary, 'row')} of them would be started and watched first.")
    if options.limit is not None:
        say(f"--limit: this run would send at most {counted(options.limit, 'row')} of them.")
    return code
