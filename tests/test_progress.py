"""The progress: its line and its bar as golden text, and the real command on a terminal, a dumb one and none."""

import asyncio
import fcntl
import io
import json
import os
import pty
import re
import select
import struct
import sys
import termios

import orjson
import pytest
from conftest import KEYS

from batcher.edges.progress import Bar, showing
from batcher.rules.choices import Mode
from batcher.rules.progress.eta import Range
from batcher.rules.progress.figures import Figures, document
from batcher.rules.progress.view import RUN, bar, line, line_interval, lines, parts
from batcher.rules.rate.bottleneck import Cause

BEGUN = Figures(
    rows=2048, total=166_504, left=164_456, started=12, refused=0, rejected=0, invalid=0, duplicate=0,
    in_doubt=0, requests=16, retries=0, on_wire=4, oldest=0.0341, rate=9.52, pace=10.04, limit=None, chance=0.0,
    state="", cause=None, slowed=(),
    fraction=0.0123, eta=None, seconds=1.9,
)  # fmt: skip
BUSY = Figures(
    rows=120_000, total=120_474, left=463, started=119_000, refused=5, rejected=3, invalid=2, duplicate=11, in_doubt=4,
    requests=120_246, retries=1234, on_wire=24, oldest=31.4, rate=481.3, pace=500.0, limit=502.7, chance=0.0,
    state="slowed by limit", cause=Cause.LIMIT, slowed=((Cause.LIMIT, 54.2004), (Cause.IN_FLIGHT, 2.0)),
    fraction=0.9961, eta=Range(700.0, 850.0), seconds=4210.0,
)  # fmt: skip
CHANCE = BEGUN._replace(chance=0.0212, state="slowed by chance")
BOTH = BUSY._replace(chance=0.0212)
AWAY = BUSY._replace(state="service unavailable for 1,234 s", eta=None, rate=0.0, on_wire=0, oldest=None)
DONE = BUSY._replace(rows=120_474, left=0, fraction=1.0, eta=Range(0.0, 0.0), on_wire=0, oldest=None)
PIPED = BEGUN._replace(fraction=None, total=None, left=None)

LINES = {
    BEGUN: "1% done, 2,048 of 166,504 rows read, 12 started, 9.5/s, 4 on the wire (oldest 0.034 s), 164,456 left,"
    " eta unknown, 0:00:01",
    CHANCE: "1% done, 2,048 of 166,504 rows read, 12 started, 9.5/s (2% refused at any rate), 4 on the wire"
    " (oldest 0.034 s), 164,456 left, eta unknown (slowed by chance), 0:00:01",
    BOTH: "99% done, 120,000 of 120,474 rows read, 119,000 started, 5 refused, 3 rejected, 2 invalid, 11 duplicate,"
    " 4 in doubt, 481/s (limit about 503/s, 2% refused at any rate), 24 on the wire (oldest 31 s), 1,234 retried,"
    " 463 left, eta 12m to 15m (slowed by limit), 1:10:10",
    BUSY: "99% done, 120,000 of 120,474 rows read, 119,000 started, 5 refused, 3 rejected, 2 invalid, 11 duplicate,"
    " 4 in doubt, 481/s (limit about 503/s), 24 on the wire (oldest 31 s), 1,234 retried,"
    " 463 left, eta 12m to 15m (slowed by limit), 1:10:10",
    AWAY: "99% done, 120,000 of 120,474 rows read, 119,000 started, 5 refused, 3 rejected, 2 invalid, 11 duplicate,"
    " 4 in doubt, 0/s (limit about 503/s), 0 on the wire, 1,234 retried, 463 left,"
    " eta unknown (service unavailable for 1,234 s), 1:10:10",
    DONE: "100% done, 120,474 rows read, 119,000 started, 5 refused, 3 rejected, 2 invalid, 11 duplicate,"
    " 4 in doubt, 481/s (limit about 503/s), 0 on the wire, 1,234 retried, 1:10:10",
    PIPED: "2,048 rows read (total unknown), 12 started, 9.5/s, 4 on the wire (oldest 0.034 s), eta unknown, 0:00:01",
}


