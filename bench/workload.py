"""The workload: the same objects for every client, as rows of a manifest and as request bodies.

The object names are realistic: about 40 characters, including a space.
"""

from __future__ import annotations

import json
from array import array
from itertools import accumulate
from pathlib import Path
from random import Random

import orjson

WORKFLOW = "transcode"
BUCKET = "my-videos"
PATH = f"/v2/workflows/{WORKFLOW}"
V3_PROJECT = "0123456789abcdef0123456789abcdef"
"""The project of the workflow over DWR v3."""
KEYS = {"OBS_ACCESS_KEY_ID": "BENCHACCESSKEY000000", "OBS_SECRET_ACCESS_KEY": "bench-secret-key"}
"""Made up: the servers of the benchmarks check no signature, but clients that sign need credentials."""

NAME = "$request_id"
"""Where an answer names its execution. nginx puts 32 random digits there: every start has an execution of its own."""
ANSWER = json.dumps(
    {
        "execution_urn": f"urn:fgs:local:bench:execution:{WORKFLOW}:{NAME}:loopback",
        "started_at": "2026-11-24T08:30:00.123Z",
        "execution_name": NAME,
    }
)
"""The answer to a start: https://support.huaweicloud.com/en-us/api-obs/obs_04_0127.html ."""


def object_key(number: int) -> str:
    """Return the name of an object by its number."""
    return f"in/2026/11/24/camera 7/clip {number:08}.mp4"


def body(number: int) -> bytes:
    """Return the body of the request that starts an object, as batcher writes it."""
    return orjson.dumps({"bucket": BUCKET, "object": object_key(number)})


def write_manifest(path: Path, rows: int) -> None:
    """Write a CSV manifest with this number of rows."""
    with path.open("w") as file:
        file.write("bucket,object\n")
    append_rows(path, 0, rows)


def write_objects(path: Path, rows: int) -> None:
    """Write a JSON Lines manifest with the same rows."""
    with path.open("wb") as file:
        file.writelines(body(number) + b"\n" for number in range(rows))


def write_shuffled(path: Path, source: Path, header: int) -> None:
    """Write the lines of a manifest in an order without a pattern, after the lines of its header.

    Only their places are kept: the memory of this process would count towards the peak of those that it starts.
    """
    with source.open("rb") as lines, path.open("wb") as shuffled:
        shuffled.writelines(next(lines) for _ in range(header))
        places = array("Q", accumulate(map(len, lines), initial=lines.tell()))
        places.pop()
        Random(1).shuffle(places)  # noqa: S311 - no secret
        for place in places:
            lines.seek(place)
            shuffled.write(lines.readline())


def append_rows(path: Path, first: int, after_last: int) -> None:
    """Append the rows of these objects to a manifest."""
    with path.open("a") as file:
        file.writelines(f"{BUCKET},{object_key(number)}\n" for number in range(first, after_last))
