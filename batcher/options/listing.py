"""The options of `batcher list`: which objects of a bucket, and where their list is written.

No `from __future__ import annotations` here: the annotations are read at run time.
"""

from pathlib import Path
from typing import Annotated

from batcher.errors import UsageError
from batcher.options.declaring import Option, derived
from batcher.options.groups import ALLOW_HTTP, ENDPOINT, REGION, Connection, Wanted
from batcher.options.kinds import BUCKET, CAPITALS, many


def _obs_endpoint(options: "ListOptions") -> str:
    if options.region is None:
        raise UsageError("no endpoint given", "Give --endpoint URL or --region NAME, or set OBS_ENDPOINT.")
    from batcher.rules.service.names import region_endpoint  # noqa: PLC0415 - keeps the help fast

    return region_endpoint(options.region)


class ListOptions(Wanted, Connection):
    """The options of `batcher list`."""

    group = "Service"
    alternatives = ("region", "endpoint")

    address: Annotated[
        Path, Option("Bucket, and what keys begin with.", BUCKET, is_argument=True, metavar="OBS://BUCKET/PREFIX")
    ]
    endpoint: Annotated[str, ENDPOINT] = derived(factory=_obs_endpoint)
    region: Annotated[str | None, REGION] = None
    allow_http: Annotated[bool, ALLOW_HTTP] = False


class ListCommandOptions(ListOptions):
    """The options of `batcher list`, with those about what it writes and how fast."""

    group = "Output"

    storage_classes: Annotated[
        frozenset[str],
        Option(
            "List only objects of this storage class.",
            many(CAPITALS, frozenset),
            flag="--storage-class",
            metavar="NAME",
        ),
    ] = frozenset()
    output: Annotated[
        Path, Option("List to write, a new .csv file or one to continue.", short="-o", default="BUCKET_PREFIX.csv")
    ] = derived(factory=lambda options: Path(options.address))
    concurrency: Annotated[int, Option("Maximum number of groups to list side by side.", least=1, most=256)] = 16
