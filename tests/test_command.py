"""The real command, as a person runs it, against an independent server."""

import asyncio
import csv
import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from independent import ACCESS_KEY, SECRET_KEY, judging
from launching import run_to_end
from peek import kept_rows

from batcher.model import Status

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("OBS_", "HW_", "HUAWEI", "BATCHER_"))},
    "OBS_ACCESS_KEY_ID": ACCESS_KEY,
    "OBS_SECRET_ACCESS_KEY": SECRET_KEY,
}
ODD_KEYS = [
    "plain.mp4",
    " leading and trailing ",
    "per%20cent%ZZ.mp4",
    "a+b&c=d?e#f.mp4",
    "quotes \" ' ` \\ .mp4",
    "comma, semicolon; tab\t.mp4",
    "line\nbreak\r\nand\rreturn",
    "emoji \U0001f600 \u7247\u6bb5.mp4",
    "caf\u00e9 NFC",
    "cafe\u0301 NFD",
    "/leading/slash",
    "//double//slash/",
    "\u2028line separator\u0085next line",
    "\ufeffbyte order mark",
    "control \x01\x1b[2J\x7f",
    "-dash", "=1+1", "null", "true", "1e5",
    "x" * 1024,
    "\U0001f600" * 256,
]  # fmt: skip


class Ran:
    def __init__(self, code, stdout, stderr):
        self.code, self.stdout, self.stderr = code, stdout.decode(), stderr.decode()

    def __repr__(self):
        return f"exit {self.code}\n{self.stdout}\n{self.stderr}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def batcher(*words, stdin=b"", environment=ENVIRONMENT):
    """Run the command to its end."""
    return Ran(*await run_to_end(words, environment, Path.cwd(), stdin))


def run(judge, manifest, *words, **more):
    return batcher("run", manifest, "-w", "transcode", "-e", judge.url, "-b", "videos", *words, **more)


