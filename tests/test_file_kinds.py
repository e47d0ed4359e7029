"""Files that are no list in UTF-8 are named by what they are, with what to do about it, and never converted wrongly."""

import bz2
import gzip
import io
import lzma
import os
import random
import sqlite3
import tarfile
import zipfile

import pyarrow as pa
import pytest
from pyarrow import parquet

from batcher.edges.manifest import format_of, open_manifest
from batcher.errors import ManifestError, UsageError
from batcher.rules.rows.file_kind import encoding_of, kind_of

LIST = b"in/a.mp4\nin/b.mp4\n" * 40


@pytest.fixture
def written(tmp_path):
    def write(content, name="m.txt"):
        path = tmp_path / name
        path.write_bytes(content)
        os.utime(path, (0, 0))
        return path

    return write


def refusal(path, format_=None):
    with pytest.raises(ManifestError) as caught, open_manifest(path, format_of(path, format_)) as manifest:
        manifest.check()
    return f"{caught.value} | {caught.value.advice}"


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("keys.txt")
        entry.size = len(LIST)
        archive.addfile(entry, io.BytesIO(LIST))
    return file.getvalue()


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, LIST)
    return file.getvalue()


def written_parquet():
    file = io.BytesIO()
    parquet.write_table(pa.table({"object": ["a"]}), file)
    return file.getvalue()


def compressed(codec):
    return pa.compress(LIST, codec=codec, asbytes=True)


def noise(begin=b""):
    return begin + random.Random(1).randbytes(60_000)


XLS = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + b"\x3e\x00\x03\x00\xfe\xff\x09\x00" + bytes(600)
KINDS = {
    "a gzip file within a gzip file | Unzip it once": gzip.compress(gzip.compress(LIST)),
    "a tar archive | Unpack it, and give the list in it: tar -xf": tar(),
    "a tar archive": gzip.compress(tar()),
    "a bzip2 file | Unpack it, and give the list in it: bunzip2": bz2.compress(LIST),
    "an xz file | Unpack it, and give the list in it: xz": lzma.compress(LIST),
    "an lzma file": lzma.compress(LIST, format=lzma.FORMAT_ALONE),
    "a zstd file | Unpack it, and give the list in it: zstd": compressed("zstd"),
    "an lz4 file | Unpack it, and give the list in it: lz4": compressed("lz4"),
    "a 7z archive | Unpack it, and give the list in it: 7z": noise(b"7z\xbc\xaf\x27\x1c\x00\x04"),
    "a rar archive": noise(b"Rar!\x1a\x07\x01\x00"),
    "a zip archive | Unpack it, and give the list in it: unzip": zipped("keys.csv"),
    "a spreadsheet (xlsx) | Save the list as CSV": zipped("[Content_Types].xml", "xl/workbook.xml"),
    "a spreadsheet (ods) | Save the list as CSV": zipped("mimetypeapplication/vnd.oasis.opendocument.spreadsheet"),
    "a zip file or a spreadsheet": zipped(),
    "a spreadsheet (xls) | Save the list as CSV": XLS,
    "a Parquet file | Name the file .parquet": written_parquet(),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "an HTML page | Check how the list was downloaded": b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>\n",
    "an XML document": b'\xef\xbb\xbf<?xml version="1.0"?>\n<ListBucketResult></ListBucketResult>\n',
    "a program": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00",
    "UTF-16 | Convert it: iconv -f UTF-16 -t UTF-8": "in/a.mp4\r\n视频\r\n".encode("utf-16"),
    "UTF-16LE | Convert it: iconv -f UTF-16LE": "in/a.mp4\r\n".encode("utf-16-le"),
    "UTF-16BE | Convert it: iconv -f UTF-16BE": "in/a.mp4\r\n".encode("utf-16-be"),
    "UTF-32 | Convert it: iconv -f UTF-32": "in/a.mp4\r\n".encode("utf-32"),
    "GB18030 | Convert it: gunzip -c MANIFEST | iconv -f GB18030": gzip.compress("in/视频.mp4\n".encode("gb18030")),
    "GB18030 | Convert it: iconv -f GB18030": "in/视频.mp4\n".encode("gb18030"),
    "WINDOWS-1252 | Convert it: iconv -f WINDOWS-1252": "in/café.mp4\n".encode("cp1252"),
    "text in another encoding | Find out in which": "in/Привет.mp4\n".encode("cp1251"),
    "binary data | Check that this is the file": noise(b"\xff\xfe"),
    "binary data": bytes(300) + noise(),
}


@pytest.mark.parametrize(("said", "content"), KINDS.items(), ids=list(KINDS))
@pytest.mark.parametrize("name", ["m.txt", "m.csv", "m.jsonl", "m.json"])
def test_a_file_of_another_kind_is_named_and_what_to_do_is_said(written, said, content, name):
    found = refusal(written(content, name))
    assert f"it looks like {said}" in found
    assert f"{name}, line 1" in found


def test_binary_data_behind_a_text_is_not_given_an_encoding(written):
    said = refusal(written(b"in/a.mp4\n" * 200 + noise()))
    assert "line 201, byte" in said
    assert "not UTF-8; it looks like binary data | Check that this is the file with the list." in said


@pytest.mark.parametrize(
    "content", [LIST, b"", b"BZh is a key\n", b"PKzip/a\n", b"MZ\n", b"]\n", b"7z/a\n", b"%PDF\n", b"a\0b\n"]
)
def test_a_list_is_of_no_other_kind(content):
    assert kind_of(content) is None


@pytest.mark.parametrize("size", range(4, 40))
def test_a_beginning_of_a_utf_16_text_is_known_wherever_it_is_cut(size):
    text = "in/a.mp4\n\U0001f3ac视频.mp4\n"
    for encoding in ("UTF-16LE", "UTF-16BE"):
        kind = kind_of(text.encode(encoding)[:size])
        assert kind is None or kind.encoding == encoding


def test_no_encoding_is_claimed_for_bytes_that_are_not_text_in_it():
    for seed in range(200):
        sample = random.Random(seed).randbytes(400)
        at = next((place for place, byte in enumerate(sample) if byte > 0x7F), 0)
        assert encoding_of(sample, at).encoding == ""


@pytest.mark.parametrize("name", ["m.csv.bz2", "m.tar", "m.tgz", "m.xlsx", "m.zip", "m.db"])
def test_a_suffix_that_is_not_known_is_explained_by_the_content(written, tmp_path, name):
    if name == "m.db":
        base = sqlite3.connect(tmp_path / name)
        base.execute("CREATE TABLE t (object)")
        base.close()
        path = tmp_path / name
    else:
        content = {"bz2": bz2.compress(LIST), "tar": tar(), "tgz": gzip.compress(tar())}
        path = written(content.get(name.rpartition(".")[2], zipped("xl/workbook.xml")), name)
    what = {"bz2": "a bzip2 file", "tar": "a tar archive", "tgz": "a tar archive", "db": "an SQLite database"}
    with pytest.raises(UsageError, match=f"looks like {what.get(name.rpartition('.')[2], 'a spreadsheet')}"):
        format_of(path, None)


def test_a_text_with_a_suffix_that_is_not_known_is_still_asked_about(written):
    with pytest.raises(UsageError, match="the suffix does not show the format"):
        format_of(written("in/a.mp4\n".encode("utf-16"), "m.list"), None)
