"""The size of the pieces in which a manifest is read decides neither what is too long, nor what is said of it."""

import gzip
import json
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.edges.manifest import open_manifest
from batcher.edges.manifest.json_array import ArrayReader
from batcher.edges.manifest.manifest import CHUNK
from batcher.edges.manifest.source import BLOCK, LINES, LOOK, MOST_OBJECT, OBJECTS, Cut, Source
from batcher.errors import ManifestError

MOST = 3000
LINE = Cut(b"\n", MOST, "a line")
SIZES = [1024, 1500, 2048, MOST]
"""Bytes to read at a time. The smallest holds what shows the kind of a file, and none is longer than a line may be."""
OLD = 1e9
"""POSIX seconds of a file that was not changed just now."""
LENGTHS = [0, 1, 40, MOST - 1025, MOST - 1, MOST, MOST + 1, MOST + 1024]


def outcome(path, size, cut=LINE, *, lone_cr=False):
    """Read a file in pieces of this size. Return its text and number of lines, or the error and its advice."""
    source = Source(path, lone_cr=lone_cr, cut=cut)
    try:
        return "".join(source.texts(size)), source.lines
    except ManifestError as error:
        return str(error), error.advice
    finally:
        source.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("pieces") / "m.csv"


@given(
    st.lists(st.tuples(st.sampled_from(LENGTHS), st.sampled_from([b"\n", b"\r\n", b"\r"])), min_size=1, max_size=6),
    st.booleans(),
    st.booleans(),
    st.sampled_from([b"", b"last", b"\xe9"]),
)
@settings(max_examples=150, deadline=None)
def test_a_line_is_too_long_by_its_length_alone(place, entries, lone_cr, is_zipped, last):
    content = b"".join(b"%c" % (97 + at) * length + end for at, (length, end) in enumerate(entries)) + last
    place.write_bytes(gzip.compress(content) if is_zipped else content)
    found = {outcome(place, size, lone_cr=lone_cr) for size in SIZES}
    assert len(found) == 1, found
    said, lines = found.pop()
    each = re.split(b"\r\n|\n|\r" if lone_cr else b"\n", content)
    long = next((line for line in each if len(line) > MOST), None)
    if long is not None:
        assert f"a line is longer than 0 MiB; it begins with {long[:40]!r}" in said
    elif last == b"\xe9":
        assert f"line {len(each)}, byte {len(each[-1])}: not UTF-8" in said
    else:
        assert (said.encode(), lines) == (content, len(each) - (each[-1] == b""))


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"b" * 1022]), max_size=12), st.booleans())
@settings(max_examples=150, deadline=None)
def test_line_ends_of_several_kinds_are_counted_alike(place, parts, lone_cr):
    content = b"".join([b"a", *parts])
    place.write_bytes(content)
    ends = re.findall(b"\r\n|\n|\r" if lone_cr else b"\n", content)
    is_ended = content.endswith((b"\n", b"\r") if lone_cr else b"\n")
    cut = LINE._replace(most=20_000)
    assert {outcome(place, size, cut, lone_cr=lone_cr)[1] for size in SIZES} == {len(ends) + (not is_ended)}


def test_lines_that_end_where_pieces_end_are_not_kept_until_the_end(place):
    # Each piece has one line, and only its last byte ends one: whether a newline follows is known with the next piece.
    place.write_bytes((b"x" * 1023 + b"\r") * 9)
    source = Source(place, lone_cr=True, cut=LINE)
    assert [len(text) for text in source.texts(1024)] == [1024] * 9
    source.close()


@pytest.mark.parametrize("is_zipped", [False, True])
@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("inner", [0, 1, 40])
def test_an_object_of_an_array_is_too_long_by_its_length_alone(place, is_zipped, more, inner):
    """With inner objects, braces end pieces within the object, and it is still too long."""
    first = {"object": "first"}
    inputs = {f"n{at}": {"a": "b" * 20_000} for at in range(inner)}
    empty = {"object": "", "inputs": inputs} if inner else {"object": ""}
    length = MOST_OBJECT + more
    long = {**empty, "object": "x" * (length - len(json.dumps(empty)))}
    content = json.dumps([first, long, first]).encode()
    place.write_bytes(gzip.compress(content) if is_zipped else content)
    found = set()
    for size in (1024, CHUNK, LOOK, MOST_OBJECT):
        source = Source(place, cut=OBJECTS)
        try:
            found.add(len(list(ArrayReader(1, "m").objects(source.texts(size)))))
        except ManifestError as error:
            found.add(re.sub(r"^.*?m\.csv", "m", str(error)))
        finally:
            source.close()
    assert len(found) == 1, found
    # Between the braces that end two objects are also the comma and the blank before the second one.
    said = str(found.pop())
    if inner:
        assert said == ("m, line 1: an object of more than 1 MiB begins here" if more > 0 else "3")
    else:
        assert ("an object is longer than 1 MiB; it begins with b', {" in said) == (more > -1), said


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\r"])
@pytest.mark.parametrize("wrong", [None, 5_000, 200_000, BLOCK - 1, BLOCK + 200_000])
@pytest.mark.parametrize("more", [b"", b"last", b"\r", b"\xe9"])
def test_a_look_finds_what_a_reading_finds(place, end, wrong, more):
    """It decodes most lines without making texts of them."""
    lines = (b"caf\xc3\xa9" + end) * 9 + (b"x" * 40 + end) * 300
    content = b"object" + end + lines * (6_000_000 // len(lines))
    if wrong is not None:
        content = content[:wrong] + b"\xe9" + content[wrong + 1 :]
    place.write_bytes(content + more)
    os.utime(place, (OLD, OLD))
    try:
        with open_manifest(place, "csv") as manifest:
            manifest.check()
            found = manifest.lines
    except ManifestError as error:
        found = str(error)
    read = outcome(place, CHUNK, LINES, lone_cr=True)
    assert found == (read[0] if "not UTF-8" in read[0] else read[1])


def test_a_last_line_without_end_may_be_as_long_as_any_other(place):
    for length in (MOST - 1, MOST, MOST + 1):
        place.write_bytes(b"object\n" + b"x" * length)
        found = {outcome(place, size)[0] for size in SIZES}
        assert len(found) == 1
        assert ("longer than" in found.pop()) == (length > MOST)


def test_chunks_are_no_longer_than_an_entry_may_be():
    assert max(CHUNK, LOOK) <= min(LINES.most, OBJECTS.most)
    assert LINES.most >= BLOCK
