"""Lists as obsutil prints them: what is certainly an object of the latest version is a row, and nothing else is."""

import pytest
from test_listings import KEEP, read, refusal

from batcher.edges.manifest import format_of, open_manifest
from batcher.model import BadRow

BEGIN = (
    "Start at 2024-09-30 08:18:50.0592788 +0000 UTC\n\n"
    "\rListing objects .\r                   \rListing objects [1000]..\n\n"
)
TOTALS = "\nTotal size of bucket is: 1.2MB\nFolder number is: 0\nFile number is: 2\n"
OBJECTS = "Object list:\nobs://videos/a\nobs://videos/in/b c\n"
UPLOADS = (
    "\rListing multipart uploads [0].\n\n"
    "Upload list:\nobs://videos/u 000001675348ED21860C3F61EF955BD3\n\nUpload number is: 1\n"
)
VERSIONS = (
    "\rListing versioning objects .\n\nVersioning Object list:\nobs://videos/v\nobs://videos/v\nobs://videos/w\n\n"
    "DeleteMarker list:\nobs://videos/w\nobs://videos/x\n\nTotal size of bucket is: 1B\n"
    "Folder number is: 0\nVersioning file number is: 3\nDeleteMarker number is: 2\n"
)


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "list.txt"
        path.write_bytes(text.encode())
        return path

    return write


def keys(rows):
    return [row.object for row in rows if not isinstance(row, BadRow)]


def reasons(rows):
    return [row.reason for row in rows if isinstance(row, BadRow)]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("begin", "totals"),
    [
        (BEGIN, TOTALS),
        ("\rListing objects .\n\n", TOTALS),
        ("Listing objects ...\n", TOTALS),
        ("", TOTALS),
        (BEGIN, "\nTotal size of prefix [in/]: 470.11MB\nFolder number: 0\nFile number: 2\n"),
        (BEGIN, "\nFolder number is: 0\nFile number is: 2\nThe authorized prefix is [in/]\n"),
        ("The authorized prefix is [in/]\n" + BEGIN, "\nFolder number is: 0\nObject number is: 2\n"),
    ],
)
def test_a_list_begins_with_a_hint_and_ends_with_totals_and_only_its_objects_are_rows(written, begin, totals, line_end):
    path = written((begin + OBJECTS + totals).replace("\n", line_end))
    assert format_of(path, None) == "obsutil"
    rows, skipped, warnings = read(path)
    assert (keys(rows), reasons(rows), skipped, warnings) == (["a", "in/b c"], [], {}, [])


def test_of_a_list_of_objects_and_unfinished_uploads_the_objects_are_rows(written):
    path = written(BEGIN + OBJECTS + TOTALS + "\n" + UPLOADS)
    rows, skipped, warnings = read(path)
    assert (keys(rows), reasons(rows)) == (["a", "in/b c"], [])
    assert skipped == {"unfinished_uploads": 1}
    assert warnings == [f"{path}: skipped: 1 unfinished uploads"]


def test_versions_and_delete_markers_are_no_rows_and_are_counted(written):
    path = written(BEGIN + OBJECTS + TOTALS + VERSIONS + UPLOADS)
    rows, skipped, warnings = read(path, KEEP)
    assert (keys(rows), reasons(rows)) == (["a", "in/b c"], [])
    assert skipped == {"versions": 3, "delete_markers": 2, "unfinished_uploads": 1}
    assert "3 versions of objects (the list does not show which is the latest; list again without -v)" in warnings[0]
    assert keys(read(written(VERSIONS))[0]) == []


def test_a_section_that_is_not_known_holds_no_rows(written):
    rows, skipped, _ = read(written(BEGIN + OBJECTS + "\nRestored list:\nobs://videos/r\n" + TOTALS))
    assert (keys(rows), skipped) == (["a", "in/b c"], {"entries_of_other_sections": 1})


def test_an_upload_in_a_list_without_headings_is_no_row_but_an_object_of_that_name_is(written):
    name = "u 000001675348ED21860C3F61EF955BD3"
    rows, skipped, _ = read(written(f"obs://videos/a\nobs://videos/{name}\n"))
    assert (keys(rows), skipped) == (["a"], {"unfinished_uploads": 1})
    rows, skipped, _ = read(written(f"Object list:\nobs://videos/{name}\n\nFile number is: 1\n"))
    assert (keys(rows), skipped) == ([name], {})