@pytest.mark.parametrize("view", LINES, ids=["begun", "chance", "both", "busy", "away", "done", "piped"])
def test_a_line_says_how_far_the_run_is(view):
    assert line(view, RUN) == LINES[view]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            80,
            [
                "120,000 of 120,474 rows read, 119,000 started, 5 refused, 3 rejected, 2 invalid,",
                "11 duplicate, 4 in doubt, 481/s (limit about 503/s),",
                "24 on the wire (oldest 31 s), 1,234 retried, 463 left,",
                "eta 12m to 15m (slowed by limit)",
            ],
        ),
        (
            60,
            [
                "120,000 of 120,474 rows read, 119,000 started, 5 refused,",
                "3 rejected, 2 invalid, 11 duplicate, 4 in doubt,",
                "481/s (limit about 503/s), 24 on the wire (oldest 31 s),",
                "1,234 retried, 463 left, eta 12m to 15m (slowed by limit)",
            ],
        ),
    ],
)
def test_below_a_bar_the_same_is_said_within_the_width(columns, expected):
    assert lines(parts(BUSY), columns) == expected


@pytest.mark.parametrize("view", LINES, ids=["begun", "chance", "both", "busy", "away", "done", "piped"])
def test_nothing_is_cut_at_any_width_that_a_part_fits_in(view):
    for columns in range(55, 200):
        filled = lines(parts(view), columns)
        assert max(map(len, filled)) <= columns
        assert line(view, RUN).find(" ".join(filled)) >= 0


def test_a_program_gets_every_field_as_a_number_or_null():
    assert document(BUSY) == {
        "rows": 120_000, "total": 120_474, "left": 463, "started": 119_000, "refused": 5, "rejected": 3,
        "invalid": 2, "duplicate": 11, "in_doubt": 4, "requests": 120_246, "retries": 1234, "on_wire": 24,
        "oldest": 31.4, "rate": 481.3, "pace": 500.0, "limit": 502.7,
        "chance": 0.0, "state": "slowed by limit", "cause": "limit",
        "slowed": {"limit": 54.2, "in_flight": 2.0}, "fraction": 0.996, "eta": [700.0, 850.0], "seconds": 4210.0,
        "running": None, "running_age": None, "delayed": None,
    }  # fmt: skip
    assert orjson.loads(orjson.dumps(document(BUSY))) == document(BUSY)
    assert [document(PIPED)[name] for name in ("limit", "fraction", "eta", "oldest")] == [None, None, None, 0.034]


def test_what_runs_is_shown_with_its_age_and_what_waits_for_it():
    shown = BUSY._replace(running=48, running_age=4.2, delayed=16, cause=Cause.ENDS)
    assert "48 running (4.2 s ago), 16 starts waiting for ends" in line(shown, RUN)
    assert "48 running (0.5 s ago), " in line(shown._replace(running_age=0.5, delayed=0), RUN)
    names = ("running", "running_age", "delayed", "cause")
    assert [document(shown)[name] for name in names] == [48, 4.2, 16, "ends"]


async def test_without_a_terminal_a_bar_is_a_line():
    stream = io.StringIO()
    async with showing(Mode.BAR, lambda: BUSY, RUN, stream):
        pass
    assert stream.getvalue() == LINES[BUSY] + "\n"


class Screen:
    """What a terminal of so many columns has shown: it knows what the bar needs, and fails at anything else."""

    KNOWN = re.compile(r"\x1b\[(?:(\d*)([AK])|\?25[lh]|[\d;]*m)|\r|\n|[^\x00-\x1f\x7f]+")

    def __init__(self, columns):
        self.columns = columns
        self.rows, self.at = [""], 0
        self.colours = 0
        self.widest = 0

    def show(self, text):
        place = 0
        while place < len(text):
            found = self.KNOWN.match(text, place)
            assert found, f"the terminal is sent {text[place : place + 20]!r}"
            self._take(found[0], found[1], found[2])
            place = found.end()

    def _take(self, text, count, move):
        if move == "A":
            self.at -= int(count or 1)
        elif move == "K":
            self.rows[self.at] = ""
        elif text == "\n":
            self.at += 1
            self.rows += [""] * (self.at + 1 - len(self.rows))
        elif text.startswith("\x1b"):
            self.colours += text.endswith("m")
        elif text != "\r":
            self.rows[self.at] += text
            if not text.startswith("batcher: "):
                self.widest = max(self.widest, len(self.rows[self.at]))


