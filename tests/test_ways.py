"""What is said at every start of the way that requests take."""

from batcher.app.service import Site, open_service
from batcher.app.voice import SAID, WARNING, Voice
from batcher.app.world import World
from batcher.flow.drain import Drain
from batcher.rules.service.obs_v2 import OBS_V2


async def said_of(monkeypatch, endpoint="https://obs.cn-north-4.myhuaweicloud.com", *, verify_tls=True, **environment):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = []
    world = World(Voice(lambda kind, text: said.append((kind, text))), {})
    async with open_service(Site(endpoint, "w", 1, 1.0, verify_tls), None, world, Drain(), world.voice.warn, OBS_V2):
        return said


async def test_a_direct_and_verified_way_is_not_worth_a_word(monkeypatch):
    assert await said_of(monkeypatch) == []
    assert await said_of(monkeypatch, "http://127.0.0.1:1", HTTP_PROXY="http://proxy:3128") == []


async def test_a_proxy_is_said_without_its_password(monkeypatch):
    (said,) = await said_of(monkeypatch, HTTPS_PROXY="http://me:hush@proxy:3128")
    assert said == (SAID, "requests go through the proxy http://proxy:3128, from HTTPS_PROXY")


async def test_a_certificate_that_is_not_verified_is_a_warning(monkeypatch):
    ((kind, text),) = await said_of(monkeypatch, verify_tls=False)
    assert kind == WARNING
    assert text.startswith("--no-verify-tls: the service's certificate is not verified")


async def test_requests_that_are_not_encrypted_are_a_warning_unless_they_stay_on_this_machine(monkeypatch):
    ((kind, text),) = await said_of(monkeypatch, "http://obs.example.com")
    assert (kind, text.partition(";")[0]) == (WARNING, "--allow-http: requests are not encrypted")
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert await said_of(monkeypatch, f"http://{host}:8080") == []
