"""Shards: which process works on which rows, the plan that all of them share, and what must not be mixed with it."""

import csv
import gzip
import html
import json
import re
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_command import ODD_KEYS

from batcher.edges.manifest import Choice, Share, format_of, open_manifest
from batcher.edges.run_folder import fingerprint_of, is_run_folder, pin, plan_in
from batcher.errors import OtherJobError, UsageError
from batcher.rules.job.card import Card, decoded, encoded
from batcher.rules.shards.assignment import Shard, assigned, parsed
from batcher.rules.shards.ownership import alike, owner
from batcher.rules.shards.plan import Fingerprint, Plan, plan_of

K8S, WHOLE, COUNT = "JOB_COMPLETION_INDEX", "BATCHER_SHARD", "BATCHER_SHARDS"
SLURM, SLURM_FIRST, SLURM_TASKS = "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT"
AWS = "AWS_BATCH_JOB_ARRAY_INDEX"


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({}, None),
        ({"HOSTNAME": "a", K8S: "", COUNT: ""}, None),
        ({K8S: "0", COUNT: "1"}, Shard(0, 1)),
        ({K8S: "2", COUNT: "3"}, Shard(2, 3)),
        ({SLURM: "7", SLURM_FIRST: "5", COUNT: "4"}, Shard(2, 4)),
        ({SLURM: "1", SLURM_FIRST: "1", SLURM_TASKS: "8", COUNT: "8"}, Shard(0, 8)),
        ({SLURM: "3", COUNT: "4"}, Shard(3, 4)),
        ({AWS: "9", COUNT: "10"}, Shard(9, 10)),
        ({WHOLE: "1/5"}, Shard(1, 5)),
        ({WHOLE: "1/5", K8S: "1", COUNT: "5"}, Shard(1, 5)),
        ({AWS: "1", K8S: "1", SLURM: "2", SLURM_FIRST: "1", COUNT: "2"}, Shard(1, 2)),
    ],
)
def test_a_scheduler_assigns_a_shard_by_its_own_variable_and_the_number_by_ours(environment, shard):
    assert assigned(environment) == shard


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({K8S: "0"}, "JOB_COMPLETION_INDEX is set, but not the number of shards"),
        ({COUNT: "4"}, "BATCHER_SHARDS is set, but no index of a shard"),
        ({K8S: "0", AWS: "1", COUNT: "2"}, "JOB_COMPLETION_INDEX 0, AWS_BATCH_JOB_ARRAY_INDEX 1"),
        ({K8S: "1", SLURM: "1", SLURM_FIRST: "1", COUNT: "2"}, "JOB_COMPLETION_INDEX 1, SLURM_ARRAY_TASK_ID 0"),
        ({WHOLE: "1/5", K8S: "2"}, "JOB_COMPLETION_INDEX 2, BATCHER_SHARD 1"),
        ({WHOLE: "1/5", COUNT: "6"}, "BATCHER_SHARDS 6, BATCHER_SHARD 5"),
        ({WHOLE: "1"}, "BATCHER_SHARD: expected a shard such as 0/8"),
        ({K8S: "4", COUNT: "4"}, "JOB_COMPLETION_INDEX: shard 4: there is no such shard among 4 shards"),
        ({SLURM: "4", SLURM_FIRST: "5", COUNT: "4"}, "SLURM_ARRAY_TASK_ID: shard -1"),
        ({SLURM: "3", SLURM_FIRST: "3", SLURM_TASKS: "1", COUNT: "4"}, "SLURM_ARRAY_TASK_COUNT is 1"),
        ({K8S: "one", COUNT: "4"}, "JOB_COMPLETION_INDEX: expected a whole number"),
        ({K8S: "0", COUNT: "0"}, "0 shards: a job has 1 to 10,000"),
        ({K8S: "0", COUNT: "-1"}, "BATCHER_SHARDS: expected a whole number"),
        ({K8S: "\u0663", COUNT: "4"}, "JOB_COMPLETION_INDEX: expected a whole number"),
    ],
)
def test_an_environment_that_contradicts_itself_or_says_only_a_part_assigns_no_shard(environment, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        assigned(environment)


@pytest.mark.parametrize("text", ["3/3", "0/0", "0/10001"])
def test_a_shard_that_does_not_exist_is_refused(text):
    assert parsed("2/3") == Shard(2, 3)
    with pytest.raises(UsageError):
        parsed(text)


LOSING = (
    unquote,
    unquote_plus,
    str.lower,
    str.upper,
    str.strip,
    html.unescape,
    *(lambda key, form=form: unicodedata.normalize(form, key) for form in ("NFC", "NFD", "NFKC")),
    lambda key: re.sub("/+", "/", key),
    lambda key: key.strip("/"),
)
"""What a service may do to a key so that two keys look the same, and is still believed to show all of it."""


def test_keys_that_a_service_may_show_alike_belong_to_one_shard():
    keys = [*ODD_KEYS, *map(quote, ODD_KEYS), *map(quote_plus, ODD_KEYS), *map(html.escape, ODD_KEYS)]
    keys += ["\u00c9t\u00e9/B.MP4", "Stra\u00dfe/a%2520b", "\uff21\uff22/%E7%89%87 1", "a&amp;amp;b", "a%26amp%3Bb"]
    for key in keys:
        shown = {change(other(key)) for change in LOSING for other in LOSING}
        assert {owner(each, 997) for each in shown} == {owner(key, 997)}, key


def test_a_character_of_ascii_is_folded_alike_among_others():
    for code in range(128):
        if chr(code) not in "%&":
            assert alike(f"a{chr(code)}\u7247") == alike(f"a{chr(code)}") + "\u7247".encode()


def test_the_owner_of_a_key_is_the_same_in_every_version_and_shards_are_about_equal():
    assert [owner(key, 8) for key in ("", "in/clip 01.mp4", "\u7247\u6bb5.mp4", "A%20B")] == [0, 4, 4, 3]
    counts = Counter(owner(f"in/clip {number}.mp4", 8) for number in range(20_000))
    assert sorted(counts) == [*range(8)]
    assert all(2_300 < count < 2_700 for count in counts.values()), counts


def _table(delimiter):
    def write(path):
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "wt", newline="", encoding="utf-8") as file:
            cells = [[f"v {number % 40}/{number % 7}\n{number % 40}", f'"{number % 3}"'] for number in range(400)]
            csv.writer(file, delimiter=delimiter).writerows(
                [["object", "inputs.a"], *cells, ["\x00", ""], ["\x00", ""]]
            )

    return write


