"""The page of a run while it lasts: who may see it, what it names, what it costs, and what a browser makes of it."""

import asyncio
import json
import re
import socket
import threading
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from test_metrics import FIGURED, begin
from test_report import JOB, NOW, known
from test_report_page import CHROMIUM, HOSTILE

from batcher.app.live import LivePage
from batcher.app.live_page import page_of_shards
from batcher.edges.report import LIVE_POLICY, render
from batcher.edges.web import Site, is_named, serving
from batcher.model import Record, Status
from batcher.options.verbs import RunOptions
from batcher.rules.records.codec import timestamp
from batcher.rules.report.live import Live, counts_of, live_page, without_names

ADDRESS = re.compile(r"page on (http://127\.0\.0\.1:(\d+))/, with names of objects on \1/([\w-]{22})/\n")


def content(live):
    return live_page(known(counts_of(FIGURED, 0), running=True), FIGURED, live)


def failing(row, name, code="SYS.0015", message="m", status=Status.REJECTED):
    error = {"code": code, "message": message}
    return Record(row, "b", name, status, error=error, request_id="r", recorded_at=timestamp(NOW))


def ask(url, method="GET", **headers):
    """Give the status, the headers and the body of an answer."""
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def raw(port, request):
    """Send bytes, and give the status that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as answer:
            return int(answer.readline().split()[1])


@pytest.fixture
async def site():
    """Serve a page, and give its address, its secret and its port."""
    live = Live()
    live.recorded([failing(7, "in/clip.mp4")])
    page = LivePage(lambda: content(live))
    async with serving(Site(lambda _: ("text/plain", b"m 1\n"), page.html, LIVE_POLICY), "127.0.0.1", 0) as address:
        yield address.url, address.secret, int(address.url.rpartition(":")[2])


async def test_figures_are_at_the_root_and_names_only_under_the_secret(site):
    url, secret, _ = site
    status, headers, plain = await asyncio.to_thread(ask, f"{url}/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"SYS.0015" in plain
    assert b"clip.mp4" not in plain
    status, _, named = await asyncio.to_thread(ask, f"{url}/{secret}/")
    assert (status, b"in/clip.mp4" in named) == (200, True)
    assert secret.encode() not in plain + named
    for path in (secret, f"{secret[:-1]}/", f"{secret}x/", f"{secret}/../", "x/", "", "index.html", "%2e/"):
        status, _, body = await asyncio.to_thread(ask, f"{url}/{path}")
        assert (status, b"clip.mp4" in body) == (200 if path == "" else 404, False)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
async def test_nothing_can_be_asked_but_to_look(site, method):
    for path in ("/", "/metrics", f"/{site[1]}/"):
        status, headers, _ = await asyncio.to_thread(ask, site[0] + path, method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
    status, headers, body = await asyncio.to_thread(ask, f"{site[0]}/", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 1000


async def test_every_answer_forbids_a_browser_what_a_page_of_figures_does_not_need(site):
    url, secret, _ = site
    for path in ("/", f"/{secret}/", "/metrics", "/nothing"):
        _, headers, _ = await asyncio.to_thread(ask, url + path)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        policy = dict(each.strip().partition(" ")[::2] for each in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
        assert "unsafe" not in policy.get("script-src", "")


async def test_a_page_is_for_its_own_names_and_metrics_are_for_any(site):
    url, secret, port = site
    for host, status in (("evil.example", 421), (f"localhost:{port}", 200), ("localhost.evil.example", 421)):
        for path in ("/", f"/{secret}/"):
            assert (await asyncio.to_thread(ask, url + path, Host=host))[0] == status
    assert (await asyncio.to_thread(ask, f"{url}/metrics", Host="prometheus.example"))[0] == 200
    for request, status in (
        (b"GET / HTTP/1.0\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 421),
        (b"GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        (b"\x00\xff nonsense\r\n\r\n", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
    ):
        assert await asyncio.to_thread(raw, port, request) == status


@pytest.mark.parametrize(
    ("host", "bound", "reached", "good"),
    [
        ("127.0.0.1:9464", "127.0.0.1", "127.0.0.1", True),
        ("LOCALHOST", "127.0.0.1", "127.0.0.1", True),
        ("[::1]:9464", "::1", "::1", True),
        ("10.0.0.5:9464", "127.0.0.1", "127.0.0.1", False),
        ("10.0.0.5:9464", "10.0.0.5", "10.0.0.5", True),
        ("10.0.0.6:9464", "10.0.0.5", "10.0.0.5", False),
        ("host.example:9464", "host.example", "10.0.0.5", True),
        ("other.example:9464", "host.example", "10.0.0.5", False),
        ("10.0.0.9", "0.0.0.0", "172.17.0.2", True),
        ("evil.example", "0.0.0.0", "172.17.0.2", False),
        ("evil.example", "::", "::1", False),
        ("127.0.0.1.evil.example", "127.0.0.1", "127.0.0.1", False),
        ("", "", "127.0.0.1", False),
        ("localhost@evil.example", "127.0.0.1", "127.0.0.1", False),
    ],
)
def test_a_host_is_a_name_of_this_machine_or_the_address_that_is_bound(host, bound, reached, good):
    assert is_named(host, bound, reached) is good


def test_a_page_without_names_has_no_text_of_a_key_a_message_or_a_path():
    live = Live()
    live.look(FIGURED, NOW)
    live.started(0.1)
    live.recorded([failing(1, "SECRETKEY", "SECRETKEY.mp4", "SECRETKEY is bad")])
    live.recorded([failing(2, "SECRETKEY", status=Status.IN_DOUBT), Record(3, "b", "SECRETKEY", Status.STARTED, "e")])
    live.look(FIGURED, NOW + 1)
    named = content(live)
    assert render(named).count(b"SECRETKEY") > 5
    page = render(without_names(named)).decode()
    assert "SECRETKEY" not in page
    assert "/m/" not in page
    assert f"batcher pause &#39;{JOB.checkpoint.rpartition('/')[2]}&#39;" in page
    live.settled([2], [])
    assert content(live).doubts.named == []


def test_what_a_run_shows_is_bounded_and_the_latest_comes_first():
    live = Live()
    live.recorded([failing(row, f"k{row}", status=Status.IN_DOUBT) for row in range(1000)])
    page = content(live)
    assert [each.example.row for each in page.latest] == [*range(999, 989, -1)]
    assert len(page.doubts.named) == 100
    assert page.records == 1000


async def test_many_clients_get_one_page_a_second_at_most_and_do_not_wait_for_a_busy_run(site):
    url, secret, port = site
    made = []

    def make():
        made.append(threading.current_thread())
        return content(Live())

    page = LivePage(make)
    pages = await asyncio.gather(*(asyncio.to_thread(page.html, index % 2 == 0) for index in range(200)))
    assert len({*pages}) == 2
    assert len(made) == 1
    assert made[0] is threading.main_thread()
    hung = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
    answers = await asyncio.gather(*(asyncio.to_thread(ask, f"{url}/{secret}/") for _ in range(100)))
    assert {status for status, *_ in answers} <= {200, 503}
    assert sum(status == 200 for status, *_ in answers) > 30
    for each in hung:
        each.close()


async def test_the_secret_is_said_at_the_start_and_written_nowhere(emulator, tmp_path):
    service = await emulator()
    (tmp_path / "m.txt").write_text("".join(f"o{number}\n" for number in range(10_000)))
    words = ("--max-rate", "200", "--metrics-port", "0", "--log-file", "r.log", "--log-level", "debug")
    process = await begin(tmp_path, "-e", service.url, *words, "--metrics-file", "m.prom")
    await process.stderr.readline()
    url, _, secret = ADDRESS.fullmatch((await process.stderr.readline()).decode().removeprefix("batcher: ")).groups()
    status, _, body = await asyncio.to_thread(ask, f"{url}/{secret}/")
    assert (status, b"m.txt.checkpoint" in body) == (200, True)
    process.terminate()
    await process.communicate()
    for path in tmp_path.iterdir():
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


class Browser:
    """A tab of a headless browser, over https://chromedevtools.github.io/devtools-protocol/: what it did, and asked."""

    def __init__(self, socket):
        self._socket = socket
        self._number = 0
        self.asked, self.noise = [], []

    async def call(self, method, **parameters):
        """Call a method, and take note of the events until it answers."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == self._number:
                return message.get("result", message)
            self._note(message["method"], message.get("params", {}))

    def _note(self, event, told):
        if event == "Network.requestWillBeSent":
            self.asked.append(told["request"]["url"])
        elif event in {"Runtime.exceptionThrown", "Page.javascriptDialogOpening", "Runtime.consoleAPICalled"}:
            self.noise.append(told)
        elif event == "Log.entryAdded":
            self.noise.append(told["entry"]["text"])

    async def value(self, expression):
        """Evaluate an expression, and wait for it if it is a promise."""
        ran = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in ran, ran
        return ran["result"].get("value")


@asynccontextmanager
async def browsing(folder):
    """Start a headless browser, and yield a tab of it."""
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        "--remote-debugging-port=0", "--remote-allow-origins=*", "about:blank",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        while not (found := re.search(rb"ws://([\d.:]+)/", await process.stderr.readline())):
            pass
        tabs = json.loads((await asyncio.to_thread(ask, f"http://{found[1].decode()}/json"))[2])
        address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket_:
            browser = Browser(socket_)
            for domain in ("Network", "Runtime", "Log", "Page"):
                await browser.call(f"{domain}.enable")
            yield browser
    finally:
        process.kill()
        await process.wait()


RENEWED = """new Promise((done) => new MutationObserver((_, seen) => { seen.disconnect(); done(1); })
    .observe(document.body, { childList: true }))"""
"""Resolves when the page has renewed itself."""
STARTED = "+document.getElementById('total-started').textContent.replaceAll(',', '')"


@pytest.mark.long(small=0)
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian's package of that name)")
async def test_in_a_browser_the_figures_of_a_real_run_grow_and_its_hostile_keys_run_nothing(emulator, tmp_path):
    service = await emulator(reject_share=0.3, seed=3)
    keys = [f"{HOSTILE[number % 4]}{number}" for number in range(20_000)]
    (tmp_path / "m.txt").write_text("".join(json.dumps({"object": key}) + "\n" for key in keys))
    words = ("--format", "jsonl", "-e", service.url, "--max-rate", "100", "--metrics-port", "0", "--yes")
    process = await begin(tmp_path, *words)
    await process.stderr.readline()
    said = (await process.stderr.readline()).decode().removeprefix("batcher: ")
    url, _, secret = ADDRESS.fullmatch(said).groups()
    async with browsing(tmp_path) as browser:
        for path in ("/", f"/{secret}/"):
            await browser.call("Page.navigate", url=url + path)
            await browser.value("new Promise((done) => setTimeout(done, 500))")
            seen = {await browser.value(STARTED)}
            while len(seen) < 3:
                await browser.value(RENEWED)
                seen.add(await browser.value(STARTED))
            assert await browser.value("[window.x, window.owned, document.scripts.length].join()") == ",,1"
            assert (await browser.value("document.title")).startswith("transcode: ")
            text = await browser.value("document.body.innerText")
            assert ("<script>document.title='owned'" in text) is (path != "/")
            assert await browser.value("document.querySelectorAll('img, iframe, link, main script').length") == 0
        asked = [*browser.asked]
        # What a key would have to do to run: the page's policy forbids it, not only the escapes.
        await browser.value("document.querySelector('main').innerHTML += '<img src=x onerror=window.x=1>'")
        await browser.value("new Promise((done) => setTimeout(done, 300))")
        assert await browser.value("window.x") is None
    assert {*asked} == {f"{url}/", f"{url}/{secret}/"}
    assert len(asked) > 4
    assert [each for each in browser.noise if "Content Security Policy" not in str(each)] == []
    process.terminate()
    await process.communicate()


def test_the_page_of_several_processes_counts_their_starts_and_does_not_claim_that_there_were_no_errors():
    live = Live()
    for second, starts in enumerate((0, 5, 12, 12)):
        live.starts = starts
        live.look(FIGURED, NOW + second)
    options = RunOptions(manifest=Path("m.csv"), workflow="transcode", endpoint="https://obs.x.com", run_dir=Path("r"))
    page = page_of_shards(options, lambda: FIGURED, lambda: NOW, live)
    assert [moment.rate for moment in page.curves.moments] == [0, 5, 7, 0]
    assert [command.command.split()[1] for command in page.commands] == ["rate", "pause", "resume", "drain"]
    text = render(without_names(page)).decode()
    assert "4 of about 40 rows started (10.0%)" in text
    assert "No errors" not in text
    assert "No row was in doubt" not in text
