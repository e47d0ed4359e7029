"""A second dialect of the service, made up here with its server, runs a whole job: no other file knows of it.

Other paths, a signature over the body, errors in JSON and an execution list that is asked for by time, page by page.
"""

import hashlib
import hmac
import json
import time
from collections import Counter
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web
from msgspec import structs

from batcher.app.run import run_job
from batcher.app.world import World
from batcher.errors import CredentialsError, ExitCode
from batcher.flow.drain import Drain
from batcher.model import Answer, Cause, Described, Execution, ExecutionDetail, Kind, Page, Parameter, Workflow
from batcher.options.verbs import RunOptions
from batcher.rules.choices import Mode
from batcher.rules.service import names
from batcher.rules.service.dialect import Call, Dialect
from batcher.rules.service.signing import wire_query
from batcher.rules.service.verdicts import Rule, Table

# The dialect


def start_body(row):
    return json.dumps({"bucket": row.bucket, "file": row.object, "args": json.loads(row.inputs or b"{}")}).encode()


def walk(workflow, windows):
    for begin, end in windows:
        page = Page((), "0")
        while page.next_marker:
            span = (("from", str(begin)), ("to", str(end)), ("offset", page.next_marker))
            page = yield Call("GET", f"/runs/{workflow}", span)
    return ""


def mac(secret, method, target, date, body):
    text = f"{method} {target} {date} {hashlib.sha256(body or b'').hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def sign(credentials, call, body, now):
    signed = mac(credentials.secret_key, call.method, call.path + wire_query(call.query), now, body)
    return {"X-Date": str(now), "Authorization": f"TOY {credentials.access_key} {signed}"}


def run_of(entry):
    return Execution(entry["id"], "", str(entry["began"]), entry["began"], is_event=entry["by"] == "event")


def reads(noun_of, kind=Described):
    def read(reply):
        body = json.loads(reply.body or b"{}")
        if reply.status != 200:
            return kind(reply.status, body.get("code", ""), body.get("text", ""), date=reply.headers["date"])
        name = "execution" if kind is Answer else "noun"
        return kind(200, date=reply.headers["date"], **{name: noun_of(body)})

    return read


WRONG = Rule(Kind.FATAL, 401, "WrongMac", Cause.SIGNATURE)
ERRORS = Table((WRONG, Rule(Kind.ROW, 409, "NoSuchFile"), Rule(Kind.REFUSED, 429)), {})
TOY = Dialect(
    name="toy",
    start=lambda workflow: Call("POST", f"/flows/{workflow}/runs"),
    start_body=start_body,
    workflow=lambda workflow: Call("GET", f"/flows/{workflow}"),
    walk=walk,
    page=lambda workflow, *, marker="", **_: Call("GET", f"/runs/{workflow}", (("offset", marker),)),
    execution=lambda workflow, name: Call("GET", f"/runs/{workflow}/{name}"),
    restore=lambda workflow, name: Call("POST", f"/runs/{workflow}/{name}", content=b'{"again":true}'),
    sign=sign,
    signs_body=True,
    read_start=reads(run_of, Answer),
    read_workflow=reads(lambda body: Workflow(body["flow"], {"n": Parameter("n", "", has_value=True, constraints={})})),
    read_page=reads(lambda body: Page(tuple(map(run_of, body["runs"])), body["next"])),
    read_execution=reads(lambda body: ExecutionDetail(run_of(body), json.dumps(body["for"]))),
    errors=ERRORS,
    workflow_fault=lambda _: None,
    region_endpoint=lambda region: f"https://toy.{region}.example.com",
    endpoint=names.endpoint,
)

# Its server


@dataclass
class Toy:
    """The server's ledger: what was started, what was refused, and which times the list was asked for."""

    runs: list = field(default_factory=list)
    refused: Counter = field(default_factory=Counter)
    spans: set = field(default_factory=set)
    seen: Counter = field(default_factory=Counter)
    ahead: float = 0.0

    def start(self, order, began=None, by="call"):
        content = {"bucket": order["bucket"], "object": order["file"], "inputs": order["args"]}
        self.runs.append(
            {"id": f"run-{len(self.runs)}", "began": began or time.time() + self.ahead, "by": by, "for": content}
        )
        return self.runs[-1]

    async def serve(self, request):
        body = await request.read()
        signed = mac("toy-secret", request.method, request.raw_path, request.headers["X-Date"], body)
        if request.headers["Authorization"] != f"TOY toy-ak {signed}":
            self.refused[request.method] += 1
            return web.json_response({"code": "WrongMac", "text": "not your signature"}, status=401)
        answer = self.answer(request, body)
        answer.headers["Date"] = formatdate(time.time() + self.ahead, usegmt=True)
        return answer

    def answer(self, request, body):
        kind, *rest = request.path.strip("/").split("/")
        if request.method == "POST":
            return self.take(request, json.loads(body))
        if kind == "flows":
            return web.json_response({"flow": rest[0]})
        if len(rest) > 1:
            return web.json_response(next(run for run in self.runs if run["id"] == rest[1]))
        begin, end, offset = (float(request.query[name]) for name in ("from", "to", "offset"))
        self.spans.add((begin, end))
        listed = [run for run in self.runs if begin <= run["began"] <= end][int(offset) :]
        return web.json_response({"runs": listed[:2], "next": str(int(offset) + 2) if len(listed) > 2 else ""})

    def take(self, request, order):
        key, self.seen[order["file"]] = order["file"], self.seen[order["file"]] + 1
        if key == "missing":
            return web.json_response({"code": "NoSuchFile", "text": "no such file"}, status=409)
        if key == "busy" and self.seen[key] == 1:
            return web.json_response({"code": "", "text": "later"}, status=429)
        run = None if key == "lost before" and self.seen[key] == 1 else self.start(order)
        if key.startswith("lost") and self.seen[key] == 1:
            request.transport.abort()
        return web.json_response(run)


