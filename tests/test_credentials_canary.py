"""Canaries: made-up secrets go through the real command to each of its ends, and nothing that is left may hold them.

Looked through are every file, what was said, and the process's command line; not its memory, nor the place of the keys.
"""

import asyncio
import base64
import json
import os
import resource
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
from independent import judging
from metadata import lent, metadata_service

ACCESS_KEY = "CANARYACCESSKEY4711Q"
SECRET_KEY = "canary-secret/Key+0123456789abcdefXYZ"
TOKEN = "canaryToken/gQpjbi1ub3J0aC00+Zm9vYmFy0123456789=="
PLACES = ("env", "file", "ecs")
BARE = {name: value for name, value in os.environ.items() if not name.startswith(("OBS_", "HW_", "HUAWEI", "BATCHER_"))}

BROKEN = """
import batcher.{module} as module

def broken(*args, **more):
    raise RuntimeError("broken on purpose")

module.{name} = broken
from batcher.cli.main import main

main()
"""


def traces(secret):
    """Give what would tell a secret: its beginning, its end, and the whole of it in the usual encodings."""
    raw = secret.encode()
    yield from (secret[:10], secret[-10:], quote(secret, safe=""), raw.hex(), raw.hex().upper())
    for shift in range(3):
        # Within a longer text the same bytes have one of three encodings; their edges depend on their neighbours.
        yield base64.b64encode(bytes(shift) + raw).decode()[4:-4]
        yield base64.urlsafe_b64encode(bytes(shift) + raw).decode()[4:-4]


NEEDLES = [trace.encode() for secret in (SECRET_KEY, TOKEN) for trace in traces(secret)]
NEEDLES += [ACCESS_KEY[:8].encode(), ACCESS_KEY[-5:].encode()]


