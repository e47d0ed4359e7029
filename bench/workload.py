"""What is started: the same objects for every client, as rows of a manifest and as bodies of requests.

The keys look like real ones: some forty characters, a space among them.
"""

from __future__ import annotations

import json
from pathlib import Path

import orjson

WORKFLOW = "transcode"
BUCKET = "my-videos"
PATH = f"/v2/workflows/{WORKFLOW}"
KEYS = {"OBS_ACCESS_KEY_ID": "BENCHACCESSKEY000000", "OBS_SECRET_ACCESS_KEY": "bench-secret-key"}
"""Made up: the servers of the benchmarks check no signature, but every client that signs must have keys."""

ANSWER = json.dumps(
    {
        "execution_urn": f"urn:fgs:local:bench:execution:{WORKFLOW}:84a3dd2bd67f43aa9b98cdd74604ca68:loopback",
        "started_at": "2026-11-24T08:30:00.123Z",
        "execution_name": "84a3dd2bd67f43aa9b98cdd74604ca68",
    }
)
"""What every start is answered: https://support.huaweicloud.com/en-us/api-obs/obs_04_0127.html ."""


def object_key(number: int) -> str:
    """Give the key of an object by its number."""
    return f"in/2026/11/24/camera 7/clip {number:08}.mp4"


def body(number: int) -> bytes:
    """Give the body of the request that starts an object, as batcher writes it."""
    return orjson.dumps({"bucket": BUCKET, "object": object_key(number)})


def write_manifest(path: Path, rows: int) -> None:
    """Write a CSV manifest of so many rows."""
    with path.open("w") as file:
        file.write("bucket,object\n")
    append_rows(path, 0, rows)


def append_rows(path: Path, first: int, after_last: int) -> None:
    """Append the rows of these objects to a manifest."""
    with path.open("a") as file:
        file.writelines(f"{BUCKET},{object_key(number)}\n" for number in range(first, after_last))
