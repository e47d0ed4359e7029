"""A check finds the same repeated rows by hashes, whatever these are, as by the identities of all rows."""

import json
import os
import tempfile
from contextlib import closing, contextmanager
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batcher.app.repeats import Repeats
from batcher.edges.manifest import open_manifest
from batcher.edges.parts import ContentsFile, HashParts, contents_file, hash_parts
from batcher.errors import DiskError, ManifestError
from batcher.model import Row
from batcher.rules.rows.admission import Policy
from batcher.rules.rows.contents import ContentHashes, Contents, contents_of
from batcher.rules.rows.forecast import Forecast
from batcher.rules.rows.plain_rows import PlainRows

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@contextmanager
def contents(path, format_, chunk):
    """Open a manifest and yield its valid rows."""
    with open_manifest(path, format_, chunk=chunk) as manifest:
        blocks = manifest.blocks(bucket="default-one")
        yield (b if isinstance(b, PlainRows) else [row for row in b if isinstance(row, Row)] for b in blocks)


def foreseen(first, again, hashes=None):
    """Return what a check finds about repeats, and how often the manifest was opened again."""
    opened = []

    def counted():
        opened.append(again)
        return again()

    forecast = Forecast(Policy())
    with first() as blocks, closing(Repeats(again and counted, hashes)) as repeats:
        for block in blocks:
            repeats.add(block)
        repeats.foresee(forecast, None)
    return (+forecast.counts, forecast.repeated, forecast.repeats), len(opened)


def same_hash(rows):
    return [0] * len(rows.lines)


def few_hashes(rows):
    return [hash(object_) % 3 - 1 for object_ in rows.objects]


OBJECTS = st.sampled_from([*"abcdefgh", "dir/", "é"])
BUCKETS = st.sampled_from(["", "", "b-1", "b-2", "NOT VALID"])
INPUTS = st.sampled_from(["", "", '{"n":1}', '{"n":true}', '{"n":1,"m":2}', '{"m":2,"n":1}', "[]"])
ROWS = st.lists(st.tuples(BUCKETS, OBJECTS, INPUTS), min_size=1, max_size=30)
PLAIN = st.lists(st.tuples(st.just(""), st.text("ab", min_size=1, max_size=2), st.just("")), min_size=1, max_size=30)


def _cell(text):
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if '"' in text else text


def table(delimiter, rows):
    lines = [delimiter.join(map(_cell, row)) for row in rows]
    return "\n".join([delimiter.join(["bucket", "object", "inputs"]), *lines, "one cell", ""])


def json_rows(rows):
    return [
        json.dumps({"object": object_} | ({"bucket": bucket} if bucket else {})).removesuffix("}")
        + (f', "inputs": {inputs}}}' if inputs else "}")
        for bucket, object_, inputs in rows
    ]


WRITTEN = {
    "txt": lambda rows: "\n".join(["", *(object_ for _, object_, _ in rows), "s3://NOT VALID/x", ""]),
    "csv": partial(table, ","),
    "tsv": partial(table, "\t"),
    "jsonl": lambda rows: "\n".join([*json_rows(rows), "", "{", *json_rows(rows[:1]), ""]),
    "json": lambda rows: f"[{', '.join(json_rows(rows))}]",
}


@SHARED
@given(
    st.one_of(ROWS, PLAIN, PLAIN.map(lambda rows: sorted(set(rows)) + rows[:2])),
    st.tuples(st.sampled_from([*WRITTEN]), st.sampled_from([9, 40, 1000])),
    st.sampled_from([None, same_hash, few_hashes]),
    st.sampled_from([0, 1, 1000]),
)
def test_repeats_are_found_by_any_hash_as_by_the_identities(tmp_path, rows, written, hashes, most):
    format_, chunk = written
    path = tmp_path / "m"
    path.write_text(WRITTEN[format_](rows))
    os.utime(path, (0, 0))
    reading = partial(contents, path, format_, chunk)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hash_parts, "MOST_REPEATED", most)
        found, _ = foreseen(reading, reading, hashes)
    assert found == foreseen(reading, None)[0]


def rows_of(*blocks):
    """Return a function that opens these blocks of objects as plain rows."""

    @contextmanager
    def opened():
        line, made = 1, []
        for objects in blocks:
            made.append(PlainRows(line, line, ["b-1"] * len(objects), list(objects), [b""] * len(objects)))
            line += len(objects)
        yield made

    return opened


