"""Manifests that other tools make: inventories, what obsutil prints, Parquet, and what of them is no row."""

import builtins
import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from batcher.edges.manifest import Choice, format_of, open_manifest
from batcher.errors import ManifestError, UsageError
from batcher.model import BadRow, Parameter, Row
from batcher.rules.rows.identity import bucket_fault

SAMPLES = Path(__file__).parent.parent / "samples"
SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, StorageClass"
NONE, KEEP = Choice(), Choice(keep_placeholders=True)


def read(path, choice=NONE, format_=None, **defaults):
    with open_manifest(path, format_of(path, format_), choice) as manifest:
        manifest.check()
        rows, lines = [], [0]
        for block in manifest.blocks(bucket="videos", **defaults):
            rows += block
            lines.append(manifest.lines_before + block[-1].line)
        assert lines == sorted(lines)
        assert manifest.lines is None or lines[-1] <= manifest.lines
        return rows, dict(manifest.skipped), manifest.warnings


def objects(path, *more, **defaults):
    rows, _, _ = read(path, *more, **defaults)
    assert [row.reason for row in rows if isinstance(row, BadRow)] == []
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    return [row.object for row in rows]


def refusal(path, choice=NONE, format_=None, error=ManifestError):
    with pytest.raises(error) as caught:
        read(path, choice, format_)
    return f"{caught.value} | {caught.value.advice}"


# Directory placeholders


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.txt", "a\nb/\nc\n/\n"),
        ("m.csv", "object\na\nb/\nc\n/\n"),
        ("m.jsonl", '{"object": "a"}\n{"object": "b/"}\n{"object": "c"}\n{"object": "/"}\n'),
    ],
)
def test_placeholders_are_skipped_and_counted_and_the_others_keep_their_numbers(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    rows, skipped, warnings = read(path)
    assert [(row.number, row.object) for row in rows] == [(1, "a"), (3, "c")]
    assert skipped == {"placeholders": 2}
    told = f"{path}: skipped: 2 directory placeholders (names that end in /; use --keep-placeholders to send them)"
    assert warnings == [told]
    rows, skipped, warnings = read(path, KEEP)
    assert [row.object for row in rows] == ["a", "b/", "c", "/"]
    assert (skipped, warnings) == ({}, [])


def test_a_bad_row_is_never_skipped(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("object,bucket\na/,BAD\n")
    ((row,), skipped, _) = read(path)
    assert (type(row), skipped) == (BadRow, {})


# Which format it is


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("m.txt", "Start at 2026-11-24\n\nListing objects .\nObject list:\nobs://videos/a\n", "obsutil"),
        ("m.txt", "obs://videos/a\n", "obsutil"),
        ("m.txt", "a\nobs://videos/a\n", "txt"),
        ("m.txt", "obs:/videos/a\n", "txt"),
        ("m.txt", "", "txt"),
        ("m.csv", "Bucket,Key,Size\nb,k,1\n", "inventory"),
        ("m.csv", '"Bucket","Key"\r\nb,k\r\n', "inventory"),
        ("m.csv", "Bucket,Key,object\nb,k,o\n", "csv"),
        ("m.csv", "bucket,key\nb,k\n", "csv"),
        ("m.csv", "videos,in/a\n", "csv"),
        ("manifest.json", "{}", "inventory"),
        ("m.parquet", "", "parquet"),
    ],
)
def test_content_decides_where_it_is_beyond_doubt(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_text(content)
    assert format_of(path, None) == expected
    assert format_of(path, "txt") == "txt"
    zipped = tmp_path / f"{name}.gz"
    zipped.write_bytes(gzip.compress(content.encode()))
    if name not in {"manifest.json", "m.parquet"}:
        assert format_of(zipped, None) == expected


def test_a_pipe_is_not_read_to_find_its_format(tmp_path):
    os.mkfifo(tmp_path / "m.txt")
    assert format_of(tmp_path / "m.txt", None) == "txt"


# obsutil ls -s


def test_what_obsutil_prints_is_read_line_by_line(tmp_path):
    path = tmp_path / "m.txt"
    path.write_text(
        "Start at 2026-11-24 08:30:00.123 +0800 CST\r\n\r\nListing objects .\r\nFolder list:\r\n"
        "obs://other-bucket/dir/\r\n\r\nObject list:\r\nobs://other-bucket/in/a  b \r\nobs://videos//lead\r\n"
        "\r\nTotal size of bucket is: 1.2MB\r\nFolder number is: 1\r\nFile number is: 2\r\n"
    )
    rows, skipped, warnings = read(path)
    assert [(row.number, row.line, row.bucket, row.object) for row in rows] == [
        (1, 8, "other-bucket", "in/a  b "),
        (2, 9, "videos", "/lead"),
    ]
    assert skipped == {"placeholders": 1}
    assert len(warnings) == 1
    assert objects(path, KEEP) == ["dir/", "in/a  b ", "/lead"]


def test_a_list_that_obsutil_has_cut_is_warned_of(tmp_path):
    path = tmp_path / "m.txt"
    path.write_text("Object list:\nobs://videos/a\n\nNext marker is: a\n")
    rows, _, warnings = read(path)
    assert [row.object for row in rows] == ["a"]
    assert warnings == [f"{path}: obsutil stopped at its limit, so the list is incomplete: list again with -limit=-1"]


def test_the_long_form_is_refused_before_a_row_is_read(tmp_path):
    path = tmp_path / "m.list"
    path.write_text(
        f"Object list:\n{'key':50}LastModified   Size  StorageClass  ETag\nobs://videos/a   2026  1B  x  y\n"
    )
    assert "line 2: this is the long form of obsutil ls | List again with obsutil ls -s" in refusal(
        path, format_="obsutil"
    )


def test_what_is_no_line_of_obsutil_is_a_bad_row_and_not_lost(tmp_path):
    path = tmp_path / "m.txt"
    path.write_text("obs://videos/a\nb\nobs://videos\nobs://B/c\nobs://videos/d\n")
    rows, _, _ = read(path)
    assert [type(row) for row in rows] == [Row, BadRow, BadRow, BadRow, Row]
    assert [row.reason for row in rows if isinstance(row, BadRow)] == [
        "line 2: not a line that obsutil ls -s prints",
        "line 3: object: the key is missing or empty",
        f"line 4: bucket: {bucket_fault('B')}",
    ]


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1, max_size=50))
def test_any_key_without_a_line_break_comes_out_of_obsutil_as_it_is(tmp_path_factory, key):
    path = tmp_path_factory.mktemp("keys") / "m.txt"
    path.write_text(f"Object list:\nobs://videos/{key}\n", encoding="utf-8")
    assert objects(path, KEEP, "obsutil") == [key]


