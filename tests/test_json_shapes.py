"""JSON in its shapes: an array of objects is a manifest, JSON Lines is another, and the others are named at once."""

import gzip
import json
import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from independent import judging
from test_command import batcher

from batcher.edges.manifest import Choice, format_of, open_manifest
from batcher.errors import ManifestError
from batcher.model import BadRow
from batcher.rules.rows.json_text import scan_object

KEEP = Choice(keep_placeholders=True)
ROWS = [
    {"object": "a"},
    {"object": "b", "inputs": {"n": 1, "of": [{}, "}"]}},
    {"bucket": "other-one", "object": '"}\\'},
]
NAMED = [("videos", "a", b""), ("videos", "b", b'{"n":1,"of":[{},"}"]}'), ("other-one", '"}\\', b"")]


@pytest.fixture
def written(tmp_path):
    def write(content, name="m.json"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        # At rest: a last line without a line end is not waited for.
        os.utime(path, (0, 0))
        return path

    return write


def read(path, chunk=32 * 1024):
    with open_manifest(path, format_of(path, None), KEEP, chunk=chunk) as manifest:
        manifest.check()
        return [row for block in manifest.blocks(bucket="videos") for row in block]


def contents(rows):
    return [(row.bucket, row.object, row.inputs) for row in rows]


def refusal(path, chunk=32 * 1024):
    with pytest.raises(ManifestError) as caught, open_manifest(path, format_of(path, None), chunk=chunk) as manifest:
        manifest.check()
    with pytest.raises(ManifestError, match=r".") as again, open_manifest(path, format_of(path, None)) as manifest:
        list(manifest.blocks(bucket="videos"))
    assert str(again.value) == str(caught.value)
    return f"{caught.value} | {caught.value.advice}"


@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("around", ["{}", "{}\n", "\ufeff{}\n\n", " \n{} "])
def test_an_array_of_objects_is_a_manifest_however_it_is_written(written, indent, line_end, around):
    text = around.format(json.dumps(ROWS, indent=indent)).replace("\n", line_end)
    path = written(text)
    for chunk in (1, 7, 32 * 1024):
        rows = read(path, chunk)
        assert contents(rows) == NAMED
        assert [row.number for row in rows] == [1, 2, 3]
        begins = [text[: text.index(mark)].rpartition("{")[0].count("\n") + 1 for mark in ('"a"', '"b"', '"other-one"')]
        assert [row.line for row in rows] == begins
    assert contents(read(written(gzip.compress(text.encode()), "m.json.gz"))) == NAMED


def test_a_bad_object_is_a_bad_row_with_its_lines_and_the_others_are_read(written):
    path = written('[\n{"object":\n1},\n{"object" "b"},\n{"object":"c"}]')
    one, two, three = read(path)
    assert one.reason == "lines 2 to 3: object: a number, not a string"
    assert two.reason.startswith("line 4: not JSON: ")
    assert (three.number, three.line, three.object) == (3, 5, "c")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('a{}[]",\\ \n\u00e9\U0001f3ac', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('b{"\\', max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.builds(lambda key, inputs: {"object": f"k{key}", "inputs": {"x": inputs}}, st.text('k{"', max_size=3), JSON)
    ),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
)
def test_an_array_gives_the_same_rows_wherever_its_bytes_are_split(rows, indent, is_ascii, sizes):
    data = json.dumps(rows, indent=indent, ensure_ascii=is_ascii).encode()
    outlet, inlet = os.pipe()

    def write():
        at = 0
        for turn in range(len(data)):
            os.write(inlet, data[at : at + sizes[turn % len(sizes)]])
            at += sizes[turn % len(sizes)]
            if at >= len(data):
                break
        os.close(inlet)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        with open_manifest(Path(f"/proc/self/fd/{outlet}"), "json", KEEP, chunk=max(sizes)) as manifest:
            read_rows = [row for block in manifest.blocks(bucket="videos") for row in block]
        writing.result()
    os.close(outlet)
    assert [row.object for row in read_rows] == [row["object"] for row in rows]
    assert [json.loads(row.inputs) for row in read_rows] == [row["inputs"] for row in rows]


@given(st.dictionaries(st.text('a{}"\\', max_size=4), JSON), st.data())
@settings(deadline=None, max_examples=60)
def test_a_scan_of_an_object_finds_its_end_in_one_go_or_in_two(value, data):
    text = json.dumps(value)
    split = data.draw(st.integers(1, len(text)))
    whole = scan_object(text + ', {"', 0)
    assert (whole.at, whole.depth) == (len(text), 0)
    first = scan_object(text[:split], 0)
    if first.depth:
        assert scan_object(text + "}", first.at, first.depth) == whole


ARRAY, PRETTY = '[\n{"object":"a"}\n]\n', '{\n  "object": "a"\n}\n{\n  "object": "b"\n}\n'
MANY = '{"object":"a"}{"object":"b"}'


@pytest.mark.parametrize("blank", ["", "\n \n", "\ufeff"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (ARRAY, "a JSON array, not JSON Lines | Name the file .json, or give --format json."),
        (json.dumps(ROWS), "a JSON array, not JSON Lines"),
        (PRETTY, "JSON objects of several lines, not JSON Lines | Write one object per line: jq -c"),
        ('{"object":"a",\n"inputs":{}}\n', "JSON objects of several lines"),
        (MANY, "several JSON objects on one line, not JSON Lines"),
        (MANY * 5000, "several JSON objects on one line, not JSON Lines"),
        (
            '{"object":"a"},\n{"object":"b"}\n',
            "JSON objects with a comma after each, not JSON Lines | Remove the commas",
        ),
        ('{"object":"a"}, {"object":"b"}', "JSON objects with a comma after each"),
    ],
)
def test_json_that_is_not_json_lines_is_named_before_a_row_is_read(written, content, said, blank):
    assert f"m.jsonl: {said}" in refusal(written(blank + content, "m.jsonl"))


@pytest.mark.parametrize("line", ['{"object":"a"', '{"object":"a', '"a"', "{}x", '{"object":"a"}]'])
def test_a_bad_first_line_of_json_lines_is_a_bad_row(written, line):
    one, two = read(written(f'{line}\n{{"object":"b"}}\n', "m.jsonl"))
    assert (type(one), two.object) == (BadRow, "b")


def test_a_byte_order_mark_before_a_line_of_json_lines_is_no_fault(written):
    rows = read(written('\ufeff{"object":"a"}\n\ufeff{"object":"b"}\n', "m.jsonl"))
    assert [row.object for row in rows] == ["a", "b"]


@pytest.mark.parametrize("chunk", [5, 32 * 1024])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"object":"a"}\n{"object":"b"}\n', "line 1: JSON Lines, not a JSON array | Name the file .jsonl"),
        (PRETTY, "line 1: JSON objects that are not in an array | Put them in one: jq -s . FILE"),
        ('{"object":"a"},\n{"object":"b"}\n', "line 1: JSON objects that are not in an array"),
        ("a\nb\n", "line 1: not a JSON array of objects"),
        ('["a", "b"]', """line 1: '"a", "b"]' where an object or ] must follow"""),
        ('[{"object":"a"},\n[]]', "line 2: '[]]' where an object must follow"),
        ('[{"object":"a"},\n]', "line 2: ']' where an object must follow"),
        ('[{"object":"a"}\n{"object":"b"}]', "line 2: '{"),
        ('[{"object":"a"}]\n[{"object":"b"}]', "line 2: '[{"),
        ('[{"object":"a"},\n{"object":"b"}', "line 2: the array is not closed; the file may be cut off"),
        ('[{"object":"a"},\n{"object":"b', "line 2: the array is not closed; the file may be cut off"),
        ('[{"object":"a"},\n{"object":"}b', "line 2: the array is not closed; the file may be cut off"),
    ],
)
def test_a_json_file_that_is_not_one_array_of_objects_is_refused_before_a_row_is_read(written, content, said, chunk):
    # Of the first bytes of a pipe it may not be known what follows the first object.
    if chunk > 5 or not content.startswith("{"):
        assert said.partition(" where")[0].rstrip("'")[:40] in refusal(written(content), chunk)


