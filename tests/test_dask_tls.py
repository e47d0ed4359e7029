"""`run --engine dask` over mutual TLS, with certificates of an authority of its own, on real connections."""

import asyncio
import socket
import ssl
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from dask_cluster import cluster
from test_after import started
from test_command import ENVIRONMENT, batcher
from test_shard_runs import folder, words, write  # noqa: F401 - the folder is a fixture

ROWS = [f"in/{number}" for number in range(120)]
KEYLESS = {name: None for name in ENVIRONMENT if name.startswith("OBS_")}
SECRET = ENVIRONMENT["OBS_SECRET_ACCESS_KEY"].encode()


def certified(authority, place):
    """Write a certificate of an authority. Give the settings of Dask that use it on all sides."""
    place.mkdir()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(place / "ca.pem")
    certificate.private_key_pem.write_to_path(place / "key.pem")
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(place / "cert.pem", append=number > 0)
    prefix = "DASK_DISTRIBUTED__COMM__TLS__"
    sides = ((side, file) for side in ("SCHEDULER", "WORKER", "CLIENT") for file in ("cert", "key"))
    files = {f"{prefix}{side}__{file.upper()}": str(place / f"{file}.pem") for side, file in sides}
    return {f"{prefix}CA_FILE": str(place / "ca.pem"), **files}


async def run(command, environment):
    """Run the command in a Python of its own: one that has imported Dask keeps the settings that it found then."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "batcher", *command), env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    return process.returncode, said.decode()


def trusting(place, *, has_certificate):
    """Give the context of a client that knows the authority, with a certificate of it or without."""
    context = ssl.create_default_context(cafile=place / "ca.pem")
    if has_certificate:
        context.load_cert_chain(place / "cert.pem", place / "key.pem")
    return context


def first_words(port, context):
    """Give what a server says first over TLS, or without it, to a client that says nothing. Empty if it refuses."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as bare, suppress(OSError):
        connection = context.wrap_socket(bare, server_hostname="127.0.0.1") if context else bare
        with connection:
            return connection.recv(1)
    return b""


def has_in_memory(pid, text):
    """Return whether a process has a text anywhere in what it may write to."""
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, rights, *_ = line.split()
            begin, end = (int(each, 16) for each in area.split("-"))
            if rights.startswith("rw") and "[v" not in line:
                memory.seek(begin)
                if text in memory.read(end - begin):
                    return True
    return False


@pytest.mark.long(small=0, ci=1 / 2)
async def test_only_who_has_a_certificate_reaches_the_workers_and_only_they_have_the_keys(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder / "m.txt", ROWS)
    own = certified(trustme.CA(), folder / "own")
    strange = certified(trustme.CA(), folder / "strange")
    async with cluster(folder, protocol="tls", of_workers=own, **KEYLESS, **own) as made:
        assert made.address.startswith("tls://127.0.0.1:")
        command = words(service, "m.txt", "--engine", "dask", "--scheduler", made.address)
        keyless = {name: value for name, value in ENVIRONMENT.items() if name not in KEYLESS}
        for certificates, code, said in (
            ({}, 2, "no certificates are configured"),
            (strange, 69, "Check the address"),
            # It knows the authority, but shows a certificate of another one.
            (strange | {name: own[name] for name in own if name.endswith("CA_FILE")}, 69, "Check the address"),
        ):
            ended = await run(command, keyless | certificates)
            assert (ended[0], said in ended[1]) == (code, True), ended
        port = int(made.address.rpartition(":")[2])
        assert await asyncio.to_thread(first_words, port, trusting(folder / "own", has_certificate=True))
        for context in (trusting(folder / "own", has_certificate=False), None):
            assert await asyncio.to_thread(first_words, port, context) == b""
        assert service.ledger.starts == []
        ended = await run(command, keyless | own)
        assert ended[0] == 0, ended
        assert started(service) == Counter(ROWS)
        # The paths that it was started with are there to be found.
        assert has_in_memory(made.scheduler.pid, str(folder).encode())
        assert not has_in_memory(made.scheduler.pid, SECRET)


@pytest.mark.long(small=0, ci=1 / 2)
async def test_a_worker_that_listens_to_all_without_tls_is_refused(folder, emulator):  # noqa: F811
    service = await emulator()
    write(folder / "m.txt", ROWS[:20])
    async with cluster(folder, workers=0) as made:
        # Dask's default: it shows the address of the interface towards the scheduler, and listens on all.
        await made.worker("--lifetime=1h")
        ran = await batcher(*words(service, "m.txt", "--engine", "dask", "--scheduler", made.address))
        assert (ran.code, "everyone who reaches port" in ran.stderr, service.ledger.starts) == (2, True, []), ran