# The inventory


def line(key="in/a", *, latest="true", marker="false", class_="STANDARD", bucket="videos"):
    return f"{bucket},{key},v1,{latest},{marker},10,{class_}\n"


@pytest.fixture
def inventory(tmp_path):
    """Writes an inventory of files with these texts, and gives the path of its manifest.json."""

    def write(*texts, folder="files", edit=lambda text: text, **fields):
        (tmp_path / folder).mkdir(exist_ok=True)
        files = []
        for number, text in enumerate(texts):
            data = text if isinstance(text, bytes) else text.encode()
            (tmp_path / folder / f"rule_{number}.csv").write_bytes(data)
            files.append({"key": f"BucketInventory/videos/rule/x/files/rule_{number}.csv", "size": len(data)})
        document = {"fileFormat": "CSV", "fileSchema": SCHEMA, "files": files} | fields
        (tmp_path / "manifest.json").write_text(edit(json.dumps(document)))
        return tmp_path / "manifest.json"

    return write


@pytest.mark.parametrize("folder", ["files", ".", "BucketInventory/videos/rule/x/files"])
def test_an_inventory_is_read_file_by_file_wherever_they_were_copied(inventory, tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    path = inventory(line("in/a") + line("in/b"), line("in/c"), folder=folder)
    assert objects(path) == ["in/a", "in/b", "in/c"]


def test_keys_are_decoded_and_a_plus_stays(inventory):
    path = inventory(line("in/clip%2001.mp4") + line("%E7%89%87%25%2C%22%0A") + line("a+b"))
    rows, _, (warning,) = read(path)
    assert [row.object for row in rows] == ["in/clip 01.mp4", '片%,"\n', "a+b"]
    assert "a + in an object name is read as a plus sign" in warning


@pytest.mark.parametrize("key", ["100%", "%zz", "a%2", "%e7%89"])
def test_a_key_that_is_not_encoded_is_a_bad_row(inventory, key):
    rows, _, _ = read(inventory(line("a") + line(key)))
    assert [type(row) for row in rows] == [Row, BadRow]
    assert rows[1].reason.startswith("line 2: ")


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50))
def test_any_encoded_key_is_decoded(tmp_path_factory, key):
    path = tmp_path_factory.mktemp("keys") / "rule.csv"
    path.write_text(f"Bucket,Key\nvideos,{quote(key)}\n")
    assert objects(path, KEEP) == [key]


