"""What the tests share: the made-up keys, a service to talk to, in this process or in its own, and a signed call.

And how much of the long repetitions is run: `--size`.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import tempfile
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import NamedTuple

import aiofastnet
import aiohttp
import hypothesis
import pytest
import uvloop
from launching import UNBUFFERED, Process
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
ON_EVERY_LOOP = {
    "test_control",
    "test_kept",
    "test_transport",
    "test_transport_failures",
    "test_transport_proxies",
    "test_transport_tls",
}


def pytest_asyncio_loop_factories(config, item):  # noqa: ARG001 - as pytest-asyncio calls it
    """Run what depends on the event loop's transports on each that the command may run on, all else on Python's own."""
    return LOOPS if item.module.__name__ in ON_EVERY_LOOP else {"asyncio": asyncio.new_event_loop}


EXAMPLES = {"small": 100, "ci": 300, "full": 10_000}
"""How many examples Hypothesis draws, where the test has no number of its own, by the size."""
SEED = 15
"""What the shares of the repetitions are drawn by: the same ones each time."""


def pytest_addoption(parser):
    text = "run a small share of the long repetitions, a larger one, or all of them (`make verify`)"
    parser.addoption("--size", choices=EXAMPLES, default="small", help=text)


def pytest_configure(config):
    text = "long(small, ci): a long repetition; the shares of it that are run at these sizes (see `share`)"
    config.addinivalue_line("markers", text)
    size = config.getoption("size")
    profile = f"batcher {size}"
    given = hypothesis.settings.default
    hypothesis.settings.register_profile(profile, given, max_examples=EXAMPLES[size], deadline=None)
    hypothesis.settings.load_profile(profile)
    # No test trusts a public authority, and to read them all takes each command 40 ms.
    os.environ["SSL_CERT_FILE"] = os.devnull
    # No test leaves a witness in the home of the person who runs it.
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="batcher-state-")
    # A user's command buffers what it writes.
    os.environ.pop(UNBUFFERED, None)
    # Where the tests themselves run under nohup, or as a job of a shell script: the commands would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_unconfigure(config):  # noqa: ARG001 - as pytest calls it
    shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)


def pytest_report_header(config):
    size = config.getoption("size")
    return "size: full" if size == "full" else f"size: {size}, shares drawn by the seed {SEED}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Leave out what is beyond the share of a long test: some of its cases, or all of it. `-m long` selects those."""
    size = config.getoption("size")
    cases = {}
    for item in items:
        if hypothesis.is_hypothesis_test(item.obj):
            item.add_marker("long")
            continue
        marker = item.get_closest_marker("long")
        if marker and ("share" not in item.fixturenames or not marker.kwargs.get(size, 1)):
            cases.setdefault((item.module, item.originalname), []).append(item)
    kept = {item for each in cases.values() for item in drawn(each, size, each[0].get_closest_marker("long"))}
    left_out = {item for each in cases.values() for item in each} - kept
    if left_out:
        config.hook.pytest_deselected(items=[*left_out])
        items[:] = [item for item in items if item not in left_out]


def drawn(repetitions, size, marker):
    """Draw the share that is run at this size: at least one, unless it is 0. They keep their order."""
    repetitions = list(repetitions)
    part = marker.kwargs.get(size, 1)
    count = part and max(1, round(len(repetitions) * part))
    numbers = random.Random(SEED).sample(range(len(repetitions)), count)
    return [repetitions[number] for number in sorted(numbers)]


@pytest.fixture
def share(request):
    """Draw the share of its repetitions that a test marked `long` runs: `for cut in share(range(4096))`."""
    size, marker = request.config.getoption("size"), request.node.get_closest_marker("long")
    return lambda repetitions: drawn(repetitions, size, marker)


@pytest.fixture
def written(tmp_path):
    """Writes a manifest and gives its path."""

    def write(content, name="objects.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


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
    process: Process
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
            with errors.open("w") as stderr:
                process = Process(["emulator", *options], environment, Path.cwd(), stderr)
            stack.callback(_end, process)
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:"), errors.read_text()
            return Running(process, line.removeprefix("listening on ").strip(), errors)

        yield start


def _end(process):
    process.terminate()
    process.wait(timeout=30)
    process.stdout.close()