def test_one_object_is_not_taken_for_a_list(written):
    said = refusal(written('{"Contents": [{"Key": "a"}, {"Key": "b"}]}'))
    assert "line 1: one JSON object, not an array of objects | Give the array of objects in it" in said


@pytest.mark.parametrize("filling", ["x", "{}", "}", "\\\\"])
def test_an_object_of_more_than_a_mebibyte_is_refused(written, filling):
    size = 1024 * 1024 + 100_000
    value = f'"{filling * (size // len(filling))}"' if filling != "{}" else f"[{','.join([filling] * (size // 3))}]"
    assert "1 MiB" in refusal(written(f'[{{"object":"a"}},\n{{"object":{value}}}]'))


def test_the_format_is_that_of_the_content_where_the_name_leaves_it_open(written):
    assert format_of(written(ARRAY, "manifest.json"), None) == "json"
    assert format_of(written('{"files": [], "fileSchema": "Bucket, Key"}', "mine.json"), None) == "inventory"
    assert format_of(written("{}", "manifest.json"), None) == "inventory"


def test_the_lines_of_an_array_are_known_only_if_they_say_how_many_rows_there_are(written):
    for text, lines in ((json.dumps(ROWS), None), (json.dumps(ROWS, indent=1), 19), ('[\n{"object":"a"}\n]\n', 3)):
        with open_manifest(written(text), "json") as manifest:
            manifest.check()
            assert manifest.lines == lines


