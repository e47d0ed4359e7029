"""The job card: all that makes a job this job, as one value, and which commands are the same job's. Pure.

The checkpoint stores it. What is checked before a run, and every command suggested after it, is read off this value.
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
"""The version of the stored form. A later one may hold what this version would ignore, so it is refused."""
OBS_V2 = "obs-v2"
"""The one dialect: workflows of OBS, https://support.huaweicloud.com/en-us/api-obs/obs_04_0127.html."""
STANDARD_INPUT = "-"

_IDENTITY = ("dialect", "endpoint", "project", "workflow", "static_inputs")
"""What cannot change: with another value it would be another job."""


class Card(Struct, frozen=True):
    """What makes a job this job. A field that is not known, or not given, is empty.

    `manifest` and `output` are relative to the folder of the checkpoint where they are at or below it, else absolute.
    """

    endpoint: str
    workflow: str
    static_inputs: str = "{}"
    """The inputs of every row as canonical JSON."""
    bucket: str = ""
    """The bucket of rows that name none."""
    manifest: str = ""
    """STANDARD_INPUT where it has no path."""
    output: str = ""
    format: str = ""
    """The format of the manifest, where a person has named it."""
    storage_classes: tuple[str, ...] = ()
    keep_placeholders: bool = False
    allow_duplicates: bool = False
    cell_types: Mapping[str, str] | None = None
    """The types of the workflow's declared parameters, by which cells are converted; None until they were needed."""
    project: str = ""
    dialect: str = OBS_V2

    @property
    def inputs(self) -> Mapping[str, Json]:
        """The inputs of every row."""
        inputs: Mapping[str, Json] = orjson.loads(self.static_inputs)
        return inputs


class Difference(NamedTuple):
    """A value that keeps a command from going on with a job: its name, the job's value and the command's."""

    name: str
    kept: str
    wanted: str


def difference(kept: Card, wanted: Card, *, is_bucket_used: bool) -> Difference | None:
    """Give what makes `wanted` another job than `kept`, None where it is the same.

    `is_bucket_used` says that rows of the job rely on its default bucket: in another one they would be other rows,
    and be started a second time.
    """
    names = (*_IDENTITY, "bucket") if is_bucket_used else _IDENTITY
    for name in names:
        ours, theirs = getattr(kept, name), getattr(wanted, name)
        if ours != theirs:
            return Difference(name, ours, theirs)
    return None


def renewed(kept: Card, wanted: Card, *, is_side: bool) -> Card:
    """Give the card after a command of the same job, `wanted`, has begun.

    A run of a side manifest replaces nothing of the job's own but a default bucket that no row relies on.
    """
    if is_side:
        return structs.replace(kept, bucket=wanted.bucket or kept.bucket)
    return structs.replace(wanted, cell_types=kept.cell_types)


def encoded(card: Card) -> str:
    """Write a card as JSON of ASCII characters only: the name of a file may hold bytes that are no text."""
    return json.dumps({"version": VERSION} | structs.asdict(card))


def decoded(text: str) -> Card:
    """Read what `encoded` has written. Raises OtherJobError for a later version, ValueError for what is no card."""
    values = json.loads(text)
    version = values.pop("version")
    if version != VERSION:
        raise OtherJobError(
            f"the checkpoint's job card has version {version}, this version of batcher reads version {VERSION}",
            "Use the version of batcher that last worked on this job, or a newer one.",
        )
    return convert(values, Card)
