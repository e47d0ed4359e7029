"""The header signature of OBS: the string to sign, the signature, the header. Pure: the date is an argument.

The rules are those of https://support.huaweicloud.com/en-us/api-obs/obs_04_0010.html, and for the workflow calls,
which that page leaves out, of the official Python SDK (github.com/huaweicloud/huaweicloud-sdk-python-obs).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from operator import itemgetter
from urllib.parse import quote

from batcher.model import Credentials

JSON_TYPE = "application/json"
"""The `Content-Type` of every workflow call, with or without a body; it is signed exactly as sent."""

Query = Iterable[tuple[str, str | None]]
"""Query parameters in the order of the wire; a name without a value has None."""

SIGNED_QUERY = frozenset(
    {
        "x-workflow-execution-state",
        "x-workflow-execution-type",
        "x-workflow-graph-name",
        "x-workflow-limit",
        "x-workflow-next-marker",
        "x-workflow-prefix",
        "x-workflow-start",
        "x-workflow-template-name",
    }
)
"""The query names that are part of the resource, as the official SDK signs them; names in `x-obs-` are too."""


def http_date(now: float) -> str:
    """Give a POSIX time in seconds as an RFC 1123 date in GMT, in English whatever the locale."""
    return formatdate(now, usegmt=True)


def string_to_sign(method: str, path: str, query: Query = (), headers: Mapping[str, str] | None = None) -> str:
    """Compose the text that the signature covers.

    `path` is the path as it stands on the wire, percent-encoded; `headers` are the request's headers in any case.
    Where `x-obs-date` is among them the date line stays empty, even beside a `Date`.
    """
    lowered = {name.lower(): value.strip() for name, value in (headers or {}).items()}
    date = "" if "x-obs-date" in lowered else lowered.get("date", "")
    lines = [method.upper(), lowered.get("content-md5", ""), lowered.get("content-type", ""), date]
    lines += [f"{name}:{lowered[name]}" for name in sorted(lowered) if name.startswith("x-obs-")]
    lines.append(canonical_resource(path, query))
    return "\n".join(lines)


def canonical_resource(path: str, query: Query = ()) -> str:
    """Append the signed part of the query, sorted and not percent-encoded, to the path."""
    signed = [pair for pair in query if pair[0] in SIGNED_QUERY or pair[0].startswith("x-obs-")]
    return path + _joined(sorted(signed, key=itemgetter(0)))


def wire_query(query: Query) -> str:
    """Write the query as it goes over the wire, `?name=value&name`, values percent-encoded, empty without any."""
    return _joined([(name, None if value is None else quote(value, safe="/")) for name, value in query])


def _joined(query: Query) -> str:
    parts = [name if value is None else f"{name}={value}" for name, value in query]
    return "?" + "&".join(parts) if parts else ""


def signature(secret_key: str, text: str) -> str:
    """Give the Base64 text of the HMAC-SHA1 of `text` under `secret_key`."""
    digest = hmac.digest(secret_key.encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(digest).decode("ascii")


def authorization(credentials: Credentials, text: str) -> str:
    """Give the value of the `Authorization` header for a string to sign."""
    return f"OBS {credentials.access_key}:{signature(credentials.secret_key, text)}"


def signed_headers(
    credentials: Credentials, method: str, path: str, query: Query = (), *, now: float
) -> dict[str, str]:
    """Give the headers of a workflow call: type, date, security token if any, and the signature over them.

    The body is not covered, and a start has no query: so one result serves every start of a workflow within the same
    second. `now` is POSIX time in seconds. The service refuses a date more than 15 minutes off, so sign when sending.
    """
    headers = {"Content-Type": JSON_TYPE, "Date": http_date(now)}
    if credentials.security_token:
        headers["x-obs-security-token"] = credentials.security_token
    headers["Authorization"] = authorization(credentials, string_to_sign(method, path, query, headers))
    return headers
