"""The files by which the processes that work on one shard know of each other: claims, signs of life, marks of an end.

A claim is given its name once, with its whole content, and is locked by its process from before that on. So a process
of the same system has proven to be over if its claim is not locked.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

from batcher.errors import DiskError
from batcher.rules.shards.attempts import (
    BEAT,
    CLAIM,
    ENDED,
    Claim,
    Machine,
    decoded,
    encoded,
    mark_of,
    named,
)

_BOOT = Path("/proc/sys/kernel/random/boot_id")
"""A random id of the running Linux, also in its containers, see random(4)."""
_MOUNTS = Path("/proc/self/mountinfo")


def this_machine() -> Machine:
    """Return the system that this process runs on. Where it has no id of its boot, its host's name must be unique."""
    try:
        boot = _BOOT.read_text("ascii").strip()
    except OSError:
        boot = ""
    return Machine(socket.gethostname(), boot)


def mounts() -> str:
    """Return the kernel's list of mounts, see proc_pid_mountinfo(5). Empty where there is none."""
    try:
        return _MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


class Claims:
    """The claims of one shard in a run folder. `shard` is how the names of its files begin."""

    def __init__(self, folder: Path, shard: str) -> None:
        self.folder = folder
        self.shard = shard

    def names(self) -> list[str]:
        """Return the names of all files in the run folder."""
        return [path.name for path in self.folder.iterdir()]

    def all(self) -> list[Claim]:
        """Return the claims in their order. Raises DiskError if one cannot be read."""
        numbers = sorted(
            each.number
            for each in map(named, self.names())
            if each is not None and each.shard == self.shard and each.suffix == CLAIM
        )
        return [self._read(number) for number in numbers]

    def _read(self, number: int) -> Claim:
        path = self._path(number, CLAIM)
        claim = decoded(path.read_bytes())
        if claim is None:
            raise DiskError(
                f"{path}: not a claim that this version of batcher can read",
                "Restore the file, or use the version of batcher that wrote it.",
            )
        return claim

    def _path(self, number: int, suffix: str) -> Path:
        return self.folder / mark_of(self.shard, number, suffix)

    def ended(self, claims: list[Claim], machine: Machine) -> set[int]:
        """Return the numbers of the claims whose processes have proven to be over."""
        return {each.number for each in claims if self._has_ended(each, machine)}

    def _has_ended(self, claim: Claim, machine: Machine) -> bool:
        if self._path(claim.number, ENDED).exists():
            return True
        return claim.machine == machine and not _is_locked(self._path(claim.number, CLAIM))

    def note_ended(self, number: int) -> None:
        """Mark an attempt as over, for good. Other processes rely on it. Raises OSError."""
        path = self._path(number, ENDED)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _sync(self.folder)

    def claim(self, claim: Claim) -> Claimed | None:
        """Claim a number. None if another process has it. It is durable when this returns. Raises OSError."""
        path = self._path(claim.number, CLAIM)
        descriptor, written = tempfile.mkstemp(prefix=f".{path.name}.", dir=self.folder)
        try:
            with suppress(OSError):
                # Where there are no locks, no process is proven to be over by them.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(descriptor, encoded(claim))
            os.fsync(descriptor)
            if not _linked(written, path):
                os.close(descriptor)
                return None
        finally:
            os.unlink(written)  # noqa: PTH108 - its name has no other use
        _sync(self.folder)
        return Claimed(self, claim, descriptor)

    def beat(self) -> bytes:
        """Return the last sign of life that a process of this shard has given, empty if there was none."""
        try:
            return (self.folder / f"{self.shard}{BEAT}").read_bytes()
        except FileNotFoundError:
            return b""


class Claimed:
    """A claim of this process, which holds its lock until it is released."""

    def __init__(self, claims: Claims, claim: Claim, descriptor: int) -> None:
        self.claim = claim
        self._claims = claims
        self._descriptor = descriptor
        self._next = os.fspath(claims.folder / mark_of(claims.shard, claim.number + 1, CLAIM))
        self._beats = 0

    def is_fenced(self) -> bool:
        """Return whether another process has claimed the shard since: then nothing more may be sent.

        Numbers are claimed one after the other, so this is one look. Raises DiskError if that is impossible.
        """
        try:
            os.stat(self._next)  # noqa: PTH116 - 2 us, for each batch of rows
        except FileNotFoundError:
            return False
        except OSError as error:
            raise DiskError(
                f"{self._next}: cannot be looked for: {error.strerror}", "Check the run folder, then run this again."
            ) from error
        return True

    def beat(self) -> None:
        """Give a sign of life. Failures are ignored: they can only have the effect that another process takes over."""
        self._beats += 1
        with suppress(OSError):
            path = self._claims.folder / f"{self._claims.shard}{BEAT}"
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(file, b"%06d %012d\n" % (self.claim.number, self._beats), 0)
            finally:
                os.close(file)

    def note_ended(self) -> None:
        """Mark this attempt as over. Nothing may be on the way to being sent. Failures are ignored."""
        with suppress(OSError):
            self._claims.note_ended(self.claim.number)

    def release(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)


def _linked(written: str, path: Path) -> bool:
    """Give a file its name. Return False if the name is taken by another file."""
    try:
        os.link(written, path)
    except FileExistsError:
        # Over a network, the answer to a link that was made can be lost, and the question be asked again.
        return path.samefile(written)
    return True


def _is_locked(path: Path) -> bool:
    """Return whether a process holds the lock on a claim. Where that cannot be found out, it may."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        # Shared, so that those who look at the same time do not take one another for the process.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