def test_delete_markers_old_versions_and_placeholders_are_skipped_and_counted(inventory):
    path = inventory(
        line("a"), line("b", latest="false") + line("c", marker="TRUE") + line("d/") + line("e", latest="False")
    )
    rows, skipped, (warning,) = read(path)
    assert [(row.number, row.object) for row in rows] == [(1, "a")]
    assert skipped == {"placeholders": 1, "delete_markers": 1, "old_versions": 2}
    assert "skipped: 2 versions that are not the latest, 1 delete markers, 1 directory placeholders" in warning


def test_storage_classes_are_chosen(inventory):
    path = inventory(line("a") + line("b", class_="WARM") + line("c", class_="cold"))
    assert objects(path, Choice(storage_classes=frozenset({"STANDARD", "COLD"}))) == ["a", "c"]
    _, skipped, _ = read(path, Choice(storage_classes=frozenset({"STANDARD"})))
    assert skipped == {"other_storage_classes": 2}


def test_storage_classes_of_what_does_not_tell_them_are_refused(inventory, tmp_path):
    wanted = Choice(storage_classes=frozenset({"STANDARD"}))
    assert "the inventory has no storage classes" in refusal(inventory("videos,a\n", fileSchema="Bucket, Key"), wanted)
    (tmp_path / "m.txt").write_text("a\n")
    assert "in the format txt has no storage classes" in refusal(tmp_path / "m.txt", wanted, error=UsageError)


@pytest.mark.parametrize("header", ["Bucket,Key,Size", '"bucket","key","Size"'])
def test_a_header_names_the_columns_of_a_file_that_comes_alone(tmp_path, header):
    path = tmp_path / "rule_0.csv"
    path.write_text(f'{header}\nvideos,in/a,1\n"videos","in/b,c","2"\n')
    assert objects(path, NONE, "inventory") == ["in/a", "in/b,c"]


def test_each_file_of_an_inventory_may_have_a_header(inventory):
    header = SCHEMA.replace(" ", "") + "\n"
    assert objects(inventory(header + line("a"), header + line("b"))) == ["a", "b"]


def test_one_file_of_an_inventory_is_known_by_the_manifest_json_nearby(inventory):
    path = inventory(line("a"), line("b")).parent / "files" / "rule_1.csv"
    assert format_of(path, None) == "inventory"
    assert objects(path) == ["b"]


def test_a_file_whose_columns_nobody_names_is_refused(tmp_path):
    (tmp_path / "rule_0.csv").write_text("videos,in/a,1\n")
    assert "the inventory has no column names | Give the manifest.json" in refusal(
        tmp_path / "rule_0.csv", format_="inventory"
    )


def test_zipped_files_and_lines_that_end_in_crlf_are_read(inventory):
    text = (line("a") + "\n" + line("b")).replace("\n", "\r\n")
    assert objects(inventory(gzip.compress(text.encode()), text.rstrip().replace("in", "x"))) == ["a", "b"] * 2


def test_a_line_with_other_columns_is_bad_and_its_file_is_named(inventory):
    rows, _, _ = read(inventory(line("a"), line("b") + "videos,c\n" + '"videos,d\n'))
    assert [type(row) for row in rows] == [Row, Row, BadRow, BadRow]
    assert rows[2].reason.endswith("files/rule_1.csv, line 2: 2 cells, but the inventory has 7 columns")
    assert "files/rule_1.csv, line 3: " in rows[3].reason


def test_a_comma_too_many_in_manifest_json_is_forgiven(inventory):
    assert objects(inventory(line("a"), edit=lambda text: text.replace("}]", "},\n]"))) == ["a"]


def test_an_empty_file_of_an_inventory_is_no_fault(inventory):
    assert objects(inventory(line("a"), "", line("b"))) == ["a", "b"]