def _lines(entry):
    return lambda path: path.write_text("".join(f"{entry(number % 250)}\n" for number in range(400)))


def _parquet(path):
    pq.write_table(pa.table({"object": [f"v {number % 250}" for number in range(400)]}), path, row_group_size=64)


WRITERS = {
    "m.csv": _table(","),
    "m.tsv.gz": _table("\t"),
    "m.jsonl": _lines(lambda number: json.dumps({"object": f"v {number}", "inputs": {"a": number % 2}})),
    "m.txt": _lines(lambda number: f"v {number}"),
    "obsutil.txt": _lines(lambda number: f"obs://videos/v {number}"),
    "m.json": lambda path: path.write_text(json.dumps([{"object": f"v {number % 250}"} for number in range(400)])),
    "inventory.csv": _lines(lambda number: f'"videos","v+{number}"' if number else '"Bucket","Key"'),
    "m.parquet": _parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_each_row_of_a_list_belongs_to_one_shard_and_rows_with_the_same_content_to_the_same(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)

    def read(shard=None):
        with open_manifest(path, format_of(path, None), Choice(keep_placeholders=True)) as manifest:
            read_ = manifest if shard is None else Share(manifest, shard)
            read_.check()
            rows = [row for block in read_.blocks(bucket="videos") for row in block]
            return rows, 0 if shard is None else read_.elsewhere

    whole, _ = read()
    assert len(whole) >= 390
    for of in (1, 2, 7):
        shares = [read(Shard(number, of)) for number in range(of)]
        assert sorted((row for rows, _ in shares for row in rows), key=lambda row: row.number) == whole
        assert {len(rows) + elsewhere for rows, elsewhere in shares} == {len(whole)}
        keys = [{row.key for row in rows} for rows, _ in shares]
        assert sum(map(len, keys)) == len(set().union(*keys))


CARD = Card("https://obs.example.com", "transcode", bucket="videos", manifest="../m.csv", output="o", shard="0/3")


def _plan(of=3, card=CARD, manifest=None):
    return plan_of(card, of, "csv", manifest)


def test_of_shards_that_begin_together_one_writes_the_plan_and_the_others_follow_it(tmp_path):
    folder = tmp_path / "m.csv.run"

    def try_(of):
        try:
            pin(folder, _plan(of))
        except OtherJobError as error:
            return str(error)
        return of

    with ThreadPoolExecutor(16) as threads:
        said = [*threads.map(try_, [*range(1, 17)] * 4)]
    (first,) = {each for each in said if isinstance(each, int)}
    assert said.count(first) == 4
    assert plan_in(folder) == _plan(first)
    assert is_run_folder(folder)
    assert [path.name for path in folder.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (_plan(4), "the job has 3 shards, not 4"),
        (_plan(card=Card("https://obs.example.com", "other", bucket="videos")), "workflow 'transcode', not 'other'"),
        (_plan(card=Card("https://obs.example.com", "transcode", bucket="b")), "bucket 'videos', not 'b'"),
        (_plan(manifest=Fingerprint("ab", 7)), "the manifest is not the one that the job began with"),
    ],
)
def test_a_run_folder_takes_no_other_job(tmp_path, wanted, said):
    pin(tmp_path, _plan())
    pin(tmp_path, _plan(card=Card("https://obs.example.com", "transcode", bucket="videos", shard="2/3")))
    with pytest.raises(OtherJobError, match=re.escape(said)):
        pin(tmp_path, wanted)


def test_a_plan_that_is_lost_or_not_understood_is_not_replaced(tmp_path):
    (tmp_path / "shard-00001.checkpoint").touch()
    with pytest.raises(OtherJobError, match="the plan is missing, and shards have begun"):
        pin(tmp_path, _plan())
    for text, said in (("{", "not the plan"), ('{"version": 2}', "the plan has version 2"), ("[]", "not the plan")):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(OtherJobError, match=said):
            pin(tmp_path, _plan())
        assert (tmp_path / "plan.json").read_text() == text


def test_a_fingerprint_is_of_the_bytes_of_all_files_and_a_pipe_has_none(tmp_path):
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"abc")
    two.write_bytes(b"de")
    assert fingerprint_of([one]) == Fingerprint("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 3)
    assert len({fingerprint_of(paths) for paths in ([one], [two], [one, two], [two, one])}) == 4
    assert fingerprint_of([tmp_path]) is None
    pin(tmp_path, Plan(2, CARD, fingerprint_of([one])))
    with pytest.raises(OtherJobError):
        pin(tmp_path, Plan(2, CARD, fingerprint_of([two])))


def test_a_card_with_a_shard_is_not_one_for_a_version_without_shards():
    for card, version in ((CARD, 2), (Card("https://obs.example.com", "transcode"), 1)):
        assert json.loads(encoded(card))["version"] == version
        assert decoded(encoded(card)) == card
