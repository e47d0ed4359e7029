"""A manifest is read in pieces of any size and as slowly as it is written, and gives the same rows."""

import gzip
import os
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from manifests import keys, read

from batcher.edges.manifest import format_of, open_manifest


def test_blocks_are_bounded(written):
    path = written("object\n" + "".join(f"{number}\n" for number in range(20_000)))
    with open_manifest(path, "csv") as manifest:
        blocks = list(manifest.blocks(bucket="my-videos"))
    assert max(map(len, blocks)) == 1024
    assert [row.object for block in blocks for row in block] == [str(number) for number in range(20_000)]


@pytest.mark.parametrize("name", ["m.csv", "m.csv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "last"])
def test_a_check_counts_the_lines_of_a_file(tmp_path, name, end, last):
    path = tmp_path / name
    content = f"object{end}" + f"{'x' * 700}{end}" * 2000 + last
    path.write_bytes(gzip.compress(content.encode()) if name.endswith("gz") else content.encode())
    with open_manifest(path, "csv") as manifest:
        assert manifest.lines is None
        manifest.check()
        assert manifest.lines == 2001 + bool(last)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("shift", range(4))
def test_a_record_across_two_chunks_is_whole(written, end, shift):
    # The chunk of 65,536 bytes ends within the quotes, between CR and LF, on the newline, within a character.
    head = f"object{end}"
    filler = "x" * 1000 + end
    count = (65_536 - len(head)) // len(filler)
    pad = "y" * (65_536 - len(head) - count * len(filler) - len(end) * 2 - 3 - shift)
    expected = ["x" * 1000] * count + [pad, f"\u00e9{end}\u00e9", "z"]
    content = head + filler * count + pad + end + f'"\u00e9{end}\u00e9"{end}z{end}'
    assert keys(written(content)) == expected


def test_a_line_end_that_two_chunks_share_is_one_line_end(written):
    # The CR is the last byte of the second chunk, in which nothing else ends a line.
    head = "object,inputs.x\r\na,"
    first, second = read(written(f"{head}{'x' * (2 * 65_536 - len(head) - 1)}\r\nb,\r\n"))
    assert (first.line, first.object, second.line, second.object) == (2, "a", 3, "b")


def test_what_a_slow_writer_has_written_is_delivered_before_it_writes_more(tmp_path):
    for name, first, second in [
        ("slow.csv", "object\na\nb\nc", "c\n"),
        ("slow.jsonl", '{"object":"a"}\n{"object":"b"}\n{"obj', 'ect":"cc"}\n'),
        ("slow.txt", "a\nb\nc", "c"),
    ]:
        arrived = _through_a_pipe(tmp_path / name, [first.encode(), second.encode()])
        assert arrived == [["a", "b"], ["cc"]]


def test_a_gzipped_pipe_is_delivered_as_it_is_flushed_too(tmp_path):
    pack = zlib.compressobj(wbits=31)
    first = pack.compress(b"a\nb\n") + pack.flush(zlib.Z_SYNC_FLUSH)
    assert _through_a_pipe(tmp_path / "slow.txt.gz", [first, pack.compress(b"cc\n") + pack.flush()]) == [
        ["a", "b"],
        ["cc"],
    ]


def _through_a_pipe(path, parts):
    """Write each part only when the rows of the one before have come out."""
    os.mkfifo(path)
    with ThreadPoolExecutor() as threads:
        opened = threads.submit(lambda: path.open("wb", buffering=0))
        opening = threads.submit(open_manifest, path, format_of(path, None))
        with opened.result(timeout=30) as pipe:
            pipe.write(parts[0])
            with opening.result(timeout=30) as manifest:
                manifest.check()
                assert manifest.lines is None
                blocks = manifest.blocks(bucket="my-videos")
                arrived = [threads.submit(next, blocks).result(timeout=30)]
                for part in parts[1:]:
                    pipe.write(part)
                pipe.close()
                arrived += threads.submit(list, blocks).result(timeout=30)
    return [[row.object for row in block] for block in arrived]


def test_standard_input_is_read_like_a_pipe():
    program = """
from batcher.edges.manifest import open_manifest
with open_manifest(None, "csv") as manifest:
    manifest.check()
    print(manifest.lines, [row.object for block in manifest.blocks(bucket="my-videos") for row in block])
"""
    done = subprocess.run([sys.executable, "-c", program], input=b"object\na\nb", capture_output=True, check=True)
    assert done.stdout == b"None ['a', 'b']\n"


def test_standard_input_that_brings_nothing_is_refused():
    program = """
from batcher.edges.manifest import open_manifest
from batcher.errors import ManifestError
try:
    list(open_manifest(None, "txt").blocks())
except ManifestError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], input=b"", capture_output=True, check=True)
    assert done.stdout == b"standard input: the manifest is empty\n"
