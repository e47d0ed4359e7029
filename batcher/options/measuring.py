"""The options about metrics, of every verb that has some.

No `from __future__ import annotations` here: the annotations are read at run time.
"""

from pathlib import Path
from typing import Annotated

from batcher.options.declaring import Option, Options


class Measured(Options):
    """Where the metrics are."""

    group = "Logs and metrics"

    metrics_file: Annotated[
        Path | None,
        Option("Write Prometheus metrics to this file, every 15 s and at the end.", metavar="FILE.prom"),
    ] = None
    metrics_port: Annotated[
        int | None,
        Option(
            "Serve Prometheus metrics, and a run's live page, on this port; 0 selects a free port.",
            metavar="PORT",
            least=0,
            most=65_535,
        ),
    ] = None
    metrics_host: Annotated[str, Option("Address to serve them on.", metavar="ADDRESS")] = "127.0.0.1"
