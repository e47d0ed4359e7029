"""A program that uses batcher as a library. The type checker reads it, and a test runs it.

A comment that ignores an error stands where there has to be one: the type checker complains where there is none.
"""

import asyncio
import sys
from pathlib import Path

import batcher


async def records(options: batcher.RunOptions) -> list[batcher.Record]:
    """Run a job by its options."""
    async with batcher.run(options) as running:
        found = [record async for record in running]
    assert running.exit_code is batcher.ExitCode.OK
    return found


async def objects(manifest: Path, endpoint: str) -> list[str]:
    """Run a job by keyword arguments of every kind."""
    async with batcher.run(
        manifest,
        workflow="transcode",
        endpoint=endpoint,
        bucket="videos",
        inputs={},
        storage_classes=None,
        max_rate=500,
        max_failures="5%",
        max_outage="15m",
        max_duration=60,
        on_doubt="hold",
        log_level="debug",
        log_file=manifest.with_suffix(".log"),
    ) as running:
        return sorted([record.object async for record in running if record.status is batcher.Status.STARTED])


def blocking(endpoint: str) -> None:
    """Pass rows, without asyncio."""
    rows: list[str | dict[str, str]] = ["a", {"object": "b"}]
    with batcher.run_sync(
        rows,
        workflow="transcode",
        endpoint=endpoint,
        bucket="videos",
        output="rows.jsonl",
        checkpoint="rows.checkpoint",
    ) as running:
        running.rate(100)
    figures = running.progress()
    assert figures is not None
    assert figures.started == running.status()[batcher.Status.STARTED] == len(rows)


def refused() -> None:
    """Nothing here runs: each line is an error that the type checker finds."""
    batcher.run("m.csv", workflow="transcode", max_rat=5)  # type: ignore[call-overload]
    batcher.run("m.csv", workflow="transcode", limit="5")  # type: ignore[call-overload]
    batcher.run("m.csv", workflow="transcode", on_doubt="wait")  # type: ignore[call-overload]
    batcher.run("m.csv")  # type: ignore[call-overload]
    batcher.RunOptions(manifest="m.csv", workflow="transcode", concurrency="all")  # type: ignore[arg-type]


def main(manifest: str, endpoint: str) -> None:
    """Start the manifest's rows, and find none left."""
    print(*asyncio.run(objects(Path(manifest), endpoint)))  # noqa: T201 - the test reads it
    options = batcher.RunOptions(manifest=manifest, workflow="transcode", endpoint=endpoint, bucket="videos")
    assert asyncio.run(records(options)) == []
    blocking(endpoint)


if __name__ == "__main__":
    main(*sys.argv[1:])
