"""The contents of rows in the order in which they came, in memory as long as they are few, then in a temporary file.

The file has no name, is in TMPDIR, and is deleted when the process ends. It is about as large as the manifest.
"""

from __future__ import annotations

import marshal
from array import array
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile

from batcher.edges.parts.part_file import failure
from batcher.rules.rows.contents import Contents
from batcher.rules.rows.plain_rows import is_single

MOST_KEPT = 8 * 1024 * 1024
"""The number of bytes to keep in memory."""


class ContentsFile:
    """Add contents, then read them, then close it. Raises DiskError if the file cannot be used."""

    def __init__(self) -> None:
        # Closed by `close`.
        self._file = SpooledTemporaryFile(MOST_KEPT, prefix="batcher-")  # noqa: SIM115
        self._lengths = array("Q")

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def add(self, rows: Contents) -> None:
        """Add the contents of some rows."""
        lines = rows.lines.start if isinstance(rows.lines, range) else list(rows.lines)
        buckets = rows.buckets[0] if is_single(rows.buckets) else "\0".join(rows.buckets)
        inputs = rows.inputs[0] if is_single(rows.inputs) else b"\0".join(rows.inputs)
        data = marshal.dumps((lines, buckets, "\0".join(rows.objects), inputs))
        try:
            self._file.write(data)
        except OSError as error:
            raise failure(error) from error
        self._lengths.append(len(data))

    def __iter__(self) -> Iterator[Contents]:
        """Yield what was added, as it was added."""
        try:
            self._file.seek(0)
            for length in self._lengths:
                yield _contents(*marshal.loads(self._file.read(length)))  # noqa: S302 - written above
        except OSError as error:
            raise failure(error) from error


def _contents(lines: int | list[int], bucket: str, object_: str, written: bytes) -> Contents:
    """Split columns. One without NUL has the same value in each row."""
    objects = object_.split("\0")
    count = len(objects)
    buckets = bucket.split("\0") if "\0" in bucket else [bucket] * count
    inputs = written.split(b"\0") if b"\0" in written else [written] * count
    return Contents(range(lines, lines + count) if isinstance(lines, int) else lines, buckets, objects, inputs)
