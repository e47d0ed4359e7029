"""Verifies the date and the signature of a request as the API gateway before DWR v3 does, with no code of a client.

What is signed is read off the request: the header `Authorization` lists the headers that the client has signed.
https://support.huaweicloud.com/devg-apisign/api-sign-algorithm-002.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from batcher.emulator.answers import Refusal, json_refusal
from batcher.emulator.gate import MAX_SKEW, Signed
from batcher.model import Credentials

MOST_FAILURES = 5
"""The number of successive failures after which a key is locked."""
LOCKED_SECONDS = 300.0

_AUTHORIZATION = re.compile(r"SDK-HMAC-SHA256 Access=([^, ]+), SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})")
_DATE = "%Y%m%dT%H%M%SZ"
_NEEDED = {"host", "x-sdk-date"}


def unauthenticated(reason: str) -> Refusal:
    """Return the answer to a request that is not signed as it must be: one code, whatever the reason is."""
    return json_refusal(401, "APIGW.0301", f"Incorrect IAM authentication information: {reason}")


class Gate:
    """Lets signed requests pass. A key with too many failures in succession is locked for a while."""

    def __init__(self) -> None:
        self._failures = 0
        self._locked_until = 0.0

    def check(self, request: Signed, body: bytes, credentials: Credentials, *, now: float) -> Refusal | None:
        """Return why a request is refused, None if it may pass. `now` is POSIX time in seconds."""
        if now < self._locked_until:
            return unauthenticated("AK access failed to reach the limit,forbidden")
        reason = _fault(request, body, credentials, now)
        self._failures = self._failures + 1 if reason else 0
        if self._failures > MOST_FAILURES:
            self._failures, self._locked_until = 0, now + LOCKED_SECONDS
        return unauthenticated(reason) if reason else None


def _fault(request: Signed, body: bytes, credentials: Credentials, now: float) -> str:
    headers = request.headers
    given = _AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
    if given is None:
        return "x-auth-token not found"
    access_key, names, signature = given.groups()
    date = headers.get("X-Sdk-Date", "")
    signed_at = _time(date)
    if signed_at is None or not set(names.split(";")) >= _NEEDED:
        return "x-sdk-date or host is not signed"
    if abs(now - signed_at) > MAX_SKEW:
        stated = datetime.fromtimestamp(now, UTC).strftime(_DATE)
        return f"signature expired, signature time:{date},server time:{stated}"
    if access_key != credentials.access_key:
        return f"ak {access_key} not exist"
    return _wrong(request, body, credentials, names, date, signature)


def _wrong(  # noqa: PLR0913, PLR0917 - all that a signature consists of
    request: Signed, body: bytes, credentials: Credentials, names: str, date: str, signature: str
) -> str:
    """Return what is wrong with the token or the signature, empty if nothing is."""
    if request.headers.get("X-Security-Token", "") != credentials.security_token:
        return "decrypt token fail"
    canonical = _canonical(request, body, names)
    text = f"SDK-HMAC-SHA256\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    expected = hmac.new(credentials.secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()
    if hmac.compare_digest(signature, expected):
        return ""
    # The gateway echoes what it has signed, with | for the ends of lines.
    return f"verify aksk signature fail, canonicalRequest:{canonical.replace(chr(10), '|')}"


def _time(date: str) -> float | None:
    try:
        return datetime.strptime(date, _DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _canonical(request: Signed, body: bytes, names: str) -> str:
    path = "/".join(_escaped(unquote(part)) for part in request.path.split("/"))
    pairs = sorted(_pair(part) for part in request.query.split("&") if part)
    lines = [
        request.method,
        path if path.endswith("/") else f"{path}/",
        "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in pairs),
        *(f"{name}:{request.headers.get(name, '').strip()}" for name in names.split(";")),
        "",
        names,
        hashlib.sha256(body).hexdigest(),
    ]
    return "\n".join(lines)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return unquote(name), unquote(value)


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")
