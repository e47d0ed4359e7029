"""The report's page in a real browser: what it shows, what it runs (nothing), and how it fits."""

import json
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from independent import judging
from test_command import batcher

from batcher.edges.checkpoint import glance
from batcher.emulator.faults import FaultKind
from batcher.emulator.settings import ThrottleAnswer
from batcher.model import Status

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian's package of that name)")

HOSTILE = [
    "<script>document.title='owned';console.error('owned')</script>",
    '"><img src=x onerror="document.title=\'owned\'">.mp4',
    "'+alert(1)+'{{ 7*7 }}{% raw %}&lt;b&gt;",
    "line\nbreak\r\n\u2028\u202egnp.exe\u2066\u05d0\u05d1\u05d2",
]
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(20, 23, 28)"


class Seen(HTMLParser):
    """A page as the browser has it: its elements, its texts by their ids, and what it wrote to the console."""

    def __init__(self, dom, console):
        super().__init__()
        self.console = console
        self.tags, self.attributes, self.texts = [], [], {"": ""}
        self._open = [""]
        self.feed(dom)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        name = dict(attributes).get("id", "title" if tag == "title" else "")
        self.texts.setdefault(name, "")
        if tag not in {"meta", "link", "br", "img"}:
            self._open.append(name)

    def handle_endtag(self, _):
        self._open.pop()

    def handle_data(self, data):
        self.texts[""] += data
        if self._open[-1]:
            self.texts[self._open[-1]] += data

    def number(self, name):
        return int(self.texts[name].replace(",", ""))


def seen(page, folder, *options):
    """Open a page in the browser, wait until it is loaded, and give what is there then."""
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        "--hide-scrollbars", "--enable-logging=stderr", "--allow-file-access-from-files",
        *options, "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    return Seen(ran.stdout, [line for line in ran.stderr.splitlines() if ":CONSOLE" in line])


def measured(page, folder, width, *options):
    """Give what a frame of this width says of a page: how wide it is, and its ground's colour."""
    frame = f"<iframe src={json.dumps(page.as_uri())} style='width:{width}px;height:900px;border:0'></iframe>"
    (folder / "frame.html").write_text(
        f"<!DOCTYPE html>{frame}"
        "<script>onload = () => { const page = document.querySelector('iframe').contentDocument;"
        " document.title = JSON.stringify([page.documentElement.scrollWidth,"
        " getComputedStyle(page.body).backgroundColor]) }</script>"
    )
    return json.loads(seen(folder / "frame.html", folder, *options).texts["title"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def reported(folder, emulator):
    """Run a job with failures and doubts, and give its page."""
    faults = {FaultKind("500-after"): 0.1, FaultKind("500"): 0.1}
    # so short a job finds a limit only if the service names it
    gateway = ThrottleAnswer.GATEWAY
    service = await emulator(reject_share=0.2, rate=30, burst=1, throttle_answer=gateway, seed=5, faults=faults)
    (folder / "m.txt").write_text("".join(f"in/{number % 3}/clip {number}\n" for number in range(100)) + "x" * 1100)
    command = ("run", "m.txt", "-w", "transcode", "-e", service.url, "-b", "videos", "--settle-time", "0.2")
    ran = await batcher(*command, "--on-doubt", "reconcile", "--report", "report.html")
    assert ran.code == 1, ran
    return folder / "report.html"


def test_the_browser_tells_of_a_script_that_runs(folder):
    (folder / "page.html").write_text(f"<title>page</title>{HOSTILE[0]}")
    told = seen(folder / "page.html", folder)
    assert told.texts["title"] == "owned"
    assert len(told.console) == 1
    assert "owned" in told.console[0]


async def test_the_figures_on_the_page_are_those_of_the_checkpoint_and_it_runs_nothing(folder, reported):
    page = seen(reported, folder)
    assert page.console == []
    counts = glance(folder / "m.txt.checkpoint").counts
    for status in Status:
        assert page.number(f"total-{status}") == counts[status]
    assert page.number("total") == counts.total() == 101
    lines = [json.loads(line) for line in (folder / "m.txt.executions.jsonl").read_bytes().splitlines()]
    adopted = sum(line.get("reconciled", False) for line in lines)
    doubts = sum(line["status"] == "in_doubt" for line in lines)
    assert adopted > 0
    assert (page.number("adopted"), page.number("released"), page.number("held")) == (adopted, doubts - adopted, 0)
    assert float(page.texts["limit"]) > 0
    assert page.tags.count("figure") == 2
    assert page.tags.count("h1") == page.tags.count("main") == 1
    assert "SYS.0015" in page.texts[""]
    rejected = next(line for line in lines if line["status"] == "rejected")
    assert rejected["request_id"] in page.texts[""]


async def test_the_page_asks_the_network_for_nothing(folder, reported):
    page = seen(reported, folder)
    assert {"script", "link", "img", "iframe", "object", "form"} & set(page.tags) == set()
    assert [value for name, value in page.attributes if name in {"src", "href", "action"}] == ["#rows"]
    assert "url(" not in reported.read_text()
    assert "@import" not in reported.read_text()
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


async def test_hostile_keys_and_answers_are_shown_and_never_run(folder):
    name = "<img src=x onerror=alert(1)>.jsonl"
    (folder / name).write_text("".join(json.dumps({"object": key}) + "\n" for key in HOSTILE[1:]))
    async with judging() as judge:
        told = json.dumps({"code": HOSTILE[0], "message": HOSTILE[1]}).encode()
        judge.answer_with = (404, told)
        await batcher("run", name, "-w", "transcode", "-e", judge.url, "-b", "videos", "--report", "report.html")
        assert len(judge.bodies) == len(HOSTILE[1:])
    page = seen(folder / "report.html", folder)
    assert page.console == []
    assert page.texts["title"] == "transcode: batcher report"
    assert {"script", "img"} & set(page.tags) == set()
    assert [name for name, _ in page.attributes if name.startswith("on")] == []
    for text in HOSTILE[:3]:
        assert text in page.texts[""]
    assert "line\\nbreak\\r\\n\\u2028\\u202egnp.exe\\u2066\u05d0\u05d1\u05d2" in page.texts[""]
    assert {"\u202e", "\u2066", "\u2028"} & set(page.texts[""]) == set()


async def test_the_page_fits_a_phone_and_follows_the_system_from_light_to_dark(folder, reported):
    assert measured(reported, folder, 360, "--blink-settings=preferredColorScheme=1") == [360, LIGHT]
    assert measured(reported, folder, 1200, "--blink-settings=preferredColorScheme=0") == [1200, DARK]


async def test_the_page_can_be_printed(folder, reported):
    seen(reported, folder, f"--print-to-pdf={folder / 'page.pdf'}")
    assert (folder / "page.pdf").read_bytes().startswith(b"%PDF-")
