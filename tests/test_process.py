"""The process around a run: signals while it waits for the system, few threads, files that are taken away."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from independent import judging
from test_command import ENVIRONMENT, records, run

from batcher.app.process import THREADS, need_threads
from batcher.edges.same_file import SameFile
from batcher.errors import DiskError, SystemLimitError

SHOW, HIDE = b"\x1b[?25h", b"\x1b[?25l"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_of(judge, manifest="m.txt"):
    return (sys.executable, "-m", "batcher", "run", manifest, "-w", "transcode", "-e", judge.url, "-b", "videos")


async def heeds(process, number):
    """Wait until the process has a handler for a signal."""
    while True:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        (caught,) = (line.split()[1] for line in lines if line.startswith("SigCgt:"))
        if int(caught, 16) >> (number - 1) & 1:
            return
        await asyncio.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the signals of a process in /proc")
@pytest.mark.parametrize("more", [("m.csv",), ("m.txt", "--log-file", "pipe")])
async def test_a_run_that_waits_for_a_pipe_ends_at_the_second_signal(folder, more):
    (folder / "m.txt").write_text("a\n")
    os.mkfifo(folder / ("m.csv" if more == ("m.csv",) else "pipe"))
    async with judging() as judge:
        command = (*words_of(judge, more[0]), *more[1:])
        process = await asyncio.create_subprocess_exec(*command, env=ENVIRONMENT, stderr=subprocess.PIPE)
        await heeds(process, signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 30)
        assert process.returncode in {130, 143}
        assert judge.bodies == []


@pytest.mark.parametrize("name", ["out.jsonl", "m.txt.executions.jsonl"])
async def test_a_pipe_as_output_is_refused_at_once(folder, name):
    (folder / "m.txt").write_text("a\n")
    os.mkfifo(folder / name)
    async with judging() as judge:
        ran = await run(judge, "m.txt", "-o", name)
        assert (ran.code, judge.bodies) == (2, [])
        assert f"{name}: the output is not a regular file" in ran.stderr


@pytest.mark.parametrize("option", ["--report", "--metrics-file"])
async def test_a_pipe_in_place_of_a_file_that_is_replaced_is_refused_before_the_first_start(folder, option):
    (folder / "m.txt").write_text("a\n")
    os.mkfifo(folder / "pipe")
    async with judging() as judge:
        ran = await run(judge, "m.txt", option, "pipe")
        assert (ran.code, judge.bodies) == (2, [])
        assert f"{option} pipe: not a regular file" in ran.stderr


async def test_the_cursor_is_there_after_a_second_ctrl_c(folder):
    (folder / "m.txt").write_text("".join(f"o{n}\n" for n in range(500)))
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    async with judging() as judge:
        process = await asyncio.create_subprocess_exec(
            *words_of(judge), "--max-rate", "20", env=ENVIRONMENT | {"TERM": "xterm"},
            stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(follower)
        await judge.received(3)
        os.write(leader, b"\x03")
        sent = await until(leader, b"send it again to exit at once")
        os.write(leader, b"\x03")
        sent += await until(leader, None)
        assert await process.wait() in {0, 130}
    # It is shown at the end, and was never hidden, so that no other end can leave it hidden.
    assert sent.rfind(SHOW) > sent.rfind(HIDE) == -1


async def until(leader, text):
    """Read what a terminal is sent until a text, or to the end."""

    def read():
        sent = b""
        while text is None or text not in sent:
            try:
                data = os.read(leader, 65_536)
            except OSError:
                return sent
            if not data:
                return sent
            sent += data
        return sent

    return await asyncio.wait_for(asyncio.to_thread(read), 60)


@pytest.mark.parametrize("taken", ["m.txt.executions.jsonl", "m.txt.checkpoint"])
@pytest.mark.parametrize("act", ["delete", "rotate"])
async def test_a_file_of_the_job_that_is_taken_away_ends_the_run_at_once(folder, taken, act):
    (folder / "m.txt").write_text("".join(f"o{n}\n" for n in range(400)))
    path = folder / taken
    async with judging() as judge:
        command = (*words_of(judge), "--max-rate", "20", "--progress", "none")
        process = await asyncio.create_subprocess_exec(*command, env=ENVIRONMENT, stderr=subprocess.PIPE)
        await judge.received(10)
        if act == "delete":
            path.unlink()
        else:
            path.rename(folder / "taken")
            path.touch()
        _, stderr = await process.communicate()
        assert process.returncode == 74, stderr
        what = "output" if "executions" in taken else "checkpoint"
        assert f"{taken}: the {what} was deleted, renamed or replaced during the run" in stderr.decode()
        assert len(judge.bodies) < 400


async def test_a_rotated_output_that_is_put_back_is_continued(folder):
    (folder / "m.txt").write_text("a\n")
    async with judging() as judge:
        assert (await run(judge, "m.txt")).code == 0
        (folder / "m.txt.executions.jsonl").rename(folder / "kept")
        (folder / "kept").rename(folder / "m.txt.executions.jsonl")
        (folder / "m.txt").write_text("a\nb\n")
        assert (await run(judge, "m.txt")).code == 0
        assert [record["object"] for record in records(folder / "m.txt.executions.jsonl")] == ["a", "b"]


def test_a_file_is_the_same_until_another_is_at_its_path(tmp_path):
    path = tmp_path / "file"
    path.write_text("a")
    same = SameFile(path, "output")
    path.write_text("b")
    same.need()
    path.rename(tmp_path / "other")
    with pytest.raises(DiskError):
        same.need()
    (tmp_path / "other").rename(path)
    same.need()


def test_threads_that_a_run_needs_are_tried_before_it_begins(monkeypatch):
    need_threads()
    started = []

    def start(self):
        started.append(self)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", start)
    with pytest.raises(SystemLimitError, match=f"0 more threads, and a run needs {THREADS}"):
        need_threads()
    assert len(started) == 1