@pytest.mark.parametrize(
    ("blocks", "repeated", "opened"),
    [
        (["ab", "cd"], 0, 0),
        (["bd", "ca"], 0, 1),
        (["bd", "da"], 1, 1),
        (["ba", "cd"], 0, 0),
        (["aa"], 1, 0),
    ],
)
def test_a_manifest_is_read_again_only_for_blocks_before_the_first_that_does_not_ascend(blocks, repeated, opened):
    (_, found, _), times = foreseen(rows_of(*blocks), rows_of(*blocks))
    assert (found, times) == (repeated, opened)


def test_the_hash_of_a_row_depends_on_its_content_and_on_nothing_that_is_in_its_block():
    rows = [("b-1", "x", b""), ("b-1", "y", b""), ("b-2", "x", b""), ("b-1", "x", b"{}"), ("b-1", "x", b"")]
    columns = [list(column) for column in zip(*rows, strict=True)]
    hashes = ContentHashes()
    alone = [hashes(contents_of(PlainRows(1, 1, *([each] for each in row))))[0] for row in rows]
    for last in range(1, len(rows) + 1):
        assert hashes(contents_of(PlainRows(1, 1, *(column[:last] for column in columns)))) == alone[:last]
    assert hashes(contents_of([Row(1, 1, *row, b"") for row in rows])) == alone
    assert (len(set(alone)), alone[0], alone[4]) == (4, hash("x"), hash("x"))


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (["ac", "b"], ["ab", "b"]),
        (["ac", "b"], ["a"]),
    ],
)
def test_a_manifest_that_is_another_one_when_it_is_read_again_ends_the_check(first, other):
    with pytest.raises(ManifestError, match="changed while it was read"):
        foreseen(rows_of(*first), rows_of(*other))


@pytest.mark.parametrize("most_recent", [1, 10, 10_000])
@pytest.mark.parametrize("most_kept", [1, 100, 10_000])
def test_hashes_that_occur_more_than_once_are_found_in_memory_and_in_the_file(monkeypatch, most_recent, most_kept):
    monkeypatch.setattr(hash_parts, "MOST_RECENT", most_recent)
    monkeypatch.setattr(hash_parts, "MOST_KEPT", most_kept)
    hashes = [*range(-2000, 2000), *range(5), 3, -1, -(2**63), 2**63 - 1, -(2**63)]
    parts = HashParts()
    for at in range(0, len(hashes), 70):
        parts.add(hashes[at : at + 70])
    found = parts.repeated()
    parts.close()
    assert found == {0, 1, 2, 3, 4, -1, -(2**63)}


def test_too_many_hashes_are_not_returned(monkeypatch):
    monkeypatch.setattr(hash_parts, "MOST_REPEATED", 9)
    parts = HashParts()
    parts.add([*range(100), *range(10)])
    assert parts.repeated() is None
    parts.close()


TEXTS = st.text("aé\n\t 🎬", min_size=1, max_size=3)
COLUMNS = st.lists(st.tuples(st.integers(1, 9), TEXTS, TEXTS, st.sampled_from([b"", b"{}"])), min_size=1, max_size=5)


@given(st.lists(COLUMNS, max_size=5), st.sampled_from([1, 60, 10**6]))
def test_contents_come_back_from_memory_and_from_the_file_as_they_were(blocks, most_kept):
    added = [Contents(*map(list, zip(*rows, strict=True))) for rows in blocks]
    added.append(Contents(range(5, 7), ["b", "b"], ["x", "y"], [b"", b""]))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(contents_file, "MOST_KEPT", most_kept)
        kept = ContentsFile()
    for rows in added:
        kept.add(rows)
    assert list(kept) == added
    kept.close()


def test_a_folder_that_cannot_be_written_ends_the_check_with_advice(monkeypatch, tmp_path):
    monkeypatch.setattr(contents_file, "MOST_KEPT", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    kept = ContentsFile()
    with pytest.raises(DiskError, match="nowhere: the temporary file cannot be used") as caught:
        kept.add(Contents(range(1, 2), ["b"], ["x"], [b""]))
    kept.close()
    assert "TMPDIR" in caught.value.advice
