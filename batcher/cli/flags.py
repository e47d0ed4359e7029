"""The flags that several verbs have in common: one help text, one name in the environment, one bound each."""

from __future__ import annotations

from typing import Annotated

import typer

from batcher.edges.credentials import Place

SettleTime = Annotated[
    float,
    typer.Option(
        help="How long an execution may be missing from the list.",
        envvar="BATCHER_SETTLE_TIME",
        min=0,
        metavar="SECONDS",
    ),
]
Timeout = Annotated[
    float, typer.Option(help="Seconds for one request.", envvar="BATCHER_TIMEOUT", min=0.1, metavar="SECONDS")
]
NoVerifyTls = Annotated[bool, typer.Option("--no-verify-tls", help="Do not check the service's certificate.")]
CredentialsPlace = Annotated[
    Place | None,
    typer.Option(
        "--credentials",
        help="Look for the keys only in the environment, a file, or the agency of this ECS.  [default: in this order]",
        envvar="BATCHER_CREDENTIALS",
    ),
]

SETTLE_TIME = 30.0
TIMEOUT = 30.0
"""The defaults, in seconds."""
