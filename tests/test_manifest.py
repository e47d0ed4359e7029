"""Which format a manifest has, and what makes it unusable as a whole."""

import gzip
import os
from pathlib import Path

import pytest
from manifests import PARAMETERS, read, refusal

from batcher.edges.manifest import format_of, open_manifest
from batcher.edges.manifest.opening import FORMATS, SUFFIXES
from batcher.errors import ManifestError, UsageError
from batcher.model import Row
from batcher.rules.choices import Format

# The format


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "csv"),
        ("a.CSV", "csv"),
        ("a.tsv", "tsv"),
        ("a.jsonl", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.txt", "txt"),
        ("a.csv.gz", "csv"),
        ("a.b.jsonl.GZ", "jsonl"),
        ("a.json", "json"),
        ("a.json.gz", "json"),
    ],
)
def test_the_suffix_tells_the_format(name, expected):
    assert format_of(Path(name), None) == expected


def test_a_format_that_is_given_wins_over_the_suffix():
    assert format_of(Path("a.csv"), "txt") == "txt"
    assert format_of(None, "jsonl") == "jsonl"


@pytest.mark.parametrize("path", [None, Path("a"), Path("a.gz"), Path("a.xlsx"), Path("csv")])
def test_no_format_is_a_question_to_the_user(path):
    with pytest.raises(UsageError) as caught:
        format_of(path, None)
    assert "--format" in caught.value.advice


# The manifest as a whole


def test_a_missing_manifest_is_named(tmp_path):
    assert "no.csv: No such file" in refusal(tmp_path / "no.csv")


def test_a_directory_is_no_manifest(tmp_path):
    (tmp_path / "dir.csv").mkdir()
    assert "dir.csv: Is a directory" in refusal(tmp_path / "dir.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_manifest_is_named(written):
    path = written("object\na\n")
    path.chmod(0)
    assert "Permission denied" in refusal(path)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
def test_an_empty_file_is_refused(written, name):
    assert f"{name}: the manifest is empty" in refusal(written("", name))


def test_an_empty_gzip_is_refused(written):
    assert "is empty" in refusal(written(gzip.compress(b""), "a.txt.gz"))


def test_a_header_alone_is_a_manifest_without_rows(written):
    assert read(written("bucket,object\n")) == []


@pytest.mark.parametrize("content", ["\n\n", "\ufeff", "\r\n"])
def test_a_table_without_a_header_is_refused(written, content):
    assert "has no header" in refusal(written(content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("bucket,key\nb,k\n", """line 1: no column is named "object"; the columns are 'bucket', 'key'"""),
        ("\nbucket,Object\n", "line 2: no column"),
        ("bucket, object\n", "' object'"),
        ("bucket;object\n", "semicolons"),
        ("bucket\tobject\n", "--format tsv"),
        ("object,bucket,object\n", 'line 1, column 3: duplicate column "object"'),
        ('bucket,"object\n', "line 1: the header is unreadable: a quote is opened"),
        ('"bucket"x,object\n', "line 1: the header is unreadable: not CSV"),
        ("o\0b\0j\0e\0c\0t\0\n\0", "looks like UTF-16"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused_with_line_and_column(written, content, said):
    assert said in refusal(written(content))


def test_a_tsv_that_holds_commas_says_so(written):
    assert "--format csv" in refusal(written("bucket,object\nb,k\n", "a.tsv"))


def test_two_columns_for_the_same_input_are_refused(written):
    same = pytest.raises(ManifestError, match=r'"loud" and "inputs\.loud" are the same input')
    with open_manifest(written("object,inputs.loud,loud\n"), "csv") as manifest, same:
        manifest.blocks(parameters=PARAMETERS)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
def test_bytes_that_are_not_utf8_are_found_before_a_row_is_read(written, name):
    good = b"object\n" + b"k\xc3\xa9y\r\n" * 400_000
    said = refusal(written(good + b"caf\xe9.mp4\n" + good, name))
    assert f"{name}, line 400002, byte 4: not UTF-8; it looks like WINDOWS-1252" in said
    assert "iconv -f WINDOWS-1252" in said


def test_a_wrong_byte_is_found_after_lone_carriage_returns_too(written):
    assert "line 3, byte 2: not UTF-8" in refusal(written(b"object\ra\rb\xe9\rc\r"))


def test_chinese_from_a_spreadsheet_is_recognised(written):
    said = refusal(written("object\n\u89c6\u9891.mp4\n".encode("gb18030")))
    assert "line 2, byte 1: not UTF-8; it looks like GB18030" in said
    assert "iconv -f GB18030 -t UTF-8" in said


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
def test_utf16_is_recognised(written, name, encoding):
    assert "line 1: not UTF-8 text; it looks like UTF-16" in refusal(written("object\na.mp4\n".encode(encoding), name))


@pytest.mark.parametrize(("magic", "kind"), [(b"PK\x03\x04\x14", "a spreadsheet"), (b"\x28\xb5\x2f\xfd\x04", "zstd")])
def test_a_file_of_another_kind_is_named(written, magic, kind):
    assert kind in refusal(written(magic + b"rest", "a.txt"))


@pytest.mark.parametrize("kept", [3, 12, 200, -9, -1])
def test_a_gzip_that_ends_early_is_found_before_a_row_is_read(written, kept):
    whole = gzip.compress("".join(f"{number}.mp4\n" for number in range(10_000)).encode())
    path = written(whole[:kept], "a.txt.gz")
    assert "a.txt.gz: the gzip file ends early" in refusal(path)


def test_a_damaged_gzip_is_found_before_a_row_is_read(written):
    whole = bytearray(gzip.compress(b"a.mp4\n" * 10_000))
    whole[-6] ^= 1
    assert "the gzip file is damaged" in refusal(written(bytes(whole), "a.txt.gz"))


def test_a_line_without_end_is_refused(written):
    assert "a line is longer than 16 MiB" in refusal(written(b"a" * (16 * 1024 * 1024 + 70_000), "a.txt"))


def test_a_record_without_end_is_refused(written):
    path = written("object\n" + '"a\n",' * 300_000)
    with open_manifest(path, "csv") as manifest, pytest.raises(ManifestError, match=r"line 2: a record of more than 1"):
        list(manifest.blocks(bucket="my-videos"))


# The samples

SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.mark.parametrize(
    ("name", "count"), [("objects.csv", 200), ("objects.tsv", 20), ("objects.jsonl", 20), ("keys.txt", 20)]
)
def test_the_samples_are_good_and_hold_no_row_twice(name, count):
    rows = read(SAMPLES / name, parameters=PARAMETERS)
    assert [type(row) for row in rows] == [Row] * count
    assert len({row.key for row in rows}) == count


def test_each_format_that_can_be_chosen_has_a_row_in_the_table_and_the_table_no_others():
    assert list(FORMATS) == list(Format)
    assert all(format_of(Path(f"m{suffix}"), None) == format_ for suffix, format_ in SUFFIXES.items())
