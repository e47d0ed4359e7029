"""Which certificates are trusted, and that a cancelled request hangs up, with TLS and without."""

import asyncio

import pytest
import trustme
from scripted_server import (
    OK,
    client_side,
    connected,
    hang,
    post,
    server_side,
    serving,
)

from batcher.edges.transport.trust import check_key_log
from batcher.errors import UsageError
from batcher.model import Fault

# Certificates


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


async def test_a_certificate_of_an_unknown_authority_is_untrusted(authority):
    async with (
        serving(OK, tls=server_side(authority)) as server,
        connected(f"https://{server.host}") as transport,
    ):
        lost = await post(transport)
        assert lost.fault is Fault.UNTRUSTED
        assert lost.detail.startswith(f"{server.host}: the server's TLS certificate is not trusted: ")
        assert "certificate" in lost.detail.rpartition(": ")[2]
        assert server.requests == []


async def test_a_certificate_for_another_host_is_untrusted(authority):
    async with (
        serving(OK, tls=server_side(authority, "other.example")) as server,
        connected(f"https://{server.host}", ssl_context=client_side(authority)) as transport,
    ):
        lost = await post(transport)
        assert lost.fault is Fault.UNTRUSTED
        assert "IP address mismatch" in lost.detail


async def test_a_certificate_of_a_trusted_authority_is_good(authority):
    async with (
        serving(OK, OK, tls=server_side(authority)) as server,
        connected(f"https://{server.host}", ssl_context=client_side(authority)) as transport,
    ):
        assert [(await post(transport)).status, (await post(transport)).status] == [200, 200]
        assert len(server.connections) == 1


async def test_a_private_authority_is_trusted_beside_the_systems_by_a_file(authority, tmp_path):
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    async with (
        serving(OK, tls=server_side(authority)) as server,
        connected(f"https://{server.host}", verify_tls=bundle) as transport,
    ):
        assert (await post(transport)).status == 200


@pytest.mark.parametrize(("content", "fault"), [(None, "no such file"), (b"", "no certificates in PEM form")])
async def test_a_file_without_authorities_is_refused_before_anything_is_sent(tmp_path, content, fault):
    bundle = tmp_path / "authority.pem"
    if content is not None:
        bundle.write_bytes(content)
    with pytest.raises(UsageError, match=f"--ca-bundle {bundle}: {fault}"):
        async with connected("https://127.0.0.1:1", verify_tls=bundle):
            pass


async def test_a_variable_that_hides_the_trusted_certificates_is_named(authority, monkeypatch, tmp_path):
    (tmp_path / "empty").touch()
    cases = (
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "which is not a file"),
        ("SSL_CERT_FILE", str(tmp_path / "empty"), "which has no certificates in PEM form"),
        ("SSL_CERT_DIR", "/nowhere/certs:/nor/here", "which is not a folder"),
    )
    async with serving(*[OK] * 3, tls=server_side(authority)) as server:
        for variable, value, fault in cases:
            with monkeypatch.context() as patched:
                patched.setenv(variable, value)
                async with connected(f"https://{server.host}") as transport:
                    lost = await post(transport)
            assert lost.fault is Fault.UNTRUSTED
            assert lost.detail.endswith(f" ({variable} names {value}, {fault})")


def test_a_log_of_keys_that_cannot_be_written_is_named(tmp_path):
    check_key_log({})
    check_key_log({"SSLKEYLOGFILE": str(tmp_path / "keys")})
    for path, fault in ((tmp_path / "no" / "keys", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(UsageError, match=f"SSLKEYLOGFILE names {path}, which cannot be written: {fault}"):
            check_key_log({"SSLKEYLOGFILE": str(path)})


async def test_without_verification_any_certificate_will_do(authority):
    async with (
        serving(OK, tls=server_side(authority)) as server,
        connected(f"https://{server.host}", verify_tls=False) as transport,
    ):
        assert (await post(transport)).status == 200


async def test_a_server_that_does_not_speak_tls_is_unreached():
    async def greet(_reader, writer):
        writer.write(b"220 this is not TLS\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, connected(f"https://127.0.0.1:{port}") as transport:
        lost = await post(transport)
    assert lost.fault is Fault.UNREACHED
    assert lost.detail == (
        f"127.0.0.1:{port}: the TLS handshake failed: the other side does not speak TLS; check the scheme and the port"
    )


# Cancelling


@pytest.mark.parametrize("tls", [False, True])
async def test_a_cancelled_request_hangs_up_and_gives_its_place_back(authority, tls):
    secured = {"ssl_context": client_side(authority)} if tls else {}
    async with serving(hang, OK, tls=server_side(authority) if tls else None) as server:
        url = f"https://{server.host}" if tls else server.url
        async with connected(url, **secured) as transport:
            sending = asyncio.create_task(post(transport))
            await server.arrived.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await server.left.wait()
            assert not transport._session.connector._acquired
            assert (await post(transport)).status == 200
        assert len(server.connections) == 2
