"""What a table holds comes out exactly, and what is wrong with it is reported with its line."""

import csv
import gzip
import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifests import PARAMETERS, keys, only_bad, read

from batcher.edges.manifest import open_manifest
from batcher.errors import ManifestError
from batcher.model import Row
from batcher.rules.rows.identity import bad_key, canonical, content_key

# Keys, exactly

ODD_KEYS = [
    " leading and trailing ",
    "100%.mp4",
    "%20%2F",
    "a+b.mp4",
    "/leading/slash",
    "//",
    "'single' \"double\"",
    "a,b;c\td",
    "\U0001f3ac.mp4",
    "caf\u00e9",
    "cafe\u0301",
    "\u89c6\u9891/\u7247\u6bb5.mp4",
    "a\u2028b\u0085c\x0bd\x0ce\x1cf",
    "\ufefffirst",
    "#comment",
    "=1+1",
    "NULL",
    "-",
    "a" * 1024,
    "\u00e9" * 512,
]


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("format_", ["csv", "tsv", "jsonl", "txt"])
def test_keys_come_out_exactly_as_they_stand(written, format_, zipped):
    content = (_table(format_) if format_ in {"csv", "tsv"} else _lines(format_)).encode()
    path = written(gzip.compress(content) if zipped else content, f"a.{format_}" + (".gz" if zipped else ""))
    assert keys(path) == ODD_KEYS


def _table(format_):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="," if format_ == "csv" else "\t")
    writer.writerows([["object"], *([key] for key in ODD_KEYS)])
    return text.getvalue()


def _lines(format_):
    lines = [canonical({"object": key}).decode() for key in ODD_KEYS] if format_ == "jsonl" else ODD_KEYS
    return "".join(f"{line}\n" for line in lines)


def test_a_gzip_is_recognised_whatever_its_name(written):
    assert keys(written(gzip.compress(b"object\na\n"))) == ["a"]


def test_a_gzip_of_several_parts_is_read_to_its_end(written):
    assert keys(written(gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n"), "a.txt.gz")) == ["a", "bc", "d"]


def test_a_row_has_its_number_its_line_and_its_identity(written):
    path = written('\nbucket,object,inputs.template-id\n\nb-1,"k\n1",7\n\nb-2,k2,\n')
    inputs = b'{"template-id":"7"}'
    assert read(path) == [
        Row(1, 4, "b-1", "k\n1", inputs, content_key("b-1", "k\n1", inputs)),
        Row(2, 7, "b-2", "k2", b"", content_key("b-2", "k2", b"")),
    ]
    assert all(type(row) is Row for row in read(path))


# CSV and its corners


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("object\na\nb\n", ["a", "b"]),
        ("object\r\na\r\nb\r\n", ["a", "b"]),
        ("object\ra\rb\r", ["a", "b"]),
        ("object\na\r\nb\rc\n", ["a", "b", "c"]),
        ("object\na\nb", ["a", "b"]),
        ("object\r\na\r\nb\r", ["a", "b"]),
        ("object\n\n\na\n\nb\n\n", ["a", "b"]),
        ("\ufeffobject\na\n", ["a"]),
        ('\ufeff"object"\na\n', ["a"]),
        ('object\n"a\nb"\n', ["a\nb"]),
        ('object\r\n"a\r\nb"\r\n', ["a\r\nb"]),
        ('object\r"a\rb"\r', ["a\rb"]),
        ('object\n"a\n\nb"\n', ["a\n\nb"]),
        ('object\n"say ""hi"""\n', ['say "hi"']),
        ('object\nsay "hi"\n', ['say "hi"']),
        ('object\n"a,b"\n', ["a,b"]),
        ("object\n a \n", [" a "]),
        ("object\n  \n", ["  "]),
        ("object\na\u2028b\u0085c\n", ["a\u2028b\u0085c"]),
        ("object,\na,\n", ["a"]),
        ("object,\na\n", ["a"]),
        ("size,object\n1,a\n", ["a"]),
        ('object,inputs\na,"{""x"": 1}"\n', ["a"]),
    ],
)
def test_csv_is_read_as_it_is_written(written, content, expected):
    assert keys(written(content)) == expected