@pytest.mark.parametrize(
    ("texts", "fields", "said"),
    [
        (
            ["x"],
            {"files": [{"key": "files/gone.csv", "size": 9}]},
            "the listed file files/gone.csv is missing | Copy it to",
        ),
        ([line()], {"files": [{"key": "files/rule_0.csv", "size": 7}]}, "but manifest.json lists 7"),
        ([line()], {"files": [{"key": "files/rule_0.csv"}]}, "lists no size of files/rule_0.csv, so that"),
        ([line()], {"files": [{"key": "files/rule_0.csv", "size": None}]}, "lists no size of files/rule_0.csv"),
        ([line()], {"files": [{"key": "files/rule_0.csv", "size": "35"}]}, "lists no size of files/rule_0.csv"),
        ([line()], {"files": [{"key": "files/rule_0.csv", "size": 0}]}, "but manifest.json lists 0"),
        ([line()], {"files": [{"key": "files/rule_0.csv", "size": 38}, {}]}, "an entry of files names no file"),
        (
            [line()],
            {"files": [{"key": f"{folder}/rule_0.csv", "size": 38} for folder in "ab"]},
            "two of its files would",
        ),
        ([line()], {"fileFormat": "Parquet"}, "unsupported inventory format: Parquet"),
        ([line()], {"files": "odd"}, "lists no files, or has no column names"),
        ([line()], {"files": [7, {}]}, "lists no files, or has no column names"),
        ([line()], {"fileSchema": None}, "lists no files, or has no column names"),
        (["a\n"], {"fileSchema": "Name"}, "the inventory has no column names"),
        ([b"videos,\xe9\n"], {}, "line 1, byte 8: not UTF-8"),
    ],
)
def test_an_inventory_that_cannot_be_used_is_refused(inventory, texts, fields, said):
    assert said in refusal(inventory(*texts, **fields))


@pytest.mark.parametrize(
    "key",
    ["../out.csv", "a/../../out.csv", "..", "/etc/out.csv", "C:\\out.csv", "..\\out.csv", "files/..", "\\out.csv"],
)
def test_a_listed_file_outside_the_folder_is_not_read(inventory, tmp_path, key):
    text = line()
    (tmp_path.parent / "out.csv").write_text(text)
    listed = [{"key": key, "size": len(text)}]
    assert f"manifest.json: the listed file {key} is not in its folder" in refusal(inventory(text, files=listed))


def test_a_dotted_name_is_in_the_folder(inventory):
    assert objects(inventory(line("a"), files=[{"key": "a..b/...c/rule_0.csv", "size": len(line("a"))}])) == ["a"]


def test_a_header_in_the_middle_of_joined_files_is_no_row(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("bucket,key\nvideos,a\nbucket,key\nvideos,b\nbucket,c\n")
    rows, skipped, _ = read(path, NONE, "inventory")
    assert ([row.object for row in rows], skipped) == (["a", "b", "c"], {"repeated_headers": 1})
    path.write_text("Bucket,Key,Size\nvideos,a,1\nBucket,Key,IsLatest\nvideos,b,false\n")
    assert "line 3: another header, with the columns Bucket, Key, IsLatest" in refusal(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "nothing", "7"])
def test_a_manifest_json_that_is_none_is_refused(inventory, text):
    assert "manifest.json: not a JSON object" in refusal(inventory(edit=lambda _: text))


def test_a_manifest_json_of_something_else_makes_no_csv_an_inventory(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "my app", "files": "many"}')
    (tmp_path / "m.csv").write_text("object\na\n")
    assert format_of(tmp_path / "m.csv", None) == "csv"


