"""Verifies the date and the signature of a request, as the service does. Pure: the time is an argument.

The rules are in https://support.huaweicloud.com/en-us/api-obs/obs_04_0010.html, the error codes in
https://support.huaweicloud.com/en-us/api-obs/obs_04_0115.html.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from batcher.emulator.answers import Refusal, service_time, xml_refusal
from batcher.model import Credentials
from batcher.rules.service.signing import Query, signature, string_to_sign

MAX_SKEW = 900
"""Maximum seconds between a request's date and the service's clock."""

NO_AUTHORIZATION = xml_refusal(403, "AccessDenied", "The request has no valid Authorization header.")
NO_DATE = xml_refusal(403, "AccessDenied", "A valid Date or x-obs-date header is required.")
UNKNOWN_KEY = xml_refusal(403, "InvalidAccessKeyId", "The access key does not exist, or its security token is wrong.")
WRONG_SIGNATURE = xml_refusal(403, "SignatureDoesNotMatch", "The signature does not match the one that is expected.")


class Signed(NamedTuple):
    """The parts of a request that the signature covers.

    `path` and `query` are as on the wire, `query` without its `?`. `headers` are looked up regardless of case.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


def check(request: Signed, credentials: Credentials, *, now: float) -> Refusal | None:
    """Return why a request is refused, or None if it is accepted. `now` is POSIX time in seconds."""
    headers = request.headers
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    access_key, colon, given = key.partition(":")
    if scheme != "OBS" or not colon:
        return NO_AUTHORIZATION
    date = headers.get("x-obs-date") or headers.get("Date", "")
    requested = _timestamp(date)
    if requested is None:
        return NO_DATE
    if abs(now - requested) > MAX_SKEW:
        return _skewed(requested, now)
    token = headers.get("x-obs-security-token", "")
    # Which code a wrong or missing security token gets is not documented.
    if access_key != credentials.access_key or not _equal(token, credentials.security_token):
        return UNKNOWN_KEY
    text = string_to_sign(request.method, request.path, read_query(request.query), headers)
    expected = signature(credentials.secret_key, text)
    return None if _equal(given, expected) else WRONG_SIGNATURE


@lru_cache(maxsize=1024)
def _timestamp(date: str) -> float | None:
    """Parse an RFC 1123 date in GMT. Cached, because all requests within one second have the same text."""
    if not date.endswith(" GMT"):
        return None
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def _skewed(requested: float, now: float) -> Refusal:
    details = (
        ("MaxAllowedSkewMilliseconds", str(MAX_SKEW * 1000)),
        ("RequestTime", service_time(requested)),
        ("ServerTime", service_time(now)),
    )
    message = "The difference between the request's time and the current time is too large."
    return xml_refusal(403, "RequestTimeTooSkewed", message, details)


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())


def read_query(text: str) -> Query:
    """Parse a query as it is on the wire. A name without `=` has no value, which differs from an empty value."""
    pairs = [part.partition("=") for part in text.split("&") if part]
    return [(unquote(name), unquote(value) if equals else None) for name, equals, value in pairs]