@pytest.mark.parametrize(
    ("content", "line", "key", "said"),
    [
        ("object\na\nb,c\nd\n", 3, "b", "line 3: 2 cells under 1 column;"),
        ("object\na\nb,\nd\n", 3, "b", "line 3: 2 cells under 1 column;"),
        ('object\na\n"b"c\nd\n', 3, "", "line 3: not CSV"),
        ('object\na\n"b\n\nc"x\nd\n', 3, "", "lines 3 to 5: not CSV"),
        (f"object\na\n{'b' * 200_000}\nd\n", 3, "", "line 3: not CSV: field larger than field limit"),
        ('object\na\n""\nd\n', 3, "", "line 3: object: the key is missing or empty"),
        ("size,object\n1,a\n2\n4,d\n", 3, "", "line 3: object: the key is missing or empty"),
        ("bucket,object\n,a\nBad,b\n,d\n", 3, "b", "line 3: bucket: a bucket name has 3 to 63"),
        (f"object\na\n{'b' * 1025}\nd\n", 3, "b" * 1025, "line 3: object: the key has 1,025 bytes"),
        ("object\na\nb\0b\nd\n", 3, "b\0b", "line 3: object: the key contains a NUL"),
        ("object,inputs\na,\nb,{\nd,\n", 3, "b", "line 3: inputs: not JSON: "),
        ("object,inputs\na,\nb,[]\nd,\n", 3, "b", 'line 3: inputs: "[]" is not a JSON object'),
        ('object,inputs\na,\nb,{"n":18446744073709551616}\nd,\n', 3, "b", "64-bit"),
        ("object,template-id\na,1\nb,x\nd,2\n", 3, "b", 'line 3: template-id: "x" is not a 64-bit integer'),
        ("object,inputs.loud\na,true\nb,maybe\nd,\n", 3, "b", 'line 3: inputs.loud: "maybe" is neither'),
    ],
)
def test_a_bad_record_is_told_with_its_line_and_its_neighbours_are_read(written, content, line, key, said):
    content = content.replace('{"n":18446744073709551616}', '"{""n"":18446744073709551616}"')
    first, bad, last = read(written(content), parameters=PARAMETERS)
    assert (first.number, first.object, last.number, last.object) == (1, "a", 3, "d")
    assert (bad.number, bad.line, bad.object) == (2, line, key)
    assert said in bad.reason


def test_a_quote_that_is_never_closed_is_told_with_all_its_lines(written):
    bad = only_bad(written('object\na\n"b\nc\nd\n'))
    assert (bad.number, bad.line) == (2, 3)
    assert bad.reason == "lines 3 to 5: a quote is opened and never closed"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('object\na\n"first\n' + "".join(f"{number:09}\n" for number in range(100_000)), "line 3: a quote opened here"),
        ('object\na\n"first\n' + "".join(f"{number:09}\n" for number in range(20)), "spans 21 lines"),
        ('object\n"first\n' + "".join(f"{number:09}\n" for number in range(20)) + '"x\nb\n', "spans 22 lines"),
    ],
)
def test_a_quote_that_nobody_meant_does_not_make_one_bad_row_of_many_rows(written, content, said):
    with pytest.raises(ManifestError, match=said) as raised:
        read(written(content))
    assert "Close the quote, or double it" in raised.value.advice


def test_a_bad_row_is_known_again_by_its_text_wherever_it_stands(written):
    one, other = only_bad(written("object\na,b\n")), only_bad(written("object\nx\ny\na,b\r\n"))
    assert one.key == other.key == bad_key("a,b")
    assert only_bad(written("object\na,c\n")).key != one.key


def test_a_row_without_a_bucket_is_bad_unless_there_is_one_for_all(written):
    path = written("bucket,object\n,a\n")
    assert only_bad(path, bucket=None).reason == "line 2: bucket: the row has none, and no --bucket is given"
    assert read(path, bucket="for-all")[0].bucket == "for-all"


def test_an_own_bucket_comes_before_the_bucket_for_all(written):
    rows = read(written("bucket,object\nown-1,a\n,b\nown-2,c\n,d\n"), bucket="for-all")
    assert [row.bucket for row in rows] == ["own-1", "for-all", "own-2", "for-all"]


