"""Faults to inject into starts, and the seeded choice of when. Pure: the random number is an argument.

A fault occurs before or after the start is committed. After it, the execution exists, whatever answer the client
receives.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from batcher.emulator.answers import SLOW_DOWN, TOO_MANY, Refusal, page, xml_refusal


class FaultKind(StrEnum):
    """The faults. The values are the names for `--fault`."""

    SLOW = "slow"
    SLOWDOWN = "slowdown"
    TOO_MANY = "429"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "408"
    INTERNAL = "500"
    INTERNAL_AFTER = "500-after"
    CLOSED_AFTER = "499-after"
    EARLY_AFTER = "425-after"
    PAGE_AFTER = "403-after"
    RESET_BEFORE = "reset-before"
    RESET_AFTER = "reset-after"
    HANG_BEFORE = "hang-before"
    HANG_AFTER = "hang-after"
    GARBAGE = "garbage"
    NAMELESS = "nameless"
    CUT = "cut"


class Fault(NamedTuple):
    """What a client sees of a fault, and the refusal that answers it, if any."""

    meaning: str
    refusal: Refusal | None = None


_UNAVAILABLE = xml_refusal(503, "ServiceUnavailable", "The service is unavailable. Please try again.")
_TIMEOUT = xml_refusal(408, "RequestTimeout", "Nothing was read from the socket in time.")
_INTERNAL = xml_refusal(500, "InternalError", "We encountered an internal error. Please try again.")

BEFORE: Mapping[FaultKind, Fault] = {
    FaultKind.SLOWDOWN: Fault("503 SlowDown", SLOW_DOWN),
    FaultKind.TOO_MANY: Fault("429 SYS.0011", TOO_MANY),
    FaultKind.UNAVAILABLE: Fault("503 ServiceUnavailable", _UNAVAILABLE),
    FaultKind.TIMEOUT: Fault("408 RequestTimeout", _TIMEOUT),
    FaultKind.INTERNAL: Fault("500 InternalError", _INTERNAL),
    FaultKind.RESET_BEFORE: Fault("the connection is reset"),
    FaultKind.HANG_BEFORE: Fault("no answer at all"),
}
"""Faults before the start is committed: there is no execution."""

AFTER: Mapping[FaultKind, Fault] = {
    FaultKind.SLOW: Fault("a normal answer, --slow seconds late"),
    FaultKind.INTERNAL_AFTER: Fault("500 InternalError", _INTERNAL),
    FaultKind.CLOSED_AFTER: Fault("499 without a body, from a load balancer", page(499)),
    FaultKind.EARLY_AFTER: Fault("425 without a body", page(425)),
    FaultKind.PAGE_AFTER: Fault("403 with an HTML page, from a proxy", page(403, "403 Forbidden")),
    FaultKind.RESET_AFTER: Fault("the connection is reset"),
    FaultKind.HANG_AFTER: Fault("no answer at all"),
    FaultKind.GARBAGE: Fault("200 with an HTML page"),
    FaultKind.NAMELESS: Fault("200 without the execution's name"),
    FaultKind.CUT: Fault("200 with a truncated body"),
}
"""Faults after the start is committed: the execution runs."""

FAULTS = {**BEFORE, **AFTER}


def draw(shares: Mapping[FaultKind, float], chance: float) -> FaultKind | None:
    """Choose the fault for one start, usually None. `chance` is a random number, at least 0 and below 1."""
    for kind, share in shares.items():
        if chance < share:
            return kind
        chance -= share
    return None


def lot(seed: int, purpose: str, bucket: str, object_: str) -> float:
    """Return a number for an object, at least 0 and below 1. It is the same each time with the same seed."""
    text = "\0".join((str(seed), purpose, bucket, object_))
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest()) / 2**48
