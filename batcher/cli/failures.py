"""`batcher failures`: the rows of a manifest that failed, with their reasons, as the next manifest."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from batcher.app.failures import Failures, require_fitting
from batcher.app.history import must_differ, open_past
from batcher.app.voice import complain
from batcher.cli.flags import FormatName
from batcher.edges.manifest import (
    format_of,
)
from batcher.errors import JobError, UsageError

HELP = """Write the rejected and the invalid rows of MANIFEST as the next manifest: its own columns, and their reasons.

\b
Examples:
  batcher failures objects.csv -o failed.csv
  batcher failures keys.txt -o failed.csv
  batcher failures objects.csv --dismiss

JSON Lines go to JSON Lines, all else to CSV or TSV: a table with its own columns, what other tools have made with the
columns bucket, object and inputs. The reasons are error_code and error_message. Fix the
file and run it as this command says at its end: under the checkpoint of its job no row is started twice. Rows that are
free to be sent are not in the file, since the job's own command sends them. Changes nothing else.

A row whose content you fixed is a new row, so the one that failed still counts as left. --dismiss declares all
rejected and invalid rows of the job settled: no run sends them again, also not with --retry-rejected.
"""


def failures(
    manifest: Annotated[Path, typer.Argument(help="The list of objects.", metavar="MANIFEST")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The next manifest: .csv, .tsv or .jsonl.", metavar="FILE")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "-c", "--checkpoint", help="The job's checkpoint file.  [default: MANIFEST.checkpoint]", metavar="FILE"
        ),
    ] = None,
    format_: FormatName = None,
    dismiss: Annotated[
        bool, typer.Option("--dismiss", help="Declare the failed rows settled instead of writing them.")
    ] = False,
) -> None:
    """Write the rows, and say how to go on with them; or dismiss them."""
    kept = checkpoint or Path(f"{manifest}.checkpoint")
    try:
        if (output is None) != dismiss:
            raise UsageError("give one of --output and --dismiss", "--output FILE writes the rows that failed.")
        if output is None:
            _dismiss(manifest, kept)
        else:
            format_name = format_of(manifest, format_)
            require_fitting(output, format_name)
            with open_past(kept) as past:
                must_differ(output, manifest, *past.paths)
                Failures(past, manifest, format_name, output).write()
    except JobError as error:
        complain(error)
        sys.exit(error.exit_code)


def _dismiss(manifest: Path, checkpoint: Path) -> None:
    # Imported late, so that the help does not wait for the HTTP client.
    from batcher.app.dismiss import dismiss  # noqa: PLC0415
    from batcher.app.world import World  # noqa: PLC0415

    asyncio.run(dismiss(manifest, checkpoint, World()))