# Inputs


def test_the_nearest_input_wins(written):
    content = 'object,inputs,inputs.c\na,"{""b"":2,""c"":2}",3\nb,,\n'
    rows = read(written(content), static_inputs={"a": 1, "b": 1, "c": 1})
    assert [row.inputs for row in rows] == [b'{"a":1,"b":2,"c":"3"}', b'{"a":1,"b":1,"c":1}']


def test_cells_take_the_declared_type_and_stay_text_without_one(written):
    path = written('object,inputs.template-id,inputs.loud,inputs.other,tags\na,007,TRUE,1,"[1, ""x""]"\n')
    (typed,), (text,) = read(path, parameters=PARAMETERS), read(path)
    assert typed.inputs == b'{"loud":true,"other":"1","tags":[1,"x"],"template-id":7}'
    assert text.inputs == b'{"loud":"TRUE","other":"1","template-id":"007"}'
    assert typed.key == content_key("my-videos", "a", typed.inputs)


def test_an_empty_cell_is_no_input(written):
    assert read(written("object,inputs.a,inputs\na,,\n"))[0].inputs == b""


def test_a_column_named_like_a_parameter_is_that_input(written):
    path = written("object,template-id\na,7\n")
    assert read(path, parameters=PARAMETERS)[0].inputs == b'{"template-id":7}'
    assert read(path)[0].inputs == b""


def test_columns_that_nobody_asked_for_are_named_once(written):
    with open_manifest(written("size,object,,loud,etag\n1,a,,true,x\n2,b,,,y\n"), "csv") as manifest:
        list(manifest.blocks(bucket="my-videos", parameters=PARAMETERS))
        (warning,) = manifest.warnings
    assert warning.endswith("objects.csv: ignored: size, a column without a name, etag")


def test_a_manifest_that_is_all_used_warns_of_nothing(written):
    with open_manifest(written("bucket,object,inputs,inputs.a\n"), "csv") as manifest:
        list(manifest.blocks())
        assert manifest.warnings == []


# Against another writer

# A writer of Python before 3.13 leaves a carriage return without quotes where only a newline ends a line.
DIALECTS = [(csv.QUOTE_MINIMAL, "\r\n")] + [
    (getattr(csv, quoting), end)
    for quoting in ("QUOTE_ALL", "QUOTE_NONNUMERIC", "QUOTE_STRINGS", "QUOTE_NOTNULL")
    if hasattr(csv, quoting)
    for end in ("\n", "\r\n", "\r")
]
cells = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
# Rows that begin so may be the header of another file, which is no row: see test_strays.py.
HEADERS = {"bucket", "object", "inputs", "inputs.x", "sep="}
objects = cells.filter(lambda key: key.lstrip("\ufeff\x1a") not in HEADERS and not key.startswith("#TYPE"))


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(objects, st.one_of(st.just(""), cells)), max_size=30),
    st.sampled_from(DIALECTS),
    st.sampled_from([("csv", ","), ("tsv", "\t")]),
)
def test_any_table_is_read_back_as_it_was_written(tmp_path_factory, table, dialect, format_):
    (quoting, end), (name, delimiter) = dialect, format_
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=end, delimiter=delimiter).writerows(
        [("object", "inputs.x"), *table]
    )
    path = tmp_path_factory.mktemp("table") / f"a.{name}"
    path.write_bytes(text.getvalue().encode())
    expected = [(key, canonical({"x": value}) if value else b"") for key, value in table]
    assert [(row.object, row.inputs) for row in read(path)] == expected


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(["csv", "tsv", "jsonl", "json", "txt", "obsutil"]))
def test_no_bytes_whatever_break_the_reader(tmp_path_factory, content, format_):
    path = tmp_path_factory.mktemp("bytes") / ("a.txt" if format_ == "obsutil" else f"a.{format_}")
    begin = {"json": b"[{},", "obsutil": b"Object list:\nobs://b-1/"}
    path.write_bytes(begin.get(format_, b"object\n") + content)
    # Long at rest, so that nothing waits for the end of its last line.
    os.utime(path, (1, 1))
    try:
        rows = read(path)
    except ManifestError:
        return
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
