"""Which names the service allows: workflow, endpoint, region. Pure.

A name that breaks a rule is found before it costs a request. A fault is a text that says what is wrong, None if nothing
is.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from batcher.errors import UsageError
from batcher.rules.service import regions

_WORKFLOW = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_REGION = re.compile(r"[a-z]+(-[a-z]+)+-[0-9]+")
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_HOST_AND_PORT = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]+)?")
_BUCKET_HOST = re.compile(r".+\.(obs\.[^.]+\.myhuaweicloud\.(?:com|eu))")
_PORTS = {"https": 443, "http": 80}
DWR_REGION = "cn-south-1"
"""The one region whose endpoint of DWR is known."""
_EXAMPLE = "Give an endpoint like https://obs.cn-north-4.myhuaweicloud.com."


class Endpoint(NamedTuple):
    """The address of the service. `host` is a name or an IP address, in lower case and without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """The endpoint in its canonical form: without a slash at the end and without the scheme's default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def workflow_fault(name: str) -> str | None:
    """Check a workflow's name by https://support.huaweicloud.com/en-us/api-obs/obs_04_0127.html.

    A valid name needs no percent-encoding, so no name can change the path of a request.
    """
    if _WORKFLOW.fullmatch(name):
        return None
    return "a workflow name has 1 to 64 letters, digits, - and _, and begins with a letter or a digit"


def region_endpoint(region: str) -> str:
    """Return the endpoint of a region (https://developer.huaweicloud.com/endpoint?OBS), for Europe the European one.

    Raises UsageError if the region's name is invalid.
    """
    _check_region(region)
    top = "eu" if region.startswith("eu-") else "com"
    return f"https://obs.{region}.myhuaweicloud.{top}"


def dwr_region_endpoint(region: str) -> str:
    """Return the endpoint of DWR in a region.

    Raises UsageError if the region's name is invalid, or if no endpoint is known there. The table of the official SDK
    has five regions, but the hosts of four of them, `dwr-lms.`, belong to another product.
    """
    _check_region(region)
    if region != DWR_REGION:
        raise UsageError(
            f"--region {region}: the endpoint of DWR v3 in this region is not known",
            f"If the console of DWR has this region, give --endpoint https://dwr.{region}.myhuaweicloud.com.",
        )
    return f"https://dwr.{region}.myhuaweicloud.com"


def _check_region(region: str) -> None:
    near = regions.meant(region)
    if near is not None or not _REGION.fullmatch(region):
        advice = "Give a region like cn-north-4, or use --endpoint." if near is None else f"Did you mean {near}?"
        raise UsageError(f"--region {region}: not a region name", advice)


def endpoint(text: str, *, allow_http: bool) -> Endpoint:
    """Read the address of the service: https, a host, an optional port, and nothing else.

    Plain http needs `allow_http` unless the host is this machine: a start contains a signature and customers' names.
    Raises UsageError if the address is invalid.
    """
    # The text before an @ may be a password, so it is not repeated.
    shown = text.rpartition("@")[2]
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UsageError(f"the endpoint {shown}: it is not a URL", _EXAMPLE) from None
    host = parts.hostname or ""
    fault = _form_fault(text, parts, host)
    if fault is not None:
        raise UsageError(f"the endpoint {shown}: {fault}", _advice(parts))
    bucket_host = _BUCKET_HOST.fullmatch(host)
    if bucket_host:
        raise UsageError(
            f"the endpoint {text}: it contains a bucket name",
            f"Give https://{bucket_host[1]}, and give the bucket with --bucket or in the manifest.",
        )
    if host.startswith("dwr-lms."):
        raise UsageError(
            f"the endpoint {text}: it is that of another product of DWR, which has no workflows",
            f"Give https://{host.replace('dwr-lms.', 'dwr.', 1)} if the console of DWR has this region.",
        )
    misspelled = regions.meant_in(host)
    if misspelled is not None:
        name, near = misspelled
        raise UsageError(f"the endpoint {text}: there is no region {name}", f"Did you mean {text.replace(name, near)}?")
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise UsageError(f"the endpoint {text}: it is not encrypted", "Use https://, or allow http with --allow-http.")
    return Endpoint(parts.scheme, host, _PORTS[parts.scheme] if port is None else port)


def _advice(parts: SplitResult) -> str:
    """Return what to give instead: the same host, if there is one."""
    where = parts.netloc.rpartition("@")[2] or parts.path.lstrip("/").partition("/")[0]
    if parts.scheme not in {"", "https"} or not _HOST_AND_PORT.fullmatch(where) or "." not in where:
        return _EXAMPLE
    return f"Give https://{where.lower()}."


def _form_fault(text: str, parts: SplitResult, host: str) -> str | None:
    faults = {
        "it does not begin with https://": "://" not in text or parts.scheme not in _PORTS,
        "it contains a user name or a password": "@" in parts.netloc,
        "it contains a query": "?" in text or "#" in text,
        "it contains a path": parts.path not in {"", "/"},
        "it has no host": not host,
        "its host is neither a name nor an IP address": not (_HOST.fullmatch(host) or _address(host)),
        # Python's parser silently removes such characters, so its result differs from the text.
        "it contains a space or a control character": any(char.isspace() or not char.isprintable() for char in text),
    }
    return next((fault for fault, found in faults.items() if found), None)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
