"""The job card: everything that identifies a job, as one value, and which commands belong to the same job. Pure.

The checkpoint stores it. The checks before a run, and the commands suggested after it, are derived from this value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import orjson
from msgspec import Struct, convert, structs

from batcher.errors import OtherJobError
from batcher.model import Json

VERSION = 1
"""The version of the stored form. A later version may contain fields that this one would ignore, so it is refused."""
SHARDED = 2
"""The version of a card with a shard: a version of batcher without shards would send the rows of all of them."""
SHARING = 3
"""The version of a card with a ledger: a version of batcher without ledgers would start rows of other jobs."""
OBS_V2 = "obs-v2"
"""The dialect of checkpoints that name none: https://support.huaweicloud.com/en-us/api-obs/obs_04_0127.html."""
STANDARD_INPUT = "-"

_IDENTITY = ("dialect", "endpoint", "project", "workflow", "static_inputs", "shard")
"""The fields that cannot change: with another value it would be another job."""


class Card(Struct, frozen=True):
    """Everything that identifies a job. A field that is not known or not given is empty.

    `manifest` and `output` are relative to the checkpoint's folder if they are in it or below it, else absolute.
    """

    endpoint: str
    workflow: str
    static_inputs: str = "{}"
    """The inputs of every row as canonical JSON."""
    bucket: str = ""
    """The bucket of rows that name none."""
    manifest: str = ""
    """The path, or STANDARD_INPUT."""
    output: str = ""
    format: str = ""
    """The format of the manifest, if the user has given it."""
    storage_classes: tuple[str, ...] = ()
    keep_placeholders: bool = False
    allow_duplicates: bool = False
    ignore_columns: tuple[str, ...] = ()
    cell_types: Mapping[str, str] | None = None
    """The types of the workflow's declared parameters, used to convert cells. None until they are needed."""
    project: str = ""
    dialect: str = OBS_V2
    shard: str = ""
    """The shard of a sharded job, as --shard takes it. Only rows that belong to it are rows of this job."""
    ledger: str = ""
    """The path of the ledger that the job shares with others, as `manifest`."""

    @property
    def inputs(self) -> Mapping[str, Json]:
        """The inputs of every row."""
        inputs: Mapping[str, Json] = orjson.loads(self.static_inputs)
        return inputs


class Difference(NamedTuple):
    """A field that prevents a command from continuing a job: its name, the job's value and the command's value."""

    name: str
    kept: str
    wanted: str


def difference(kept: Card, wanted: Card, *, is_bucket_used: bool) -> Difference | None:
    """Return the first field in which `wanted` is another job than `kept`. Return None if it is the same job.

    `is_bucket_used` means that rows of the job rely on its default bucket. In another bucket they would be other rows,
    and would be started a second time.
    """
    names = (*_IDENTITY, "bucket") if is_bucket_used else _IDENTITY
    for name in names:
        ours, theirs = getattr(kept, name), getattr(wanted, name)
        if ours != theirs:
            return Difference(name, ours, theirs)
    return None


def renewed(kept: Card, wanted: Card, *, is_side: bool) -> Card:
    """Return the card after a command of the same job, `wanted`, has begun.

    A run of a side manifest replaces only the default bucket, and only if no row relies on it.
    """
    if is_side:
        return structs.replace(kept, bucket=wanted.bucket or kept.bucket, ledger=wanted.ledger)
    return structs.replace(wanted, cell_types=kept.cell_types)


def encoded(card: Card) -> str:
    """Write a card as JSON in ASCII: a file name may contain bytes that are not valid text."""
    version = SHARING if card.ledger else SHARDED if card.shard else VERSION
    return json.dumps({"version": version} | structs.asdict(card))


def decoded(text: str) -> Card:
    """Read the output of `encoded`. Raises OtherJobError for another version, ValueError if it is not a card."""
    values = json.loads(text)
    version = values.pop("version")
    if version not in {VERSION, SHARDED, SHARING}:
        raise OtherJobError(
            f"the checkpoint's job card has version {version}, this version of batcher reads versions {VERSION} to"
            f" {SHARING}",
            "Use the version of batcher that last worked on this job, or a newer one.",
        )
    return convert(values, Card)
