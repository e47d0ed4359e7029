"""The options of `batcher ledger`: what to do with a ledger that jobs share.

No `from __future__ import annotations` here: the annotations are read at run time.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from batcher.options.declaring import Option
from batcher.options.groups import INPUT, LEDGER, ForPrograms
from batcher.rules.choices import LedgerAction

if TYPE_CHECKING:
    # Not imported at run time, which would slow the help down.
    from collections.abc import Mapping

    from batcher.model import Json


class LedgerOptions(ForPrograms):
    """The options of `batcher ledger`."""

    group = "Ledger"

    action: Annotated[LedgerAction, Option("What to do: import or status.", is_argument=True)]
    jobs: Annotated[
        tuple[Path, ...],
        Option("For import: checkpoints, run folders, manifests or records of jobs.", is_argument=True, metavar="JOB"),
    ] = ()
    ledger: Annotated[Path, LEDGER._replace(help="The ledger; import makes a new one if there is none.")]
    workflow: Annotated[
        str | None,
        Option("Workflow that was started, for records without a checkpoint.", short="-w", metavar="NAME"),
    ] = None
    endpoint: Annotated[
        str | None,
        Option(
            "Service endpoint, for records without a checkpoint.",
            short="-e",
            metavar="URL",
            shared_environment=("OBS_ENDPOINT",),
        ),
    ] = None
    project_id: Annotated[
        str | None,
        Option("Project of the workflow, for records of a job of dwr-v3 without a checkpoint.", metavar="ID"),
    ] = None
    inputs: Annotated[
        "Mapping[str, Json]",
        INPUT._replace(help="Input that every row had, for records without a checkpoint."),
    ] = {}  # noqa: RUF012 - options are immutable