# The job


@asynccontextmanager
async def serving():
    toy, app = Toy(), web.Application()
    app.router.add_route("*", "/{path:.*}", toy.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield toy, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


OBJECTS = ["plain", "lost after", "busy", "lost before", "missing", *(f"o{number}" for number in range(5))]


async def run(folder, url, dialect=TOY, secret="toy-secret", objects=OBJECTS):
    (folder / "m.jsonl").write_text(
        "".join(json.dumps({"object": each, "inputs": {"n": 1}}) + "\n" for each in objects)
    )
    options = RunOptions(
        manifest=folder / "m.jsonl", workflow="flow", endpoint=url, bucket="films", output=folder / "records.jsonl",
        checkpoint=folder / "checkpoint", concurrency=4, max_attempts=3, settle_time=0.0, progress=Mode.NONE,
    )  # fmt: skip
    keys = {"OBS_ACCESS_KEY_ID": "toy-ak", "OBS_SECRET_ACCESS_KEY": secret}
    world = World(environment=keys | {"XDG_STATE_HOME": str(folder)}, draining_on_signals=lambda *_: nullcontext())
    return await run_job(options, world, Drain(), dialect=dialect)


def records(folder):
    lines = map(json.loads, (folder / "records.jsonl").read_text().splitlines())
    return {line["object"]: line for line in lines}


async def test_a_job_runs_in_it_from_the_manifest_to_the_last_doubt(tmp_path):
    async with serving() as (toy, url):
        began = time.time()
        others = {"bucket": "films", "file": "lost before", "args": {"n": 1}}
        toy.start(others, began - 3600)
        toy.start(others | {"file": "lost after"}, by="event")
        assert await run(tmp_path, url) is ExitCode.ROWS_REJECTED
        ours = {entry["id"]: entry["for"] for entry in toy.runs[2:]}
    assert Counter(each["object"] for each in ours.values()) == Counter(set(OBJECTS) - {"missing"})
    assert all(each["bucket"] == "films" and each["inputs"] == {"n": 1} for each in ours.values())
    kept = records(tmp_path)
    assert {each: line["execution_name"] for each, line in kept.items() if each != "missing"} == {
        each["object"]: name for name, each in ours.items()
    }
    assert (kept["missing"]["status"], kept["missing"]["error"]["code"]) == ("rejected", "NoSuchFile")
    # adopted, released and sent again, refused once
    assert [each for each, line in kept.items() if line.get("reconciled")] == ["lost after"]
    assert [toy.seen[each] for each in ("lost after", "lost before", "busy", "plain")] == [1, 2, 2, 1]
    # the list was asked for the times of the doubts and of their controls alone
    assert toy.spans
    assert all(began - 10 < begin < end < began + 300 or end == float("inf") for begin, end in toy.spans)


async def test_rows_are_released_by_controls_of_another_time_which_the_list_is_asked_for(tmp_path):
    earlier, hour = [f"o{number}" for number in range(5)], 3600.0
    async with serving() as (toy, url):
        assert await run(tmp_path, url, objects=earlier) is ExitCode.OK
        toy.ahead, began = hour, time.time()
        assert await run(tmp_path, url, objects=[*earlier, "lost before", "lost after"]) is ExitCode.OK
    assert Counter(each["for"]["object"] for each in toy.runs) == Counter([*earlier, "lost before", "lost after"])
    # the times of the controls, and those of the rows, but not the hour between them
    assert [begin < began + hour / 2 for begin, _ in sorted(toy.spans)].count(True) == 1
    assert all(end - begin < hour / 2 or end == float("inf") for begin, end in toy.spans)


async def test_credentials_that_sign_wrongly_are_sent_once_and_start_nothing(tmp_path):
    async with serving() as (toy, url):
        with pytest.raises(CredentialsError, match="WrongMac: not your signature"):
            await run(tmp_path, url, secret="wrong")
    assert (toy.refused, toy.runs) == (Counter({"GET": 1}), [])


async def test_a_signature_that_does_not_cover_the_body_starts_nothing(tmp_path):
    bodiless = structs.replace(TOY, sign=lambda credentials, call, _, now: sign(credentials, call, b"", now))
    async with serving() as (toy, url):
        assert await run(tmp_path, url, bodiless) is ExitCode.CREDENTIALS
    assert (set(toy.refused), toy.runs) == ({"POST"}, [])


def test_the_dialect_and_its_server_are_short():
    before, _, after = Path(__file__).read_text().partition("# The dialect\n")
    made, _, _ = after.partition("# The job\n")
    assert 50 < len((before + made).splitlines()) < 150