@pytest.mark.parametrize(
    "marker",
    ["Next marker is: in/b c", "Next marker: in/b c", "Next key marker is: in/b c\nNext version id marker is: G001"],
)
def test_a_list_that_was_cut_at_the_limit_is_warned_of_before_a_row_is_read(written, marker):
    path = written(f"{BEGIN}{OBJECTS}\n{marker}\nFolder number is: 0\nFile number is: 2\n")
    note = f"{path}: obsutil stopped at its limit, so the list is incomplete: list again with -limit=-1"
    with open_manifest(path, "obsutil") as manifest:
        manifest.check()
        assert manifest.warnings == [note]
    assert read(path)[2] == [note]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (BEGIN + OBJECTS, "the list ends before obsutil's totals, so it is incomplete: list again"),
        (BEGIN + OBJECTS + BEGIN + OBJECTS + TOTALS, "the list ends before obsutil's totals"),
        (
            BEGIN + "Object list:\nobs://videos/a\n" + TOTALS,
            "obsutil counted 2 objects, but the list has 1: list again",
        ),
        (
            BEGIN + OBJECTS + TOTALS + "\nError: Status [403], error code [AccessDenied], error message [x]\n",
            "line 13: obsutil reports an error, so the list may be incomplete: Error: Status [403]",
        ),
    ],
)
def test_a_list_that_is_not_whole_is_warned_of(written, content, note):
    rows, _, (warning,) = read(written(content))
    assert set(keys(rows)) <= {"a", "in/b c"}
    assert reasons(rows) == []
    assert note in warning


@pytest.mark.parametrize(
    "error",
    [
        "Error: Status [403], error code [AccessDenied], error message [Access Denied], request id [0001]",
        "List buckets failed, status [403], error code [AccessDenied], error message [Access Denied]",
        "Error: dial tcp: lookup obs.invalid: no such host",
    ],
)
def test_a_listing_that_failed_is_refused_with_its_error(written, error):
    assert f"obsutil could not list: {error}" in refusal(written(f"{BEGIN}{error}\n"))


@pytest.mark.parametrize(
    "text",
    [
        f"Folder list:\nobs://videos/d/\n\nObject list:\n{'key':50}{'LastModified':30}Size      StorageClass  ETag\n",
        f"Versioning Object list:\n{'Key':30}{'VersionId':40}{'LastModified':30}Size\nobs://videos/a\n",
        f"Upload list:\n{'Key':50}{'Initiated':30}StorageClass  UploadId\n",
        f"{'key':50}{'LastModified':30}Size\nobs://videos/a\n",
        f'obs://videos/{"a":37}2018-11-16T02:15:49Z          33243     standard            "796393c1eaf502ef56a85c"\n',
    ],
)
@pytest.mark.parametrize("begin", [BEGIN, ""])
def test_every_long_form_is_refused_and_none_is_taken_for_names(written, text, begin):
    path = written(begin + text)
    assert format_of(path, None) == "obsutil"
    assert "this is the long form of obsutil ls | List again with obsutil ls -s, without -v and -m." in refusal(path)


@pytest.mark.parametrize(
    ("name", "is_sent"),
    [
        ("in/%E7%89%87.mp4", False),
        ("a%20b", False),
        ("a+b%2F", False),
        ("100%", True),
        ("100% done", True),
        ("50%25 of it", True),
        ("caf\u00e9%20", True),
        ("a+b", True),
    ],
)
def test_a_name_that_may_be_percent_encoded_is_invalid(written, name, is_sent):
    rows, _, _ = read(written(f"Object list:\nobs://videos/{name}\n\nFile number is: 1\n"))
    assert keys(rows) == ([name] if is_sent else [])
    if not is_sent:
        assert "may be percent-encoded, as by obsutil ls -encoding-type=url: list again without" in reasons(rows)[0]


@pytest.mark.parametrize("text", ["obs://videos\nBucket number is: 1\n", "Start at 2024-09-30 08:18\n\nobs://videos\n"])
def test_a_list_of_buckets_has_no_rows(written, text):
    rows, _, _ = read(written(text))
    assert (keys(rows), reasons(rows)[0].partition(": ")[2]) == ([], "object: the key is missing or empty")


def test_a_reading_begins_again_only_within_objects(written):
    names = "".join(f"obs://videos/{number}\n" for number in range(100))
    path = written(f"{BEGIN}Object list:\n{names}\nFile number is: 100\n{UPLOADS}{VERSIONS}")
    with open_manifest(path, "obsutil", chunk=64) as manifest:
        rows, marks = [], []
        for block in manifest.blocks():
            rows += block
            marks += filter(None, [manifest.mark(rows[-1].number)])
    assert len(marks) > 10
    for mark in marks:
        with open_manifest(path, "obsutil", chunk=64) as manifest:
            assert manifest.enter(mark)
            assert [row for block in manifest.blocks() for row in block] == rows[mark.rows :]
            assert manifest.skipped == {"unfinished_uploads": 1, "versions": 3, "delete_markers": 2}
            assert len(manifest.warnings) == 1
