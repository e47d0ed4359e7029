"""A second look at a plain file that is being read, to find out whether it was changed meanwhile.

The size and the times of a file only say that a second look is needed. What decides is the content.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias

from batcher.errors import ManifestError

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

FRESH = 2.0
"""Seconds after a change in which another change may leave the times of a file as they are, on a coarse file system."""
AT_REST = 1.0
"""Seconds without a change after which a last line without a line end counts as whole."""

_CHUNK = 256 * 1024
_AGAIN = "Run the same command again. Rows that are started by then are not started again."

_Signature: TypeAlias = tuple[int, int, int]


class SecondLook:
    """An open plain file as it was at first. `size` is its size then, in bytes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        found = os.fstat(descriptor)
        self.size = found.st_size
        self._first = self._last = _signature(found)
        self._was_fresh = time.time() - found.st_mtime < FRESH

    def may_have_changed(self) -> bool:
        """Return whether the file may have been changed since it was opened."""
        return self._was_fresh or _signature(os.fstat(self._descriptor)) != self._first

    def was_touched_again(self) -> bool:
        """Return whether the file was touched since the last call, or since it was opened."""
        last, self._last = self._last, _signature(os.fstat(self._descriptor))
        return last != self._last

    def is_still(self, place: int, content: bytearray) -> bool:
        """Return whether the file has this content at this place, in bytes from its beginning."""
        return os.pread(self._descriptor, len(content), place) == content

    def read_into(self, buffer: memoryview, place: int) -> int:
        """Read what is at this place into a buffer. Return the number of bytes, 0 at the end of the file."""
        return os.preadv(self._descriptor, [buffer], place)

    def digest(self, length: int, goes_on: Callable[[], bool] = lambda: True) -> Hash:
        """Return the digest of the first `length` bytes, or of the whole file if it is shorter.

        That of fewer bytes once `goes_on` returns False.
        """
        digest = sha256()
        at = 0
        while at < length and goes_on() and (data := os.pread(self._descriptor, min(_CHUNK, length - at), at)):
            digest.update(data)
            at += len(data)
        return digest

    def is_at_rest(self) -> bool:
        """Return whether nothing is being added to the file. Waits if its last change is less than AT_REST ago."""
        found = os.fstat(self._descriptor)
        if time.time() - found.st_mtime < AT_REST:
            time.sleep(AT_REST)
        return os.fstat(self._descriptor).st_size == self.size

    def change(self, name: str, length: int, digest: Hash) -> ManifestError | None:
        """Return the error for a file whose first `length` bytes had this digest, None if it is as it was at first."""
        if not self.may_have_changed():
            return None
        size = os.fstat(self._descriptor).st_size
        if size < self.size or self.digest(length).digest() != digest.digest():
            return rewritten(name)
        return grown(name) if size > self.size else None


def rewritten(name: str) -> ManifestError:
    """Return the error for a manifest whose content was changed while it was read."""
    return ManifestError(f"{name}: the manifest was changed while it was read", _AGAIN)


def grown(name: str) -> ManifestError:
    """Return the error for a manifest that was appended to while it was read."""
    return ManifestError(
        f"{name}: rows were added to the manifest while it was read, and they are not sent yet", _AGAIN
    )


def _signature(found: os.stat_result) -> _Signature:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
