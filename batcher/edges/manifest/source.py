"""A file or a pipe as text: unzipped, decoded, in pieces that end where an entry may end, as soon as they arrive.

Errors that affect the whole (encoding, compression, an endless line) raise ManifestError with their place.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from batcher.edges.manifest.second_look import SecondLook, rewritten
from batcher.errors import ManifestError
from batcher.rules.rows.file_kind import LOOKED_AT, Kind, encoding_of, kind_of

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

MOST_LINE = 16 * 1024 * 1024
MOST_OBJECT = 1024 * 1024


class Cut(NamedTuple):
    """Where text may be cut into pieces: after a byte of ASCII, `end`.

    `most` is the largest number of bytes before a cut and after the one before it, however the text is read. A table
    may be cut after a lone carriage return too.
    """

    end: bytes
    most: int
    what: str


LINES = Cut(b"\n", MOST_LINE, "a line")
OBJECTS = Cut(b"}", MOST_OBJECT, "an object")
"""For a JSON array, whose objects need no lines of their own."""

LOOK = 96 * 1024
"""The number of bytes to read at a time where no rows are made of them.

The C library takes larger pieces from the system and gives them back: page faults cost more than fewer pieces save.
"""

BLOCK = 4 * 1024 * 1024
"""The number of bytes to read at a time where lines are only decoded. No line may be longer."""
_PART = 64 * 1024
"""The number of bytes to decode at a time. For more, the C library asks the system each time."""

_STDIN = 0
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_LONE_CR = re.compile(rb"\r(?!\n)")
_SAMPLE = 4096
"""The number of bytes around a wrong one that are examined."""


class Source:
    """The bytes of a manifest. `path` is None for standard input. Standard input and pipes have no size."""

    def __init__(self, path: Path | None, *, lone_cr: bool = False, cut: Cut = LINES, is_digested: bool = True) -> None:
        """Open the manifest. `lone_cr`: CR alone also ends a line. Raises ManifestError if it cannot be read.

        `is_digested`: what is read of a file is digested, to find out at the end whether it is still there.
        """
        self.path = path
        self.name = "standard input" if path is None else str(path)
        self._lone_cr = lone_cr
        self._cut = cut
        self.lines = 0
        """The total number of lines, known after reading to the end."""
        try:
            self._file = _Arriving(_STDIN if path is None else path, closefd=path is not None)
            status = os.fstat(self._file.fileno())
        except OSError as error:
            raise ManifestError(f"{self.name}: {error.strerror}", "Check the path of the manifest.") from None
        if path is None:
            # Another process that shares this pipe may have made it non-blocking, and an empty read looks like the end.
            os.set_blocking(self._file.fileno(), True)
        self.size = status.st_size if path is not None and stat.S_ISREG(status.st_mode) else None
        self._look: SecondLook | None = None
        self._former = bytearray()
        """The piece before the next one, if the file can be looked at again. Its end, if it was passed over."""
        if self.size:
            # Rows that are appended from now on are left for the next run.
            self._file.end = self.size
            self._file.digest = sha256() if is_digested else None
            self._look = SecondLook(self._file.fileno())
        self.given = 0
        """The number of bytes returned as text so far, after unzipping."""
        self.is_zipped = False
        self.is_at_cut = False
        """Whether the text returned so far ends where an entry may end."""
        self._line = 1
        if self.size == 0:
            self.close()
            raise self._empty()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._file.close()

    def texts(self, chunk: int, digest: Hash | None = None) -> Iterator[str]:
        """Yield the text in pieces, reading `chunk` bytes at a time. Only the last may end elsewhere than at a cut.

        `chunk` is at most the longest entry, so that no gap between two cuts within a chunk is too long. Each piece is
        yielded as soon as it has arrived, and its bytes are added to `digest`. Raises ManifestError, also if a plain
        file was changed: before a piece that is not as in the file, or at the end.
        """
        data = self._former
        for piece in self._pieces(chunk):
            if self._look is not None:
                self._need_whole(piece, self._look)
            data = piece.removeprefix(_BOM) if self.given == 0 else piece
            try:
                text = data.decode()
            except UnicodeDecodeError as error:
                raise self._not_utf8(data, error.start, self._line) from None
            if digest is not None:
                digest.update(piece)
            self.given += len(piece)
            self.is_at_cut = piece.endswith(self._cut.end)
            self._line += self._line_ends(data)
            # Only the last piece may end with the end-of-file character of DOS.
            yield text if self.is_at_cut else text.removesuffix("\x1a")
        if self.given == 0:
            raise self._empty()
        self.lines = self._line - self._line_ends(data[-1:])
        change = self.change()
        if change is not None:
            raise change

    def skim(self, goes_on: Callable[[], bool]) -> bool:
        """Decode the lines that follow, as far as nothing is wrong with them. What is left is for another `texts`.

        Stop once `goes_on` returns False. Return False if nothing can be decoded so: it must be a plain file that is
        not digested, and what was read of it must end with a line.
        """
        look = self._look
        if look is None or self.is_zipped or not self.is_at_cut or self._file.digest is not None:
            return False
        # Long blocks, since after each read another thread may run first, and one buffer, which stays mapped.
        block = bytearray(min(BLOCK, look.size - self.given))
        with suppress(OSError, UnicodeDecodeError):
            while goes_on() and (found := look.read_into(memoryview(block)[: look.size - self.given], self.given)):
                end = block.rfind(b"\n", 0, found) + 1
                if not end or look.may_have_changed():
                    break
                self._decode(block, end)
        self.pass_over(self.given, self._line, None)
        return True

    def _decode(self, block: bytearray, length: int) -> None:
        """Decode the whole lines at the beginning of a block. Raises UnicodeDecodeError after those that are good."""
        at = 0
        while at < length:
            end = block.rfind(b"\n", at, min(at + _PART, length)) + 1 or block.find(b"\n", at) + 1
            part = block[at:end]
            if not part.isascii():
                part.decode()
            self.given += end - at
            self._line += self._line_ends(part)
            at = end

    def change(self) -> ManifestError | None:
        """Return the error for a plain file that was changed since it was opened.

        Return None if it was not, or if that is not known, since it is not digested.
        """
        if self._look is None or self._file.digest is None:
            return None
        return self._look.change(self.name, self._file.taken, self._file.digest)

    @property
    def may_have_changed(self) -> bool:
        """Whether a plain file may have been changed since it was opened."""
        return self._look is not None and self._look.may_have_changed()

    def _need_whole(self, piece: bytearray, look: SecondLook) -> None:
        """Raise ManifestError if a row of this piece may consist of parts that were never together in the file."""
        # An array that is cut off is not closed, which is an error in any case.
        is_open = self._cut is LINES and not piece.endswith((b"\n", b"\r") if self._lone_cr else b"\n")
        if is_open and not look.is_at_rest():
            raise self.change() or rewritten(self.name)
        if self.is_zipped:
            changed = look.was_touched_again() and not self._is_read_again(look)
        else:
            is_cut = is_open and self._file.taken < look.size
            changed = look.may_have_changed() and (is_cut or not self._is_still(piece, look))
            # With the piece before it: in another content a row need not begin where this piece begins.
            self._former = piece
        if changed:
            raise rewritten(self.name)

    def _is_still(self, piece: bytearray, look: SecondLook) -> bool:
        return look.is_still(self.given - len(self._former), self._former + piece)

    def _is_read_again(self, look: SecondLook) -> bool:
        """Return whether the file is known to begin with what was read of it."""
        read = self._file.digest
        return read is not None and look.digest(self._file.taken).digest() == read.digest()

    def digest(self, length: int, goes_on: Callable[[], bool] = lambda: True) -> Hash:
        """Return the digest of the first `length` bytes of a plain file, or of all of it if it is shorter.

        That of fewer bytes once `goes_on` returns False.
        """
        return sha256() if self._look is None else self._look.digest(length, goes_on)

    def pass_over(self, length: int, line: int, digest: Hash | None) -> None:
        """Continue after the file's first `length` bytes, which have this digest, and where `line` begins.

        Without a digest, what follows is not digested either.
        """
        self._former = bytearray(self._cut.end if length else b"")
        self._file.pass_over(length, digest)
        self.given = length
        self._line = line

    def _pieces(self, chunk: int) -> Iterator[bytearray]:
        """Split what is read at the last cut of each chunk."""
        read = self._reader(chunk)
        rest, head, is_known = bytearray(), bytearray(), bool(self.given)
        while data := self._read(read, chunk):
            end = self._last_cut(rest, data)
            if not is_known:
                head += data[:LOOKED_AT]
                is_known = end is not None or len(head) >= LOOKED_AT
                if is_known:
                    self._refuse_foreign(head)
            self._refuse_long(rest, data)
            if end is None:
                rest += data
            else:
                # Through a view, since each piece is copied once then.
                view = memoryview(data)
                yield rest + view[:end]
                rest = bytearray(view[end:])
        if rest:
            if not is_known:
                self._refuse_foreign(rest)
            yield rest

    def _reader(self, chunk: int) -> Callable[[int], bytes]:
        if self.given or not self._file.peek(chunk).startswith(_GZIP):
            return self._file.read
        self.is_zipped = True
        return gzip.GzipFile(fileobj=self._file, mode="rb").read1

    def _read(self, read: Callable[[int], bytes], chunk: int) -> bytes:
        try:
            return read(chunk)
        except EOFError:
            fault = "the gzip file ends early"
        except (gzip.BadGzipFile, zlib.error) as error:
            fault = f"the gzip file is damaged: {error}"
        except OSError as error:
            fault = f"cannot be read: {error.strerror}"
        raise ManifestError(f"{self.name}: {fault}", "Make or copy the manifest again.")

    def _last_cut(self, rest: bytearray, data: bytes) -> int | None:
        """Return after how many bytes of `data`, which follows `rest`, it may be cut last. None if it may not."""
        end = data.rfind(self._cut.end) + 1
        if end or not self._lone_cr:
            return end or None
        # Not after the last byte: the newline that belongs to it may follow.
        end = data.rfind(b"\r", 0, -1) + 1
        return end if end or (rest.endswith(b"\r") and not data.startswith(b"\n")) else None

    def _refuse_long(self, rest: bytearray, data: bytes) -> None:
        """Raise ManifestError if there are too many bytes before the first cut of `data`, which follows `rest`.

        Where chunks are no longer than an entry may be, the number does not depend on how the bytes are read.
        """
        begin, first = 0, _before(data, self._cut.end)
        if len(rest) + first <= self._cut.most:
            return
        if self._lone_cr:
            begin, first = rest.rfind(b"\r") + 1, min(first, _before(data, b"\r"))
            if len(rest) - begin + first <= self._cut.most:
                return
        longest = f"{self._cut.what} is longer than {self._cut.most >> 20} MiB"
        raise ManifestError(
            f"{self.name}: {longest}; it begins with {bytes((rest + data)[begin : begin + 40])!r}",
            "Check that the file is a list with one object per line, and check --format.",
        )

    def _line_ends(self, data: bytearray) -> int:
        # To find the line ends of lines as long as keys, and leave them out, takes half as long as to count them.
        ends = len(data) - len(data.replace(b"\n", b""))
        if self._lone_cr and b"\r" in data and _LONE_CR.search(data):
            ends += data.count(b"\r") - data.count(b"\r\n")
        return ends

    def _refuse_foreign(self, head: bytearray) -> None:
        kind = kind_of(bytes(head))
        if kind is not None:
            raise ManifestError(f"{self.name}, line 1: not UTF-8 text; it looks like {kind.what}", self._advice(kind))

    def _not_utf8(self, data: bytearray, at: int, line: int) -> ManifestError:
        before = data[:at]
        begin = max(before.rfind(b"\n"), before.rfind(b"\r") if self._lone_cr else -1) + 1
        first = max(begin, at - _SAMPLE)
        end = at + _before(data[at:], b"\n")
        if self._lone_cr:
            end = at + _before(data[at:end], b"\r")
        sample = bytes(data[first:end][: 2 * _SAMPLE])
        kind = encoding_of(sample, at - first)
        where = f"line {line + self._line_ends(before)}, byte {at - begin + 1}"
        return ManifestError(f"{self.name}, {where}: not UTF-8; it looks like {kind.what}", self._advice(kind))

    def _advice(self, kind: Kind) -> str:
        if kind.encoding and self.is_zipped:
            return f"Convert it: gunzip -c MANIFEST | iconv -f {kind.encoding} -t UTF-8 > NEW-MANIFEST"
        return kind.advice

    def _empty(self) -> ManifestError:
        return ManifestError(f"{self.name}: the manifest is empty", "Check the command that makes the manifest.")


def _before(data: bytes | bytearray, end: bytes) -> int:
    """Return the number of bytes before the first `end`, all of them if there is none."""
    found = data.find(end)
    return len(data) if found < 0 else found


class _Arriving(io.FileIO):
    """A file that is read as its bytes arrive, and whose beginning can be inspected first."""

    end: int | None = None
    """The number of bytes after which nothing is read, None for no such number."""
    taken = 0
    """The number of bytes read so far."""
    digest: Hash | None = None
    """The digest of the bytes read so far, None if they are not digested."""
    _ahead = b""

    def peek(self, size: int) -> bytes:
        """Return at most `size` of the first bytes. They will be read again."""
        self._ahead = self._take(size)
        return self._ahead

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most `size` bytes (`size` > 0): whatever is available, waiting only for the first byte."""
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data or self._take(size)

    def pass_over(self, length: int, digest: Hash | None) -> None:
        """Move to the byte after the first `length` bytes, which have this digest. None: nothing is digested."""
        self.seek(length)
        self.taken, self.digest = length, None if digest is None else digest.copy()
        self._ahead = b""

    def _take(self, size: int | None) -> bytes:
        if self.end is None:
            return super().read(size) or b""
        left = self.end - self.taken
        data = super().read(left if size is None or size < 0 else min(size, left)) or b""
        self.taken += len(data)
        if self.digest is not None:
            self.digest.update(data)
        return data
