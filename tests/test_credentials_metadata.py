"""The keys of an ECS's agency, asked of an emulated metadata service over real sockets."""

from contextlib import asynccontextmanager

import pytest
from metadata import TOKEN, VARIANTS, lent, metadata_service

from batcher.edges.credentials import Found
from batcher.edges.credentials.metadata import in_metadata
from batcher.edges.transport import connect
from batcher.errors import CredentialsError
from batcher.model import Credentials

AT_ONCE = (0.0, 0.0)
KEYS = lent("AK", "SK", "T")


@asynccontextmanager
async def asking():
    """Give the service, and the look for keys that asks it."""
    async with metadata_service() as service, connect(service.url, connections=1, timeout=30.0) as transport:

        async def look():
            return await in_metadata(transport.send, AT_ONCE)

        yield service, look


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_service_that_requires_its_token_gets_it_in_either_variant(variant):
    async with asking() as (service, look):
        service.variant, service.keys = variant, [KEYS]
        found = await look()
    assert found.credentials == Credentials("AK", "SK", "T")
    assert found.credentials.expires_at == 1795552200.587  # 2026-11-24 20:30:00.587 UTC
    put, get, _ = service.asked
    assert (put.method, put.path) == ("PUT", "/meta-data/latest/api/token")
    assert get.headers[VARIANTS[variant][1]] == TOKEN


@pytest.mark.parametrize("status", [404, 405, 503, 400, 403])
async def test_a_service_that_knows_no_token_is_asked_without_one(status):
    async with asking() as (service, look):
        service.no_token, service.keys = status, [KEYS]
        found = await look()
    assert found.credentials == Credentials("AK", "SK", "T")
    assert not {"X-Metadata-Token", "X-securitykey-Token"} & set(service.asked[1].headers)


async def test_the_source_names_the_agency_where_the_server_tells_it():
    async with asking() as (service, look):
        service.keys = [KEYS]
        assert (await look()).credentials.source == "ECS agency"
        service.agency = "transcoder"
        assert (await look()).credentials.source == "ECS agency transcoder"
        service.agency = "a name\nwith a line break"
        assert (await look()).credentials.source == "ECS agency"


async def test_the_keys_are_asked_for_again_on_request():
    async with asking() as (service, look):
        service.keys = [KEYS]
        found = await look()
        service.keys = [lent("AK2", "SK2", "T2", "2026-11-25T08:30:00Z")]
        renewed = await found.renew()
        assert (renewed, renewed.expires_at) == (Credentials("AK2", "SK2", "T2"), 1795595400.0)
        service.keys = []
        with pytest.raises(CredentialsError, match="HTTP 404"):
            await found.renew()


async def test_an_ecs_without_an_agency_is_told():
    async with asking() as (service, look):
        said = await look()
        assert said == "the ECS metadata service has no credentials (HTTP 404); check that the ECS has an agency"
        assert service.times == 1


@pytest.mark.parametrize("troubles", [[500], [503, 429]])
async def test_a_service_in_trouble_is_asked_again(troubles):
    async with asking() as (service, look):
        service.keys, service.troubles = [KEYS], list(troubles)
        assert isinstance(await look(), Found)
        assert service.times == len(troubles) + 1


async def test_a_service_in_lasting_trouble_is_asked_three_times():
    async with asking() as (service, look):
        service.keys, service.troubles = [KEYS], [500] * 9
        assert "HTTP 500" in await look()
        assert service.times == 3


async def test_where_nothing_listens_there_is_no_ecs_and_nothing_is_asked_again():
    async with connect("http://127.0.0.1:1", connections=1, timeout=30.0) as transport:
        told = await in_metadata(transport.send, (30.0, 30.0))
    assert told == "no answer from the ECS metadata service (127.0.0.1:1: no connection: connection refused)"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>SECRET</html>",
        b"[]",
        b'"SECRET"',
        b'{"credential": "SECRET"}',
        b'{"credential": {"access": "AK", "secret": "SECRET"}}',
        b'{"credential": {"access": "AK", "secret": 5, "securitytoken": "SECRET"}}',
        b'{"credential": {"access": "AK", "secret": "", "securitytoken": "SECRET"}}',
        b'{"credential": {"access": "AK", "secret": "SECRET\\n", "securitytoken": "T"}}',
        b"\xff\xfe",
    ],
)
async def test_an_answer_that_holds_no_keys_is_told_without_showing_it(answer):
    async with asking() as (service, look):
        service.keys = [answer]
        assert await look() == "the answer of the ECS metadata service contains no credentials"


@pytest.mark.parametrize("end", ["", "soon", "2026-13-45T00:00:00Z"])
async def test_keys_whose_end_cannot_be_read_are_keys_all_the_same(end):
    async with asking() as (service, look):
        service.keys = [lent("AK", "SK", "T", end)]
        found = await look()
    assert (found.credentials, found.credentials.expires_at) == (Credentials("AK", "SK", "T"), None)
