"""The signature SDK-HMAC-SHA256 of Huawei Cloud's API gateway: what it covers, and its headers. Pure.

The rules: https://support.huaweicloud.com/devg-apisign/api-sign-algorithm-002.html. Where that page leaves something
open, they are those of the official SDK (github.com/huaweicloud/huaweicloud-sdk-python-v3, signer.py).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, unquote

from batcher.model import Credentials

ALGORITHM = "SDK-HMAC-SHA256"
_NO_BODY = hashlib.sha256().hexdigest()


class Seal(NamedTuple):
    """What the signatures of all requests that differ in their bodies only have in common. Made by `seal`."""

    headers: Mapping[str, str]
    """The headers, without the signature."""
    request: hashlib._Hash
    """The hash of the canonical request up to the hash of the body. Copied, since a row adds to it."""
    text: hmac.HMAC
    """The signature of the text to sign up to the hash of the canonical request. Copied too."""
    authorization: str
    """The header `Authorization` up to the signature."""


def sdk_date(now: float) -> str:
    """Format a POSIX time in seconds as the header `X-Sdk-Date` does."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%dT%H%M%SZ")


def sdk_query(query: Iterable[tuple[str, str]]) -> str:
    """Write the query as it is both sent and signed: sorted by name and value, and percent-encoded."""
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(query))


def seal(
    credentials: Credentials, method: str, path: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str]
) -> Seal:
    """Compose everything of a request's signature that does not depend on its body.

    `path` is percent-encoded. `headers` are those that are signed; `Host` and `X-Sdk-Date` must be among them. The
    returned headers contain no `Host`, because the transport adds it.
    """
    signed = {**headers, "X-Security-Token": credentials.security_token} if credentials.security_token else headers
    lowered = sorted((name.lower(), value.strip()) for name, value in signed.items())
    names = ";".join(name for name, _ in lowered)
    lines = "".join(f"{name}:{value}\n" for name, value in lowered)
    return Seal(
        headers={name: value for name, value in signed.items() if name != "Host"},
        request=hashlib.sha256(f"{method}\n{_canonical(path)}\n{sdk_query(query)}\n{lines}\n{names}\n".encode()),
        text=hmac.new(credentials.secret_key.encode(), f"{ALGORITHM}\n{signed['X-Sdk-Date']}\n".encode(), "sha256"),
        authorization=f"{ALGORITHM} Access={credentials.access_key}, SignedHeaders={names}, Signature=",
    )


def sealed(common: Seal, body: bytes | None) -> dict[str, str]:
    """Return the headers of the request with this body, the signature last."""
    request, text = common.request.copy(), common.text.copy()
    request.update((hashlib.sha256(body).hexdigest() if body else _NO_BODY).encode())
    text.update(request.hexdigest().encode())
    return {**common.headers, "Authorization": common.authorization + text.hexdigest()}


def _canonical(path: str) -> str:
    # The SDK decodes the whole path before it splits it, so that an encoded slash is signed as a slash.
    return f"{_encoded(unquote(path), safe='/').removesuffix('/')}/"


def _encoded(text: str, safe: str = "") -> str:
    return quote(text, safe=safe)
