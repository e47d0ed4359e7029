"""The service's error answers: XML from its front end and JSON from its workflow back end.

Both formats are described in https://support.huaweicloud.com/en-us/api-obs/obs_04_0115.html.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

JSON_TYPE = "application/json"
XML_TYPE = "application/xml"
PAGE_TYPE = "text/html"


class Refusal(NamedTuple):
    """The answer to a request that the service refuses, or claims to refuse."""

    status: int
    code: str
    message: str
    type: str
    """The media type, which shows whether the front end or the back end answers."""
    details: Sequence[tuple[str, str]] = ()
    """Additional elements of the XML."""


def xml_refusal(status: int, code: str, message: str, details: Sequence[tuple[str, str]] = ()) -> Refusal:
    """Make a refusal from the front end."""
    return Refusal(status, code, message, XML_TYPE, details)


def json_refusal(status: int, code: str, message: str) -> Refusal:
    """Make a refusal from the workflow back end."""
    return Refusal(status, code, message, JSON_TYPE)


def page(status: int, message: str = "") -> Refusal:
    """Make what a proxy or a load balancer answers in the service's place: an HTML page, or no body at all."""
    return Refusal(status, "", message, PAGE_TYPE)


UNITS = (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400))


def over_rate_limit(rate: float) -> Refusal:
    """Make the gateway's refusal of a start above `rate`, which it names as a whole number per unit of time."""
    unit, seconds = next((each for each in UNITS if rate * each[1] % 1 == 0), UNITS[-1])
    limit = f"limit:{round(rate * seconds)},time:1 {unit}"
    message = f"The throttling threshold has been reached: policy user over ratelimit,{limit}"
    return json_refusal(429, OVER_RATE_LIMIT, message)


OVER_RATE_LIMIT = "APIGW.0308"
SLOW_DOWN = xml_refusal(503, "SlowDown", "Please reduce your request rate.")
OVER_RATE = json_refusal(429, OVER_RATE_LIMIT, "The throttling threshold has been reached: policy user over ratelimit")
TOO_MANY = json_refusal(429, "SYS.0011", "Too many requests.")


def refusal_body(refusal: Refusal, request_id: str) -> bytes:
    """Write the body of a refusal."""
    if refusal.type == PAGE_TYPE:
        return f"<html><body><h1>{refusal.message}</h1></body></html>".encode() if refusal.message else b""
    if refusal.type == JSON_TYPE:
        code, message = ("error_code", "error_msg") if refusal.code == OVER_RATE_LIMIT else ("code", "message")
        return json.dumps({code: refusal.code, message: refusal.message, "request_id": request_id}).encode()
    elements = [("Code", refusal.code), ("Message", refusal.message), ("RequestId", request_id), ("HostId", "emulator")]
    inner = "".join(f"<{name}>{escape(text, quote=False)}</{name}>" for name, text in [*elements, *refusal.details])
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def service_time(now: float) -> str:
    """Format a POSIX time in seconds as the service does: UTC, ISO 8601, milliseconds and `Z`."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
