"""The options: how the emulator's settings are written, on a command line or to a running emulator.

Pure; each raises UsageError.
"""

from __future__ import annotations

from http import HTTPStatus

from batcher.emulator.answers import Refusal, json_refusal
from batcher.emulator.faults import FaultKind
from batcher.emulator.settings import NO_WORKFLOW, Declared, ParameterType
from batcher.errors import UsageError


def parse_share(text: str) -> float:
    """Read a share, such as `0.05` or `5%`; whether it lies between 0 and 1 is for the settings to say."""
    number = text.removesuffix("%")
    try:
        return float(number) / (1 if number == text else 100)
    except ValueError:
        raise UsageError(f"{text!r} is no share", "Write it as 0.05 or as 5%.") from None


def parse_fault(text: str) -> tuple[FaultKind, float]:
    """Read `KIND=SHARE`."""
    kind, _, share = text.partition("=")
    if kind not in list(FaultKind):
        raise UsageError(f"there is no fault {kind!r}", f"Choose among {', '.join(FaultKind)}.")
    return FaultKind(kind), parse_share(share)


def parse_faults(text: str) -> dict[FaultKind, float]:
    """Read any number of `KIND=SHARE`, with blanks between them."""
    return dict(map(parse_fault, text.split()))


def parse_rate(text: str) -> float | None:
    """Read starts a second, or `none`; whether there can be such a rate is for the settings to say."""
    if text.strip() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{text!r} is no rate", "Give starts a second, such as 125 or 0.5, or none.") from None


def parse_parameter(text: str) -> tuple[str, Declared]:
    """Read `NAME:TYPE` or `NAME:TYPE=DEFAULT`."""
    declaration, equals, default = text.partition("=")
    name, _, type_ = declaration.partition(":")
    if not name or type_ not in list(ParameterType):
        raise UsageError(
            f"{text!r} declares no parameter",
            f"Write it as template-id:integer or note:string=hello; the types are {', '.join(ParameterType)}.",
        )
    return name, Declared(ParameterType(type_), default if equals else None)


def parse_refusal(text: str) -> Refusal:
    """Read `STATUS:CODE`, how a start of an unknown workflow is refused."""
    status, _, code = text.partition(":")
    if not code or not status.isdecimal() or not HTTPStatus.BAD_REQUEST <= int(status) < 600:  # noqa: PLR2004
        raise UsageError(f"{text!r} is no refusal", "Write it as 404:Workflow.0001, with a status from 400 to 599.")
    return json_refusal(int(status), code, NO_WORKFLOW.message)
