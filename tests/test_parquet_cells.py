"""Parquet from elsewhere: odd values spoil their row only, and memory is bounded whatever the file claims to hold."""

import datetime as dt
import subprocess
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

from batcher.edges.manifest import open_manifest
from batcher.errors import ManifestError
from batcher.model import BadRow

COUNT = 2600
ODD = 2500
"""The index of the odd row: beyond the first blocks."""


@pytest.fixture
def table(tmp_path):
    def write(columns, **options):
        parquet.write_table(pa.table(columns), tmp_path / "m.parquet", **options)
        return tmp_path / "m.parquet"

    return write


def read(path):
    with open_manifest(path, "parquet") as manifest:
        manifest.check()
        return [row for block in manifest.blocks(bucket="videos") for row in block]


def bad_text(byte=0xFF):
    """A text that is not UTF-8: as a writer that does not check would write it."""
    return pa.Array.from_buffers(
        pa.string(),
        1,
        [None, pa.py_buffer((0).to_bytes(4, "little") + (2).to_bytes(4, "little")), pa.py_buffer(bytes([byte, 65]))],
    )


def with_one(usual, odd):
    """A column of COUNT rows, of which one is odd."""
    type_ = odd.type
    return pa.chunked_array(
        [pa.array([usual] * ODD, type_), odd, pa.array([usual] * (COUNT - ODD - 1), type_)], type=type_
    )


FAR = pa.array([2**62], pa.int64())


@pytest.mark.parametrize(
    ("name", "usual", "odd", "reason"),
    [
        ("inputs.t", None, pa.array([1], pa.timestamp("ns")), "inputs.t: a value of the type"),
        ("inputs.t", None, pa.array([1_000], pa.timestamp("ns")), "inputs.t: a value of the type"),
        ("inputs.t", None, FAR.cast(pa.timestamp("us")), "inputs.t: a value of the type timestamp[us] that cannot be"),
        (
            "inputs.t",
            None,
            pa.array([1], pa.timestamp("us", tz="Moon/Crater")),
            "inputs.t: a value of the type timestamp",
        ),
        ("inputs.t", None, pa.array([1], pa.duration("ns")), "inputs.t: a value of the type"),
        (
            "inputs.t",
            None,
            pa.array([dt.date(2026, 1, 1)]),
            "inputs.t: a value of the type date cannot be an input",
        ),
        ("inputs.t", None, bad_text(), "inputs.t: not UTF-8"),
        ("object", "a", bad_text(), "object: not UTF-8"),
        ("bucket", "b-1", bad_text(), "bucket: not UTF-8"),
        ("inputs", "{}", bad_text(), "inputs: not UTF-8"),
        ("inputs.x", None, pa.array([[1.0, float("nan")]]), "inputs.x: nan is not a finite number"),
        ("inputs.x", None, pa.array([{"a": {"b": float("inf")}}]), "inputs.x: inf is not a finite number"),
        ("inputs", None, pa.array([{"a": [{"b": float("-inf")}]}]), "inputs: -inf is not a finite number"),
        ("inputs.x", None, pa.array([[dt.date(2026, 1, 1)]]), "inputs.x: a value of the type date cannot be"),
        ("inputs.x", None, pa.array([{"a": b"x"}]), "inputs.x: a value of the type bytes cannot be an input"),
        (
            "inputs.x",
            None,
            pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int64())),
            "inputs.x: 'k' is a key twice",
        ),
        ("inputs.x", None, pa.array([[(1, 1)]], pa.map_(pa.int64(), pa.int64())), "inputs.x: 1 is a key twice, or not"),
    ],
)
def test_an_odd_value_late_in_a_file_spoils_its_row_only(table, name, usual, odd, reason):
    columns = {"object": [f"o{number}" for number in range(COUNT)], name: with_one(usual, odd)}
    rows = read(table(columns))
    assert [row.number for row in rows] == list(range(1, COUNT + 1))
    (bad,) = [row for row in rows if isinstance(row, BadRow)]
    assert bad.line == ODD + 1
    assert bad.reason.startswith(f"line {ODD + 1}: {reason}")


def test_unreadable_rows_are_told_apart(table):
    texts = [*bad_text(0xFF), *bad_text(0xFE), *bad_text(0xFE)]
    one, two, again = read(table({"object": pa.array(texts)}))
    assert one.key != two.key
    assert two.key == again.key


def test_nested_values_are_sent_as_they_are(table):
    type_ = pa.struct([("l", pa.list_(pa.struct([("k", pa.string())]))), ("m", pa.map_(pa.string(), pa.int64()))])
    rows = read(table({"object": ["a"], "inputs.v": pa.array([{"l": [{"k": "x"}, None], "m": [("b", 1)]}], type_)}))
    assert rows[0].inputs == b'{"v":{"l":[{"k":"x"},null],"m":{"b":1}}}'


def repeated(count, value):
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), [value])


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_small_file_of_long_repeated_cells_is_read_in_small_parts(table, is_nested):
    cells = repeated(100, "x" * 1_000_000)
    names = pa.array([f"o{number}" for number in range(100)])
    columns = {"inputs": pa.StructArray.from_arrays([cells], ["x"])} if is_nested else {"inputs.x": cells}
    path = table({"object": names, **columns}, compression="zstd", store_schema=False)
    assert path.stat().st_size < 27 * 1024
    with open_manifest(path, "parquet") as manifest:
        manifest.check()
        sizes = []
        for block in manifest.blocks(bucket="videos"):
            sizes += [len(row.inputs) for row in block]
            assert sum(len(row.inputs) for row in block) <= 17_000_000
    assert sizes == [1_000_008] * 100


def test_a_cell_of_more_than_a_mebibyte_is_invalid(table):
    long = "x" * (1024 * 1024 + 1)
    rows = read(table({"object": ["a", long, "c"], "inputs.x": [long, "y", "z"]}, store_schema=False))
    assert [type(row) is BadRow for row in rows] == [True, True, False]
    assert "the maximum is 1 MiB" in rows[0].reason
    assert rows[1].reason.startswith("line 2: object: a cell of 1,048,57")
    assert len(rows[1].object) < 5000


def test_a_row_group_that_unpacks_without_measure_is_refused_before_a_row_is_read(table):
    items = pa.ListArray.from_arrays([0, 300_000], repeated(300_000, "x" * 1000))
    columns = {"object": ["a"], "inputs.l": items}
    path = table(columns, compression="zstd", use_dictionary=["inputs.l.list.element"], store_schema=False)
    with pytest.raises(ManifestError, match=r"row group 1 is [0-9,]+ bytes that unpack to [0-9]+ MiB"):
        read(path)


def test_the_memory_for_a_small_file_is_bounded(table):
    path = table({"object": repeated(3000, "x" * (1 << 20))}, compression="zstd", store_schema=False)
    program = (
        "import sys, pathlib\n"
        "from batcher.edges.manifest import open_manifest\n"
        "with open_manifest(pathlib.Path(sys.argv[1]), 'parquet') as manifest:\n"
        "    print(sum(map(len, manifest.blocks(bucket='videos'))))\n"
        "print(pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=True, text=True)
    count, peak = map(int, done.stdout.split())
    assert (count, peak < 400_000) == (3000, True), peak
