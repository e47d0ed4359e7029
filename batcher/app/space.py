"""Compares the room that a job will need with what is free, before its first start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from batcher.app.world import World
from batcher.rules.job.space import need, shown

_PLAIN = frozenset({".csv", ".tsv", ".txt", ".jsonl"})
"""The suffixes of files whose length shows how long their lines are."""


class Paths(NamedTuple):
    """The files of a job. `manifest` is None for standard input."""

    manifest: Path | None
    checkpoint: Path
    output: Path


class _Disk(NamedTuple):
    """A disk with files of the job: one of their folders, what they will need in all, and what is free, in bytes."""

    folder: Path
    needed: int
    free: int


def warn_if_short(rows: int, paths: Paths, world: World, warn: Callable[[str], None]) -> None:
    """Warn of a disk with less room than a job with this number of rows will need. `warn` takes a sentence."""
    needed = need(rows, _line_bytes(paths.manifest, rows), is_csv=paths.output.suffix.lower() == ".csv")
    disks: dict[int, _Disk] = {}
    for file, size in ((paths.checkpoint, needed.checkpoint), (paths.output, needed.output)):
        if file.exists() and not file.is_file():
            # A device or a pipe needs no room.
            continue
        try:
            more = max(0, size - (file.stat().st_size if file.exists() else 0))
            free = world.free_space(file.absolute().parent)
        except OSError:
            # The error is reported when the file is opened.
            continue
        before = disks.get(free.disk, _Disk(file.absolute().parent, 0, 0))
        disks[free.disk] = _Disk(before.folder, before.needed + more, free.size)
    for disk in disks.values():
        if disk.needed > disk.free:
            warn(
                f"{disk.folder}: the checkpoint and the records will need about {shown(disk.needed)} more, and"
                f" {shown(disk.free)} is free; a run that fills the disk stops, and goes on once there is room"
            )


def _line_bytes(manifest: Path | None, rows: int) -> float | None:
    """Return the mean length of the lines of a file of plain text, None for any other manifest."""
    if manifest is None or not rows or manifest.suffix.lower() not in _PLAIN or not manifest.is_file():
        return None
    return manifest.stat().st_size / rows
