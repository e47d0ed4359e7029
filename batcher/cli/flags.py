"""The flags that several verbs have in common: one help text, one name in the environment, one bound each."""

from __future__ import annotations

from typing import Annotated

import typer

from batcher.edges.credentials import Place
from batcher.model import UsageError
from batcher.rules import listing
from batcher.rules.naming import region_endpoint

Workflow = Annotated[
    str, typer.Option("-w", "--workflow", help="The workflow to start.", envvar="BATCHER_WORKFLOW", metavar="NAME")
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "-e",
        "--endpoint",
        help="The service, such as https://obs.cn-north-4.myhuaweicloud.com.",
        envvar=["BATCHER_ENDPOINT", "OBS_ENDPOINT"],
        metavar="URL",
    ),
]
Region = Annotated[
    str | None,
    typer.Option("--region", help="Short for that region's endpoint.", envvar="BATCHER_REGION", metavar="NAME"),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "-i", "--input", help="An input for every row, NAME=VALUE or NAME:=JSON; repeatable.", metavar="NAME=VALUE"
    ),
]
AllowHttp = Annotated[bool, typer.Option("--allow-http", help="Allow an http:// endpoint that is not on this machine.")]
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

SETTLE_TIME = listing.SETTLE_TIME
TIMEOUT = 30.0
"""The defaults, in seconds."""


def endpoint_of(endpoint: str | None, region: str | None) -> str:
    """Give the endpoint that is asked for, by itself or by its region. Raises UsageError where neither is."""
    if region is not None and endpoint is None:
        return region_endpoint(region)
    if endpoint is None:
        raise UsageError("the service is not named", "Give --endpoint URL or --region NAME, or set OBS_ENDPOINT.")
    return endpoint
