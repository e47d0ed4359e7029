"""The folder of a sharded job: its plan, which is written once, and the names of the files of each shard."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path

from batcher.errors import DiskError, ManifestError, OtherJobError
from batcher.rules.shards.attempts import CHECKPOINT, latest
from batcher.rules.shards.plan import PLAN, Fingerprint, Plan, decoded, encoded, need_same


def plan_in(folder: Path) -> Plan | None:
    """Return the plan of a run folder, None if there is none. Raises OtherJobError for a plan that cannot be used."""
    path = folder / PLAN
    try:
        return decoded(path.read_bytes(), str(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unusable(path, error) from error


def is_run_folder(path: Path) -> bool:
    """Return whether a path is a folder with a plan."""
    return (path / PLAN).is_file()


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the latest checkpoint of each shard that has begun, in the order of their indexes."""
    names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    return [folder / name for name in latest(names, CHECKPOINT).values()]


def pin(folder: Path, plan: Plan) -> None:
    """Write the plan if the folder has none, or compare: of shards that begin together, one is the first.

    Raises OtherJobError if the folder has another plan, or has lost its plan, and DiskError if it cannot be written.
    """
    path = folder / PLAN
    kept = plan_in(folder)
    if kept is None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            has_begun = bool(checkpoints_in(folder))
            if not has_begun and _is_first(path, encoded(plan)):
                return
        except OSError as error:
            raise _unusable(path, error) from error
        # Looked at again: another shard may have written the plan, and begun, since the first look.
        kept = plan_in(folder)
    if kept is None:
        raise OtherJobError(
            f"{path}: the plan is missing, and shards have begun",
            "Restore the file. Without it, another number of shards would start rows a second time.",
        )
    need_same(kept, plan, str(path))


def _is_first(path: Path, content: bytes) -> bool:
    """Create a file with this content. Return False if it exists. It is complete from the moment it has its name."""
    descriptor, written = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open already
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link is made only if nothing has its name, also by two machines on a shared disk.
        os.link(written, path)
    except FileExistsError:
        return False
    finally:
        with suppress(OSError):
            Path(written).unlink()
    for folder in (path.parent, path.parent.parent):
        # A power cut must not lose the name of the file, nor that of its folder.
        _sync(folder)
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fingerprint_of(paths: Iterable[Path]) -> Fingerprint | None:
    """Return the fingerprint of the files of a manifest. None if one is a pipe or a device, which is read only once.

    Raises ManifestError if one cannot be read.
    """
    digests, size = [], 0
    for path in paths:
        try:
            if not path.is_file():
                return None
            with path.open("rb") as file:
                digests.append(file_digest(file, "sha256"))
                size += file.tell()
        except OSError as error:
            raise ManifestError(f"{path}: {error.strerror or error}", "Check the path of the manifest.") from None
    whole = digests[0] if len(digests) == 1 else sha256(b"".join(each.digest() for each in digests))
    return Fingerprint(whole.hexdigest(), size)


def _unusable(path: Path, error: OSError) -> DiskError:
    return DiskError(
        f"{path}: {error.strerror or error}", "Check the path and the permissions, or give another --run-dir."
    )
