"""A list that is changed in place while it is read: by the real command, on real files, slowed down by the service."""

import asyncio
import gzip
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from independent import judging
from test_command import ENVIRONMENT, batcher

from batcher.edges.manifest import open_manifest
from batcher.errors import ManifestError

EVERY_ROW = "Every row is started"
LONG = 60_000
"""Rows of a list that a run does not read at once: it reads ahead by a few blocks."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(prefix, numbers):
    return "".join(f"{prefix}{number:06d}\n" for number in numbers).encode()


def rewrite(path, content):
    """Change a file in place: the same inode, as an editor, `rsync --inplace` or `>` does."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def words(judge, manifest):
    return ("run", manifest, "-w", "transcode", "-e", judge.url, "-b", "videos", "--progress", "none")


async def run(judge, manifest):
    return await batcher(*words(judge, manifest))


@asynccontextmanager
async def slow_run(judge, manifest):
    """Run the command so slowly that the list is still being read. Gives its exit code and words in `ended`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "batcher", *words(judge, manifest), "--max-rate", "1000",
        env=ENVIRONMENT, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await judge.received(20)

    async def ended():
        _, told = await process.communicate()
        return process.returncode, told.decode()

    yield ended
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_a_list_that_is_rewritten_under_the_reader_ends_with_65_and_no_row_is_made_of_two_halves():
    path = Path("m.txt")
    before, after = lines("old-", range(LONG)), lines("brand-new-name-", range(300))
    path.write_bytes(before)
    async with judging() as judge:
        async with slow_run(judge, "m.txt") as ended:
            rewrite(path, after)
            code, told = await ended()
        assert (code, EVERY_ROW in told) == (65, False), told
        assert "the manifest was changed while it was read" in told
        assert "Run the same command again." in told
        whole = set((before + after).decode().splitlines())
        assert set(judge.objects()) <= whole
        again = await run(judge, "m.txt")
        assert again.code == 0, again
        assert set(after.decode().splitlines()) <= set(judge.objects()) <= whole
        assert len(set(judge.objects())) == len(judge.objects())


async def test_rows_that_are_appended_meanwhile_are_left_for_the_next_run():
    path = Path("m.txt")
    path.write_bytes(lines("o", range(1000)))
    async with judging() as judge:
        async with slow_run(judge, "m.txt") as ended:
            append(path, lines("o", range(1000, 1010)) + b"o00")
            code, told = await ended()
        assert (code, EVERY_ROW in told) == (65, False), told
        assert "rows were added to the manifest while it was read" in told
        assert sorted(judge.objects()) == lines("o", range(1000)).decode().split()
        append(path, b"1010\n")
        again = await run(judge, "m.txt")
        assert again.code == 0, again
        assert sorted(judge.objects()) == lines("o", range(1011)).decode().split()


async def test_a_changed_time_with_the_same_content_is_no_change():
    path = Path("m.txt")
    path.write_bytes(lines("o", range(1000)))
    async with judging() as judge:
        async with slow_run(judge, "m.txt") as ended:
            os.utime(path)
            rewrite(path, lines("o", range(1000)))
            code, told = await ended()
        assert (code, EVERY_ROW in told) == (0, True), told
        assert sorted(judge.objects()) == lines("o", range(1000)).decode().split()


def read(path, format_, keys, *, first=int, then=int):
    """Read a list in small chunks; act before its first block, and after each."""
    with open_manifest(path, format_, chunk=64) as manifest:
        first()
        for block in manifest.blocks(bucket="b"):
            keys += [row.object for row in block]
            then()


def append(path, content):
    with path.open("ab") as file:
        file.write(content)


@pytest.mark.parametrize(("suffix", "header"), [("txt", b""), ("csv", b"object\n")])
@pytest.mark.parametrize("shift", range(1, 24))
def test_at_no_offset_do_two_contents_of_one_size_meet_in_a_row(suffix, header, shift):
    path = Path(f"m.{suffix}")
    before = header + lines("a" * shift, range(50))
    after = (header + lines("b" * (shift + 3), range(60)))[: len(before) - 1] + b"\n"
    path.write_bytes(before)
    found = path.stat()

    def change():
        rewrite(path, after)
        # Not even the time says so, as on a coarse file system.
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    keys = []
    with pytest.raises(ManifestError, match="was changed while it was read"):
        read(path, suffix, keys, then=change)
    assert keys
    assert set(keys) <= set((before + after).decode().splitlines())


def test_a_list_that_is_cut_short_gives_no_half_of_a_row():
    path = Path("m.txt")
    path.write_bytes(lines("o", range(100)))

    def cut():
        os.truncate(path, 8 * 40 + 5)

    with pytest.raises(ManifestError, match="was changed while it was read"):
        read(path, "txt", [], then=cut)


def test_a_torn_last_line_is_no_row_while_the_file_grows_and_one_when_it_is_at_rest():
    path = Path("m.txt")
    path.write_bytes(b"one\ntwo\nthr")
    keys = []
    with pytest.raises(ManifestError, match="rows were added"):
        read(path, "txt", keys, first=lambda: append(path, b"ee\nfour\n"))
    assert keys == ["one", "two"]
    path.write_bytes(b"one\ntwo\nthr")
    keys.clear()
    read(path, "txt", keys)
    assert keys == ["one", "two", "thr"]


def test_a_quoted_cell_that_is_torn_is_no_row_either():
    path = Path("m.csv")
    path.write_bytes(b'object\none\n"two\n')
    keys = []
    with pytest.raises(ManifestError, match="rows were added"):
        read(path, "csv", keys, first=lambda: append(path, b'lines"\n'))
    assert keys == ["one"]


def test_a_zipped_list_that_is_rewritten_is_refused():
    path = Path("m.txt.gz")
    path.write_bytes(gzip.compress(os.urandom(200_000).hex().encode() + b"\n" + lines("o", range(1000))))

    def change():
        rewrite(path, gzip.compress(os.urandom(200_000).hex().encode() + b"\n" + lines("p", range(1000))))

    with pytest.raises(ManifestError):
        read(path, "txt", [], first=change)


def test_a_parquet_list_that_is_rewritten_is_refused():
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = Path("m.parquet")
    parquet.write_table(pyarrow.table({"object": [f"o{number}" for number in range(5000)]}), path)
    with open_manifest(path, "parquet") as manifest:
        manifest.check()
        assert manifest.change() is None
        blocks = manifest.blocks(bucket="b")
        next(blocks)
        os.utime(path)
        next(blocks)
        content = path.read_bytes()
        rewrite(path, content[:100] + b"\0" * 100 + content[200:])
        with pytest.raises(ManifestError):
            list(blocks)
        assert "was changed while it was read" in str(manifest.change())
