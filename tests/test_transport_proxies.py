"""Which requests go through a proxy, and what a proxy that fails proves."""

import pytest
from scripted_server import OK, close, connected, free_port, get, no_proxies, post, serving
from yarl import URL

from batcher.edges.transport.session import _proxy
from batcher.model import Fault, Lost, Reply
from batcher.rules.service.credentials import METADATA


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
            "service.invalid:443: the proxy cannot connect to the server",
        ),
        (close, "service.invalid:443: the connection was closed before the answer arrived"),
    ],
)
async def test_a_proxy_that_does_not_connect_leaves_the_request_unreached(monkeypatch, act, detail):
    no_proxies(monkeypatch)
    async with serving(act) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        async with connected("https://service.invalid") as transport:
            assert await post(transport) == Lost(Fault.UNREACHED, detail)
    assert server.requests[0].startswith(b"CONNECT service.invalid:443 HTTP/1.1\r\n")


async def test_a_proxy_that_is_not_there_is_named(monkeypatch):
    no_proxies(monkeypatch)
    port = free_port()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    async with connected("http://service.invalid") as transport:
        assert await post(transport) == Lost(
            Fault.UNREACHED, f"127.0.0.1:{port}: no connection to the proxy: connection refused"
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
    assert _proxy(URL("http://service.invalid")) == "http://127.0.0.1:1"
    assert _proxy(URL(METADATA)) is None


async def test_loopback_never_goes_through_a_proxy(monkeypatch):
    no_proxies(monkeypatch)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving(OK) as server, connected(server.url) as transport:
        assert await get(transport) == Reply(200, {"Content-Length": "2"}, b"{}")
