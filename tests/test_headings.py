"""Columns are judged before the first start: the pure rule by its cases, then the real command against the emulator."""

import json
import re
from collections import Counter

import pytest
from test_check import BUCKET, check, run, words
from test_command import batcher

from batcher.edges.manifest.rows import Ignored
from batcher.emulator.settings import Declared, ParameterType
from batcher.rules.rows.headings import is_near, judged

DECLARED = {
    "transcode": {"template-id": Declared(ParameterType.INTEGER, "7"), "fps": Declared(ParameterType.STRING, "x")}
}
PARAMETERS = ("template-id", "fps")
RECORDS_AND_LISTS = (
    "error_code", "error_message", "row", "status", "started_at", "size", "Size", "last_modified", "LastModified",
    "etag", "ETag", "storage_class", "StorageClass",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("buckt", "bucket"), ("Bucket", "bucket"), (" bucket ", "bucket"), ("BUCKET_", "bucket"), ("buckets", "bucket"),
        ("tempalte", "template"), ("template_id", "template-id"), ("Template Id", "template-id"), ("FPS", "fps"),
        ("templateid2", "template-id"),
    ],
)  # fmt: skip
def test_a_name_is_near_if_it_is_spelt_another_way_or_differs_by_two_letters(name, known):
    assert is_near(name, known)
    assert is_near(known, name)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("owner", "bucket"),
        ("fpt", "fps"),
        ("sizes", "size"),
        ("tmplte", "template-id"),
        ("bckts", "bucket"),
        ("", "fps"),
    ],
)
def test_short_names_and_names_that_differ_by_three_letters_are_not_near(name, known):
    assert not is_near(name, known)


@pytest.mark.parametrize(
    ("heading", "meant"),
    [
        ("buckt", '"bucket"'),
        ("Object", '"object"'),
        ("input", '"inputs"'),
        ("tempalte-id", '"template-id"'),
        ("input.template-id", '"inputs.template-id"'),
        ("Inputs.owner", '"inputs.owner"'),
        ("inputs.template_id", '"inputs.template-id"'),
    ],
)
def test_a_column_that_is_nearly_what_decides_a_start_is_misspelt(heading, meant):
    assert judged([heading], PARAMETERS, is_table=True) == ({heading: meant}, [])


def test_columns_that_are_used_and_columns_of_records_and_lists_are_not_misspelt_in_any_spelling():
    used = (
        "object",
        "bucket",
        "inputs",
        "template-id",
        "inputs.template-id",
        "inputs.zzz",
        *RECORDS_AND_LISTS,
        "owner",
        "",
    )
    assert judged(used, PARAMETERS, is_table=True) == ({}, [])


def test_in_json_lines_an_input_outside_inputs_is_misplaced():
    found = judged(["template-id", "Template_ID", "inputs.fps", "owner", "Bucket"], PARAMETERS, is_table=False)
    inside = '"template-id" in "inputs"'
    assert found.misspelt == {
        "template-id": inside, "Template_ID": inside, "inputs.fps": '"fps" in "inputs"', "Bucket": '"bucket"',
    }  # fmt: skip


def test_where_the_parameters_are_unknown_every_other_name_may_be_one():
    found = judged(["owner", "buckt", "inputs.x", "object", "", *RECORDS_AND_LISTS], None, is_table=True)
    assert found == ({"buckt": '"bucket"'}, ["owner"])


def test_unused_names_are_noted_up_to_a_bound_and_those_that_were_accepted_are_not():
    ignored = Ignored({"x5"})
    for number in range(5000):
        ignored.add(f"x{number}")
    assert (len(ignored), ignored.names[4:7]) == (1000, ["x4", "x6", "x7"])
    assert len(ignored.told("m")) == 1
    assert ignored.sentences("m") == []


async def refused(service, verb, *more):
    """Run the verb, which refuses the columns and starts nothing. Gives what it says."""
    ran = await verb(service, *more)
    assert ran.code == 65, ran
    assert service.ledger.counts() == Counter()
    return ran.stderr


@pytest.mark.parametrize("verb", [run, check])
async def test_a_misspelt_column_ends_the_command_before_a_file_is_made(folder, emulator, verb):
    service = await emulator(workflows=DECLARED)
    (folder / "m.csv").write_text("object,buckt,tempalte-id\na,other,7\n")
    assert await refused(service, verb, "m.csv") == (
        'batcher: error: m.csv: unknown columns "buckt" (did you mean "bucket"?) and "tempalte-id" (did you mean'
        ' "template-id"?)\n'
        "batcher: Correct the names, or add --ignore-column buckt --ignore-column tempalte-id to ignore what is no"
        " input.\n"
    )
    assert [path.name for path in folder.iterdir()] == ["m.csv"]


