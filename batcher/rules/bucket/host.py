"""Where a bucket is served, and how a page of its list and an object are asked for. Pure.

A bucket has a host of its own, `BUCKET.ENDPOINT`. It is part of the path instead where no such host can exist (an IP
address, this machine) or where its certificate cannot fit (a name with dots, over TLS).
https://support.huaweicloud.com/en-us/api-obs/obs_04_0007.html and obs_04_0022.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from msgspec import structs

from batcher.model import Credentials
from batcher.rules.choices import Api
from batcher.rules.service.dialect import Call, Dialect
from batcher.rules.service.dialects import dialect_of
from batcher.rules.service.names import Endpoint
from batcher.rules.service.signing import Query, signed_headers

MOST_KEYS = 1000
"""The most keys on a page."""


class BucketHost(NamedTuple):
    """The address of a bucket. `base` is what the path of a request begins with, empty on the bucket's own host."""

    bucket: str
    origin: str
    base: str

    def list_call(self, asked: Asked, most_keys: int = MOST_KEYS) -> Call:
        """Compose the call for one page of the list. None of its query is part of the signature."""
        optional = (("prefix", asked.prefix), ("marker", asked.marker), ("delimiter", asked.delimiter))
        given = tuple(pair for pair in optional if pair[1])
        return Call("GET", self.base or "/", (*given, ("max-keys", str(most_keys)), ("encoding-type", "url")))

    def head_call(self, key: str) -> Call:
        """Compose the call that asks for an object's size and class."""
        return Call("HEAD", f"{self.base}/{_quoted(key)}")

    @property
    def dialect(self) -> Dialect:
        """The dialect of OBS for calls about this bucket."""
        return structs.replace(dialect_of(Api.OBS_V2), sign=self._sign, wire_query=_wire_query)

    def _sign(self, credentials: Credentials, call: Call, _body: bytes | None, now: int) -> Mapping[str, str]:
        """Sign a call. What is signed names the bucket, also where the path that is sent does not."""
        resource = call.path if self.base else f"/{self.bucket}{call.path}"
        return signed_headers(credentials, call.method, resource, call.query, now=now)


class Asked(NamedTuple):
    """What a page is asked for: keys that begin with `prefix`, after `marker`. `delimiter` groups them."""

    prefix: str = ""
    marker: str = ""
    delimiter: str = ""


def bucket_host(endpoint: Endpoint, bucket: str) -> BucketHost:
    """Return the address of a bucket at an endpoint of OBS."""
    host = endpoint.host
    if _is_ip(host) or host == "localhost" or (endpoint.scheme == "https" and "." in bucket):
        return BucketHost(bucket, endpoint.url, f"/{bucket}")
    return BucketHost(bucket, endpoint._replace(host=f"{bucket}.{host}").url, "")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _quoted(text: str) -> str:
    """Percent-encode the bytes of a key, except for its slashes. Bytes that are not UTF-8 stay what they are."""
    return quote(text, safe="/", errors="surrogateescape")


def _wire_query(query: Query) -> str:
    return "?" + "&".join(name if value is None else f"{name}={_quoted(value)}" for name, value in query)
