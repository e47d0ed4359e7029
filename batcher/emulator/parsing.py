"""Parses the emulator's settings, from its command line or from requests to a running emulator.

Pure. Each function raises UsageError.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from http import HTTPStatus
from pathlib import Path

from batcher.emulator.answers import Refusal, json_refusal
from batcher.emulator.buckets import MadeUp, in_order
from batcher.emulator.faults import FaultKind
from batcher.emulator.quirks import Quirk, QuirkValue, Takes, check_value
from batcher.emulator.settings import NO_WORKFLOW, Declared, ParameterType
from batcher.errors import UsageError


def parse_share(text: str) -> float:
    """Parse a share, such as `0.05` or `5%`. The settings check that it is between 0 and 1."""
    number = text.removesuffix("%")
    try:
        return float(number) / (1 if number == text else 100)
    except ValueError:
        raise UsageError(f"{text!r} is not a share", "Write it as 0.05 or 5%.") from None


def parse_fault(text: str) -> tuple[FaultKind, float]:
    """Parse `KIND=SHARE`."""
    kind, _, share = text.partition("=")
    if kind not in list(FaultKind):
        raise UsageError(f"unknown fault {kind!r}", f"Choose from {', '.join(FaultKind)}.")
    return FaultKind(kind), parse_share(share)


def parse_faults(text: str) -> dict[FaultKind, float]:
    """Parse any number of `KIND=SHARE`, separated by spaces."""
    return dict(map(parse_fault, text.split()))


def parse_quirk(text: str) -> tuple[Quirk, QuirkValue]:
    """Parse `NAME` or `NAME=VALUE`."""
    name, equals, given = text.partition("=")
    quirk = next((quirk for quirk in Quirk if quirk == name), None)
    if quirk is None:
        near = get_close_matches(name, list(Quirk), n=1)
        advice = f"The nearest is {near[0]}." if near else "See batcher emulator --help."
        raise UsageError(f"unknown quirk {name!r}", advice)
    value = _quirk_value(quirk, given) if equals else None
    check_value(quirk, value)
    return quirk, value


def _quirk_value(quirk: Quirk, given: str) -> QuirkValue:
    if quirk.takes is Takes.SHARE:
        return parse_share(given)
    if quirk.takes is None or quirk.takes is Takes.TEXT:
        return given
    try:
        return float(given)
    except ValueError:
        # It is no value of this quirk, and refused as such.
        return given


def parse_rate(text: str) -> float | None:
    """Parse starts per second, or `none`. The settings check the range."""
    if text.strip() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a rate", "Give starts per second, such as 125 or 0.5, or none.") from None


def parse_parameter(text: str) -> tuple[str, Declared]:
    """Parse `NAME:TYPE` or `NAME:TYPE=DEFAULT`."""
    declaration, equals, default = text.partition("=")
    name, _, type_ = declaration.partition(":")
    if not name or type_ not in list(ParameterType):
        raise UsageError(
            f"{text!r} is not a parameter declaration",
            f"Write it like template-id:integer or note:string=hello. The types are {', '.join(ParameterType)}.",
        )
    return name, Declared(ParameterType(type_), default if equals else None)


def parse_bucket(text: str) -> tuple[str, int | Path]:
    """Parse `BUCKET=COUNT` or `BUCKET=FILE`."""
    name, _, objects = text.partition("=")
    if not name or not objects:
        raise UsageError(f"{text!r} is not a bucket with its objects", "Write it like my-videos=1000000 or b=keys.txt.")
    return name, int(objects) if objects.isdecimal() else Path(objects)


def keys_in(objects: int | Path) -> Sequence[bytes]:
    """Return the keys of a bucket: made up, or the lines of a file. Raises UsageError if it cannot be read."""
    if isinstance(objects, int):
        return MadeUp(objects)
    try:
        return in_order(filter(None, objects.read_bytes().split(b"\n")))
    except OSError as error:
        raise UsageError(f"{objects}: cannot be read: {error.strerror}", "Give a file with one key per line.") from None


def parse_refusal(text: str) -> Refusal:
    """Parse `STATUS:CODE`, the refusal of a start of an unknown workflow."""
    status, _, code = text.partition(":")
    if not code or not status.isdecimal() or not HTTPStatus.BAD_REQUEST <= int(status) < 600:  # noqa: PLR2004
        raise UsageError(
            f"{text!r} is not a refusal", "Write it like 404:Workflow.0001; the status is from 400 to 599."
        )
    return json_refusal(int(status), code, NO_WORKFLOW.message)