async def test_an_accepted_column_is_ignored_also_by_the_command_that_continues_the_job(folder, emulator):
    service = await emulator(workflows=DECLARED)
    (folder / "m.csv").write_text("object,buckt,fps,owner\na,other,9,x\nb,other,9,x\n")
    accepting = ("m.csv", "--ignore-column", "buckt", "--ignore-column", "fps", "--limit", "1")
    ran = await run(service, *accepting)
    assert ran.code == 5, ran
    lines = ran.stderr.splitlines()
    assert lines.index("batcher: warning: m.csv: ignored: owner") < lines.index(
        "batcher: records:    m.csv.executions.jsonl"
    )
    again = next(line for line in lines if line.startswith("batcher: next: ")).split()[3:]
    assert [again[at + 1] for at, word in enumerate(again) if word == "--ignore-column"] == ["buckt", "fps"]
    ran = await batcher("run", *again[1:], "--progress", "none")
    assert ran.code == 0, ran
    assert sorted(service.ledger.counts()) == [("videos", "a", "{}"), ("videos", "b", "{}")]
    ran = await run(service, "m.csv", "--ignore-column", "object")
    assert ran.code == 2, ran


@pytest.mark.parametrize("verb", [run, check])
async def test_where_the_workflow_cannot_be_read_columns_are_named_inputs_or_ignored(folder, emulator, verb):
    service = await emulator(workflows=DECLARED, workflow_forbidden=True)
    (folder / "m.csv").write_text("object,template-id,owner,error_code\na,7,x,y\n")
    said = await refused(service, verb, "m.csv")
    assert 'columns "template-id" and "owner" may be inputs, and these credentials may not read' in said
    (folder / "m.csv").write_text("object,inputs.fps,owner\na,7,x\n")
    ran = await verb(service, "m.csv", "--ignore-column", "owner")
    assert ran.code == 0, ran


async def test_without_a_preflight_only_names_of_our_own_are_misspelt(folder, emulator):
    service = await emulator(workflows=DECLARED)
    (folder / "m.csv").write_text("object,tempalte-id\na,7\n")
    ran = await check(service, "m.csv", "--no-preflight")
    assert ran.code == 0, ran
    (folder / "m.csv").write_text("object,Bucket\na,7\n")
    assert 'unknown column "Bucket" (did you mean "bucket"?)' in await refused(
        service, check, "m.csv", "--no-preflight"
    )
    assert 'unknown column "Bucket" (did you mean "bucket"?)' in await refused(service, run, "m.csv", "--no-preflight")
    assert service.ledger.requests["workflow"] <= 1


@pytest.mark.parametrize("verb", [run, check])
@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"object": "b", "template-id": 7}, '"template-id" (did you mean "template-id" in "inputs"?)'),
        ({"objct": "b"}, '"objct" (did you mean "object"?)'),
    ],
)
async def test_the_first_keys_of_json_lines_are_judged_before_the_first_start(folder, emulator, verb, row, said):
    service = await emulator(workflows=DECLARED)
    (folder / "m.jsonl").write_text(f'{{"object": "a"}}\n{json.dumps(row)}\n')
    assert said in await refused(service, verb, "m.jsonl")


async def test_a_misspelt_key_that_comes_late_stops_the_run_before_its_block(folder, emulator):
    service = await emulator(workflows=DECLARED)
    rows = [json.dumps({"object": f"{number:0500}", "owner": 1}) for number in range(600)]
    (folder / "m.jsonl").write_text("\n".join([*rows, '{"object": "last", "Bucket": "other", "late": 1}\n']))
    ran = await run(service, "m.jsonl")
    assert ran.code == 65, ran
    assert 'error: m.jsonl: unknown column "Bucket" (did you mean "bucket"?)' in ran.stderr
    assert "\nbatcher: warning: m.jsonl: ignored: owner\n" in ran.stderr
    begun = len(service.ledger.counts())
    assert 0 < begun < 600
    ran = await batcher("run", *words(service, "m.jsonl", "--progress", "none", "--ignore-column", "Bucket"))
    assert ran.code == 0, ran
    assert re.search("^batcher: warning: m.jsonl: ignored: (owner, )?late$", ran.stderr, re.MULTILINE)
    assert set(service.ledger.counts().values()) == {1}
    assert len(service.ledger.counts()) == 601


async def test_a_column_that_the_first_run_accepted_does_not_stop_a_later_one(folder, emulator):
    service = await emulator(workflows=DECLARED)
    (folder / "m.csv").write_text("object,owner\na,x\n")
    assert (await run(service, "m.csv")).code == 0
    (folder / "m.csv").write_text("object,owner\na,x\nb,x\n")
    assert (await run(service, "m.csv")).code == 0
    (folder / "m.csv").write_text("object,owner,buckt\na,x,y\nb,x,y\nc,x,y\n")
    ran = await batcher("run", "m.csv", "-w", "transcode", "-e", service.url, *BUCKET, "--progress", "none")
    assert ran.code == 65, ran
    assert sorted(key for _, key, _ in service.ledger.counts()) == ["a", "b"]
