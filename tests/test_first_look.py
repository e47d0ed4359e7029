"""The first look at a manifest that was read before: what is unchanged is not looked at again, all else as ever."""

import gzip
import hashlib
import os
import threading
from pathlib import Path

import pytest
from independent import judging
from test_command import run
from test_manifest_marks import CONTENTS, marked

from batcher.app.look import look_through, looking_early
from batcher.edges.checkpoint.facts import PREFIX
from batcher.edges.checkpoint.reading import hint_at
from batcher.edges.manifest import Choice, format_of, open_manifest
from batcher.errors import ManifestError
from batcher.model import Mark
from batcher.options.verbs import RunOptions
from batcher.rules.rows.settled_prefix import decoded
from batcher.rules.shards.assignment import Shard

OLD = 1e9
"""POSIX seconds of a file that was not changed just now."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, content):
    path = Path(name)
    path.write_bytes(content)
    os.utime(path, (OLD, OLD))
    return path


def mark_after(content, length, **more):
    """Return the mark of a reading of plain lines up to this byte."""
    head = content[:length]
    return Mark(head.count(b"\n"), head.count(b"\n") + 1, length, hashlib.sha256(head).hexdigest(), **more)


def checked(path, mark=None):
    """Check a manifest. Return its number of lines, or what is wrong with it."""
    try:
        with open_manifest(path, format_of(path, None)) as manifest:
            manifest.check(mark)
            return manifest.lines
    except ManifestError as error:
        return str(error), error.advice


def bytes_read():
    """Return how many bytes this process has read from files, as the kernel counts them."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_look_behind_a_mark_finds_what_a_look_at_the_whole_finds(name, bom):
    content = (bom + CONTENTS[name]).encode()
    path = write(name, content)
    marks = marked(path)[1]
    for mark in marks:
        write(name, content)
        assert checked(path, mark) == checked(path)
        for rest in (b"", b"\xe9\n", b"last", b"\n", b'{"object":"a"}{', b"]]"):
            write(name, content[: mark.offset] + rest)
            assert checked(path, mark) == checked(path)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.jsonl"])
def test_what_is_unchanged_is_not_looked_at_again(name):
    # No reading has set such a mark: it shows that the bytes before a mark are digested and nothing else.
    content = b"object\n" + b"good\n" * 9000 + b"\xe9\n" * 9
    path = write(name, content + b"good\n")
    assert checked(path, mark_after(content, len(content))) == 9011
    assert "line 9002, byte 1: not UTF-8" in checked(path)[0]
    # With another fault behind it, all of it is looked at.
    path = write(name, content + b"good\n\xca")
    assert "line 9002, byte 1: not UTF-8" in checked(path, mark_after(content, len(content)))[0]


@pytest.mark.parametrize("other", [b"x", b"bject\n", b""])
def test_a_beginning_that_is_changed_is_looked_at_as_a_whole(other):
    content = b"object\n" + b"good\n" * 9
    mark = mark_after(content, len(content))
    path = write("a.csv", content[:20] + b"\xe9" + content[21:] + b"good\n")
    assert "line 4, byte 4: not UTF-8" in str(checked(path, mark))
    path = write("a.csv", b"object\n" + other)
    assert checked(path, mark) == checked(path)


def test_a_zipped_list_and_one_of_obsutil_are_looked_at_as_a_whole():
    content = b"a\n" * 50
    path = write("a.txt.gz", gzip.compress(content)[:-9])
    assert "the gzip file ends early" in checked(path, mark_after(path.read_bytes(), 20))[0]
    listed = b"obs://b/a\nNext marker is: x\nobs://b/c\n"
    path = write("a.txt", listed)
    with open_manifest(path, "obsutil") as manifest:
        manifest.check(mark_after(listed, len(listed)))
        assert any("stopped at its limit" in each for each in manifest.warnings)


def test_the_bytes_before_a_mark_are_read_once_for_the_look_and_to_begin_behind_them():
    content = b"x" * 999 + b"\n"
    path = write("a.txt", content * 3000)
    mark = mark_after(content * 2990, 2_990_000)
    with open_manifest(path, "txt") as manifest:
        before = bytes_read()
        manifest.check(mark)
        assert manifest.enter(mark)
        assert bytes_read() - before < 3_100_000
        assert sum(map(len, manifest.blocks(bucket="films"))) == 10
    assert bytes_read() - before < 3_200_000


def test_a_beginning_that_is_changed_after_the_look_is_not_passed_over():
    content = b"object\n" + b"good\n" * 9
    path, mark = write("a.csv", content), mark_after(content, len(content))
    with open_manifest(path, "csv") as manifest:
        manifest.check(mark)
        with path.open("r+b") as file:
            file.write(b"object\nevil")
        assert not manifest.enter(mark)


