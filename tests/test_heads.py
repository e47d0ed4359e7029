"""`--head`: objects of a list are looked at in their buckets, and a list with a missing one starts nothing."""

import asyncio
import json
from collections import Counter
from itertools import pairwise

import pytest
from conftest import AK, KEYS, SK
from obs import ObsClient
from obs.convertor import Adapter, Convertor
from test_after import started
from test_command import batcher, folder  # noqa: F401 - the folder is a fixture
from test_object_lists import ODD

from batcher.app.bucket_runs import listed
from batcher.app.heads import look, place_of
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.emulator.buckets import facts_of, in_order
from batcher.emulator.faults import FaultKind
from batcher.emulator.quirks import Quirk
from batcher.errors import CredentialsError, ExitCode, ManifestError, ServiceError, UsageError
from batcher.flow.drain import Drain
from batcher.model import Reply
from batcher.options.verbs import CheckOptions, RunOptions
from batcher.rules.bucket.heads import Finding, read_head
from batcher.rules.rows.spread import Spread, sample

CLIPS = [f"in/clip {number}.mp4" for number in range(40)]


def options_for(service, manifest, kind=RunOptions, **more):
    known = {"manifest": manifest, "workflow": "transcode", "endpoint": service.url, "bucket": "videos", "head": 5}
    return kind(**known | more)


def write(path, keys):
    path.write_text("".join(json.dumps({"object": key}) + "\n" for key in keys))
    return path


async def looked_at(service, manifest, said=None, **more):
    world = World(
        voice=Voice(lambda kind, text: (said if said is not None else []).append(kind + text)), environment=KEYS
    )
    options = options_for(service, manifest, **more)
    return {each.key: each.finding for each in await look(options, place_of(options), world, Drain())}


@pytest.mark.parametrize("most", [1, 2, 3, 7, 20])
def test_a_sample_has_the_wanted_number_of_items_evenly_spread_whatever_the_length_and_the_blocks(most):
    for length in (*range(1, 70), 1000, 1023, 4096):
        for size in (1, 3, length):
            spread = Spread(2 * most)
            for begin in range(0, length, size):
                block = range(begin, min(begin + size, length))
                spread.extend(len(block), block.__getitem__)
            chosen = sample(spread.kept, most)
            assert len(chosen) == len(set(chosen)) == min(most, length)
            assert chosen == sorted(chosen)
            assert chosen[0] == 0
            ends = [*chosen, length]
            gaps = [after - before for before, after in pairwise(ends)]
            assert max(gaps[:-1], default=1) <= 2 * min(gaps[:-1], default=1)
            # What is behind the last one is at most what one more would have halved.
            assert gaps[-1] <= max(2, length / most * 2)
    assert sample(Spread(2 * most).kept, most) == []


@pytest.mark.parametrize(
    ("status", "headers", "finding"),
    [
        (200, {"content-length": "5"}, Finding.READABLE),
        (200, {"content-length": "5", "x-obs-storage-class": "WARM"}, Finding.READABLE),
        (200, {"content-length": "0", "x-obs-storage-class": "COLD"}, Finding.EMPTY),
        (200, {"content-length": "5", "x-obs-storage-class": "COLD"}, Finding.ARCHIVED),
        (200, {"content-length": "5", "x-obs-storage-class": "DEEP_ARCHIVE"}, Finding.ARCHIVED),
        (
            200,
            {"content-length": "5", "x-obs-storage-class": "COLD", "x-obs-restore": 'ongoing-request="true"'},
            Finding.ARCHIVED,
        ),
        (
            200,
            {
                "content-length": "5",
                "x-obs-storage-class": "COLD",
                "x-obs-restore": 'ongoing-request="false", expiry-date="Wed, 07 Nov 2026 00:00:00 GMT"',
            },
            Finding.READABLE,
        ),
        (404, {}, Finding.MISSING),
        (404, {"x-obs-error-code": "NoSuchKey"}, Finding.MISSING),
        (404, {"x-obs-error-code": "NoSuchBucket"}, None),
        (403, {}, None),
        (503, {}, None),
    ],
)
def test_an_answer_to_a_head_request_is_read_by_its_headers(status, headers, finding):
    assert read_head(Reply(status, headers, b"")).noun is finding


async def test_odd_keys_are_found_where_they_are_and_the_official_sdk_finds_the_same(emulator, tmp_path):
    keys = [key for key in ODD if key.isprintable() and "://" not in key and not key.endswith("/")]
    service = await emulator(buckets={"videos": in_order(keys)})
    manifest = write(tmp_path / "m.jsonl", [*keys, "absent"])
    found = await looked_at(service, manifest, head=100)
    assert found.pop("absent") is Finding.MISSING
    assert set(found) == set(keys)
    assert Finding.MISSING not in found.values()
    client = ObsClient(access_key_id=AK, secret_access_key=SK, server=service.url, max_retry_count=0)
    client.signature, client.ha = "obs", Adapter("obs")
    client.convertor = Convertor("obs", client.ha)
    try:
        for key in (*CLIPS[:1], "absent", *keys):
            answer = await asyncio.to_thread(client.getObjectMetadata, "videos", key)
            assert answer.status == (200 if key in keys else 404), key
            if key in keys:
                facts = facts_of(key.encode())
                assert answer.body.contentLength == facts.size
                assert (answer.body.storageClass or "STANDARD") == facts.storage_class
    finally:
        client.close()


