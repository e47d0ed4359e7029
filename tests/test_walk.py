"""The walk of a row, as the design lists it, is the one that a row takes."""

import re
import sys
import threading
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest
from conftest import KEYS

import batcher
from batcher.app.run import run_job
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.errors import ExitCode
from batcher.flow.drain import Drain
from batcher.options.verbs import RunOptions
from batcher.rules.choices import Mode

ROOT = Path(batcher.__file__).parent
DESIGN = (ROOT.parent / "DESIGN.md").read_text()
ROWS = 2000


def listed():
    """Give the files of the walk, in its order, and the files and folders beside it."""
    section = DESIGN.partition("## A row's walk")[2].partition("\n## ")[0]
    table, _, beside = section.partition("Beside the walk")
    steps = re.findall(r"^\| .* \|$", table, re.MULTILINE)
    return re.findall(r"`([\w/]+\.py)`", "\n".join(steps)), re.findall(r"`([\w/]+(?:\.py|/))`", beside)


@pytest.fixture
def calls():
    """Count the calls of the package's functions by file, in every thread."""
    counted = Counter()

    def count(frame, event, _):
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(f"{ROOT}/"):
            counted[name.removeprefix(f"{ROOT}/")] += 1

    before = sys.getprofile()
    threading.setprofile(count)
    sys.setprofile(count)
    yield counted
    sys.setprofile(before)
    threading.setprofile(None)


async def test_a_row_passes_through_the_files_that_the_design_lists_and_no_others(emulator_process, tmp_path, calls):
    walk, beside = listed()
    service = emulator_process()

    async def run(name, rows):
        manifest = tmp_path / name
        manifest.write_text("object\n" + "".join(f"o{number}\n" for number in range(rows)))
        options = RunOptions(
            manifest=manifest, workflow="transcode", bucket="videos", endpoint=service.url, progress=Mode.NONE
        )
        world = World(Voice(lambda *_: None), KEYS, draining_on_signals=lambda *_: nullcontext())
        assert await run_job(options, world, Drain()) is ExitCode.OK

    # What a process does once, such as collecting the declarations of options, is no part of a row's walk.
    await run("first.csv", 1)
    calls.clear()
    await run("m.csv", ROWS)
    sys.setprofile(None)
    # A file through which a row or a tenth of the rows passes is on the walk or beside it.
    passed = {name for name, count in calls.items() if count >= ROWS / 10}
    assert {name for name in passed if name not in walk and not name.startswith(tuple(beside))} == set()
    assert [name for name in walk if not calls[name]] == []


def test_the_walk_has_at_most_25_files():
    walk, _ = listed()
    assert len(walk) == len(set(walk)) <= 25
    assert [name for name in walk if not (ROOT / name).is_file()] == []
