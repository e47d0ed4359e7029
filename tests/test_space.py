"""The room that a job needs, against what is free, before anything is started."""

from contextlib import nullcontext

import pytest
from conftest import KEYS

from batcher.app.check import check_manifest
from batcher.app.run import run_job
from batcher.app.voice import WARNING, Voice
from batcher.app.world import World
from batcher.edges.free_space import FreeSpace, free_space
from batcher.flow.drain import Drain
from batcher.options.verbs import CheckOptions, RunOptions
from batcher.rules.choices import Mode
from batcher.rules.job.space import need, shown


def test_a_job_needs_a_number_of_bytes_for_each_row():
    assert need(1000, 40, is_csv=False) == (80_000, 460_000)
    assert need(1000, 40, is_csv=True) == (80_000, 290_000)
    assert need(1000, None, is_csv=False) == (80_000, 480_000)
    assert need(0, 40, is_csv=False) == (0, 0)


@pytest.mark.parametrize(
    ("amount", "words"),
    [(0, "less than 1 MB"), (1_499_999, "1 MB"), (999_400_000, "999 MB"), (3_440_000_000, "3.4 GB")],
)
def test_an_amount_is_shown_in_round_numbers(amount, words):
    assert shown(amount) == words


def test_what_is_free_is_that_of_the_folders_disk(tmp_path):
    free = free_space(tmp_path)
    assert free.disk == tmp_path.stat().st_dev
    assert free.size > 0
    with pytest.raises(FileNotFoundError):
        free_space(tmp_path / "nowhere")


async def test_a_disk_that_is_too_small_is_a_warning_before_the_first_start_and_the_estimate_holds(emulator, tmp_path):
    service = await emulator()
    rows = 2000
    manifest = tmp_path / "m.csv"
    manifest.write_text("object\n" + "".join(f"in/2026/clip {number:06d}.mp4\n" for number in range(rows)))
    said, asked = [], []

    def small(folder):
        asked.append((folder, len(service.ledger.starts)))
        return FreeSpace(1, 500_000)

    world = World(
        Voice(lambda kind, text: said.append((kind, text))), KEYS, free_space=small,
        draining_on_signals=lambda *_: nullcontext(),
    )  # fmt: skip
    given = {"manifest": manifest, "workflow": "transcode", "bucket": "videos", "endpoint": service.url}
    options = RunOptions(**given, progress=Mode.NONE)
    assert await run_job(options, world, Drain()) == 0
    assert asked == [(tmp_path, 0)] * 2
    (warning,) = [text for kind, text in said if kind == WARNING]
    assert warning.startswith(
        f"{tmp_path}: the checkpoint and the records will need about 1 MB more, and less than 1 MB is free"
    )
    needed = need(rows, manifest.stat().st_size / rows, is_csv=False)
    assert 0.9 < options.output.stat().st_size / needed.output < 1.1
    assert 0.5 < options.checkpoint.stat().st_size / needed.checkpoint < 2
    # All of it is there now, so that the next run needs no more.
    said.clear()
    assert await run_job(options, world, Drain()) == 0
    assert [text for kind, text in said if kind == WARNING] == []


def test_a_check_warns_too_and_counts_each_disk_for_itself(tmp_path):
    manifest = tmp_path / "m.txt"
    manifest.write_text("".join(f"o{number}\n" for number in range(10_000)))
    given = {"manifest": manifest, "workflow": "w", "bucket": "videos", "endpoint": "http://127.0.0.1:1"}
    options = CheckOptions(**given, preflight=False, checkpoint=tmp_path / "other" / "m.checkpoint")
    for sizes, warned in (((10**6, 10**7), 0), ((10**5, 10**7), 1), ((10**6, 10**6), 1), ((0, 0), 2)):
        disks = {tmp_path / "other": FreeSpace(1, sizes[0]), tmp_path: FreeSpace(2, sizes[1])}
        checked = check_manifest(options, World(Voice(lambda *_: None), {}, free_space=disks.__getitem__))
        assert len(checked.warnings) == warned, sizes
