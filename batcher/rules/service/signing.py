"""The header signature of OBS: the string to sign, the signature, and the header. Pure: the date is an argument.

The rules are those of https://support.huaweicloud.com/en-us/api-obs/obs_04_0010.html. That page omits the workflow
calls; for these, they are those of the official Python SDK (github.com/huaweicloud/huaweicloud-sdk-python-obs).
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
"""The `Content-Type` of every workflow call, with or without a body. It is signed exactly as sent."""

Query = Iterable[tuple[str, str | None]]
"""Query parameters in the order in which they are sent. A name without a value has None."""

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
"""The query names that are part of the signed resource, as in the official SDK. Names that begin with `x-obs-` are
too."""


def http_date(now: float) -> str:
    """Format a POSIX time in seconds as an RFC 1123 date in GMT, in English regardless of the locale."""
    return formatdate(now, usegmt=True)


def string_to_sign(method: str, path: str, query: Query = (), headers: Mapping[str, str] | None = None) -> str:
    """Compose the text that the signature covers.

    `path` is the path as sent, percent-encoded; `headers` are the request's headers in upper or lower case.
    If they contain `x-obs-date`, the date line is empty, even if they also contain `Date`.
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
    """Write the query as sent: `?name=value&name` with percent-encoded values, empty if there are no parameters."""
    return _joined([(name, None if value is None else quote(value, safe="/")) for name, value in query])


def _joined(query: Query) -> str:
    parts = [name if value is None else f"{name}={value}" for name, value in query]
    return "?" + "&".join(parts) if parts else ""


def signature(secret_key: str, text: str) -> str:
    """Return the HMAC-SHA1 of `text` under `secret_key` in Base64."""
    digest = hmac.digest(secret_key.encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(digest).decode("ascii")


def authorization(credentials: Credentials, text: str) -> str:
    """Return the value of the `Authorization` header for a string to sign."""
    return f"OBS {credentials.access_key}:{signature(credentials.secret_key, text)}"


def signed_headers(
    credentials: Credentials, method: str, path: str, query: Query = (), *, now: float
) -> dict[str, str]:
    """Return the headers of a workflow call: type, date, security token if any, and the signature over them.

    The signature does not cover the body, and a start has no query. So one result can be used for every start of a
    workflow within the same second. `now` is POSIX time in seconds. The service refuses a date that is more than 15
    minutes off, so sign immediately before sending.
    """
    headers = {"Content-Type": JSON_TYPE, "Date": http_date(now)}
    if credentials.security_token:
        headers["x-obs-security-token"] = credentials.security_token
    headers["Authorization"] = authorization(credentials, string_to_sign(method, path, query, headers))
    return headers
