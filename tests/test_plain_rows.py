"""A text that is read at a glance gives exactly the rows that the careful reading of each entry gives."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batcher.edges.manifest import manifest as manifest_module
from batcher.edges.manifest import open_manifest
from batcher.edges.manifest.rows import Rows
from batcher.errors import ManifestError
from batcher.model import Parameter, Row
from batcher.rules.rows.identity import content_key, content_keys
from batcher.rules.rows.plain_rows import PlainRows

TYPES = {"n": Parameter("n", "integer", has_value=False, constraints={})}
CHUNKS = [5, 40, 1000, 32 * 1024]


class CarefulRows(Rows):
    """Makes each row for itself."""

    def plain(self, *_):
        return None


def reading(path, format_, chunk, rows, **given_):
    """Return all that one reading of a file shows."""
    shown = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(manifest_module, "Rows", rows)
        try:
            with open_manifest(path, format_, chunk=chunk) as manifest:
                shown += [manifest.header, blocks := []]
                rows_read = manifest.blocks(**{"bucket": "default-one", "parameters": TYPES, **given_})
                blocks.extend((list(block), manifest.mark(block[-1].number)) for block in rows_read)
                shown += [manifest.warnings, manifest.first_unnamed, dict(manifest.skipped), manifest.ignored.names]
                shown += [manifest.mark(10**9), manifest._source.lines]
        except ManifestError as error:
            shown += [str(error), error.advice]
    return shown


@pytest.fixture
def same(tmp_path):
    """Compare both readings of some bytes."""
    path = tmp_path / "m"

    def compare(content, format_, chunk, **given_):
        path.write_bytes(content)
        os.utime(path, (0, 0))
        careful = reading(path, format_, chunk, CarefulRows, **given_)
        assert reading(path, format_, chunk, Rows, **given_) == careful
        return careful

    return compare


CELLS = st.sampled_from(
    [
        *("a", "b", "in/clip 1.mp4", "in/é", "b-1", "my-bucket", "other-one", "7", "x y", "dir/", "🎬" * 256),
        *(
            "",
            " ",
            '"',
            '""',
            '"q"',
            '"a,b"',
            '"a\nb"',
            '"a\r\nb"',
            '"a""b"',
            'a"b',
            '"a"b',
            "\r",
            "\0",
            "\ufeff",
            "\ufeffobject",
        ),
        *(
            "object",
            "bucket",
            "#TYPE x",
            "#1",
            "(2 rows)",
            "2 rows selected",
            "sep=,",
            "sep=",
            "obs://b-2/k",
            "s3://x/y",
        ),
        *("a:b", "x" * 1024, "x" * 1025, "é" * 513, "🎬" * 257, "\x1a", "\x0b", "\u2028", "{}", '"{""n"":1}"', "1.0"),
        *("192.168.0.1", "Big", "a\tb"),
    ]
)
ENDS = st.sampled_from(["\n"] * 8 + ["\r\n"] * 3 + ["\r", "\n\n", "\r\r\n"])


@st.composite
def tables(draw):
    """Draw a table: mostly plain records of one width and some odd ones."""
    header = draw(
        st.sampled_from(
            ["object", "bucket,object", "object,n", "object,inputs.a,inputs", "x,object,bucket", '"bucket","object"']
        )
    )
    width = header.count(",") + 1
    plain = st.lists(st.sampled_from(["a", "b-1", "in/2", "7", "my-bucket"]), min_size=width, max_size=width)
    quoted = plain.map(lambda cells: [f'"{each}"' for each in cells])
    odd = st.lists(CELLS, max_size=width + 1)
    records = draw(st.lists(st.one_of(plain, plain, plain, quoted, odd), max_size=12))
    end = draw(ENDS)
    ends = [draw(st.one_of(st.just(end), ENDS)) for _ in records]
    text = header + end + "".join(",".join(cells) + each for cells, each in zip(records, ends, strict=True))
    return text + draw(st.sampled_from(["", "", "last", "last,1", "\x1a"]))


VALUES = st.sampled_from(
    [
        '"a"',
        '"b-1"',
        '"my-bucket"',
        '""',
        "null",
        "1",
        "1.5",
        "1e400",
        "99999999999999999999",
        "true",
        "[]",
        "{}",
        '{"n":1}',
        '{"n":[1.0]}',
        '{"n":18446744073709551616}',
        '{"b":1,"a":"x"}',
        r'"\ud800"',
        r'"a\nb"',
        r'"a\u0000"',
        '"dir/"',
        '"obs://b-2/k"',
        '"é"',
        r'"obs:\/\/x/y"',
        '"' + "x" * 1025 + '"',
        "[" * 1100 + "]" * 1100,
        "NaN",
        '"\x01"',
        '"\u2028"',
    ]
)
NAMES = st.sampled_from(["object", "object", "object", "bucket", "inputs", "size", "Object"])


@st.composite
def json_lines(draw):
    """Draw lines: mostly objects of one shape, and some odd ones."""
    shape = draw(st.lists(NAMES, min_size=1, max_size=3))
    values = {"object": st.sampled_from(['"a"', '"b"', '"in/2"']), "bucket": st.sampled_from(['"b-1"', '"my-bucket"'])}
    fields = [
        st.one_of(values.get(name, VALUES), VALUES) if draw(st.booleans()) else values.get(name, VALUES)
        for name in shape
    ]
    entry = st.tuples(*fields).map(
        lambda row: "{" + ",".join(f'"{n}":{v}' for n, v in zip(shape, row, strict=True)) + "}"
    )
    other = st.lists(st.tuples(NAMES, VALUES), max_size=3).map(
        lambda row: "{" + ", ".join(f'"{n}": {v}' for n, v in row) + "}"
    )
    odd = st.sampled_from(
        [
            "",
            " ",
            "[]",
            '"a"',
            "1",
            "{",
            "}",
            '{"object":"a"}{"object":"b"}',
            '{"object":"a"},{"object":"b"}',
            '\ufeff{"object":"a"}',
            '{"object":"x"} ',
            '{"object":"x"}\r',
        ]
    )
    lines = draw(st.lists(st.one_of(entry, entry, entry, other, odd), max_size=10))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return (
        '{"object":"first"}'
        + end
        + "".join(line + end for line in lines)
        + draw(st.sampled_from(["", '{"object":"z"}', "{"]))
    )


AROUND = st.sampled_from(
    [
        ('{"object":"', '"}'),
        ('{"object": "', '"}'),
        ('{"bucket":"b-1","object":"', '","size":1}'),
        ('{"object":"', '","bucket":"b-1","inputs":{"n":1}}'),
        ('{"inputs":{"object":"a"},"object":"', '"}'),
        ('{"object":"a","object":"', '"}'),
        ('{"object":"', '","object":"a"}'),
        ('{"inputs":{"object":"', '"}}'),
        ('{"object":1,"inputs":{"object":"', '"}}'),
        ('{"x":"\\"object\\":","object":"', '"}'),
        ('{"my\\"object":"', '"}'),
        ('["object",{"object":"', '"}]'),
        ('{"object":"', '"'),
        (' {"object":"', '"} '),
        ('\ufeff{"object":"', '"}'),
    ]
)
INNER = st.sampled_from(
    [
        "",
        "in/é",
        "a/b c",
        "\\u0041",
        "\\\\",
        '\\"',
        '"',
        "\t",
        "\x01",
        "\x7f",
        "\u2028",
        "obs://b-2/k",
        '","size":"',
        "{",
        "}",
    ]
)


@st.composite
def alike_lines(draw):
    """Draw lines that differ in what is between two texts, mostly of plain characters."""
    before, after = draw(AROUND)
    inner = draw(st.lists(st.one_of(st.sampled_from("abc"), st.sampled_from("abc"), INNER), min_size=1, max_size=8))
    lines = [before + each + after for each in inner]
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), "".join(draw(st.permutations([before, "a", after]))))
    return "\n".join([*lines, ""])


@st.composite
def alike_records(draw):
    """Draw a table whose records differ in the object, mostly of plain characters."""
    header, before, after = draw(
        st.sampled_from(
            [
                ("bucket,object", "b-1,", ""),
                ("bucket,object", ",", ""),
                ("bucket,object", "B,", ""),
                ("object,n", "", ",1"),
                ("object,n,n2", "", ",1,"),
                ("object,inputs", "", ",[]"),
                ("x,object,bucket", "y,", ",b-1"),
                ("object,a", "", ",a"),
            ]
        )
    )
    odd = ["a,b", ",", "", "\r", '"', "obs://b-2/k", "dir/", "a\nb", "é", "\0", "(2 rows)"]
    inner = draw(st.lists(st.one_of(st.sampled_from("abc"), st.sampled_from(["x/y", *odd])), min_size=1))
    lines = [before + each + after for each in inner]
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), "".join(draw(st.permutations([before, "a", after]))))
    return "\n".join([header, *lines, draw(st.sampled_from(["", "", before, after]))])


KEYS = st.lists(CELLS.filter(lambda cell: cell != "\0"), max_size=10).map(lambda keys: "\n".join(["k", *keys, ""]))

SHARED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
)


LONG = "x" * 131_073
"""Longer than a cell that the csv module reads."""


@pytest.mark.parametrize(
    ("format_", "header", "plain", "odd"),
    [
        ("csv", "x,object\n", "1,p\n", "1,a,b\nc\n2,d\n"),
        ("csv", "n,object\n", "1,p\n", "1,a\n,\n2,object\nn,object\n3,b\n"),
        ("csv", "x,object\n", "1,p\n", f"1,a\n{LONG},b\n2,c\n"),
        ("csv", "x,object\n", '"1","p"\n', f'"1","a"\n"{LONG}","b"\n"2","c"\n'),
        ("csv", "x,object\n", "1,p\n", '"1","a"\n"2\n3","b"\n"","c"\n'),
        ("csv", "x,object\n", "1,p\n", '1,a\n"2","b\n'),
        ("csv", "object\n", "p\n", "a\n#TYPE x\nb\n(2 rows)\nc\n"),
        ("csv", "bucket,object\n", "b-1,p\n", "b-1,a\nb-1,b\n,c\n,d\nb-2,e\n"),
        ("csv", "object,n\n", "p,1\n", "a,1\nb,1\nc,2\n"),
        ("csv", "object,n\n", "p,1\n", "a,1\nb,2\nc,1\n"),
        ("csv", "object,n,inputs\n", "p,1,\n", "a,1,\nb,x,\nc,,{}\n"),
        ("jsonl", "", '{"object":"p"}\n', '{"object":"b"}\n{"object":"b","size":1}\n{"size":2,"object":"c"}\n'),
        ("jsonl", "", '{"object":"p","size":1}\n', '{"object":"b","size":1}\n'),
        ("jsonl", "", '{"object":"p","inputs":{"n":1}}\n', '{"object":"b","inputs":{"n":18446744073709551616}}\n'),
        ("jsonl", "", '{"object":"p","inputs":{"n":1}}\n', '{"object":"b","inputs":{"n":true}}\n'),
        ("jsonl", "", '{"object":"p","inputs":{"n":1}}\n', '{"object":"b","inputs":{"n":1.0}}\n'),
        ("jsonl", "", '{"object":"p","bucket":"b-1"}\n', '{"object":"b","bucket":""}\n{"object":"c","bucket":null}\n'),
        ("jsonl", "", '{"object":"p"}\n', '{"object":"obs:\\/\\/b-2\\/k"}\n{"object":"s3:\\/\\/b-2\\/k"}\n'),
        ("jsonl", "", '{"object":"p"}\n', '{"object":"b","size":"1"}\n{"object":"","object":"c"}\n'),
        ("txt", "", "p\n", "a\nobs://b-2/k\ns3://b/k\ndir/\n\nb\n"),
    ],
)
def test_a_piece_with_one_odd_entry_is_read_with_care(same, format_, header, plain, odd):
    # The header and the plain entries are one piece, and the rest is the next one.
    first = header + plain * (len(odd) // len(plain) + 1)
    for chunk in (len(first), 32 * 1024):
        assert same((first + odd).encode(), format_, chunk, bucket="default-one")


@SHARED
@given(tables(), st.sampled_from(CHUNKS), st.sampled_from(["default-one", None]), st.booleans())
def test_a_table_is_read_at_a_glance_as_it_is_read_with_care(same, text, chunk, bucket, tabs):
    content = (text.replace(",", "\t") if tabs else text).encode()
    same(content, "tsv" if tabs else "csv", chunk, bucket=bucket, static_inputs={"s": 1} if tabs else {})


@SHARED
@given(json_lines(), st.sampled_from(CHUNKS), st.sampled_from(["default-one", None]), st.booleans())
def test_json_lines_are_read_at_a_glance_as_they_are_read_with_care(same, text, chunk, bucket, is_static):
    same(text.encode(), "jsonl", chunk, bucket=bucket, static_inputs={"n": 2} if is_static else {})


@SHARED
@given(alike_lines(), st.sampled_from([40, 32 * 1024]))
def test_lines_of_one_shape_are_read_as_they_are_read_with_care(same, text, chunk):
    same(text.encode(), "jsonl", chunk)


@SHARED
@given(alike_records(), st.sampled_from([30, 1000]))
def test_records_that_differ_in_the_object_are_read_as_they_are_read_with_care(same, text, chunk):
    same(text.encode(), "csv", chunk)


@SHARED
@given(KEYS, st.sampled_from(CHUNKS), st.integers(0, 10**6), st.sampled_from([b"", b"\xff", b"\r", b'"']))
def test_bytes_that_are_put_anywhere_change_both_readings_alike(same, text, chunk, at, odd):
    content = text.encode()
    place = at % (len(content) + 1)
    same(content[:place] + odd + content[place:], "txt", chunk)
    table = b"object\n" + content
    same(table[: place + 7] + odd + table[place + 7 :], "csv", chunk)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.text("ab\n", min_size=1), st.sampled_from([b"", b"{}"])), min_size=1)
)
def test_keys_that_are_computed_together_are_those_of_each_row(rows):
    buckets, objects, inputs = zip(*rows, strict=True)
    assert content_keys(buckets, objects, inputs) == [content_key(*row) for row in rows]


def test_rows_in_columns_are_a_sequence_of_rows():
    rows = PlainRows(4, 9, ["b"] * 3, ["x", "y", "z"], [b""] * 3)
    expected = [Row(4 + at, 9 + at, "b", name, b"", content_key("b", name, b"")) for at, name in enumerate("xyz")]
    assert list(rows) == expected == [rows[0], *rows[1:]]
    assert list(rows.part(1, 2)) == expected[1:2]
    assert (list(rows.lines), rows.keys, len(rows)) == ([9, 10, 11], [row.key for row in expected], 3)
