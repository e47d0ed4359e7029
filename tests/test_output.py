"""The output file on a real disk: appended, synced, held by one run, and repaired after a crash."""

import json
import resource
import stat
from pathlib import Path

import pytest

from batcher.edges.records import format_of, open_output
from batcher.errors import BusyError, DiskError, OtherJobError, UsageError
from batcher.model import Record, Status
from batcher.rules.records.codec import CODECS, CSV, JSON_LINES, read_tail


def record(number):
    return Record(number, "b", f"o{number}", Status.STARTED, f"e{number}")


def append(output, *records):
    """Append a block of records. Gives the file's length."""
    output.append(output.compose(records))
    return output.length


@pytest.mark.parametrize(
    ("name", "expected"), [("a.jsonl", "jsonl"), ("a.csv", "csv"), ("a.CSV", "csv"), ("a", "jsonl"), ("a.txt", "jsonl")]
)
def test_the_suffix_names_the_format(name, expected):
    assert format_of(Path(name)) == expected


async def test_records_are_appended_over_several_runs(tmp_path):
    path = tmp_path / "out.jsonl"
    async with open_output(path, None) as output:
        length = append(output, record(1), record(2))
    async with open_output(path, length) as output:
        assert (output.recovered, output.length) == ([], length)
        assert append(output) == length
        append(output, record(3))
    assert [json.loads(line)["row"] for line in path.read_bytes().splitlines()] == [1, 2, 3]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_csv_output_has_one_header_over_several_runs(tmp_path):
    path = tmp_path / "out.csv"
    async with open_output(path, None) as output:
        length = append(output, record(1))
    async with open_output(path, length) as output:
        append(output, record(2))
    assert path.read_text().count("execution_name") == 1
    assert read_tail(CSV, path.read_bytes()).records == [record(1), record(2)]


@pytest.mark.parametrize("format_", CODECS)
async def test_whole_records_beyond_the_known_length_are_believed_at_every_cut(tmp_path, format_):
    path = tmp_path / ("out.jsonl" if format_ == "jsonl" else "out.csv")
    async with open_output(path, None, for_spreadsheets=format_ == "spreadsheet") as output:
        known = append(output, record(1))
        append(output, record(2), record(3))
    whole = path.read_bytes()
    for cut in range(known, len(whole) + 1):
        path.write_bytes(whole[:cut])
        async with open_output(path, known) as output:
            believed = list(output.recovered)
            append(output, record(4))
        assert believed == [record(2), record(3)][: len(believed)]
        assert len(believed) == whole[known:cut].count(b"\n")
        after = read_tail(CODECS[format_], path.read_bytes())
        assert after == ([record(1), *believed, record(4)], path.stat().st_size), cut


async def test_content_that_the_checkpoint_knows_nothing_of_is_refused_and_kept(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("precious\n")
    with pytest.raises(OtherJobError, match="does not know"):
        async with open_output(path, None):
            pass
    assert path.read_text() == "precious\n"


async def test_an_output_that_has_lost_content_is_refused_and_one_moved_away_is_begun_anew(tmp_path):
    path = tmp_path / "out.jsonl"
    async with open_output(path, None) as output:
        length = append(output, record(1), record(2))
    path.write_bytes(path.read_bytes()[: length - 5])
    with pytest.raises(OtherJobError, match="bytes, but this job has written"):
        async with open_output(path, length):
            pass
    path.rename(tmp_path / "moved.jsonl")
    async with open_output(path, length) as output:
        assert output.length == 0
        append(output, record(3))
    assert read_tail(JSON_LINES, path.read_bytes()).records == [record(3)]


async def test_one_run_at_a_time_writes_an_output(tmp_path):
    path = tmp_path / "out.jsonl"
    async with open_output(path, None):
        with pytest.raises(BusyError):
            async with open_output(path, 0):
                pass


@pytest.mark.parametrize("where", ["nowhere/out.jsonl", "."])
async def test_an_output_that_cannot_be_written_is_named(tmp_path, where):
    with pytest.raises(DiskError, match=str(tmp_path)) as caught:
        async with open_output(tmp_path / where, None):
            pass
    assert caught.value.exit_code == 74


async def test_a_device_is_refused_since_it_cannot_be_read_back():
    with pytest.raises(UsageError, match="not a regular file"):
        async with open_output(Path("/dev/null"), None):
            pass


async def test_a_full_disk_is_a_disk_error_and_what_is_whole_stays_readable(tmp_path):
    path = tmp_path / "out.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with open_output(path, None) as output:
        length = append(output, record(1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (length + 20, limits[1]))
        try:
            with pytest.raises(DiskError, match="File too large"):
                append(output, record(2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.stat().st_size == length + 20
    async with open_output(path, length) as output:
        assert (output.recovered, output.length) == ([], length)
