"""Which requests go through a proxy, and what a proxy that fails proves."""

import pytest
from scripted_server import OK, close, connected, free_port, get, no_proxies, post, serving

from batcher.edges.transport import proxy_to
from batcher.model import Fault, Lost, Reply
from batcher.rules.service.credentials import METADATA
from batcher.rules.service.proxies import Proxy

UNPAID = "HTTP 407, it wants a user name and a password"


async def test_a_request_goes_through_the_proxy_that_the_environment_names(monkeypatch):
    no_proxies(monkeypatch)
    async with serving(OK) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        async with connected("http://service.invalid") as transport:
            assert (await get(transport)).status == 200
    assert server.requests[0].startswith(b"GET http://service.invalid/v2/workflows/demo HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("act", "detail"),
    [
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            "the proxy does not connect to the server: HTTP 403 (the proxy is that of HTTPS_PROXY)",
        ),
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            f"the proxy does not connect to the server: {UNPAID} (the proxy is that of HTTPS_PROXY)",
        ),
        (close, "the connection was closed before the answer arrived"),
    ],
)
async def test_a_proxy_that_does_not_connect_leaves_the_request_unreached(monkeypatch, act, detail):
    no_proxies(monkeypatch)
    async with serving(act) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        async with connected("https://service.invalid") as transport:
            assert await post(transport) == Lost(Fault.UNREACHED, f"service.invalid:443: {detail}")
    assert server.requests[0].startswith(b"CONNECT service.invalid:443 HTTP/1.1\r\n")


async def test_a_proxy_that_is_not_there_is_named(monkeypatch):
    no_proxies(monkeypatch)
    port = free_port()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    async with connected("http://service.invalid") as transport:
        assert await post(transport) == Lost(
            Fault.UNREACHED,
            f"127.0.0.1:{port}: no connection to the proxy: connection refused (the proxy is that of HTTP_PROXY)",
        )


async def test_a_host_excepted_from_the_proxy_is_asked_directly(monkeypatch):
    no_proxies(monkeypatch)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "service.invalid")
    async with connected("http://service.invalid") as transport:
        assert (await get(transport)).detail == "service.invalid:80: no address for host"


def test_the_metadata_service_never_stands_behind_a_proxy(monkeypatch):
    no_proxies(monkeypatch)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert proxy_to("http://service.invalid") == Proxy("http://127.0.0.1:1", "http://127.0.0.1:1", "HTTP_PROXY")
    assert proxy_to(METADATA) is None


async def test_loopback_never_goes_through_a_proxy(monkeypatch):
    no_proxies(monkeypatch)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving(OK) as server, connected(server.url) as transport:
        assert await get(transport) == Reply(200, {"Content-Length": "2"}, b"{}")
