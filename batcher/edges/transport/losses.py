"""Explains requests that have no answer."""

from __future__ import annotations

import os

import aiohttp
from yarl import URL

from batcher.edges.transport.body import MOST_BYTES
from batcher.edges.transport.meanings import found_closed, meaning_of, reason_of
from batcher.edges.transport.trust import misplaced_trust
from batcher.model import Fault, Lost
from batcher.rules.service.proxies import Proxy
from batcher.rules.service.regions import unknown_in
from batcher.rules.text import plain


class Losses:
    """Explains failed requests to one origin, with its time limits, in the words of the operating system or our own.

    `proxy` is the one that the requests go through, None if they go directly.
    """

    def __init__(self, origin: URL, limits: aiohttp.ClientTimeout, proxy: Proxy | None = None) -> None:
        self._proxy = proxy
        self._host = origin.host or ""
        self._peer = f"{origin.host}:{origin.port}"
        self._limits = limits
        self.too_large = Lost(Fault.OVERSIZED, f"{self._peer}: answer larger than {MOST_BYTES >> 20} MiB")

    def lost(self, error: Exception, *, is_sent: bool) -> Lost:
        """Return what the error means for the request; `is_sent` says whether a byte of it may have left."""
        if found_closed(error):
            return Lost(Fault.UNREACHED, f"{self._peer}: the connection was closed before anything was sent")
        meaning = meaning_of(error)
        # A connector's error names the host it is about, which may be a proxy.
        peer = f"{error.host}:{error.port}" if isinstance(error, aiohttp.ClientConnectorError) else self._peer
        awaited, limit = ("answer", self._limits.total) if is_sent else ("connection", self._limits.connect)
        text = meaning.text.format(reason=reason_of(error), awaited=awaited, limit=plain(limit or 0.0))
        hint = self._hint(error, meaning.unsent)
        return Lost(Fault.LOST if is_sent else meaning.unsent, f"{peer}: {text}" + (f" ({hint})" if hint else ""))

    def _hint(self, error: Exception, fault: Fault) -> str:
        """Return what may be the cause on this machine, empty if nothing is known."""
        if fault is Fault.UNTRUSTED:
            return misplaced_trust(os.environ)
        if self._proxy is not None and isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError):
            return f"the proxy is that of {self._proxy.variable}"
        region = unknown_in(self._host) if type(error).__name__ == "ClientConnectorDNSError" else None
        return "" if region is None else f"the region {region} may not exist"
