"""Which proxy a request goes through, by the environment, and what is wrong with a variable that names one. Pure.

As in curl, https://everything.curl.dev/usingcurl/proxies/env.html: HTTPS_PROXY or HTTP_PROXY by the scheme of the
endpoint, else ALL_PROXY, unless NO_PROXY excepts the host. A proxy without a scheme is an http:// one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from batcher.errors import UsageError

_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_ADVICE = "Set {name} to http://HOST:PORT, or unset it. NO_PROXY=HOST excepts a host."


class Proxy(NamedTuple):
    """A proxy. `url` may contain a user name and a password, `shown` contains neither."""

    url: str
    shown: str
    variable: str
    """The environment variable that names it."""


def proxy_for(scheme: str, host: str, port: int, named: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a request, None for none.

    `named` are the values of the variables, by what comes before `_proxy` in their names, in lower case. Raises
    UsageError if the value that applies is none that can be used.
    """
    kind = scheme if named.get(scheme) else "all"
    text = named.get(kind, "").strip()
    if not text or is_excepted(host, port, named.get("no", "")):
        return None
    name = f"{kind.upper()}_PROXY"
    url = text if _SCHEME.match(text) else f"http://{text}"
    # The text before an @ may be a password, so it is not repeated.
    shown = url.rpartition("@")[2].rpartition("://")[2]
    try:
        parts = urlsplit(url)
        proxy_host, proxy_port = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError(f"{name}: {shown} is not the URL of a proxy", _ADVICE.format(name=name)) from None
    if parts.scheme.startswith("socks"):
        raise UsageError(f"{name}: a SOCKS proxy cannot be used", _ADVICE.format(name=name))
    where = parts.netloc.rpartition("@")[2]
    is_host = _HOST.fullmatch(f"[{proxy_host}]" if ":" in proxy_host else proxy_host)
    if parts.scheme not in {"http", "https"} or not is_host or proxy_port == 0:
        raise UsageError(f"{name}: {shown} is not the URL of a proxy", _ADVICE.format(name=name))
    return Proxy(f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://{where}", name)


def is_excepted(host: str, port: int, no_proxy: str) -> bool:
    """Return whether NO_PROXY excepts a host: by its name, its domain or its network, with or without the port."""
    host = host.lower().rstrip(".")
    for entry in re.split(r"[,\s]+", no_proxy.lower()):
        name = entry.rpartition("://")[2].rstrip("/").removeprefix("*.").removeprefix(".")
        if entry == "*" or (name and (f".{host}".endswith(f".{name}") or f".{host}:{port}".endswith(f".{name}"))):
            return True
        if "/" in name and _is_within(host, name):
            return True
    return False


def _is_within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