def test_an_inventory_in_a_pipe_needs_a_header(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with ThreadPoolExecutor() as threads:
        threads.submit(path.write_text, "Bucket,Key\nvideos,a\n")
        assert objects(path, NONE, "inventory") == ["a"]


# Parquet


@pytest.fixture
def table(tmp_path):
    """Writes a Parquet file, and gives its path."""

    def write(columns, **options):
        parquet.write_table(pa.table(columns), tmp_path / "m.parquet", **options)
        return tmp_path / "m.parquet"

    return write


PARAMETERS = {
    name: Parameter(name, type_, has_value=True, constraints={})
    for name, type_ in {"template-id": "integer", "loud": "boolean"}.items()
}


def test_a_parquet_table_has_the_columns_of_a_csv_manifest(table):
    path = table(
        {
            "object": ["a", "b/", "c", "d"],
            "bucket": ["my-videos", None, None, ""],
            "inputs": ['{"x": 1}', None, "", '{"x": 2, "template-id": 9}'],
            "inputs.template-id": pa.array([7, None, None, 8], pa.int64()),
            "loud": ["TRUE", None, "", "false"],
            "size": [1, 2, 3, 4],
        },
        row_group_size=2,
    )
    rows, skipped, warnings = read(path, parameters=PARAMETERS)
    assert [(row.number, row.line, row.bucket, row.object, row.inputs) for row in rows] == [
        (1, 1, "my-videos", "a", b'{"loud":true,"template-id":7,"x":1}'),
        (3, 3, "videos", "c", b""),
        (4, 4, "videos", "d", b'{"loud":false,"template-id":8,"x":2}'),
    ]
    assert (skipped, warnings[0]) == ({"placeholders": 1}, f"{path}: ignored: size")


def test_cells_keep_the_types_that_json_knows(table):
    path = table(
        {
            "object": ["a"],
            "inputs": pa.array([{"s": "x", "n": None}]),
            "inputs.f": [1.5],
            "inputs.b": [True],
            "inputs.l": [["x", "y"]],
            "inputs.m": [{"k": 1}],
        }
    )
    ((row,), _, _) = read(path)
    assert row.inputs == b'{"b":true,"f":1.5,"l":["x","y"],"m":{"k":1},"s":"x"}'


def test_inputs_may_be_a_map(table):
    pairs = pa.array([[("x", "1"), ("y", "2")], None], pa.map_(pa.string(), pa.string()))
    rows, _, _ = read(table({"object": ["a", "b"], "inputs": pairs}))
    assert [row.inputs for row in rows] == [b'{"x":"1","y":"2"}', b""]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"object": [None]}, "line 1: object: the key is missing or empty"),
        ({"object": [7]}, "line 1: object: not text but int"),
        ({"object": ["a"], "bucket": [7]}, "line 1: bucket: not text but int"),
        ({"object": ["a"], "inputs": ["[1]"]}, 'line 1: inputs: "[1]" is not a JSON object'),
        ({"object": ["a"], "inputs": [7]}, "line 1: inputs: "),
        ({"object": ["a"], "inputs.x": [float("nan")]}, "line 1: inputs.x: nan is not a finite number"),
        ({"object": ["a"], "inputs.x": [b"x"]}, "line 1: inputs.x: a value of the type bytes cannot be an input"),
        ({"object": ["a"], "loud": ["x"]}, 'line 1: loud: "x" is neither true nor false'),
    ],
)
def test_a_row_of_parquet_that_cannot_be_sent_is_bad(table, columns, reason):
    ((row,), _, _) = read(table(columns), parameters=PARAMETERS)
    assert isinstance(row, BadRow)
    assert row.reason.startswith(reason)


def test_a_long_table_is_read_in_batches(table):
    path = table({"object": [f"o{n}" for n in range(5000)]}, row_group_size=700)
    with open_manifest(path, "parquet") as manifest:
        blocks = list(manifest.blocks(bucket="videos"))
    assert max(map(len, blocks)) <= 1024
    assert [row.object for block in blocks for row in block] == [f"o{n}" for n in range(5000)]


def test_a_file_that_is_no_parquet_or_is_damaged_is_refused(table, tmp_path):
    (tmp_path / "none.parquet").write_bytes(b"PAR1")
    assert "not a Parquet file" in refusal(tmp_path / "none.parquet")
    assert "gone.parquet: No such file" in refusal(tmp_path / "gone.parquet")
    assert 'needs one column "object"' in refusal(table({"key": ["a"]}))
    path = table({"object": [f"o{n}" for n in range(5000)]}, compression="snappy")
    whole = bytearray(path.read_bytes())
    whole[20:200] = bytes(180)
    path.write_bytes(whole)
    assert "m.parquet: damaged" in refusal(path)


def test_parquet_without_its_extra_names_it(table, monkeypatch):
    path = table({"object": ["a"]})
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "needs pyarrow, which is not installed | Install it with pip install 'obs-batcher[parquet]'" in (
        refusal(path, error=UsageError)
    )


def test_parquet_does_not_come_through_a_pipe():
    assert "a Parquet manifest must be a file" in refusal(None, format_="parquet", error=UsageError)


# The samples


@pytest.mark.parametrize(
    ("name", "format_", "count", "skipped"),
    [
        ("inventory/manifest.json", "inventory", 6, {"placeholders": 1, "delete_markers": 1, "old_versions": 1}),
        ("inventory/files/weekly_1.csv", "inventory", 3, {"old_versions": 1}),
        ("listing.txt", "obsutil", 5, {"placeholders": 1}),
        ("objects.parquet", "parquet", 4, {}),
    ],
)
def test_the_samples_are_recognised_and_good(name, format_, count, skipped):
    path = SAMPLES / name
    assert format_of(path, None) == format_
    rows, left_out, _ = read(path)
    assert [type(row) for row in rows] == [Row] * count
    assert left_out == skipped
