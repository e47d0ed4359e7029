"""What the tests share: the made-up keys, a service to talk to, in this process or in its own, and a signed call."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import AsyncExitStack, ExitStack
from typing import NamedTuple

import aiofastnet
import aiohttp
import pytest
import uvloop
from yarl import URL

from batcher.emulator.server import serve
from batcher.emulator.settings import Declared, ParameterType, Settings
from batcher.model import Credentials
from batcher.rules.service.signing import signed_headers, wire_query

AK = "EXAMPLEAK0123456789A"
SK = "ExampleSecretKey/abc+DEF0123456789xyzWXYZ"
TOKEN = "ggpjbi1ub3J0aC00EXAMPLETOKEN//abc+def=="
CREDENTIALS = Credentials(AK, SK)
PARAMETERS = {
    "template-id": Declared(ParameterType.INTEGER, "7000524"),
    "note": Declared(ParameterType.STRING, "hello"),
    "speed": Declared(ParameterType.FLOAT, "1"),
    "loud": Declared(ParameterType.BOOLEAN, "false"),
    "sizes": Declared(ParameterType.LIST, "[]"),
    "labels": Declared(ParameterType.MAP, "{}"),
}
KEYS = {"OBS_ACCESS_KEY_ID": AK, "OBS_SECRET_ACCESS_KEY": SK}

LOOPS = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
    "uvloop-aiofastnet": aiofastnet.loop_factory(uvloop.new_event_loop),
}
ON_EVERY_LOOP = {"test_control", "test_kept", "test_transport"}


def pytest_asyncio_loop_factories(config, item):  # noqa: ARG001 - as pytest-asyncio calls it
    """Run what depends on the event loop's transports on each that the command may run on, all else on Python's own."""
    return LOOPS if item.module.__name__ in ON_EVERY_LOOP else {"asyncio": asyncio.new_event_loop}


class Clock:
    """A clock that only moves when a test moves it."""

    def __init__(self, now=1_795_509_000.123):
        self.now = now

    def __call__(self):
        return self.now


class Called(NamedTuple):
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@pytest.fixture
async def emulator():
    """Start emulators in this process: `service = await emulator(rate=5)`. The arguments are those of Settings."""
    async with AsyncExitStack() as stack:

        async def start(**options):
            known = {"credentials": CREDENTIALS, "workflows": {"transcode": PARAMETERS}}
            return await stack.enter_async_context(serve(Settings(**known | options)))

        yield start


@pytest.fixture
async def call():
    """Send one signed request: `answer = await call(service, "POST", "/v2/workflows/transcode", body={...})`."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def send(service, method, path, query=(), *, body=None, credentials=CREDENTIALS, headers=None, now=None):
            query = tuple(query)
            now = service.settings.clock() if now is None else now
            signed = signed_headers(credentials, method, path, query, now=now) | (headers or {})
            data = body if isinstance(body, bytes | None) else json.dumps(body, ensure_ascii=False).encode()
            url = URL(service.url + path + wire_query(query), encoded=True)
            async with session.request(method, url, headers=signed, data=data) as response:
                return Called(response.status, dict(response.headers), await response.read())

        yield send


class Running(NamedTuple):
    process: subprocess.Popen
    url: str
    errors: os.PathLike

    def end(self):
        """Terminate it, and give the exit code, what else it printed and what it said on stderr."""
        self.process.terminate()
        rest = self.process.stdout.read()
        return self.process.wait(timeout=30), rest, self.errors.read_text()


@pytest.fixture
def emulator_process(tmp_path):
    """Start the real command: `running = emulator_process("--rate", "5")`, with the keys above or `keys`."""
    with ExitStack() as stack:

        def start(*options, keys=KEYS):
            errors = tmp_path / f"emulator-{len(list(tmp_path.glob('emulator-*.err')))}.err"
            environment = {name: value for name, value in os.environ.items() if not name.startswith("OBS_")} | keys
            command = [sys.executable, "-m", "batcher", "emulator", *options]
            stderr = stack.enter_context(errors.open("w"))
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)
            stack.callback(_end, process)
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:"), errors.read_text()
            return Running(process, line.removeprefix("listening on ").strip(), errors)

        yield start


def _end(process):
    process.terminate()
    process.wait(timeout=30)
    process.stdout.close()