def records(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


async def test_odd_keys_arrive_byte_for_byte_from_every_format(folder):
    in_text = [key for key in ODD_KEYS if not set("\r\n") & set(key)]
    manifests = {
        write_csv(folder / "a.csv", [["object"], *([key] for key in ODD_KEYS)]): ODD_KEYS,
        folder / "b.jsonl": ODD_KEYS,
        folder / "c.txt": in_text,
        folder / "d.tsv.gz": ODD_KEYS,
    }
    (folder / "b.jsonl").write_text("".join(json.dumps({"object": key}) + "\n" for key in ODD_KEYS))
    # a file that begins with a byte order mark loses it, so this key must not come first
    (folder / "c.txt").write_bytes("".join(key + "\n" for key in in_text).encode())
    with gzip.open(folder / "d.tsv.gz", "wt", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([["object"], *([key] for key in ODD_KEYS)])
    for manifest, keys in manifests.items():
        async with judging() as judge:
            ran = await run(judge, manifest, "--keep-placeholders")
            assert ran.code == 0, ran
            assert sorted(judge.objects()) == sorted(keys)
            assert judge.refused == []
            assert all("\\u" not in body.decode() or "\x01" in json.loads(body)["object"] for body in judge.bodies)
            written = records(folder / f"{manifest.name}.executions.jsonl")
            assert sorted(record["object"] for record in written) == sorted(keys)
            assert {record["status"] for record in written} == {"started"}


async def test_the_body_has_inputs_only_when_there_are_some_and_their_types_survive(folder):
    (folder / "m.jsonl").write_text(
        '{"object": "none"}\n'
        '{"bucket": "other-bucket", "object": "some",'
        ' "inputs": {"id": 7000524, "f": 1.5, "t": "\u4e2d", "l": [1, null]}}\n'
    )
    async with judging() as judge:
        assert (await run(judge, "m.jsonl")).code == 0
        assert sorted(map(json.loads, judge.bodies), key=str) == [
            {
                "bucket": "other-bucket",
                "object": "some",
                "inputs": {"id": 7000524, "f": 1.5, "t": "\u4e2d", "l": [1, None]},
            },
            {"bucket": "videos", "object": "none"},
        ]


async def test_static_inputs_go_with_every_row_and_a_rows_own_come_first(folder):
    write_csv(folder / "m.csv", [["object", "inputs.id"], ["a", "9"], ["b", ""]])
    async with judging() as judge:
        assert (await run(judge, "m.csv", "-i", "id:=1", "-i", "note=x")).code == 0
        inputs = {body["object"]: body["inputs"] for body in map(json.loads, judge.bodies)}
        assert inputs == {"a": {"id": "9", "note": "x"}, "b": {"id": 1, "note": "x"}}


async def test_a_record_says_all_that_is_known_of_a_row(folder):
    (folder / "m.txt").write_text("a\n")
    async with judging() as judge:
        await run(judge, "m.txt")
        (record,) = records(folder / "m.txt.executions.jsonl")
    assert record.pop("latency_ms") > 0
    assert record.pop("recorded_at").endswith("Z")
    assert record == {
        "row": 1,
        "bucket": "videos",
        "object": "a",
        "status": "started",
        "execution_name": f"{1:032x}",
        "execution_urn": None,
        "started_at": None,
        "request_id": "R200",
        "attempts": 1,
        "http_status": 200,
        "error": None,
    }


async def test_the_same_command_again_sends_nothing_and_writes_nothing(folder):
    (folder / "m.txt").write_text("a\nb\na\n\x00\n")
    async with judging() as judge:
        first = await run(judge, "m.txt")
        assert first.code == 1, first
        output = (folder / "m.txt.executions.jsonl").read_bytes()
        again = await run(judge, "m.txt")
        assert again.code == 1, again
        assert "4 rows: 2 started, 0 refused, 0 rejected, 1 invalid, 1 duplicate, 0 in doubt" in again.stderr
        assert len(judge.bodies) == 2
        assert (folder / "m.txt.executions.jsonl").read_bytes() == output
    statuses = {record["row"]: record["status"] for record in records(folder / "m.txt.executions.jsonl")}
    assert statuses == {1: "started", 2: "started", 3: "duplicate", 4: "invalid"}


async def test_a_manifest_that_grew_and_was_sorted_starts_only_what_is_new(folder):
    (folder / "m.txt").write_text("b\na\nc\n")
    async with judging() as judge:
        await run(judge, "m.txt")
        (folder / "m.txt").write_text("a\nb\nb2\nc\nd\n")
        ran = await run(judge, "m.txt")
        assert ran.code == 0, ran
        assert sorted(judge.objects()) == ["a", "b", "b2", "c", "d"]


async def test_records_go_to_csv_by_suffix(folder):
    (folder / "m.txt").write_text('a "quoted", key\n')
    async with judging() as judge:
        await run(judge, "m.txt", "-o", "out.csv")
    with (folder / "out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["object"], row["status"], row["execution_name"]) == ('a "quoted", key', "started", f"{1:032x}")


@pytest.mark.usefixtures("folder")
async def test_standard_input_is_a_manifest():
    async with judging() as judge:
        words = ("--format", "txt", "-o", "o.jsonl", "-c", "c.checkpoint")
        ran = await run(judge, "-", *words, stdin=b"a\nb\n")
        assert ran.code == 0, ran
        assert sorted(judge.objects()) == ["a", "b"]
        missing = await run(judge, "-", stdin=b"a\n")
        assert missing.code == 2
        assert "--output" in missing.stderr


async def test_a_fatal_answer_stops_the_job_and_mended_credentials_finish_it(folder):
    (folder / "m.txt").write_text("".join(f"o{n}\n" for n in range(500)))
    async with judging() as judge:
        wrong = await run(judge, "m.txt", environment={**ENVIRONMENT, "OBS_SECRET_ACCESS_KEY": "wrong"})
        assert wrong.code == 77, wrong
        assert "SignatureDoesNotMatch" in wrong.stderr
        assert len(judge.refused) == 1
        assert [path.name for path in folder.iterdir()] == ["m.txt"]
        right = await run(judge, "m.txt")
        assert right.code == 0, right
        assert sorted(judge.objects()) == sorted(f"o{n}" for n in range(500))


async def test_rows_the_service_rejects_are_sent_again_only_on_request(folder):
    (folder / "m.txt").write_text("a\nb\n")
    async with judging() as judge:
        judge.answer_with = (404, b'{"code": "SYS.0015", "message": "no such object"}')
        ran = await run(judge, "m.txt")
        assert ran.code == 1, ran
        judge.answer_with = None
        assert (await run(judge, "m.txt")).code == 1
        assert len(judge.bodies) == 2
        ran = await run(judge, "m.txt", "--retry-rejected")
        assert ran.code == 0, ran
    lines = records(folder / "m.txt.executions.jsonl")
    assert [line["status"] for line in lines] == ["rejected", "rejected", "started", "started"]
    assert lines[0]["error"] == {"code": "SYS.0015", "message": "no such object"}


async def test_a_row_in_doubt_is_named_held_and_never_sent_again(folder):
    (folder / "m.txt").write_text("a\n")
    async with judging() as judge:
        judge.answer_with = (500, b"")
        ran = await run(judge, "m.txt")
        assert ran.code == 3, ran
        assert "in doubt: row 1: videos/a" in ran.stderr
        judge.answer_with = None
        for words in ((), ("--retry-rejected",), ("--allow-duplicates",)):
            assert (await run(judge, "m.txt", *words)).code == 3
        assert len(judge.bodies) == 1
    assert [line["status"] for line in records(folder / "m.txt.executions.jsonl")] == ["in_doubt"]


async def test_duplicates_are_started_only_when_allowed(folder):
    (folder / "m.txt").write_text("a\na\na\n")
    async with judging() as judge:
        assert (await run(judge, "m.txt")).code == 0
        assert judge.objects() == ["a"]
        assert (await run(judge, "m.txt", "--allow-duplicates")).code == 0
        assert judge.objects() == ["a", "a", "a"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_drains_and_the_same_command_finishes(folder, number, code):
    (folder / "m.txt").write_text("".join(f"o{n}\n" for n in range(300)))
    async with judging() as judge:
        words = ("run", "m.txt", "-w", "transcode", "-e", judge.url, "-b", "videos", "--max-rate", "100")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "batcher", *words, env=ENVIRONMENT, stderr=subprocess.PIPE
        )
        await judge.received(20)
        process.send_signal(number)
        _, stderr = await process.communicate()
        assert process.returncode == code, stderr
        assert b"Run the same command again" in stderr
        written = records(folder / "m.txt.executions.jsonl")
        assert len(written) == len(judge.bodies) < 300
        assert {record["status"] for record in written} == {"started"}
        assert (await run(judge, "m.txt")).code == 0
        assert sorted(judge.objects()) == sorted(f"o{n}" for n in range(300))


async def test_a_job_that_is_to_outlive_its_terminal_goes_on(folder):
    (folder / "m.txt").write_text("".join(f"o{n}\n" for n in range(100)))
    async with judging() as judge:
        words = ("run", "m.txt", "-w", "transcode", "-e", judge.url, "-b", "videos", "--max-rate", "100")
        process = await asyncio.create_subprocess_exec(
            "nohup", sys.executable, "-m", "batcher", *words, env=ENVIRONMENT | {"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        await judge.received(10)
        process.send_signal(signal.SIGHUP)
        _, stderr = await process.communicate()
        assert process.returncode == 0, stderr
        assert len(judge.bodies) == 100


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_a_job_with_closed_standard_streams_does_its_work(folder, closed):
    (folder / "m.txt").write_text("a\nb\n")
    async with judging() as judge:
        words = f"-m batcher run m.txt -w transcode -e {judge.url} -b videos"
        process = await asyncio.create_subprocess_shell(f"exec {sys.executable} {words} {closed}", env=ENVIRONMENT)
        assert await process.wait() == 0
        assert sorted(judge.objects()) == ["a", "b"]
        assert len(records(folder / "m.txt.executions.jsonl")) == 2


@pytest.mark.parametrize("verb", ["--help", "config", "man", "status m.txt.checkpoint"])
async def test_what_cannot_be_printed_is_one_line_and_74(folder, verb):
    (folder / "m.txt").write_text("a\n")
    async with judging() as judge:
        await run(judge, "m.txt")
    command = f"exec {sys.executable} -m batcher {verb} >/dev/full"
    process = await asyncio.create_subprocess_shell(command, env=ENVIRONMENT, stderr=subprocess.PIPE)
    _, stderr = await process.communicate()
    assert process.returncode == 74
    assert stderr.decode().splitlines() == [
        "batcher: error: standard output: No space left on device",
        "batcher: Free some space, or check the disk.",
    ]


@pytest.mark.parametrize("verb", ["--help", "config"])
async def test_a_reader_of_stdout_that_goes_away_is_one_line_and_74(verb):
    read_end, write_end = os.pipe()
    os.close(read_end)
    words = (sys.executable, "-m", "batcher", verb)
    process = await asyncio.create_subprocess_exec(*words, env=ENVIRONMENT, stdout=write_end, stderr=subprocess.PIPE)
    os.close(write_end)
    _, stderr = await process.communicate()
    assert process.returncode == 74
    assert stderr == b"batcher: error: standard output: Broken pipe\n"


async def test_what_is_printed_comes_before_what_is_said_of_it_where_both_are_one_file(folder):
    (folder / "m.txt").write_text("a\n")
    async with judging() as judge:
        await run(judge, "m.txt")
    command = f"exec {sys.executable} -m batcher status m.txt.checkpoint 2>&1"
    process = await asyncio.create_subprocess_shell(command, env=ENVIRONMENT, stdout=subprocess.PIPE)
    stdout, _ = await process.communicate()
    assert stdout.splitlines()[0].startswith(b"m.txt.checkpoint: workflow transcode")
    assert stdout.splitlines()[-1] == b"batcher: next: nothing is left to do"


@pytest.mark.parametrize("name", ["m.txt", "m.csv"])
async def test_a_list_whose_rows_can_have_no_bucket_is_refused_before_its_rows_are(folder, name):
    (folder / name).write_text("object\na\n")
    async with judging() as judge:
        for verb in ("run", "check"):
            ran = await batcher(verb, name, "-w", "transcode", "-e", judge.url)
            assert (ran.code, [path.name for path in folder.iterdir()]) == (2, [name])
            assert "no row of the manifest names a bucket" in ran.stderr
        assert judge.bodies == []


async def test_a_concurrency_beyond_the_open_files_that_are_allowed_is_refused(folder):
    (folder / "m.txt").write_text("a\n")
    async with judging() as judge:
        words = f"-m batcher run m.txt -w transcode -e {judge.url} -b videos --concurrency"
        for concurrency, code in ((500, 2), (100, 0)):
            command = f"ulimit -Sn 80; ulimit -Hn 200; exec {sys.executable} {words} {concurrency}"
            process = await asyncio.create_subprocess_shell(command, env=ENVIRONMENT, stderr=subprocess.PIPE)
            _, stderr = await process.communicate()
            assert process.returncode == code, stderr
            assert code == 0 or b"Give at most 136, or allow more (ulimit -n)." in stderr


async def test_a_second_signal_leaves_at_once_and_what_was_on_the_wire_is_in_doubt(folder):
    (folder / "m.txt").write_text("a\nb\n")
    async with judging() as judge:
        answered = asyncio.Event()
        serve = judge._answer
        arrived = asyncio.Event()

        async def hold(reader, writer):
            method, path, headers = await judge._head(reader)
            answer = serve(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))
            if method == "POST":
                arrived.set()
                await answered.wait()
            else:
                writer.write(answer)
            writer.close()

        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        words = ("run", "m.txt", "-w", "transcode", "-e", url, "-b", "videos", "--concurrency", "1", "--no-preflight")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "batcher", *words, env=ENVIRONMENT, stderr=subprocess.PIPE
        )
        await arrived.wait()
        process.send_signal(signal.SIGTERM)
        assert b"send it again to exit at once" in await process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == 143
        answered.set()
        server.close()
        # the same endpoint is part of the job, so the checkpoint is asked directly
        left = kept_rows(folder / "m.txt.checkpoint")
        assert [(row.number, row.status) for row in left] == [(1, Status.SENDING), (2, Status.SENDING)]
        assert judge.objects() == ["a"]


async def test_an_unreachable_service_is_exit_69_and_leaves_the_rows_untouched(folder):
    (folder / "m.txt").write_text("a\n")
    words = ("run", "m.txt", "-w", "transcode", "-b", "videos", "--max-attempts", "2")
    ran = await batcher(*words, "-e", "http://127.0.0.1:1")
    assert ran.code == 69, ran
    assert "connection refused" in ran.stderr
    assert [path.name for path in folder.iterdir()] == ["m.txt"]


async def test_another_job_on_the_same_checkpoint_is_exit_78(folder):
    (folder / "m.txt").write_text("a\n")
    async with judging() as judge:
        await run(judge, "m.txt")
        other = await run(judge, "m.txt", "-i", "x=1")
        assert other.code == 78, other
        assert "static inputs" in other.stderr
        (folder / "m.txt.checkpoint").unlink()
        lost = await run(judge, "m.txt")
        assert lost.code == 78, lost
        assert "does not know" in lost.stderr
        assert judge.objects() == ["a"]


@pytest.mark.usefixtures("folder")
async def test_two_runs_at_once_are_one_too_many():
    async with judging() as judge:
        words = ("run", "-", "-w", "transcode", "-e", judge.url, "-b", "videos", "--format", "txt")
        files = ("-o", "o.jsonl", "-c", "c.checkpoint")
        first = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "batcher",
            *words,
            *files,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        first.stdin.write(b"a\n")
        await judge.received(1)
        second = await batcher(*words, *files, stdin=b"b\n")
        assert second.code == 75, second
        first.stdin.close()
        _, stderr = await first.communicate()
        assert first.returncode == 0, stderr
        assert judge.objects() == ["a"]


BAD = {
    "no such manifest": (["nowhere.csv"], 65, "nowhere.csv"),
    "a folder": (["."], 2, "suffix"),
    "a folder with a format": ([".", "--format", "csv"], 65, "directory"),
    "an empty manifest": (["empty.csv"], 65, "empty"),
    "a header alone": (["header.csv"], 65, "no rows"),
    "a header without object": (["keys.csv"], 65, '"object"'),
    "latin-1": (["latin.txt"], 65, "line 2, byte 4"),
    "a gzip that ends early": (["short.txt.gz"], 65, "ends early"),
    "an unknown suffix": (["m.list"], 2, "--format"),
    "a bad workflow name": (["m.txt", "-w", "../x"], 2, "workflow"),
    "a bad bucket name": (["m.txt", "-b", "B"], 2, "bucket"),
    "an endpoint with a path": (["m.txt", "-e", "https://obs.example.com/x"], 2, "path"),
    "an endpoint with a user": (["m.txt", "-e", "https://u:p@obs.example.com"], 2, "user name"),
    "plain http": (["m.txt", "-e", "http://obs.example.com"], 2, "--allow-http"),
    "an unknown flag": (["m.txt", "--frobnicate"], 2, "--frobnicate"),
    "an input without a value": (["m.txt", "-i", "x"], 2, "NAME=VALUE"),
    "an output in no folder": (["m.txt", "-o", "nowhere/o.jsonl"], 74, "nowhere"),
    "a checkpoint in no folder": (["m.txt", "-c", "nowhere/c"], 74, "nowhere"),
    "a checkpoint that is none": (["m.txt", "-c", "m.list"], 74, "m.list"),
    "no concurrency": (["m.txt", "--concurrency", "0"], 2, "concurrency"),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_input_is_told_clearly_and_nothing_is_sent(folder, case):
    (folder / "empty.csv").write_bytes(b"")
    (folder / "header.csv").write_text("object,bucket\n")
    (folder / "keys.csv").write_text("key,bucket\na,b\n")
    (folder / "latin.txt").write_bytes(b"a\ncaf\xe9\n")
    (folder / "short.txt.gz").write_bytes(gzip.compress(b"a\n" * 1000)[:-10])
    (folder / "m.txt").write_text("a\n" * 40)
    (folder / "m.list").write_bytes(b"a\n")
    words, code, told = BAD[case]
    async with judging() as judge:
        ran = await batcher("run", "-w", "transcode", "-e", judge.url, "-b", "videos", *words)
        assert ran.code == code, ran
        assert told in ran.stderr
        assert "Traceback" not in ran.stderr
        assert judge.bodies == []


async def test_missing_credentials_and_a_missing_endpoint_are_told(folder):
    (folder / "m.txt").write_text("a\n")
    bare = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("OBS_")}
    bare |= {"HOME": str(folder), "BATCHER_METADATA_URL": "http://127.0.0.1:1"}
    words = ("run", "m.txt", "-w", "transcode", "-b", "videos")
    ran = await batcher(*words, "-e", "https://obs.example.com", environment=bare)
    assert ran.code == 77, ran
    assert "OBS_ACCESS_KEY_ID" in ran.stderr
    ran = await batcher(*words, environment=bare)
    assert ran.code == 2, ran
    assert "--endpoint" in ran.stderr


async def test_bad_rows_are_recorded_with_line_and_reason_and_the_others_go_on(folder):
    (folder / "m.jsonl").write_bytes(
        b'{"object": "good"}\n[1]\n{"object": 5}\n{"object": ""}\n{"object": "a\\u0000b"}\n'
        b'{"object": "\\ud800"}\n{"object"\n'
        b'{"object": "x", "inputs": [1]}\n{"bucket": "B!", "object": "y"}\n\n' + b'{"object": "%s"}\n' % (b"z" * 1025)
    )
    async with judging() as judge:
        ran = await run(judge, "m.jsonl")
        assert ran.code == 1, ran
        assert judge.objects() == ["good"]
    invalid = {
        r["row"]: r["error"]["message"]
        for r in records(folder / "m.jsonl.executions.jsonl")
        if r["status"] == "invalid"
    }
    assert sorted(invalid) == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert all(f"line {row}" in invalid[row] for row in range(2, 10))
    assert "line 11" in invalid[10]
    assert "1,025 bytes" in invalid[10]


async def test_a_row_without_a_bucket_is_invalid_where_no_bucket_is_given(folder):
    write_csv(folder / "m.csv", [["object", "bucket"], ["a", ""], ["b", "my-bucket"]])
    async with judging() as judge:
        ran = await batcher("run", "m.csv", "-w", "transcode", "-e", judge.url)
        assert ran.code == 1, ran
        assert judge.objects() == ["b"]


async def test_no_secret_is_in_any_file_or_word_of_a_run(folder):
    (folder / "m.txt").write_text("a\nb\n")
    canary = {**ENVIRONMENT, "OBS_SECRET_ACCESS_KEY": "CANARYSECRET", "OBS_SECURITY_TOKEN": "CANARYTOKEN"}
    async with judging() as judge:
        ran = await run(judge, "m.txt", "--progress", "json", environment=canary)
        assert ran.code == 77, ran
        assert len(judge.refused) >= 1
    everything = ran.stdout + ran.stderr + "".join(path.read_bytes().decode("latin-1") for path in folder.iterdir())
    assert "CANARY" not in everything


async def test_progress_is_shown_as_asked(folder):
    (folder / "m.txt").write_text("a\nb\n")
    async with judging() as judge:
        for mode, shown in (
            ("none", None),
            ("line", "100% done, 2 rows read, 2 started"),
            ("json", '"rows": 2'),
            ("auto", "100% done, 2 rows read, 2 started"),
        ):
            for path in folder.glob("m.txt.*"):
                path.unlink()
            ran = await run(judge, "m.txt", "--progress", mode)
            assert ran.code == 0, ran
            lines = [line for line in ran.stderr.splitlines() if not line.startswith("batcher:")]
            assert lines == [] if shown is None else shown in lines[-1]


async def test_a_job_whose_stderr_goes_away_or_is_full_ends_as_it_would_with_one(folder):
    (folder / "m.txt").write_text("".join(f"o{n}\n" for n in range(50)))
    async with judging() as judge:
        command = f"{sys.executable} -m batcher run m.txt -w transcode -e {judge.url} -b videos --progress line"
        read_end, write_end = os.pipe()
        os.close(read_end)
        process = await asyncio.create_subprocess_exec(*command.split(), env=ENVIRONMENT, stderr=write_end)
        os.close(write_end)
        assert await process.wait() == 0
        assert len(judge.bodies) == 50
        with (folder / "m.txt").open("a") as file:
            file.write("\0\n")
        process = await asyncio.create_subprocess_shell(f"exec {command} 2>/dev/full", env=ENVIRONMENT)
        assert await process.wait() == 1
        judge.answer_with = (500, b"")
        (folder / "m.txt").write_text("new\n")
        process = await asyncio.create_subprocess_shell(f"exec {command} 2>/dev/full >/dev/full", env=ENVIRONMENT)
        assert await process.wait() == 3
