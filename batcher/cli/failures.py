"""`batcher failures`: writes the rows that failed, with their reasons, as the next manifest."""

from __future__ import annotations

import asyncio

from batcher.errors import ExitCode, UsageError
from batcher.options.verbs import FailuresOptions

OPTIONS = FailuresOptions

HELP = """Write the rejected and invalid rows of MANIFEST as the next manifest, with the reasons.

\b
Examples:
  batcher failures objects.csv -o failed.csv
  batcher failures keys.txt -o failed.csv
  batcher failures objects.csv --ended -o again.csv
  batcher failures objects.csv --dismiss

JSON Lines are written as JSON Lines, other formats as CSV or TSV. CSV and TSV manifests keep their columns; for other
lists the columns are bucket, object and inputs. The reasons are in error_code and error_message. Fix the
file and run it with the command that is printed at the end: it uses the checkpoint of the job, so that no row is
started twice. Rows that will still be retried are not in the file, since the job's own command sends them.

A row whose content you fixed is a new row, so the failed row still counts as not done. --dismiss declares all rejected
and invalid rows of the job settled: no run sends them again, not even with --retry-rejected.

--ended writes the rows whose executions failed, timed out or were cancelled instead, as batcher watch has found. They
are started, so the checkpoint of the job would not start them again: the command that is printed at the end runs them
as a job of their own, which starts each a second time. batcher redrive continues the same executions instead.
"""


def failures(options: FailuresOptions) -> ExitCode:
    """Write the rows and print the next command, or dismiss the rows."""
    if (options.output is None) != options.dismiss:
        raise UsageError(
            "give one of --output and --dismiss",
            "--output FILE writes the failed rows; --dismiss declares them settled.",
        )
    if options.ended and options.output is None:
        raise UsageError("--ended and --dismiss cannot be combined", "An execution that failed cannot be dismissed.")
    if options.output is None:
        _dismiss(options)
        return ExitCode.OK
    from batcher.app.failures import Failures, ended, not_started, require_fitting
    from batcher.app.history import must_differ
    from batcher.app.run_folder import files_of, job_at, pasts, warn_of_gaps
    from batcher.edges.manifest import format_of

    format_ = format_of(options.manifest, options.format)
    require_fitting(options.output, format_)
    must_differ(options.output, options.manifest, *files_of(options.checkpoint))
    truths = (truth for past in pasts(options.checkpoint) for truth in past.truths())
    warn_of_gaps(options.checkpoint)
    chosen = ended(options.checkpoint, truths) if options.ended else not_started(truths)
    Failures(chosen, job_at(options.checkpoint), options.manifest, format_, options.output).write()
    return ExitCode.OK


def _dismiss(options: FailuresOptions) -> None:
    from batcher.app.dismiss import dismiss
    from batcher.app.run_folder import checkpoints_of
    from batcher.app.world import World

    for checkpoint in checkpoints_of(options.checkpoint):
        asyncio.run(dismiss(options.manifest, checkpoint, World()))