async def on_terminal(folder, columns, *words, **environment):
    """Run the command on a terminal, and give its exit code and what the terminal has been sent."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    ours = ("BATCHER_", "OBS_", "COLUMNS", "LINES")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "batcher", "run", *words, "-w", "transcode", "-b", "videos",
        cwd=folder, env=bare | KEYS | {"TERM": "xterm", "LANG": "C.UTF-8"} | environment, stderr=follower,
    )  # fmt: skip
    os.close(follower)
    sent = await asyncio.to_thread(_read, leader)
    return await process.wait(), sent.decode()


def _read(leader):
    sent = b""
    try:
        while data := os.read(leader, 65_536):
            sent += data
    except OSError:
        pass  # how the end of a terminal reads on Linux
    os.close(leader)
    return sent


class Reflowing:
    """A terminal that wraps its lines again when its width changes, as most do. It takes what the bar sends."""

    KNOWN = re.compile(r"\x1b\[(?:(\d*)([AK])|\?25[lh]|[\d;]*m)|\r|\n|[^\x00-\x1f\x7f]")

    def __init__(self, columns):
        self.columns = columns
        self.rows, self.at, self.column = [("", False)], 0, 0
        """Each row with whether the next one continues it."""

    def resize(self, columns):
        whole = [""]
        # The cursor stays where it is in the text. Below it there are only rows that were erased.
        for text, is_wrapped in self.rows[: self.at + 1]:
            whole[-1] += text
            if not is_wrapped:
                whole.append("")
        self.columns, self.rows = columns, []
        for text in whole[:-1]:
            parts = [text[at : at + columns] for at in range(0, len(text), columns)] or [""]
            self.rows += [(part, number < len(parts)) for number, part in enumerate(parts, 1)]
        self.at, self.column = len(self.rows) - 1, len(self.rows[-1][0])

    def show(self, sent):
        for found in self.KNOWN.finditer(sent):
            text, count, move = found[0], found[1], found[2]
            if move == "A":
                self.at -= int(count or 1)
                assert self.at >= 0
            elif move == "K":
                self.rows[self.at] = ("", False)
            elif text == "\n":
                self.at, self.column = self.at + 1, 0
                self.rows += [("", False)] * (self.at + 1 - len(self.rows))
            elif text == "\r":
                self.column = 0
            elif len(text) == 1:
                assert self.column < self.columns, "the bar is wider than the terminal"
                row = self.rows[self.at][0]
                self.rows[self.at] = (row[: self.column] + text + row[self.column + 1 :], False)
                self.column += 1


def _arrived(leader):
    """Give all that a terminal was sent by now."""
    sent = b""
    while select.select([leader], [], [], 0)[0]:
        sent += os.read(leader, 65_536)
    return sent.decode()


def resized(file, columns):
    fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def test_after_a_resize_there_is_still_one_bar_and_what_was_said_above_it():
    leader, follower = pty.openpty()
    attributes = termios.tcgetattr(follower)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(follower, termios.TCSANOW, attributes)
    screen = Reflowing(100)
    with os.fdopen(follower, "w", encoding="utf-8") as stream:
        resized(follower, 100)
        shown = Bar(stream, RUN)
        for number, columns in enumerate([100, 40, 17, 80, 40, 200]):
            resized(follower, columns)
            screen.resize(columns)
            shown.write_above(f"said {number}\n")
            shown.paint(BUSY)
            screen.show(_arrived(leader))
            texts = [row for row, _ in screen.rows]
            assert sum("1:10:10" in text for text in texts) == 1, texts
            assert sum(text.startswith("120,000") for text in texts) == 1, texts
            assert [text for text in texts if text.startswith("said")] == [f"said {each}" for each in range(number + 1)]
        shown.leave()
    os.close(leader)


@pytest.mark.parametrize("columns", [1, 10, 20, 40, 80, 200])
@pytest.mark.parametrize("view", LINES, ids=["begun", "chance", "both", "busy", "away", "done", "piped"])
def test_no_line_is_wider_than_the_terminal_however_narrow(view, columns):
    drawn = bar(view, columns, has_colour=False)
    assert (len(drawn.text), drawn.width) == (columns, columns)
    if columns >= 10:
        assert max(map(len, lines(parts(view), columns))) <= columns


def test_a_bar_is_as_full_as_the_job_is_done():
    assert bar(BEGUN._replace(fraction=0.5), 30, has_colour=False).text == "━━━━━━━━━─────────" + " 50% 0:00:01"
    assert bar(DONE, 30, has_colour=False).text == "━━━━━━━━━━━━━━━━━" + " 100% 1:10:10"
    assert bar(PIPED, 30, has_colour=False).text == "──────────────────────" + " 0:00:01"
    assert "\x1b[32m━━━" in bar(DONE, 30, has_colour=True).text


def test_the_lines_of_a_long_run_come_at_most_every_five_minutes():
    at, intervals = 0.0, []
    while at < 8 * 3600:
        intervals.append(line_interval(at))
        at += intervals[-1]
    assert intervals[:5] == [10.0] * 5
    assert intervals[-1] == 300.0
    assert intervals == sorted(intervals)
    # In eight hours a line every ten seconds would be 2,880 of them.
    assert len(intervals) < 125


HOSTILE = "\x1b[2J\x1b]0;title\x07[bold]\u202e\r%s\x9b31m"


@pytest.fixture
async def job(emulator, tmp_path):
    """A manifest whose keys would do harm to a terminal, and a service that loses every answer about some of them."""
    service = await emulator(reject_share=0.2, rate=60)
    rows = [json.dumps({"object": HOSTILE % number, HOSTILE % "field": 1}) for number in range(150)]
    (tmp_path / "m.jsonl").write_text("\n".join(rows))
    return tmp_path, ("m.jsonl", "-e", service.url)


@pytest.mark.parametrize("columns", [80, 60])
async def test_on_a_terminal_there_is_a_bar_that_keeps_to_its_lines(job, columns):
    folder, words = job
    code, sent = await on_terminal(folder, columns, *words)
    assert code == 1, sent
    screen = Screen(columns)
    screen.show(sent)
    assert screen.widest <= columns
    assert screen.colours > 0
    bars = [number for number, row in enumerate(screen.rows) if row.startswith("━")]
    assert len(bars) == 1
    assert re.fullmatch(r"━+ 100% 0:00:\d\d", screen.rows[bars[0]].rstrip())
    assert screen.rows[bars[0] + 1].startswith("150 rows read, ")
    assert any("ignored: \\x1b[2J\\x1b]0;title\\x07[bold]\\u202e" in row for row in screen.rows)
    assert re.search(r"\d% 0:00:0\d\b.*?eta (\d+s to )?\d+s \(slowed by limit\)", sent, re.DOTALL)


async def test_a_person_who_wants_no_colour_gets_none(job):
    folder, words = job
    code, sent = await on_terminal(folder, 80, *words, NO_COLOR="1")
    assert code == 1, sent
    assert "━" in sent
    assert not re.search(r"\x1b\[[\d;]*3\dm|\x1b\[38;", sent)


async def test_a_terminal_that_cannot_move_its_cursor_gets_lines(job):
    folder, words = job
    code, sent = await on_terminal(folder, 80, *words, "--progress", "bar", TERM="dumb")
    assert code == 1, sent
    assert "\x1b" not in sent
    assert "100% done, 150 rows read, " in sent
