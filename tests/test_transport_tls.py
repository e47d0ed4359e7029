"""Which certificates are trusted, and that a cancelled request hangs up, with TLS and without."""

import asyncio
import os
import subprocess
import sys

import pytest
import trustme
from conftest import KEYS
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


@pytest.mark.parametrize(("names", "code"), [("authority.pem", 0), (os.devnull, 69)])
async def test_a_command_trusts_the_authorities_of_the_system_and_no_other(authority, emulator, tmp_path, names, code):
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    service = await emulator(ssl_context=server_side(authority), workflows={"transcode": {}})
    (tmp_path / "keys.txt").write_text("a.mp4\nb.mp4\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "batcher", "run", "keys.txt", "-w", "transcode", "-b", "films", "-e", service.url),
        cwd=tmp_path, env=os.environ | KEYS | {"SSL_CERT_FILE": names}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    assert (process.returncode, sum(service.ledger.counts().values())) == (code, 0 if code else 2), errors.decode()
    assert (b"TLS certificate is not trusted" in errors) == (code != 0)


IMPORTING = """
import importlib, ssl, sys, threading
from batcher.app.process import import_client_beside
if sys.argv[1:]:
    import_client_beside()
meanwhile = ssl.create_default_context()
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join()
import batcher.edges.transport
from aiohttp.connector import _SSL_CONTEXT_VERIFIED
print(*(len(each.get_ca_certs()) for each in (meanwhile, ssl.create_default_context(), _SSL_CONTEXT_VERIFIED)))
"""
"""Imports the client beside what else happens, or as a library, and prints how many authorities three contexts have."""


@pytest.mark.parametrize(("how", "counts"), [(["beside"], "1 1 0\n"), ([], "1 1 1\n")])
def test_only_the_contexts_that_a_command_does_not_use_are_made_without_authorities(authority, tmp_path, how, counts):
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    environment = os.environ | {"SSL_CERT_FILE": str(tmp_path / "authority.pem")}
    said = subprocess.run([sys.executable, "-c", IMPORTING, *how], env=environment, capture_output=True, check=True)
    assert said.stdout.decode() == counts


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
