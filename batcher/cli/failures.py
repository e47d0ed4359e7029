"""`batcher failures`: the rows of a manifest that failed, with their reasons, as the next manifest."""

from __future__ import annotations

import asyncio

from batcher.errors import ExitCode, UsageError
from batcher.options.verbs import FailuresOptions

OPTIONS = FailuresOptions

HELP = """Write the rejected and the invalid rows of MANIFEST as the next manifest: its own columns, and the reasons.

\b
Examples:
  batcher failures objects.csv -o failed.csv
  batcher failures keys.txt -o failed.csv
  batcher failures objects.csv --dismiss

JSON Lines are written as JSON Lines, all else as CSV or TSV: tables with their own columns, lists made by other tools
with the columns bucket, object and inputs. The reasons are in error_code and error_message. Fix the file and run it
with the command that is printed at the end: under the checkpoint of its job no row is started twice. Rows that are
still to be retried are not in the file, since the job's own command sends them. Changes nothing else.

A row whose content you fixed is a new row, so the one that failed still counts as left. --dismiss declares all
rejected and invalid rows of the job settled: no run sends them again, not even with --retry-rejected.
"""


def failures(options: FailuresOptions) -> ExitCode:
    """Write the rows, and say how to go on with them; or dismiss them."""
    if (options.output is None) != options.dismiss:
        raise UsageError("give one of --output and --dismiss", "--output FILE writes the rows that failed.")
    if options.output is None:
        _dismiss(options)
        return ExitCode.OK
    from batcher.app.failures import Failures, require_fitting
    from batcher.app.history import must_differ, open_past
    from batcher.edges.manifest import format_of

    format_ = format_of(options.manifest, options.format)
    require_fitting(options.output, format_)
    with open_past(options.checkpoint) as past:
        must_differ(options.output, options.manifest, *past.paths)
        Failures(past, options.manifest, format_, options.output).write()
    return ExitCode.OK


def _dismiss(options: FailuresOptions) -> None:
    from batcher.app.dismiss import dismiss
    from batcher.app.world import World

    asyncio.run(dismiss(options.manifest, options.checkpoint, World()))