class Left:
    """What an ended process has left behind."""

    def __init__(self, code, said, command_line, folder):
        self.code, self.said = code, said
        self.texts = {"said": said, "command line": command_line}
        self.texts |= {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def hits(self, *, but=()):
        return [
            (where, needle)
            for where, text in self.texts.items()
            if where not in but
            for needle in NEEDLES
            if needle in text
        ]


class Aviary:
    """The start service, the metadata service, and a folder that is both the home and where the command runs."""

    def __init__(self, folder, judge, metadata):
        self.folder, self.judge, self.metadata = folder, judge, metadata
        self.file = folder / ".huaweicloud" / "credentials"
        judge.keys = {ACCESS_KEY: (SECRET_KEY, TOKEN)}
        (folder / "m.txt").write_text("".join(f"o{number}\n" for number in range(200)))

    def environment(self, place):
        """Put the keys into their place."""
        known = {"HOME": str(self.folder), "BATCHER_METADATA_URL": self.metadata.url, "PYTHONFAULTHANDLER": "1"}
        keys = {"OBS_ACCESS_KEY_ID": ACCESS_KEY, "OBS_SECRET_ACCESS_KEY": SECRET_KEY, "OBS_SECURITY_TOKEN": TOKEN}
        if place == "file":
            self.file.parent.mkdir()
            self.file.write_text(f"[basic]\nak = {ACCESS_KEY}\nsk = {SECRET_KEY}\nsecurity_token = {TOKEN}\n")
        self.metadata.keys = [lent(ACCESS_KEY, SECRET_KEY, TOKEN)] if place == "ecs" else []
        return BARE | known | (keys if place == "env" else {})

    async def look(self, *words):
        """Run another verb to its end, with the keys in the environment."""
        endpoint = {"BATCHER_ENDPOINT": self.judge.url}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-X", "dev", "-m", "batcher", *words, env=self.environment("env") | endpoint,
            cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(process.communicate(), 120)
        return Left(process.returncode, said, b"", self.folder)

    async def run(self, place, *words, program=("-m", "batcher"), after=0, number=None):
        """Run the command to its end, or send it a signal after so many starts."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-X", "dev", *program, "run", "m.txt", "-w", "transcode", "-e", self.judge.url,
            "-b", "videos", "--concurrency", "8", "--progress", "json", "--log-file", "log", "--log-level", "debug",
            "--log-format", "json", "--metrics-file", "m.prom", "--report", "report.html", *words,
            env=self.environment(place), cwd=self.folder, preexec_fn=without_core,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        command_line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        if number is not None:
            await self.judge.received(after)
            process.send_signal(number)
        said, _ = await asyncio.wait_for(process.communicate(), 120)
        return Left(process.returncode, said, command_line, self.folder)


def without_core():
    """A core file is the process's memory, and holds the keys."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@pytest.fixture
async def aviary(tmp_path):
    async with AsyncExitStack() as stack:
        judge = await stack.enter_async_context(judging())
        yield Aviary(tmp_path, judge, await stack.enter_async_context(metadata_service()))


def assert_no_hit(left, aviary):
    assert len(left.texts) >= 2 + 1
    assert left.hits(but=[str(aviary.file)]) == []


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize("place", PLACES)
async def test_after_a_success_nothing_holds_a_secret(aviary, place):
    left = await aviary.run(place)
    assert left.code == 0, left.said
    assert len(aviary.judge.bodies) == 200
    files = {Path(where).name: text for where, text in left.texts.items()}
    assert {"m.txt.checkpoint", "m.txt.executions.jsonl"} <= set(files)
    assert b"All 200 rows are started." in files["report.html"]
    assert files["log"].count(b'"event": "row_started"') == 200
    assert b'batcher_rows{checkpoint="m.txt.checkpoint",status="started",workflow="transcode"} 200.0' in files["m.prom"]
    assert_no_hit(left, aviary)


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize("place", PLACES)
async def test_after_rejections_nothing_holds_a_secret(aviary, place):
    aviary.judge.answer_with = (404, b'{"code": "SYS.0015", "message": "x-obs-security-token:%s"}' % TOKEN.encode())
    left = await aviary.run(place)
    # Not one row was started: the job is stopped.
    assert left.code == 69, left.said
    assert b"[security token]" in left.texts[str(aviary.folder / "m.txt.executions.jsonl")]
    assert b"[security token]" in left.texts[str(aviary.folder / "log")]
    assert b"[security token]" in left.texts[str(aviary.folder / "report.html")]
    assert_no_hit(left, aviary)


async def test_after_a_service_that_quotes_everything_nothing_holds_a_secret(aviary):
    quoted = [TOKEN, quote(TOKEN, safe=""), base64.b64encode(f"x:{TOKEN}".encode()).decode(), SECRET_KEY, ACCESS_KEY]
    said = json.dumps({"code": "SYS.0015", "message": f"signed {' '.join(quoted)}", "request_id": TOKEN})
    aviary.judge.answer_with = (404, said.replace("/", "\\/").encode())
    left = await aviary.run("env")
    assert left.code == 69, left.said
    masked = b"signed [security token] [security token] [security token] [secret key] [access key]"
    for name in ("m.txt.executions.jsonl", "log", "report.html"):
        assert masked in left.texts[str(aviary.folder / name)]
    assert masked in left.said
    assert_no_hit(left, aviary)


LOOKS = [
    ("check", "m.txt", "-w", "transcode", "-b", "videos", "--json"),
    ("status", "m.txt.checkpoint", "--json"),
    ("explain", "m.txt.checkpoint", "1"),
    ("export", "m.txt.checkpoint", "-o", "rows.csv"),
    ("failures", "m.txt", "-o", "failed.csv"),
    ("report", "m.txt.checkpoint", "-o", "report.html"),
]


async def test_what_is_asked_after_a_run_holds_no_secret(aviary):
    aviary.judge.answer_with = (404, b'{"code": "SYS.0015", "message": "x-obs-security-token:%s"}' % TOKEN.encode())
    assert (await aviary.run("env")).code == 69
    for words in LOOKS:
        left = await aviary.look(*words)
        assert left.code == 0, left.said
        assert_no_hit(left, aviary)
    assert b"[security token]" in left.texts[str(aviary.folder / "rows.csv")]
    assert b"[security token]" in left.texts[str(aviary.folder / "failed.csv")]


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize("place", PLACES)
async def test_after_refused_credentials_nothing_holds_a_secret(aviary, place):
    aviary.judge.rotate_at = 20
    left = await aviary.run(place)
    assert left.code == 77, left.said
    assert b"InvalidAccessKeyId: [security token]" in left.said
    assert b"access key ...711Q" in left.said
    assert b'"event": "attempt_fatal"' in left.texts[str(aviary.folder / "log")]
    assert_no_hit(left, aviary)


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("number", "code", "told"),
    [
        (signal.SIGKILL, -signal.SIGKILL, b""),
        (signal.SIGTERM, 143, b"Run the same command again"),
        (signal.SIGABRT, -signal.SIGABRT, b"Fatal Python error: Aborted"),
    ],
    ids=["kill -9", "drain", "abort"],
)
async def test_after_a_signal_nothing_holds_a_secret(aviary, place, number, code, told):
    left = await aviary.run(place, "--max-rate", "50", after=5, number=number)
    assert left.code == code, left.said
    assert told in left.said
    assert len(aviary.judge.bodies) < 200
    assert_no_hit(left, aviary)


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("rules.service.obs_v2", "signed_headers"),
        ("rules.service.credentials", "is_key"),
        ("rules.service.answers", "_id_of_header"),
    ],
    ids=["in signing", "in reading the keys", "in reading an answer"],
)
async def test_after_an_internal_error_nothing_holds_a_secret(aviary, place, module, name):
    left = await aviary.run(place, program=("-c", BROKEN.format(module=module, name=name)))
    assert left.code == 70, left.said
    assert b"Traceback" not in left.said
    log = left.texts[str(aviary.folder / "log")]
    assert b'"exit_code": 70, "error": "RuntimeError", "traceback": "Traceback (most recent call last):' in log
    # The text of an error may hold anything: only the line of the code is there that raised it.
    assert log.count(b"broken on purpose") == log.count(b"raise RuntimeError(") <= 1
    assert_no_hit(left, aviary)