async def test_a_run_whose_list_has_a_missing_object_starts_nothing_and_names_it(folder, emulator):  # noqa: F811
    service = await emulator(buckets={"videos": in_order([*CLIPS, "in/.empty"])})
    write(folder / "m.jsonl", [*CLIPS, "in/.empty", "in/absent.mp4"])
    run = (
        "run",
        "m.jsonl",
        "-w",
        "transcode",
        "-e",
        service.url,
        "-b",
        "videos",
        "--progress",
        "none",
        "--head",
        "100",
    )
    ran = await batcher(*run)
    assert ran.code == 65, ran
    archived = sum(facts_of(key.encode()).storage_class == "COLD" for key in CLIPS)
    assert archived > 0
    assert (
        f"looked at 42 objects, spread over the list: {40 - archived} readable, 1 empty, {archived} archived, 1 missing"
        in ran.stderr
    )
    assert (
        "\nbatcher: missing: videos/in/absent.mp4\nbatcher: empty: videos/in/.empty\nbatcher: archived: " in ran.stderr
    )
    assert "1 of 42 objects that were looked at is missing" in ran.stderr
    assert (started(service), list(folder.glob("*.checkpoint"))) == ({}, [])
    checked = await batcher("check", *run[1:8], "--head", "100", "--json")
    assert checked.code == 65, checked
    looked = json.loads(checked.stdout)["looked_at"]
    assert Counter(each["finding"] for each in looked)["missing"] == 1
    assert {each["key"] for each in looked} == {*CLIPS, "in/.empty", "in/absent.mp4"}
    write(folder / "m.jsonl", [*CLIPS, "in/.empty"])
    assert (await batcher(*run)).code == 0
    assert sum(started(service).values()) == 41
    # The same command continues: what was started may be gone by then.
    write(folder / "m.jsonl", [*CLIPS, "in/.empty", "in/late.mp4"])
    before = service.ledger.requests["head object"]
    assert (await batcher(*run)).code == 0
    assert service.ledger.requests["head object"] == before > 0


async def test_each_bucket_is_asked_for_its_own_objects_also_on_its_own_host(emulator, tmp_path, monkeypatch):
    service = await emulator(buckets={"videos": in_order(CLIPS[:20]), "archive": in_order(CLIPS[20:])})
    rows = [{"bucket": "videos" if at < 20 else "archive", "object": key} for at, key in enumerate(CLIPS)]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    # As a proxy, the emulator is reached for every name, and sees the host that was asked for.
    monkeypatch.setenv("http_proxy", service.url)
    monkeypatch.delenv("no_proxy", raising=False)
    for endpoint, way in ((service.url, ""), ("http://obs.example.com", "requests go through the proxy")):
        said = []
        found = await looked_at(service, tmp_path / "m.jsonl", said, head=10, endpoint=endpoint, allow_http=True)
        assert len(found) == 10
        assert Finding.MISSING not in found.values()
        assert any(way in line for line in said) or not way


async def test_faults_are_waited_for_and_what_shows_nothing_ends_the_command(emulator, tmp_path):
    manifest = write(tmp_path / "m.jsonl", CLIPS)
    faults = dict.fromkeys(
        (FaultKind("slowdown"), FaultKind("500"), FaultKind("reset-before"), FaultKind("garbage")), 0.15
    )
    service = await emulator(buckets={"videos": in_order(CLIPS)}, bucket_faults=faults, seed=3)
    found = await looked_at(service, manifest, head=40)
    assert set(found) == set(CLIPS)
    assert service.ledger.requests["head object"] > 40
    for settings, error, words in (
        ({"bucket_forbidden": True}, CredentialsError, "may not be looked at: HTTP 403 AccessDenied"),
        ({"bucket_forbidden": True, "quirks": {Quirk.BUCKET_NO_CODE: None}}, CredentialsError, "HTTP 403"),
        ({"buckets": {"others": in_order(CLIPS)}}, ServiceError, "there is no bucket videos"),
    ):
        service = await emulator(**{"buckets": {"videos": in_order(CLIPS)}, **settings})
        with pytest.raises(error, match=words):
            await looked_at(service, manifest)
        assert service.ledger.requests["head object"] <= 16


async def test_nothing_is_looked_at_where_that_is_not_asked_for_or_not_possible(emulator, tmp_path):
    service = await emulator(buckets={"videos": in_order(CLIPS)})
    manifest = write(tmp_path / "m.jsonl", CLIPS)
    world = World(voice=Voice(lambda *_: None), environment=KEYS)
    options = await listed(options_for(service, manifest, head=0), world, Drain())
    assert not options.has("head")
    with pytest.raises(UsageError, match="--bucket-endpoint: only to list a bucket or with --head"):
        await listed(options_for(service, manifest, head=0, bucket_endpoint=service.url), world, Drain())
    given = {"format": "jsonl", "checkpoint": tmp_path / "c", "output": tmp_path / "o.jsonl", "run_dir": tmp_path / "r"}
    with pytest.raises(UsageError, match="standard input can be read only once"):
        await listed(options_for(service, "-", **given), world, Drain())
    drain = Drain()
    drain.begin(ExitCode.STOPPED)
    assert await listed(options_for(service, manifest), world, drain) is ExitCode.STOPPED
    assert service.ledger.requests["head object"] == 0
    with pytest.raises(ManifestError, match="1 of 5 objects"):
        await listed(options_for(service, write(tmp_path / "n.jsonl", ["gone", *CLIPS])), world, Drain())
    assert isinstance(options_for(service, manifest, CheckOptions), CheckOptions)
