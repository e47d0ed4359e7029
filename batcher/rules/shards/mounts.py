"""Whether a run folder may be on the filesystem that it is on, by the kernel's list of mounts. Pure.

What is needed across machines: a name is given once (link(2)), a claim is seen as soon as it was made, and what was
synced is read by others. The types are those of Linux, see filesystems(5); the options of NFS those of nfs(5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

LOCAL = frozenset(
    {
        "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "tmpfs", "ramfs",
        "overlay", "erofs", "nilfs2", "rootfs",
    }
)  # fmt: skip
"""Types that one machine uses at a time."""

_OBJECTS = "it is a bucket shown as a folder: names are not given once, and what others write is seen late"
_CACHED = "clients remember for up to a minute that a file is not there, so that a claim would not be seen"

UNSAFE: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("nfs", "nfs4"), (_CACHED, "Mount it with lookupcache=none, or with noac.")),
    **dict.fromkeys(
        ("cifs", "smb2", "smb3", "smbfs"),
        ("clients keep what they have read, and it may have no hard links", "Use another filesystem."),
    ),
    **dict.fromkeys(
        (
            "fuse.s3fs", "fuse.obsfs", "fuse.goofys", "fuse.geesefs", "fuse.rclone", "fuse.mount-s3", "fuse.gcsfuse",
            "fuse.ossfs", "fuse.cosfs", "fuse.blobfuse", "fuse.blobfuse2", "fuse.s3ql", "fuse.s3backer",
        ),
        (_OBJECTS, "Use another filesystem."),
    ),
    **dict.fromkeys(
        ("fuse.sshfs", "afs", "fuse.afp", "vfat", "msdos", "exfat", "fuseblk"),
        ("it has no hard links, or keeps what it has read", "Use another filesystem."),
    ),
}  # fmt: skip
"""Types on which the fence does not hold: why, and what to do."""
FRESH = frozenset({"lookupcache=none", "noac"})
"""The options by which an NFS client asks the server each time whether a file is there."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line of /proc/self/mountinfo: where it is mounted, its type, and all of its options."""

    point: str
    type: str
    options: frozenset[str]


class Trust(Enum):
    """What is known of a filesystem."""

    LOCAL = "local"
    UNPROVEN = "unproven"
    UNSAFE = "unsafe"


class Verdict(NamedTuple):
    """What is known of the filesystem of a folder. `why` and `advice` are for a person."""

    trust: Trust
    type: str = ""
    why: str = ""
    advice: str = ""


def mounts_in(text: str) -> list[Mount]:
    """Read /proc/self/mountinfo, see proc_pid_mountinfo(5). Lines that are not understood are passed over."""
    found = []
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        fields, more = before.split(" "), after.split(" ")
        if dash and len(fields) > 5 and len(more) > 2:  # noqa: PLR2004 - the fields that every line has
            options = frozenset([*fields[5].split(","), *more[2].split(",")])
            found.append(Mount(_ESCAPED.sub(_character, fields[4]), more[0], options))
    return found


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 8))


def mount_of(path: str, text: str) -> Mount | None:
    """Return the mount that has a path without symbolic links: the last one of those with the longest mount point."""
    holding = [each for each in mounts_in(text) if path == each.point or path.startswith(each.point.rstrip("/") + "/")]
    longest = max((len(each.point) for each in holding), default=0)
    return next((each for each in reversed(holding) if len(each.point) == longest), None)


def verdict(mount: Mount | None) -> Verdict:
    """Judge a filesystem. `mount` is None where the system has no list of mounts, or the folder is not in it."""
    if mount is None:
        return Verdict(Trust.UNPROVEN, "unknown")
    if mount.type in LOCAL:
        return Verdict(Trust.LOCAL, mount.type)
    if mount.type in UNSAFE and not (mount.type.startswith("nfs") and mount.options & FRESH):
        return Verdict(Trust.UNSAFE, mount.type, *UNSAFE[mount.type])
    return Verdict(Trust.UNPROVEN, mount.type)
