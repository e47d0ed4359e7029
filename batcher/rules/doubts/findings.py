"""What was found out about the rows in doubt of a job. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from batcher.model import ExecutionDetail, Unsettled


class Findings(NamedTuple):
    """The result of a reconcile for the rows in doubt."""

    adopted: list[tuple[Unsettled, ExecutionDetail]]
    """Started rows, each with its execution."""
    released: list[Unsettled]
    """Rows that were never started, and may be sent."""
    held: list[Unsettled]
    """Rows that stay in doubt."""
    elsewhere: list[ExecutionDetail]
    """Executions with the content of such rows that another client started."""
    reason: str = ""
    """Why rows stay in doubt, if that is known."""
    duplicates: Sequence[Unsettled] = ()
    """Rows that were held for other jobs of the ledger, which have started them."""
    freed: int = 0
    """How many of the released rows were held for other jobs, which have not started them."""
