"""`batcher run`: the main job, from its options to its exit code."""

from __future__ import annotations

from batcher.errors import MEANINGS, ExitCode
from batcher.options.verbs import RunOptions

OPTIONS = RunOptions

EXAMPLES = """
  batcher run objects.csv -w transcode -e https://obs.cn-north-4.myhuaweicloud.com -b my-videos
  batcher run objects.csv -w transcode --region cn-north-4 -i template-id:=7000524
  zcat keys.txt.gz | batcher run - --format txt -w transcode --region cn-north-4 -b my-videos \\
      -o started.jsonl -c started.checkpoint
"""

HELP = f"""Start one workflow execution for each row of MANIFEST, and write one record per row.

\b
Examples:
{EXAMPLES.strip(chr(10))}

MANIFEST is CSV, TSV, JSON Lines or plain text with one key a line, also gzipped; - is standard input. CSV has a
header with the column "object" and, as needed, "bucket", "inputs" (a JSON object) and "inputs.NAME". It may also be
the manifest.json of an OBS inventory, the output of obsutil ls -s, or Parquet. batcher check shows what it contains.

To resume after any interruption, run the same command again: rows that were started are not started twice. The
credentials come from OBS_ACCESS_KEY_ID, OBS_SECRET_ACCESS_KEY and OBS_SECURITY_TOKEN (or HUAWEICLOUD_SDK_AK/SK,
HW_ACCESS_KEY/SECRET_KEY), from ~/.huaweicloud/credentials, or from the agency of the ECS that this runs on.

\b
Exit codes:
{chr(10).join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())}
"""


def run(options: RunOptions) -> ExitCode:
    """Run the job, write its report if there is to be one, and give the exit code that tells the truth."""
    import asyncio

    from batcher.app.process import calm_collector, fast_loop, make_room
    from batcher.app.run import run_job
    from batcher.app.world import World
    from batcher.flow.drain import Drain

    make_room(options.concurrency)
    calm_collector()
    with asyncio.Runner(loop_factory=fast_loop(tls=options.endpoint.startswith("https:"))) as runner:
        code = runner.run(run_job(options, World(), Drain()))
    if options.report is not None:
        from batcher.app.report import write_report

        write_report(options.checkpoint, options.report)
    return code
