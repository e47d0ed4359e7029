"""A reading begins where an earlier one left a mark, or at the beginning if a byte before the mark has changed."""

import gzip
import hashlib

import pytest

from batcher.edges.manifest import Choice, format_of, open_manifest
from batcher.edges.manifest.source import Source

EVERYTHING = Choice()
SMALL_CHUNK = 40
"""Bytes: so that a manifest of a few lines has marks too."""

CONTENTS = {
    "a.txt": "a\n\nb\r\nc\n" * 30 + "last",
    "a.csv": 'object,bucket\na,\n"b\nb",x\n\n"c ""d",\r\ne,f,g\n' * 9 + "last,",
    "a.tsv": 'inputs.n\tobject\n1\ta\n2\t"b\n\n"\n\td\n' * 9,
    "a.jsonl": '{"object":"a"}\n \n{"object":1}\n{"object":"b","inputs":{"n":1}}\n' * 9,
    "a.json": "["
    + '{"object":"a"},\n{"object":"}{\\""} ,{"object":"b",\n"inputs":{"n":{}}}\n\n,' * 9
    + '{"object":"last"}]',
}


def marked(path, mark=None, choice=EVERYTHING):
    """Read from a mark on, if there is one. Give the rows, and the marks by the number of rows before them."""
    with open_manifest(path, format_of(path, None), choice, chunk=SMALL_CHUNK) as manifest:
        assert mark is None or manifest.enter(mark)
        rows, marks = [], []
        for block in manifest.blocks(bucket="my-videos"):
            rows += block
            marks += filter(None, [manifest.mark(rows[-1].number)])
        return rows, marks


@pytest.mark.parametrize("name", CONTENTS)
def test_a_reading_that_is_not_to_be_resumed_gives_the_same_rows_and_no_marks(written, name):
    path = written(CONTENTS[name], name)
    rows, marks = marked(path)
    assert len(marks) > 1
    assert marked(path, choice=Choice(has_marks=False)) == (rows, [])


@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_reading_that_begins_at_a_mark_gives_the_rows_behind_it_with_their_numbers_and_lines(written, name, bom):
    path = written(bom + CONTENTS[name], name)
    rows, marks = marked(path)
    assert len(marks) > 3
    for mark in marks:
        later, later_marks = marked(path, mark)
        assert later == rows[mark.rows :]
        for each in later_marks:
            assert each.digest == hashlib.sha256(path.read_bytes()[: each.offset]).hexdigest()
            assert marked(path, each)[0] == rows[each.rows :]


@pytest.mark.parametrize("name", CONTENTS)
def test_a_mark_is_of_no_use_once_a_byte_before_it_has_changed(written, name):
    content = CONTENTS[name].encode()
    path = written(content, name)
    rows, marks = marked(path)
    mark = marks[2]
    for at in range(mark.offset):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        source = Source(path, lone_cr=True)
        assert source.digest(mark.offset).hexdigest() != mark.digest
        source.close()
    for other in (content[: mark.offset - 1], b"x" + content):
        path.write_bytes(other)
        with open_manifest(path, format_of(path, "txt")) as manifest:
            assert not manifest.enter(mark)
    path.write_bytes(content[: mark.offset] + (b"]" if name == "a.json" else b""))
    assert marked(path, mark)[0] == []
    path.write_bytes(content)
    with open_manifest(path, format_of(path, None)) as manifest:
        assert not manifest.enter(mark._replace(digest="0" * 64))
        assert [row for block in manifest.blocks(bucket="my-videos") for row in block] == rows


def test_there_are_no_marks_in_a_gzip_a_pipe_or_within_a_line(written):
    zipped = written(gzip.compress(CONTENTS["a.txt"].encode()), "a.txt.gz")
    assert marked(zipped)[1] == []
    endless = written("a" * 200, "b.txt")
    assert marked(endless)[1] == []
    quoted = written('object\n"' + "a\n" * 99 + '"', "c.csv")
    assert marked(quoted)[1] == []