def test_the_memory_for_an_array_on_one_line_is_bounded(written):
    path = written("[" + ",".join(f'{{"object":"in/{number:09d}.mp4"}}' for number in range(40_000)) + "]")
    assert path.stat().st_size > 1_200_000
    tracemalloc.start()
    with open_manifest(path, "json") as manifest:
        manifest.check()
        count = sum(map(len, manifest.blocks(bucket="videos")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_000
    assert peak < 800_000


async def test_an_array_is_run_to_a_limit_and_resumed_and_each_row_is_started_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"object": f"in/{number:05d}.mp4", "inputs": {"n": number}} for number in range(2000)]
    Path("m.json").write_text(json.dumps(rows))
    async with judging() as judge:
        words = ("run", "m.json", "-w", "transcode", "-e", judge.url, "-b", "videos", "--progress", "none")
        first = await batcher(*words, "--limit", "1500")
        assert len(judge.objects()) == 1500, first
        second = await batcher(*words)
        assert second.code == 0, second
        assert sorted(judge.objects()) == [row["object"] for row in rows]
    records = [json.loads(line) for line in Path("m.json.executions.jsonl").read_text().splitlines()]
    assert {record["object"]: record["row"] for record in records} == {
        row["object"]: number for number, row in enumerate(rows, 1)
    }


@pytest.mark.parametrize("shift", range(1, 20))
@pytest.mark.parametrize("separator", [",", ",\n"])
def test_at_no_offset_do_two_contents_of_one_size_meet_in_an_object(written, shift, separator):
    def array(name, count):
        return "[" + separator.join(f'{{"object":"{name}{number:04d}"}}' for number in range(count))

    before = array("a" * shift, 60) + "]"
    after = array("b" * (shift + 3), 70)[: len(before) - 1] + "]"
    path = written(before)
    found = path.stat()
    keys = []
    with open_manifest(path, "json", chunk=64) as manifest:
        blocks = manifest.blocks(bucket="videos")
        keys += [row.object for row in next(blocks)]
        path.write_text(after)
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
        with pytest.raises(ManifestError, match="was changed while it was read"):
            keys += [row.object for block in blocks for row in block]
    assert all(set(key[:shift]) == {"a"} for key in keys)
