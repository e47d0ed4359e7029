"""Where no witness shows that a checkpoint is the newest: rows that an execution it does not know fits are held.

By the real command against the emulator, whose ledger is the judge; and the rules and the question by themselves.
"""

import asyncio
import json
import shutil
from collections import Counter
from contextlib import closing
from email.utils import formatdate
from functools import partial
from math import inf
from pathlib import Path

import pytest
from asking import quirks, start_all
from test_command import ENVIRONMENT, batcher, records
from test_controls import NOW, control, doubt, listed

from batcher.app.generation import Generation
from batcher.edges.checkpoint import Store
from batcher.edges.checkpoint.facts import COMMITTED_AT, UNPROVEN_SINCE
from batcher.errors import ServiceError
from batcher.flow.reconcile import Inquiry
from batcher.flow.unknown import ask
from batcher.model import (
    Admitted,
    Described,
    Execution,
    ExecutionDetail,
    Fault,
    Page,
    Row,
    Settlement,
    Status,
)
from batcher.rules.doubts.contents import Content
from batcher.rules.doubts.control import last_commit
from batcher.rules.doubts.matching import window
from batcher.rules.doubts.unknown import MOST, NEVER_SENT, Seen, Unknown
from batcher.rules.rows.identity import content_key
from batcher.rules.service.clock import posix as parse_date
from batcher.rules.service.dialect import Window

