"""What is in a table of rows and is none: repeated headers, empty rows, footers; and objects that are addresses."""

import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from test_command import ENVIRONMENT, batcher

from batcher.edges.manifest import format_of, open_manifest
from batcher.errors import ManifestError
from batcher.model import BadRow
from batcher.rules.rows.address import located


@pytest.fixture
def written(tmp_path):
    def write(content, name="m.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode())
        os.utime(path, (0, 0))
        return path

    return write


def read(path, chunk=32 * 1024, bucket="videos"):
    with open_manifest(path, format_of(path, None), chunk=chunk) as manifest:
        manifest.check()
        rows = [row for block in manifest.blocks(bucket=bucket) for row in block]
        assert [row.number for row in rows] == list(range(1, len(rows) + 1))
        return rows, dict(manifest.skipped)


def told(rows):
    return [row.reason if isinstance(row, BadRow) else row.object for row in rows]


@pytest.mark.parametrize("chunk", [9, 32 * 1024])
@pytest.mark.parametrize(
    ("content", "objects", "skipped"),
    [
        ("object\na\nobject\nb\n", ["a", "b"], {"repeated_headers": 1}),
        ("\ufeffobject\na\n\ufeffobject\nb\n", ["a", "b"], {"repeated_headers": 1}),
        ("object,inputs.n\na,1\nobject,inputs.n\r\nb,2\n", ["a", "b"], {"repeated_headers": 1}),
        ('inputs.n,object\n1,a\n"inputs.n","object"\n2,b\n', ["a", "b"], {"repeated_headers": 1}),
        ("inputs.n,object\n1,a\n\ufeffinputs.n,object\n2,b\n", ["a", "b"], {"repeated_headers": 1}),
        ("object,inputs.n\na,1\n\x1aobject,inputs.n\nb,2\n\x1a", ["a", "b"], {"repeated_headers": 1}),
        ("object,inputs.n\na,1\n,\n,,,\nb,2\n,\n", ["a", "b"], {"empty_rows": 3}),
        ("object\na\n,,\n", ["a"], {"empty_rows": 1}),
        ("object,inputs.n\na,1\n(1 row)\n", ["a"], {"footers": 1}),
        ("object\na\nb\n(2 rows)\n\n", ["a", "b"], {"footers": 1}),
        ("object,inputs.n\na,1\n\n(1 rows affected)\n", ["a"], {"footers": 1}),
        ("object\na\n\n1,204 rows selected.\n", ["a", "1,204 rows selected."], {}),
        ("object,inputs.n\na,1\n2 rows selected.\n", ["a"], {"footers": 1}),
        ("object\na\n2 rows in set (0.01 sec)\n", ["a"], {"footers": 1}),
        ("object\na\n2 rows of seats.mp4\n", ["a", "2 rows of seats.mp4"], {}),
        ('#TYPE System.Management.Automation.PSCustomObject\n"object"\n"a"\n', ["a"], {}),
        ("#TYPE Selected.Row\nobject\na\n#TYPE Selected.Row\nobject\nb\n", ["a", "b"], {"repeated_headers": 2}),
        ("sep=,\nobject,inputs.n\na,1\nsep=,\nobject,inputs.n\nb,1\n", ["a", "b"], {"repeated_headers": 2}),
        ("object\na\n\x1a", ["a"], {}),
        ("object\na\x1a", ["a"], {}),
        ("object,inputs.n\na,1\n\x1a", ["a"], {}),
    ],
)
def test_what_is_no_row_is_skipped_and_counted(written, content, objects, skipped, chunk):
    if content.startswith("object\na\n\n1,204"):
        objects = ["a", "line 4: 2 cells under 1 column; a cell that contains the delimiter needs quotes"]
    rows, found = read(written(content), chunk)
    assert (told(rows), found) == (objects, skipped)


@pytest.mark.parametrize(
    "content",
    [
        "object,bucket\na,b-1\nbucket,object\nb-2,c\n",
        "object,inputs.n\na,1\nobject\nb\n",
        "bucket,object\nb-1,a\nobject\nb\n",
        "object,owner\na,anna\nowner,object\nben,c\n",
        "object,bucket\na,b-1\nobject,size\nb,12345\n",
        "object,bucket\na,b-1\nobject,bucket,size\nb,b-1,1\n",
    ],
)
def test_a_header_with_other_columns_ends_the_reading_before_a_row_is_misread(written, content):
    path = written(content)
    with open_manifest(path, "csv", chunk=8) as manifest:
        blocks = manifest.blocks(bucket="videos")
        assert [row.object for row in next(blocks)] == ["a"]
        with pytest.raises(ManifestError, match="line 3: another header"):
            next(blocks)


@pytest.mark.parametrize("line", ['"",""', "bucket,b-1", "#1,b-1", "obs://b-1/object,", "Object,b-1"])
def test_a_record_that_may_be_a_row_is_one(written, line):
    rows, skipped = read(written(f"object,bucket\na,b-1\n{line}\n"))
    assert (len(rows), skipped) == (2, {})


@pytest.mark.parametrize(("end", "is_sound"), [("\n", True), ("\r\n", True), ("\r", True), ("", False)])
def test_a_last_line_that_is_cut_off_is_no_row(written, end, is_sound):
    rows, _ = read(written(f"object,bucket,inputs.n\na,b-1,1\nin/clip{end}"))
    cut = "line 3: the file ends within this line: it has 1 of 3 cells, and no line end"
    assert told(rows) == ["a", "in/clip" if is_sound else cut]


@pytest.mark.parametrize(
    ("bucket", "object_", "expected"),
    [
        ("", "obs://b-1/in/a.mp4", ("b-1", "in/a.mp4")),
        ("b-1", "OBS://b-1//a", ("b-1", "/a")),
        ("", "obs://b-1/https://x/y", ("b-1", "https://x/y")),
        ("b-1", "in/https://x/y", ("b-1", "in/https://x/y")),
        ("b-1", "12:30 a.mp4", ("b-1", "12:30 a.mp4")),
        ("b-1", "C:\\a", ("b-1", "C:\\a")),
        ("b-1", "://a", ("b-1", "://a")),
        ("", "obs://b-1", ("b-1", "")),
    ],
)
def test_an_address_of_obs_names_bucket_and_key(bucket, object_, expected):
    assert located(bucket, object_) == expected


@pytest.mark.parametrize("scheme", ["https", "s3", "gs", "file", "S3a"])
def test_another_address_is_refused_with_a_hint(scheme):
    with pytest.raises(ValueError, match=rf"object: {scheme}:// begins an address, not a key; write obs://BUCKET/KEY"):
        located("", f"{scheme}://b-1/a")


def test_an_address_in_another_bucket_than_the_rows_is_refused():
    with pytest.raises(ValueError, match="the address is in the bucket b-2, but the row names the bucket b-1"):
        located("b-1", "obs://b-2/a")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", "object\nobs://b-1/a\nb\ns3://b-1/c\n"),
        ("m.txt", "b\nobs://b-1/a\ns3://b-1/c\n"),
        ("m.jsonl", '{"object":"obs://b-1/a"}\n{"object":"b"}\n{"object":"s3://b-1/c"}\n'),
        ("m.json", '[{"object":"obs://b-1/a"},{"object":"b"},{"object":"s3://b-1/c"}]'),
    ],
)
def test_addresses_are_split_in_every_format(written, name, content):
    rows, _ = read(written(content, name))
    sound = {(row.bucket, row.object) for row in rows if not isinstance(row, BadRow)}
    assert sound == {("b-1", "a"), ("videos", "b")}
    assert "s3:// begins an address" in rows[-1].reason


def test_addresses_in_parquet_are_split(tmp_path):
    parquet.write_table(pa.table({"object": ["obs://b-1/a", "s3://b-1/c"]}), tmp_path / "m.parquet")
    (one, two), _ = read(tmp_path / "m.parquet")
    assert (one.bucket, one.object, type(two)) == ("b-1", "a", BadRow)


async def test_a_list_of_addresses_needs_no_bucket(written, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = ("-w", "transcode", "-e", "http://127.0.0.1:9", "--no-preflight")
    written("object\nobs://b-1/a\n")
    checked = await batcher("check", "m.csv", *words, environment=ENVIRONMENT)
    assert (checked.code, "1  in bucket b-1" in checked.stdout) == (0, True), checked
    Path("m.csv").write_text("object\na\n")
    refused = await batcher("check", "m.csv", *words, environment=ENVIRONMENT)
    assert (refused.code, "no row of the manifest names a bucket" in refused.stderr) == (2, True), refused
