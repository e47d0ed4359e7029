"""The list of a bucket: whole, in order, once, whatever the service does and wherever the process is killed."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import AK, KEYS, SK
from obs import ObsClient
from obs.convertor import Adapter, Convertor

import batcher
from batcher.app.bucket_runs import list_command
from batcher.app.check import check_manifest
from batcher.app.job_places import checkpoint_of
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.manifest import open_manifest
from batcher.edges.manifest.skipped import Choice
from batcher.edges.object_list import journal_of
from batcher.emulator.buckets import MadeUp, in_order
from batcher.emulator.faults import FaultKind
from batcher.emulator.quirks import Quirk
from batcher.errors import CredentialsError, ExitCode, ServiceError, UsageError
from batcher.flow.drain import Drain
from batcher.options.listing import ListCommandOptions
from batcher.options.verbs import CheckOptions, StatusOptions

ODD = [
    "a", "a b", "a+b", "a%2Fb", "a//b", "a/./b", "a/../b", "/a", "//", " lead", "trail ", "tab\there", "line\nbreak",
    "cr\rhere", 'quote"d', "comma,d", "\x01\x1f\x7f", "ü", "u\u0308", "片段", "😀", "\ufeffbom", "obs://other/key",
    "http://x/y", "x" * 1024, "é" * 512, "&amp;<>'", "=1+1", "\u2028sep", "z/",
]  # fmt: skip


async def listing(service, address, path, said=None, drain=None, **options):
    world = World(
        voice=Voice(lambda kind, text: (said if said is not None else []).append(kind + text)), environment=KEYS
    )
    wanted = ListCommandOptions(address=address, endpoint=service.url, output=path, **options)
    return await list_command(wanted, world, drain or Drain())


def rows_of(path):
    with open_manifest(path, "csv", Choice(keep_placeholders=True)) as manifest:
        manifest.check()
        return [(row.bucket, row.object) for block in manifest.blocks() for row in block]


def keys(path):
    return [key for _, key in rows_of(path)]


async def test_every_key_is_read_back_as_it_is_in_the_bucket_and_in_the_order_of_bytes(emulator, tmp_path):
    service = await emulator(buckets={"videos": in_order(ODD)}, quirks={Quirk.BUCKET_PAGE: 3})
    assert await listing(service, "obs://videos", tmp_path / "o.csv") is ExitCode.OK
    assert rows_of(tmp_path / "o.csv") == [("videos", key) for key in sorted(ODD, key=str.encode)]
    assert (tmp_path / "o.csv").stat().st_mode & 0o777 == 0o600


async def test_the_official_sdk_lists_the_same(emulator, tmp_path):
    service = await emulator(buckets={"videos": in_order([key for key in ODD if key.isprintable()])})
    await listing(service, "obs://videos", tmp_path / "o.csv")
    client = ObsClient(access_key_id=AK, secret_access_key=SK, server=service.url, max_retry_count=0)
    # At an IP address the SDK signs as for AWS, unless it is set to OBS afterwards.
    client.signature, client.ha = "obs", Adapter("obs")
    client.convertor = Convertor("obs", client.ha)
    try:
        answer = await asyncio.to_thread(client.listObjects, "videos", max_keys=1000, encoding_type="url")
        grouped = await asyncio.to_thread(client.listObjects, "videos", prefix="a/", delimiter="/", encoding_type="url")
    finally:
        client.close()
    assert answer.status == 200
    assert [each.key for each in answer.body.contents] == keys(tmp_path / "o.csv")
    sizes = [int(row["size"]) for row in csv.DictReader((tmp_path / "o.csv").read_text().split("\n"))]
    assert [each.size for each in answer.body.contents] == sizes
    assert [each.prefix for each in grouped.body.commonPrefixs] == ["a/../", "a/./", "a//"]


@pytest.mark.parametrize("delimiter", [None, "/", "clip", "/0"])
async def test_groups_side_by_side_give_the_same_bytes(emulator, tmp_path, delimiter):
    mixed = [*ODD, *(f"{a}/{b:03}" for a in "pqr" for b in range(70)), *(f"flat{n:03}" for n in range(50))]
    service = await emulator(buckets={"videos": in_order(mixed)}, quirks={Quirk.BUCKET_PAGE: 7})
    await listing(service, "obs://videos", tmp_path / "one.csv")
    await listing(service, "obs://videos", tmp_path / "o.csv", delimiter=delimiter, concurrency=3)
    assert (tmp_path / "o.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    assert keys(tmp_path / "o.csv") == sorted(mixed, key=str.encode)


@pytest.mark.parametrize("delimiter", [None, "/"])
async def test_a_list_that_was_cut_at_any_page_is_completed_without_a_gap_or_a_repeat(emulator, tmp_path, delimiter):
    everything = in_order([*ODD, *(f"{n % 9}/{n:04}" for n in range(200))])
    service = await emulator(buckets={"videos": everything}, quirks={Quirk.BUCKET_PAGE: 11})
    whole = tmp_path / "whole.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batcher.app.object_list.BLOCK_SECONDS", 0.0)
        await listing(service, "obs://videos", whole)
    rows, journal = whole.read_bytes(), journal_of(whole).read_bytes()
    assert journal.count(b"\n") > 20
    for cut in range(0, len(journal), 997):
        path = tmp_path / f"{cut}.csv"
        # A kill leaves a torn line in the journal, and rows that it does not count yet.
        journal_of(path).write_bytes(journal[:cut])
        *_, last, _ = [b"{}", *journal[:cut].split(b"\n")]
        path.write_bytes(rows[: max(json.loads(last).get("length", 0), len(rows) - cut % 7)])
        await listing(service, "obs://videos", path, delimiter=delimiter, concurrency=3)
        assert path.read_bytes() == rows


def size(path):
    return path.stat().st_size if path.exists() else 0


def test_a_killed_listing_continues_after_its_last_key(emulator_process, tmp_path):
    running = emulator_process("--objects", "videos=30000", "--bucket-fault", "slow=1", "--slow", "0.05")
    environment = os.environ | KEYS | {"OBS_ENDPOINT": running.url}
    command = [sys.executable, "-m", "batcher", "list", "obs://videos/clips/", "-o", "o.csv", "--delimiter", "/"]
    for _ in range(2):
        before = size(tmp_path / "o.csv")
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        while size(tmp_path / "o.csv") == before and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    ran = subprocess.run(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert keys(tmp_path / "o.csv") == [key.decode() for key in MadeUp(30000)]


@pytest.mark.parametrize("fault", ["slowdown", "unavailable", "500", "reset-before", "cut", "garbage"])
async def test_faults_of_the_service_cost_time_and_no_key(emulator, tmp_path, fault):
    service = await emulator(
        buckets={"videos": MadeUp(90)}, quirks={Quirk.BUCKET_PAGE: 30}, bucket_faults={FaultKind(fault): 0.4}, seed=5
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batcher.rules.rate.backoff.BASE", 0.01)
        assert await listing(service, "obs://videos", tmp_path / "o.csv") is ExitCode.OK
    assert keys(tmp_path / "o.csv") == [key.decode() for key in MadeUp(90)]


@pytest.mark.parametrize(
    ("quirk", "said"),
    [
        (Quirk.BUCKET_REPEAT, "goes back to"),
        (Quirk.BUCKET_STUCK, "does not lead on"),
        (Quirk.BUCKET_BACKWARDS, "not in the order"),
    ],
)
async def test_a_page_that_does_not_continue_the_list_ends_it_with_an_error(emulator, tmp_path, quirk, said):
    service = await emulator(buckets={"videos": MadeUp(90)}, quirks={Quirk.BUCKET_PAGE: 30, quirk: None})
    with pytest.raises(ServiceError, match=said):
        await listing(service, "obs://videos", tmp_path / "o.csv")
    # What came before stays, and a service that behaves completes it.
    service.settings.quirks.pop(quirk)
    assert await listing(service, "obs://videos", tmp_path / "o.csv") is ExitCode.OK
    assert keys(tmp_path / "o.csv") == [key.decode() for key in MadeUp(90)]


@pytest.mark.parametrize("quirk", [Quirk.BUCKET_NO_MARKER, Quirk.BUCKET_RAW])
@pytest.mark.parametrize("delimiter", [None, "/"])
async def test_pages_without_a_marker_or_without_encoding_are_read_too(emulator, tmp_path, quirk, delimiter):
    readable = in_order(key for key in ODD if key.isprintable())
    service = await emulator(buckets={"videos": readable}, quirks={Quirk.BUCKET_PAGE: 2, quirk: None})
    await listing(service, "obs://videos", tmp_path / "o.csv", delimiter=delimiter)
    assert keys(tmp_path / "o.csv") == [key.decode() for key in readable]


async def test_large_pages_are_asked_for_in_smaller_ones(emulator, tmp_path):
    long = in_order(f"{n:03}" + "é" * 510 for n in range(700))
    service = await emulator(buckets={"videos": long})
    await listing(service, "obs://videos", tmp_path / "o.csv")
    assert keys(tmp_path / "o.csv") == [key.decode() for key in long]


async def test_keys_that_are_not_utf_8_are_left_out_and_counted(emulator, tmp_path):
    service = await emulator(buckets={"videos": in_order([b"a", b"b\xff", b"c"])}, quirks={Quirk.BUCKET_PAGE: 1})
    said = []
    await listing(service, "obs://videos", tmp_path / "o.csv", said)
    assert keys(tmp_path / "o.csv") == ["a", "c"]
    assert any("1 key left out" in line for line in said)


async def test_relist_appends_what_is_new_and_only_that(emulator, tmp_path):
    service = await emulator(buckets={"videos": in_order(["b", "d", "line\nbreak"])}, quirks={Quirk.BUCKET_PAGE: 2})
    path = tmp_path / "o.csv"
    await listing(service, "obs://videos", path)
    said = []
    assert await listing(service, "obs://videos", path, said) is ExitCode.OK
    assert "listed before" in said[0]
    for more in (["a", "b", "c", "d", "line\nbreak", "z"], ["0", "a", "c", "zz"]):
        service.settings.buckets["videos"] = in_order(more)
        await listing(service, "obs://videos", path, relist=True)
    assert keys(path) == ["b", "d", "line\nbreak", "a", "c", "z", "0", "zz"]


async def test_a_list_is_not_mixed_with_another_or_with_a_file_of_the_user(emulator, tmp_path):
    service = await emulator(buckets={"videos": MadeUp(3)})
    path = tmp_path / "o.csv"
    await listing(service, "obs://videos", path)
    with pytest.raises(UsageError, match="made with other options"):
        await listing(service, "obs://videos", path, suffixes=[".mp4"])
    own = tmp_path / "own.csv"
    own.write_text("object\na\n")
    with pytest.raises(UsageError, match="not the list of a bucket"):
        await listing(service, "obs://videos", own)
    assert own.read_text() == "object\na\n"


async def test_a_bucket_that_is_missing_or_may_not_be_listed_is_an_error_with_advice(emulator, tmp_path):
    service = await emulator(buckets={"videos": MadeUp(3)})
    with pytest.raises(ServiceError, match="there is no bucket other"):
        await listing(service, "obs://other", tmp_path / "a.csv")
    service = await emulator(buckets={"videos": MadeUp(3)}, bucket_forbidden=True)
    with pytest.raises(CredentialsError, match="may not be listed") as refused:
        await listing(service, "obs://videos", tmp_path / "b.csv")
    assert "obs:bucket:ListBucket" in refused.value.advice


async def test_a_run_of_an_address_lists_once_and_starts_each_object_once(emulator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    service = await emulator(buckets={"videos": in_order([*ODD, "in/1.mp4", "in/2.mp4", "in/3.txt"])})
    arguments = {"workflow": "transcode", "endpoint": service.url, "suffixes": [".mp4"], "preflight": False}
    for _ in range(2):
        async with batcher.run("obs://videos/in/", **arguments) as job:
            pass
        assert job.exit_code is ExitCode.OK
    assert sorted(start.object for start in service.ledger.starts) == ["in/1.mp4", "in/2.mp4"]
    assert service.ledger.requests["list objects"] == 1
    service.settings.buckets["videos"] = in_order(["in/1.mp4", "in/4.mp4"])
    async with batcher.run("obs://videos/in/", relist=True, **arguments):
        pass
    assert sorted(start.object for start in service.ledger.starts) == ["in/1.mp4", "in/2.mp4", "in/4.mp4"]
    assert (tmp_path / "videos_in_.csv.checkpoint").exists()


async def test_a_run_sends_every_odd_key_as_it_is_in_the_bucket(emulator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    service = await emulator(buckets={"videos": in_order(ODD)})
    async with batcher.run(
        "obs://videos",
        workflow="transcode",
        endpoint=service.url,
        environment=KEYS,
        keep_placeholders=True,
        checkpoint=tmp_path / "job.checkpoint",
    ):
        pass
    assert sorted(start.object for start in service.ledger.starts) == sorted(ODD)
    assert keys(tmp_path / "job.objects.csv") == sorted(ODD, key=str.encode)


async def test_a_list_that_is_not_complete_is_no_manifest(emulator, tmp_path):
    service = await emulator(buckets={"videos": MadeUp(90)}, quirks={Quirk.BUCKET_PAGE: 30, Quirk.BUCKET_STUCK: None})
    path = tmp_path / "o.csv"
    with pytest.raises(ServiceError):
        await listing(service, "obs://videos", path)
    with pytest.raises(UsageError, match="not complete"):
        async with batcher.run(path, workflow="transcode", endpoint=service.url, environment=KEYS):
            pass
    assert service.ledger.starts == []


async def test_options_about_a_bucket_are_refused_for_a_file(written):
    with pytest.raises(UsageError, match="suffixes"):
        async with batcher.run(
            written("object\na\n"), workflow="w", endpoint="http://127.0.0.1:1", suffixes=["x"], environment=KEYS
        ):
            pass


def test_a_path_that_merged_the_slashes_of_an_address_is_refused():
    with pytest.raises(UsageError, match="address of a bucket"):
        ListCommandOptions(address=Path("obs://videos/a//b"), endpoint="http://127.0.0.1:1")


async def test_an_error_beside_a_write_leaves_rows_and_journal_that_agree(emulator, tmp_path):
    many = in_order(f"{folder}/{n:03}" for folder in "abcdef" for n in range(40))
    service = await emulator(buckets={"videos": many}, quirks={Quirk.BUCKET_PAGE: 5})
    path = tmp_path / "o.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batcher.app.object_list.BLOCK_SECONDS", 0.0)
        while True:
            # The bucket is gone after some requests, while pages are written.
            listed = asyncio.create_task(listing(service, "obs://videos", path, delimiter="/", concurrency=4))
            most = service.ledger.requests["list objects"] + 9
            while True:
                if listed.done() or service.ledger.requests["list objects"] >= most:
                    break
                await asyncio.sleep(0)
            service.settings.buckets.pop("videos")
            (ended,) = await asyncio.gather(listed, return_exceptions=True)
            service.settings.buckets["videos"] = many
            counted = json.loads(journal_of(path).read_text().split("\n")[-2])
            assert (path.stat().st_size, len(keys(path))) == (counted["length"], counted["rows"])
            assert keys(path) == [key.decode() for key in many[: counted["rows"]]]
            if ended is ExitCode.OK:
                break
            assert isinstance(ended, ServiceError)
    assert len(keys(path)) == len(many)


async def test_the_commands_of_a_job_find_it_by_the_address(emulator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    service = await emulator(buckets={"videos": in_order(["in/1", "in/2"])})
    async with batcher.run("obs://videos/in/", workflow="transcode", endpoint=service.url, environment=KEYS):
        pass
    found = await asyncio.to_thread(checkpoint_of, StatusOptions(checkpoint="obs://videos/in/").checkpoint)
    assert found.samefile(tmp_path / "videos_in_.csv.checkpoint")


async def test_check_and_run_of_a_bucket_that_is_not_listed_yet(emulator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    service = await emulator(buckets={"videos": MadeUp(3)})
    options = CheckOptions(manifest="obs://videos", workflow="transcode", endpoint=service.url, preflight=False)
    with pytest.raises(UsageError, match="not listed yet"):
        await asyncio.to_thread(check_manifest, options, World())
    await listing(service, "obs://videos", Path("videos.csv"))
    assert (await asyncio.to_thread(check_manifest, options, World())).rows == 3


async def test_a_bucket_is_listed_on_its_own_host(emulator, tmp_path, monkeypatch):
    service = await emulator(buckets={"my.videos": in_order(ODD)}, quirks={Quirk.BUCKET_PAGE: 9})
    # As a proxy, the emulator is reached for every name, and sees the host that was asked for.
    monkeypatch.setenv("http_proxy", service.url)
    monkeypatch.delenv("no_proxy", raising=False)
    world = World(voice=Voice(lambda _kind, _text: None), environment=KEYS)
    options = ListCommandOptions(
        address="obs://my.videos", endpoint="http://obs.example.com", allow_http=True, output=tmp_path / "o.csv"
    )
    assert await list_command(options, world, Drain()) is ExitCode.OK
    assert keys(tmp_path / "o.csv") == sorted(ODD, key=str.encode)
