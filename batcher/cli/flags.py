"""The flags that several verbs have in common: one help text, one name in the environment, one bound each."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from batcher.edges.credentials import Place
from batcher.edges.manifest import Choice
from batcher.rules.doubts import matching


class Format(StrEnum):
    """The formats of a manifest."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    TXT = "txt"
    INVENTORY = "inventory"
    OBSUTIL = "obsutil"
    PARQUET = "parquet"


ManifestFile = Annotated[str, typer.Argument(help="The list of objects; - is standard input.", metavar="MANIFEST")]
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
Bucket = Annotated[
    str | None,
    typer.Option("-b", "--bucket", help="The bucket of rows that name none.", envvar="BATCHER_BUCKET", metavar="NAME"),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "-i", "--input", help="An input for every row, NAME=VALUE or NAME:=JSON; repeatable.", metavar="NAME=VALUE"
    ),
]
CheckpointFile = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--checkpoint",
        help="What is remembered between runs.  [default: MANIFEST.checkpoint]",
        envvar="BATCHER_CHECKPOINT",
        metavar="FILE",
    ),
]
FormatName = Annotated[
    Format | None,
    typer.Option(
        "--format", help="The manifest's format.  [default: by its name and content]", envvar="BATCHER_FORMAT"
    ),
]
StorageClasses = Annotated[
    list[str] | None,
    typer.Option(
        "--storage-class", help="Of an inventory only the objects of this storage class; repeatable.", metavar="NAME"
    ),
]
KeepPlaceholders = Annotated[
    bool, typer.Option("--keep-placeholders", help="Do not skip keys that end in /: they stand for directories.")
]
RetryRejected = Annotated[
    bool,
    typer.Option(
        "--retry-rejected",
        help="Look again at rows that were rejected earlier, or invalid by what the workflow declared.",
    ),
]
AllowDuplicates = Annotated[
    bool, typer.Option("--allow-duplicates", help="Start a row as often as the manifest repeats it.")
]
NoPreflight = Annotated[
    bool, typer.Option("--no-preflight", help="Do not hold the inputs against what the workflow declares.")
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

SETTLE_TIME = matching.SETTLE_TIME
TIMEOUT = 30.0
"""The defaults, in seconds."""


def choice_of(storage_classes: Sequence[str] | None, *, keep_placeholders: bool) -> Choice:
    """Give what of a manifest is wanted."""
    return Choice(keep_placeholders, frozenset(name.upper() for name in storage_classes or ()))