async def test_a_run_that_goes_on_looks_only_at_what_no_run_has_read():
    names = [f"{number:04d}{'x' * 990}" for number in range(300)]
    path = write("m.txt", "".join(f"{name}\n" for name in names).encode())
    async with judging() as judge:
        assert (await run(judge, "m.txt")).code == 0
        whole = path.read_bytes()
        # A character that is wrong in the rest is found before anything is sent.
        write("m.txt", whole + b"new\nw\xe9rong\n")
        ended = await run(judge, "m.txt")
        assert (ended.code, len(judge.bodies)) == (65, 300)
        assert "m.txt, line 302, byte 2: not UTF-8" in ended.stderr
        # One in what was read before is found too.
        write("m.txt", whole[:5000] + b"\xe9" + whole[5001:] + b"new\n")
        ended = await run(judge, "m.txt")
        assert (ended.code, len(judge.bodies)) == (65, 300)
        assert "m.txt, line 6, byte 26: not UTF-8" in ended.stderr
        write("m.txt", whole + b"new\n")
        options = RunOptions(manifest=path, workflow="transcode", endpoint=judge.url, bucket="videos", allow_http=True)
        with open_manifest(path, "txt") as manifest:
            before = bytes_read()
            look_through(manifest, options)
            assert manifest.enter(decoded(str(hint_at(options.checkpoint, PREFIX))).mark)
            # The list once, and a few pages of the checkpoint.
            assert bytes_read() - before < 1.5 * len(whole)
            assert manifest.lines == 301
        assert (await run(judge, "m.txt")).code == 0
        assert judge.objects()[300:] == ["new"]


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint", b"SQLite format 3\0" + b"x" * 100])
def test_whatever_is_at_the_place_of_the_checkpoint_stays_as_it_is_and_the_whole_is_looked_at(content):
    path = write("a.txt", b"good\n" * 9)
    place = options_of(path).checkpoint
    if content is not None:
        place.write_bytes(content)
    with open_manifest(path, "txt") as manifest:
        look_through(manifest, options_of(path))
        assert manifest.lines == 9
    assert (place.read_bytes() if place.exists() else None) == content
    assert {each.name for each in Path().iterdir()} <= {"a.txt", place.name}


def options_of(path, **more):
    return RunOptions(manifest=path, workflow="transcode", endpoint="http://127.0.0.1:9", bucket="films", **more)


def threads():
    return [each.name for each in threading.enumerate() if each.name.startswith("look")]


def test_a_look_that_was_begun_early_is_that_of_the_run():
    path = write("a.txt", b"good\n" * 100_000)
    with looking_early(options_of(path)) as opened, opened(path, "txt", Choice()) as manifest:
        look_through(manifest, options_of(path))
        assert manifest.lines == 100_000
        assert len([row for block in manifest.blocks(bucket="films") for row in block]) == 100_000
        # It is opened once. A run that reads its list again has another one.
        with opened(path, "txt", Choice()) as again:
            assert again is not manifest
            assert again.lines is None
    assert threads() == []


def test_what_an_early_look_finds_is_raised_where_the_run_looks():
    path = write("a.txt", b"good\n" * 100_000 + b"\xe9\n")
    said = checked(path)
    with looking_early(options_of(path)) as opened, opened(path, "txt", Choice()) as manifest:
        with pytest.raises(ManifestError, match="line 100001, byte 1: not UTF-8") as found:
            look_through(manifest, options_of(path))
        assert (str(found.value), found.value.advice) == said


@pytest.mark.parametrize(("name", "content"), [("a.csv", b""), ("b.csv", b"no header\n"), ("c.xyz", b"PK\3\4")])
def test_a_list_that_cannot_be_opened_is_refused_where_the_run_opens_it(name, content):
    path = write(name, content)
    with looking_early(options_of(path)) as opened:
        assert opened is open_manifest
    assert threads() == []


def test_a_look_that_nobody_waits_for_ends_with_the_command():
    path = write("a.txt", b"good\n" * 10_000_000)
    with looking_early(options_of(path)) as opened:
        with opened(path, "txt", Choice()):
            pass
        assert threads() == []
    with pytest.raises(KeyboardInterrupt), looking_early(options_of(path)):
        raise KeyboardInterrupt
    assert threads() == []


def test_pipes_and_lists_of_shards_are_left_to_the_run(tmp_path):
    os.mkfifo(tmp_path / "p.txt")
    path = write("a.txt", b"good\n")
    for options in (
        options_of(tmp_path / "p.txt"),
        options_of("-", format="txt", output=Path("o"), checkpoint=Path("c")),
        options_of(path, shard=Shard(1, 2), run_dir=Path("r")),
    ):
        with looking_early(options) as opened:
            assert opened is open_manifest
