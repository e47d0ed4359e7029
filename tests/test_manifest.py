"""What a manifest holds comes out exactly, and what is wrong with it is told where it is."""

import csv
import gzip
import hashlib
import io
import os
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.edges.manifest import Choice, format_of, open_manifest
from batcher.edges.manifest.opening import FORMATS, SUFFIXES
from batcher.edges.manifest.source import Source
from batcher.errors import ManifestError, UsageError
from batcher.model import BadRow, Parameter, Row
from batcher.rules.choices import Format
from batcher.rules.rows.identity import bad_key, canonical, content_key

SAMPLES = Path(__file__).parent.parent / "samples"
PARAMETERS = {
    name: Parameter(name, type_, has_value=False, constraints={})
    for name, type_ in {"template-id": "integer", "loud": "boolean", "tags": "list"}.items()
}


@pytest.fixture
def written(tmp_path):
    """Writes a manifest and gives its path."""

    def write(content, name="objects.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, bucket="my-videos", **defaults):
    with open_manifest(path, format_of(path, None), Choice(keep_placeholders=True)) as manifest:
        manifest.check()
        return [row for block in manifest.blocks(bucket=bucket, **defaults) for row in block]


def keys(path):
    rows = read(path)
    assert [row.reason for row in rows if isinstance(row, BadRow)] == []
    return [row.object for row in rows]


def only_bad(path, **defaults):
    (row,) = [row for row in read(path, **defaults) if isinstance(row, BadRow)]
    return row


def refusal(path, format_=None):
    with pytest.raises(ManifestError) as caught, open_manifest(path, format_of(path, format_)) as manifest:
        manifest.check()
    return f"{caught.value} | {caught.value.advice}"


# Marks


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


def marked(path, mark=None):
    """Read from a mark on, if there is one. Give the rows, and the marks by the number of rows before them."""
    with open_manifest(path, format_of(path, None), chunk=SMALL_CHUNK) as manifest:
        assert mark is None or manifest.enter(mark)
        rows, marks = [], []
        for block in manifest.blocks(bucket="my-videos"):
            rows += block
            marks += filter(None, [manifest.mark(rows[-1].number)])
        return rows, marks


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
        ("object\na\nb,c\nd\n", 3, "b", "line 3: 2 cells under 1 columns"),
        ("object\na\nb,\nd\n", 3, "b", "line 3: 2 cells under 1 columns"),
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


# JSON Lines and plain text


def test_json_lines_are_read_with_their_types(written):
    content = (
        '\ufeff{"object": "a", "inputs": {"n": 18446744073709551615, "f": 1.5, "l": [1e20], "s": "\\u00e9"}}\r\n'
        '\n  \t\n{"bucket": "own", "object": "\\ud83c\\udfac"}\n{"bucket": null, "object": "c", "inputs": null}'
    )
    one, two, three = read(written(content, "a.jsonl"), static_inputs={"n": 1})
    assert [(row.number, row.line, row.bucket, row.object) for row in (one, two, three)] == [
        (1, 1, "my-videos", "a"),
        (2, 4, "own", "\U0001f3ac"),
        (3, 5, "my-videos", "c"),
    ]
    assert one.inputs == '{"f":1.5,"l":[1e+20],"n":18446744073709551615,"s":"é"}'.encode()
    assert two.inputs == three.inputs == b'{"n":1}'


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("[]", "", "not a JSON object"),
        ('"b"', "", "not a JSON object"),
        ("null", "", "not a JSON object"),
        ("{", "", "not JSON: "),
        ("b", "", "not JSON: "),
        ("{'object': 'b'}", "", "not JSON: "),
        ('{"object": "b"} {"object": "c"}', "", "not JSON: "),
        ('{"object": "b", "inputs": {"n": NaN}}', "", "not JSON: "),
        ("{}", "", "object: the key is missing or empty"),
        ('{"object": ""}', "", "object: the key is missing or empty"),
        ('{"object": null}', "", "object: the key is missing or empty"),
        ('{"object": 7}', "", "object: a number, not a string"),
        ('{"object": ["b"]}', "", "object: an array, not a string"),
        ('{"object": "b", "bucket": false}', "b", "bucket: a boolean, not a string"),
        ('{"object": "b", "inputs": []}', "b", "inputs: an array, not an object"),
        ('{"object": "b", "inputs": "{}"}', "b", "inputs: a string, not an object"),
        ('{"object": "b", "inputs": 0}', "b", "inputs: a number, not an object"),
        ('{"object": "b\\u0000"}', "b\0", "object: the key contains a NUL"),
        ('{"object": "b\\ud83d"}', "", "not JSON: "),
        ('{"object": "b", "inputs": {"n": 18446744073709551616}}', "b", "is not a 64-bit integer"),
        ('{"object": "b", "inputs": {"n": [{"m": -9223372036854775809}]}}', "b", "is not a 64-bit integer"),
        ('{"object": "b", "inputs": {"n": ' + "[" * 1000 + "]" * 1000 + "}}", "b", "line 2: "),
        ('{"object": "' + "b" * 1025 + '"}', "b" * 1025, "1,025 bytes"),
    ],
)
def test_a_bad_json_line_is_told_and_its_neighbours_are_read(written, text, key, said):
    first, bad, last = read(written(f'{{"object":"a"}}\n{text}\n{{"object":"d"}}\n', "a.jsonl"))
    assert (first.object, last.object, last.number, last.line) == ("a", "d", 3, 3)
    assert (bad.number, bad.line, bad.object, bad.key) == (2, 2, key, bad_key(text))
    assert bad.reason.startswith("line 2: ")
    assert said in bad.reason


def test_fields_that_nobody_asked_for_are_named_once_and_not_without_end(written):
    lines = [f'{{"object":"{number}","x{number}":1,"size":1}}\n' for number in range(100)]
    with open_manifest(written("".join(lines), "a.jsonl"), "jsonl") as manifest:
        assert [len(block) for block in manifest.blocks(bucket="my-videos")] == [100]
        (warning,) = manifest.warnings
    assert "ignored: x0, size, x1, x2," in warning
    assert warning.endswith("x18 and more")


def test_plain_text_is_one_key_a_line(written):
    path = written('\ufeffa\r\n\n b \n\r\nc\rd\n"e"\nlast', "a.txt")
    assert [(row.line, row.object) for row in read(path)] == [
        (1, "a"),
        (3, " b "),
        (5, "c\rd"),
        (6, '"e"'),
        (7, "last"),
    ]


def test_a_bad_key_in_plain_text_is_told(written):
    bad = only_bad(written("a\n" + "b" * 1025 + "\nc\n", "a.txt"))
    assert (bad.number, bad.line, bad.reason) == (
        2,
        2,
        "line 2: object: the key has 1,025 bytes of UTF-8; the maximum is 1,024",
    )


# Reading in pieces


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


# Against another writer

# A writer of Python before 3.13 leaves a carriage return without quotes where only a newline ends a line.
DIALECTS = [(csv.QUOTE_MINIMAL, "\r\n")] + [
    (getattr(csv, quoting), end)
    for quoting in ("QUOTE_ALL", "QUOTE_NONNUMERIC", "QUOTE_STRINGS", "QUOTE_NOTNULL")
    if hasattr(csv, quoting)
    for end in ("\n", "\r\n", "\r")
]
cells = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(cells, st.one_of(st.just(""), cells)), max_size=30),
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


# The samples


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
