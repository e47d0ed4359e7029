"""What a HEAD request shows of an object, and what is said about those that were looked at. Pure.

The answer has no body. An error is named in a header instead, and not by every service.
https://support.huaweicloud.com/en-us/api-obs/obs_04_0084.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from batcher.errors import CredentialsError, JobError, ServiceError
from batcher.model import Answer, Cause, Described, Fault, Reply
from batcher.rules.service import verdicts
from batcher.rules.service.verdicts import SUCCESS
from batcher.rules.text import counted

SHOWN = 10
"""The most objects that are named for each finding."""
_REDIRECTED, _FORBIDDEN, _MISSING, _TOO_MANY, _FAILED = 300, 403, 404, 429, 500
_DENIED = frozenset({"", "accessdenied", "allaccessdisabled"})
_NO_KEY = frozenset({"", "nosuchkey"})
_ARCHIVED = frozenset({"COLD", "GLACIER", "DEEP_ARCHIVE"})
_RESTORED = 'ongoing-request="false"'


class Finding(StrEnum):
    """What is found of an object."""

    READABLE = "readable"
    EMPTY = "empty"
    ARCHIVED = "archived"
    """In a storage class whose objects cannot be read until they are restored."""
    MISSING = "missing"


class Looked(NamedTuple):
    """An object that was looked at."""

    bucket: str
    key: str
    finding: Finding


def read_head(reply: Reply) -> Described[Finding]:
    """Read the answer to a HEAD request. An object that is not there is an answer too."""
    headers = reply.headers
    code = headers.get("x-obs-error-code", "")
    return Described(
        reply.status,
        code,
        headers.get("x-obs-error-message", ""),
        headers.get("x-obs-request-id", ""),
        headers.get("retry-after", ""),
        headers.get("date", ""),
        noun=_finding(reply, code),
    )


def _finding(reply: Reply, code: str) -> Finding | None:
    headers = reply.headers
    if reply.status == _MISSING and code.lower() in _NO_KEY:
        return Finding.MISSING
    if reply.status not in SUCCESS:
        return None
    if headers.get("content-length", "").strip() == "0":
        return Finding.EMPTY
    is_archived = headers.get("x-obs-storage-class", "").upper() in _ARCHIVED
    return Finding.ARCHIVED if is_archived and _RESTORED not in headers.get("x-obs-restore", "") else Finding.READABLE


def is_final(answer: Answer) -> bool:
    """Return whether the same question would be answered alike, although the answer has no code by which to know it."""
    return _REDIRECTED <= answer.status < _FAILED and answer.status != _TOO_MANY and not answer.code


def refused(answer: Answer, bucket: str, endpoint: str) -> JobError:
    """Return the error for an answer that shows nothing of an object."""
    said = verdicts.told(answer)
    without = "run without --head"
    if answer.code.lower() == "nosuchbucket":
        return ServiceError(f"there is no bucket {bucket} at {endpoint}: {said}", "Check its name and the region.")
    if answer.status == _FORBIDDEN and answer.code.lower() in _DENIED:
        return CredentialsError(
            f"objects of the bucket {bucket} may not be looked at: {said}",
            f"Grant the key's user the permission obs:object:GetObject for it, or {without}.",
        )
    if answer.fault is Fault.UNREACHED:
        return verdicts.unreachable(answer)
    if answer.fault is None and answer.meaning.cause in {Cause.UNSERVED, Cause.ENDPOINT, Cause.OTHER}:
        advice = f"Give the endpoint of OBS in the bucket's region with --bucket-endpoint, or {without}."
        return ServiceError(f"{endpoint} does not show objects of the bucket {bucket}: {said}", advice)
    return verdicts.ending(answer)


def lines(looked: Sequence[Looked]) -> Iterator[str]:
    """Say what was found, and name the objects that are not as they should be."""
    counts = {finding: sum(each.finding is finding for each in looked) for finding in Finding}
    said = ", ".join(f"{count:,} {finding}" for finding, count in counts.items() if count)
    yield f"looked at {counted(len(looked), 'object')}, spread over the list: {said}"
    for finding in (Finding.MISSING, Finding.EMPTY, Finding.ARCHIVED):
        found = [each for each in looked if each.finding is finding]
        why = " (cannot be read until it is restored)" if finding is Finding.ARCHIVED else ""
        yield from (f"{finding}: {each.bucket}/{each.key}{why}" for each in found[:SHOWN])
        if len(found) > SHOWN:
            yield f"{finding}: and {len(found) - SHOWN:,} more"