@pytest.mark.long(small=1 / 2, ci=1 / 2)
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("-e", "http://127.0.0.1:1", "--max-attempts", "1"), 69),
        (("--bucket", "B!"), 2),
        (("--format", "csv"), 65),
        (("-o", "nowhere/o.jsonl"), 74),
    ],
)
async def test_after_a_job_that_cannot_begin_nothing_holds_a_secret(aviary, words, code):
    left = await aviary.run("env", *words)
    assert left.code == code, left.said
    assert_no_hit(left, aviary)


@pytest.mark.parametrize("broken", ["ak", "sk"])
async def test_after_a_malformed_file_nothing_holds_a_secret(aviary, broken):
    environment = aviary.environment("file")
    text = aviary.file.read_text()
    aviary.file.write_text(text.replace(f"{broken} = ", ""))
    aviary.environment = lambda _: environment
    left = await aviary.run("file")
    assert left.code == 77, left.said
    assert b"~/.huaweicloud/credentials: line " in left.said
    assert_no_hit(left, aviary)


@pytest.mark.long(small=1 / 3, ci=1 / 2)
@pytest.mark.parametrize("place", PLACES)
async def test_a_secret_that_were_written_would_be_found(aviary, place):
    (aviary.folder / "leak").write_bytes(base64.b64encode(f"AK:{SECRET_KEY}:{TOKEN}".encode()))
    left = await aviary.run(place, "--limit-that-is-unknown")
    found = {where for where, _ in left.hits()}
    assert found == {str(aviary.folder / "leak")} | ({str(aviary.file)} if place == "file" else set())