FILES = ("m.txt.checkpoint", "m.txt.executions.jsonl")
ROWS = 40
KEYS = [f"clips/o{number}" for number in range(1, ROWS + 1)]
HOMELESS = {name: value for name, value in ENVIRONMENT.items() if name not in {"HOME", "XDG_STATE_HOME"}}
"""As in a container: there is no place for a witness."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "job").mkdir()
    monkeypatch.chdir(tmp_path / "job")
    Path("m.txt").write_text("".join(f"{key}\n" for key in KEYS))
    return tmp_path


@pytest.fixture
def environment(folder):
    return ENVIRONMENT | {"XDG_STATE_HOME": str(folder / "state")}


def run(service, environment, *more):
    words = ("run", "m.txt", "-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "none")
    return batcher(*words, "--settle-time", "0.5", *more, environment=environment)


def started(service):
    return Counter(start.object for start in service.ledger.starts)


def put_aside():
    return {name: Path(name).read_bytes() for name in FILES}


def put_back(contents):
    for name, content in contents.items():
        Path(name).write_bytes(content)


async def make_older_copy(service, folder, environment):
    """Start 10 rows, copy the files, start 10 more, and put the copy back on a machine without the witness."""
    assert (await run(service, environment, "--limit", "10")).code == 5
    older = put_aside()
    assert (await run(service, environment, "--limit", "10")).code == 5
    put_back(older)
    shutil.rmtree(folder / "state")


async def test_rows_that_a_lost_run_has_started_are_held_and_named_until_a_person_decides(
    folder, environment, emulator
):
    service = await emulator()
    await make_older_copy(service, folder, environment)
    ran = await run(service, environment)
    assert (ran.code, started(service)) == (3, Counter(KEYS)), ran
    for said in (
        f"this machine has no witness of this job in {folder}/state/batcher: checking the service's execution list",
        " for executions since 20",
        "executions that this checkpoint does not know: 10 executions; rows that they fit are held",
        "rows in doubt: 10 held (executions that this checkpoint does not know fit these rows)",
        "put the newest one back, with its -wal file if there is one.",
        "in doubt: row 11: videos/clips/o11",
    ):
        assert said in ran.stderr, ran
    held = [record for record in records(Path(FILES[1])) if record["status"] == "in_doubt"]
    assert [record["row"] for record in held] == list(range(11, 21))
    names = {start.object: start.execution_name for start in service.ledger.starts}
    assert {(record["error"]["code"], record["attempts"]) for record in held} == {("UnknownExecution", 0)}
    assert all(names[record["object"]] in record["error"]["message"] for record in held)
    # Neither a later run, which has a witness, nor a reconcile decides.
    lists = service.ledger.requests["list"]
    for words in (None, ("reconcile", FILES[0])):
        ran = await (batcher(*words, environment=environment) if words else run(service, environment))
        assert (ran.code, started(service), service.ledger.requests["list"]) == (3, Counter(KEYS), lists), ran
    ran = await run(service, environment, "--on-doubt", "resend")
    assert (ran.code, started(service)) == (0, Counter([*KEYS, *KEYS[10:20]])), ran


async def test_a_row_in_doubt_that_a_lost_run_has_sent_again_is_held(folder, environment, emulator):
    service = await emulator()
    await make_older_copy(service, folder, environment)
    _leave_in_doubt(KEYS[10], parse_date(service.ledger.starts[0].started_at) - 100)
    ran = await run(service, environment)
    # The list shows that the copy's own request was never started, but it also shows a later one.
    assert "rows in doubt: 1 never started, will be sent again" in ran.stderr
    assert (ran.code, started(service)) == (3, Counter(KEYS)), ran


def _leave_in_doubt(key, at):
    store = Store.open(Path(FILES[0]), None)
    store.begin()
    rows = [Row(1, 1, "videos", each, b"", content_key("videos", each, b"")) for each in KEYS[:11]]
    found = store.sift([each for each in rows if each.object != key], frozenset()).found
    assert all(each.status is Status.STARTED for each in found)
    (new,) = store.sift([rows[-1]], frozenset()).found
    store.admit([Admitted(new.id, new.row, Status.SENDING)], at)
    store.settle([Settlement(new.id, Status.IN_DOUBT)], {}, at + 1)
    store.commit()
    store.close()


async def test_what_a_run_did_not_come_to_is_asked_again_by_the_next_one_even_with_a_witness(
    folder, environment, emulator
):
    service = await emulator()
    await make_older_copy(service, folder, environment)
    # A reconcile writes the witness, and proves nothing.
    assert (await batcher("reconcile", FILES[0], environment=environment)).code == 0
    ran = await run(service, environment, "--limit", "5")
    assert (ran.code, sum(started(service).values())) == (5, 20), ran
    assert "this checkpoint is not proven to be the newest of its job" in ran.stderr
    ran = await run(service, environment, "--on-doubt", "hold")
    assert (ran.code, started(service)) == (3, Counter(KEYS)), ran
    lists = service.ledger.requests["list"]
    Path("m.txt").write_text("".join(f"{key}\n" for key in [*KEYS, "another"]))
    ran = await run(service, environment)
    assert (ran.code, started(service)) == (3, Counter([*KEYS, "another"])), ran
    assert service.ledger.requests["list"] == lists


async def test_a_job_without_a_place_for_a_witness_is_finished_and_asks_once_in_each_resume(emulator, call):
    service = await emulator(past=5)
    asked = []
    for number, (limit, code) in enumerate((("10", 5), ("10", 5), ("40", 0), ("40", 0))):
        # What other clients start is none of the rows, and what events start is not looked at.
        await start_all(call, service, [f"other{number}", f"clips/o1{number}1"])
        ran = await run(service, HOMELESS, "--limit", limit)
        assert ran.code == code, ran
        assert ("there is no place for a witness of this job (HOME is not set)" in ran.stderr) == (number in {1, 2})
        asked.append(service.ledger.requests["list"])
    # A first run and one that has nothing to send do not ask.
    assert asked == [0, 1, 2, 2]
    ours = {key: count for key, count in started(service).items() if key in KEYS}
    assert ours == dict.fromkeys(KEYS, 1)
    assert {record["status"] for record in records(Path(FILES[1]))} == {"started"}


async def test_a_list_that_may_not_be_read_is_reported_and_the_job_is_finished(emulator):
    service = await emulator(list_forbidden=True)
    assert (await run(service, HOMELESS, "--limit", "10")).code == 5
    ran = await run(service, HOMELESS)
    assert (ran.code, started(service)) == (0, Counter(KEYS)), ran
    assert "the execution list may lack executions: the execution list cannot be read: HTTP 403" in ran.stderr
    assert "If this checkpoint is an older copy of the job's, rows are started twice." in ran.stderr


async def test_a_list_that_shows_the_jobs_own_starts_wrongly_is_not_filtered_by_what_it_shows(
    folder, environment, emulator
):
    service = await emulator(quirks=quirks("local-time=8 type=TRIGGERCALL bucket-upper"))
    await make_older_copy(service, folder, environment)
    ran = await run(service, environment)
    assert (ran.code, started(service)) == (3, Counter(KEYS)), ran


async def test_a_fact_in_the_checkpoint_demands_the_question_and_resend_skips_it(environment, emulator):
    service = await emulator()
    assert (await run(service, environment, "--limit", "10")).code == 5
    _remember({UNPROVEN_SINCE: 0})
    ran = await run(service, environment, "--limit", "1", "--on-doubt", "resend")
    assert (ran.code, "checking the service's execution list" in ran.stderr) == (5, False)
    ran = await run(service, environment)
    assert (ran.code, "checking the service's execution list for executions that" in ran.stderr) == (0, True), ran
    assert started(service) == Counter(KEYS)


def _remember(facts):
    store = Store.open(Path(FILES[0]), None)
    store.begin()
    store.remember(facts)
    store.commit()
    store.close()


async def test_a_checkpoint_is_proven_to_be_the_newest_only_by_a_witness_that_knows_its_generation(environment):
    def compared(facts, *, is_empty=False):
        with closing(Generation(Path("c"), facts, environment, lambda: 0.0)) as generation:
            generation.compare(facts, [], [], is_empty=is_empty)
            return generation.unproven

    assert compared({}, is_empty=True) is None
    assert compared({}).since == 0
    assert compared({"job id": "a", COMMITTED_AT: 9}, is_empty=True).since == 9
    with closing(Generation(Path("c"), {"job id": "a", "generation": 4}, environment, lambda: 0.0)) as generation:
        facts = generation.following(8.9)
        assert UNPROVEN_SINCE not in facts
        await generation.attest()
    assert compared(facts) is None
    # It went on elsewhere, and has come back.
    assert compared(facts | {"generation": 6, COMMITTED_AT: 9}) == (
        9,
        "the witness of this job on this machine is older than this checkpoint",
    )
    facts |= {UNPROVEN_SINCE: 3}
    assert compared(facts) == (3, "this checkpoint is not proven to be the newest of its job")
    with closing(Generation(Path("c"), facts, environment, lambda: 0.0)) as generation:
        generation.compare(facts, [], [], is_empty=False)
        assert generation.following()[UNPROVEN_SINCE] == 3
        facts |= generation.proven()
        assert UNPROVEN_SINCE not in generation.following()
    assert compared(facts) is None


CONTROLS = [control(number, NOW - 100 + number) for number in range(3)]
SINCE = NOW - 50


class Service:
    """A list of executions, walked and asked by plain functions; `contents` are their objects, by name."""

    def __init__(self, executions, contents, *, answers=(), appear=()):
        self.contents = {each.name: each.object for each in CONTROLS} | contents
        self.executions = [*map(listed, CONTROLS), *executions]
        self.answers = list(answers)
        self.appear = list(appear)
        self.asked, self.noted, self.now = [], [], NOW

    def ask(self, doubts=(), controls=CONTROLS):
        inquiry = Inquiry(
            executions=self._pages, execution=self._detail, note=self._note, unowned=None,
            controls=partial(asyncio.sleep, 0, controls), date=None, sleep=self._sleep, stopped=lambda: False,
            now=lambda: self.now, settle_time=30.0,
        )  # fmt: skip
        return ask(inquiry, self._first_unowned, SINCE, doubts)

    async def _pages(self, windows):
        assert windows == [Window(NOW - 105, inf)]
        if self.answers:
            yield self.answers.pop(0)
        yield Described(200, date=formatdate(self.now, usegmt=True), noun=Page(tuple(self.executions)))

    async def _sleep(self, seconds):
        self.now += seconds
        self.executions += self.appear

    async def _detail(self, name):
        self.asked.append(name)
        object_ = self.contents[name]
        shown = None if object_ is None else json.dumps({"bucket": "b", "object": object_})
        return Described(200, noun=ExecutionDetail(Execution(name), shown))

    async def _note(self, executions):
        self.noted += executions

    async def _first_unowned(self, most):
        noted, self.noted = self.noted, []
        return noted[:most], len(noted)


def execution(name, at=SINCE + 10, **more):
    return Execution(name, f"urn:w:{name}", "", at, **more)


def row(object_, number=1):
    return Row(number, number, "b", object_, b"", b"")


async def test_at_most_a_thousand_executions_are_looked_at_the_earliest_first_and_the_rest_is_counted():
    many = [execution(f"x{number:04}", SINCE + number / 1000) for number in range(1204)]
    service = Service(many, {each.name: f"o{each.name}" for each in many})
    asked = await service.ask()
    assert (len(asked.unknown), asked.left_out, asked.unreadable, asked.fault) == (MOST, 204, 0, "")
    assert sorted(service.asked) == sorted([each.name for each in [*many[:MOST], *CONTROLS]])


async def test_only_calls_of_this_workflow_since_the_last_commit_are_looked_at():
    ours = [execution("a"), execution("b", None), execution("c", SINCE - 4)]
    others = [
        execution("old", SINCE - 6),
        execution("event", is_event=True),
        Execution("other", "urn:v:other", "", SINCE + 1),
    ]
    service = Service([*ours, *others], {"a": "a", "b": "b", "c": None})
    asked = await service.ask()
    assert set(service.asked) - {each.name for each in CONTROLS} == {"a", "b", "c"}
    assert (len(asked.unknown), asked.unreadable, asked.fault) == (2, 1, "")


async def test_nothing_is_asked_in_detail_if_the_list_has_no_unknown_execution():
    service = Service([], {})
    assert (len((await service.ask()).unknown), service.asked) == (0, [])


async def test_a_list_that_lacks_what_the_job_has_just_started_is_read_again():
    late = control(7, NOW - 10)
    service = Service([], {"a": "a", "e7": "c7"}, appear=[listed(late), execution("a")])
    asked = await service.ask(controls=[*CONTROLS, late])
    assert (len(asked.unknown), asked.fault) == (1, "")
    assert service.now == pytest.approx(late.latest + 30)
    asked = await Service([], {}).ask(controls=[*CONTROLS, late])
    assert asked.fault == "the list does not show 1 of 4 executions that this job started"


async def test_a_service_that_fails_now_ends_the_run_and_one_that_refuses_is_reported():
    for failed in (Described(503), Described(fault=Fault.LOST, message="no answer in time")):
        with pytest.raises(ServiceError, match=r"cannot be read now: .* Nothing was sent"):
            await Service([], {}, answers=[failed]).ask()
    asked = await Service([], {}, answers=[Described(200, message="the execution list repeats a page marker")]).ask()
    assert asked.fault == "the execution list repeats a page marker"


async def test_the_execution_of_a_row_in_doubt_holds_no_other_row():
    of_doubt = doubt(9, at=SINCE + 9)._replace(object="a")
    service = Service([execution("x"), execution("y")], {"x": "a", "y": "a"})
    asked = await service.ask([of_doubt])
    # One execution explains one row: the other one is still unknown.
    assert asked.unknown.fitting({1: row("a"), 2: row("a")}) == {1: "y"}


def unknown(*objects, is_exact=True):
    return Unknown(
        [Seen(execution(f"x{object_}"), [Content("b", object_, None)]) for object_ in objects], is_exact=is_exact
    )


def test_an_execution_holds_the_row_with_its_content_and_no_other():
    found = unknown("clips/o10", "A.mp4")
    rows = {1: row("clips/o1"), 2: row("clips/o101"), 3: row("clips/o10"), 4: row("clips/o10"), 5: row("a.mp4")}
    assert found.fitting(rows | {6: row("A.mp4")}) == {3: "xclips/o10", 6: "xA.mp4"}
    assert len(found) == 0


def test_a_row_is_held_by_another_form_of_its_content():
    assert unknown("cafe\u0301.mp4").fitting({1: row("caf\u00e9.mp4"), 2: row("cafe.mp4")}) == {1: "xcafe\u0301.mp4"}
    # A service that is not known to report contents as they were sent may have cut the key.
    found = unknown("clips/o10", is_exact=False)
    assert found.fitting({1: row("clips/o101"), 2: row("clips/o10"), 3: row("clips/o2")}).keys() == {1, 2}


def test_a_row_that_is_held_already_has_its_execution_at_whatever_time():
    found = unknown("a")
    held = doubt(1)._replace(object="a", intent_at=NEVER_SENT, doubt_at=None)
    found.leave_out([held], [window(held, 30.0)])
    assert len(found) == 0


def test_the_last_commit_was_not_before_any_time_that_the_checkpoint_has_seen():
    assert last_commit(0, [], []) is None
    assert last_commit(0, [doubt(1)._replace(intent_at=0.0, doubt_at=None)], []) is None
    assert last_commit(NOW, [doubt(1, at=NOW - 9)], []) == int(NOW)
    assert last_commit(0, [], [control(1, NOW + 3)]) >= int(NOW + 3)
