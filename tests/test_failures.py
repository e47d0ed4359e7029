"""The failures as the next manifest: each entry is read back as the row that it was, or as no row."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batcher.edges.manifest import open_manifest, written_entries
from batcher.model import BadRow, Row
from batcher.rules.rows.next_manifest import Reason, Table, json_entry

REASON = Reason('Code,"x"', 'say "no",\nplease\t\\')
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def read(path, format_):
    with open_manifest(path, format_) as manifest:
        return [row for block in manifest.blocks(bucket="videos") for row in block], manifest.header


def identities(rows):
    return [row.key for row in rows if isinstance(row, Row)]


def rewritten(path, format_, new):
    """Write every entry of a manifest once more, as if all had failed."""
    if format_ == "jsonl":
        new.write_bytes(b"".join(json_entry(entry.text, REASON) for entry in written_entries(path, format_)))
        return new
    _, header = read(path, format_)
    table = Table(header or ["object"], "\t" if new.suffix == ".tsv" else ",")
    entries = written_entries(path, format_)
    new.write_bytes(table.header + b"".join(table.entry(entry.text, entry.cells, REASON) for entry in entries))
    return new


@given(st.lists(st.tuples(cells, cells), max_size=5), st.sampled_from(["csv", "tsv"]))
@settings(deadline=None)
@example([(" a ", "=1"), ('"', ""), ("\r\n", "x"), ("\ufeff", "")], "tsv")
def test_a_table_is_read_back_as_the_same_rows(tmp_path_factory, rows, suffix):
    folder = tmp_path_factory.mktemp("table")
    (folder / "m.csv").write_text(
        "object,inputs.note\r\n"
        + "".join('"{}","{}"\r\n'.format(*(cell.replace('"', '""') for cell in row)) for row in rows),
        newline="",
    )
    first, _ = read(folder / "m.csv", "csv")
    new = rewritten(folder / "m.csv", "csv", folder / f"n.{suffix}")
    again, header = read(new, suffix)
    assert header == ["object", "inputs.note", "error_code", "error_message"]
    assert identities(again) == identities(first)
    assert len(again) == len(first)


def test_an_entry_that_is_no_row_of_its_table_is_none_of_the_next_one(tmp_path):
    (tmp_path / "m.csv").write_text('object,note\na,b,c\nd\ne,"f"g\n"h\n')
    new = rewritten(tmp_path / "m.csv", "csv", tmp_path / "n.csv")
    again, _ = read(new, "csv")
    assert [row.object if isinstance(row, Row) else None for row in again] == [None, "d", None, None]
    text = new.read_text()
    assert ',,"Code,""x""","say ""no"",\nplease\t\\: a,b,c"' in text
    assert "h" in text


def test_reasons_of_an_earlier_failure_give_way(tmp_path):
    (tmp_path / "m.csv").write_text("error_code,object,error_message\nOld,a,old\n")
    (tmp_path / "m.jsonl").write_text('{"object": "a"}\n')
    table = rewritten(tmp_path / "m.csv", "csv", tmp_path / "n.csv")
    assert table.read_bytes() == b'object,error_code,error_message\r\na,"Code,""x""","say ""no"",\nplease\t\\"\r\n'
    once = rewritten(tmp_path / "m.jsonl", "jsonl", tmp_path / "n.jsonl")
    twice = rewritten(once, "jsonl", tmp_path / "o.jsonl")
    assert twice.read_bytes() == once.read_bytes()
    assert json.loads(once.read_bytes()) == {"object": "a", "error_code": REASON.code, "error_message": REASON.message}


@pytest.mark.parametrize(
    ("line", "is_row"),
    [
        ('{"object":"a"}', True),
        (' { "object" : "a" , "inputs" : {"n": 1.50, "m": {"x": "}"}} } ', True),
        ('{"object":"a","inputs":{"n":123456789012345678901234567890}}', False),
        ("{}", False),
        ("{ }", False),
        ('{"object":"a"', False),
        ('["a"]', False),
        ("a", False),
    ],
)
def test_json_keeps_every_digit_and_what_was_no_row_stays_none(tmp_path, line, is_row):
    (tmp_path / "m.jsonl").write_text(line + "\n")
    first, _ = read(tmp_path / "m.jsonl", "jsonl")
    again, _ = read(rewritten(tmp_path / "m.jsonl", "jsonl", tmp_path / "n.jsonl"), "jsonl")
    assert len(again) == 1
    assert isinstance(again[0], Row if is_row else BadRow)
    assert identities(again) == identities(first)
    assert json.loads((tmp_path / "n.jsonl").read_text())["error_message"].startswith(REASON.message)


def test_plain_keys_become_a_table(tmp_path):
    (tmp_path / "m.txt").write_bytes(b'a b\r\n"q",x\n')
    first, _ = read(tmp_path / "m.txt", "txt")
    again, _ = read(rewritten(tmp_path / "m.txt", "txt", tmp_path / "n.csv"), "csv")
    assert identities(again) == identities(first)
