"""One start and what it shows, against every reading of the documents that the emulator knows.

The emulator's ledger says how many starts there were. Time is a clock that moves when the examination waits.
"""

import dataclasses
import unicodedata

import pytest
from conftest import CREDENTIALS, Clock
from services import service_of

from batcher.edges.transport import connect
from batcher.emulator.faults import AFTER, BEFORE, FaultKind
from batcher.emulator.parsing import parse_refusal
from batcher.emulator.quirks import Group, Quirk
from batcher.emulator.settings import MADE_UP, InputKeys, InputShape, Settings, ThrottleAnswer
from batcher.errors import CredentialsError, ExitCode, JobError, ServiceError
from batcher.flow.doctor import Examination, examine
from batcher.model import Row
from batcher.rules.doctor.advice import POINTS, ending, prescription
from batcher.rules.doctor.points import Finding
from batcher.rules.rows.identity import canonical, content_key

KEY = "/in/caf\u00e9 100% + clip 01.mp4"
INPUTS = {"template-id": 7, "loud": True}
HOLD, RECONCILE = "hold", "reconcile"
PATIENCE = 120.0

# Every point that such a start can show, where nothing is unusual; the others cannot be seen.
SEEN = {
    "served", "signature", "date", "unknown-workflow", "start-answer", "list", "list-delay", "list-times",
    "list-filter", "list-order", "list-paging", "list-count", "states",
    "input", "key", "key-encoding", "key-slash", "inputs-kept", "inputs-added",
}  # fmt: skip

RECORDS = {"input_shape": InputShape.RECORDS}
UNREAD = {"key-encoding", "key-slash", "key", "inputs-kept", "inputs-added"}

# Options of the emulator, points that differ with them, points that cannot be seen any more, --on-doubt, --settle-time
READINGS = {
    "as assumed": ({}, set(), set(), RECONCILE, 30),
    "listed late": ({"list_delay": 12.0}, set(), set(), RECONCILE, 50),
    "listed very late": ({"list_delay": 60.0}, {"list-delay"}, set(), RECONCILE, 200),
    "never listed": ({"list_delay": 500.0}, {"list-delay"}, {"list-times", "states"}, HOLD, None),
    "list forbidden": (
        {"list_forbidden": True},
        {"list", "list-filter"},
        {"signature", "list-delay", "list-times", "list-order", "list-paging", "list-count", "states"},
        HOLD,
        None,
    ),
    "executions forbidden": ({"get_forbidden": True}, {"input"}, UNREAD, HOLD, None),
    "an event's record": (RECORDS, set(), set(), RECONCILE, 30),
    "encoded keys": (RECORDS | {"input_keys": InputKeys.ENCODED}, {"key-encoding"}, set(), RECONCILE, 30),
    "text in text": ({"input_twice": True}, set(), set(), RECONCILE, 30),
    "no leading slash": ({"strip_leading_slash": True}, {"key-slash"}, set(), RECONCILE, 30),
    "another refusal": (
        {"unknown_workflow": parse_refusal("400:SYS.0010")},
        {"unknown-workflow"},
        set(),
        RECONCILE,
        30,
    ),
    "executions fail at once": ({"fail_share": 1.0, "run_time": 0.0}, set(), set(), RECONCILE, 30),
    "created": ({"quirks": {Quirk.CREATED: None}}, {"start-answer"}, set(), RECONCILE, 30),
    "all are counted": ({"quirks": {Quirk.COUNT_ALL: None}}, {"list-count"}, set(), RECONCILE, 30),
    "no filter": ({"quirks": {Quirk.NO_FILTER: None}}, {"list-filter"}, set(), RECONCILE, 30),
    "local time": ({"quirks": {Quirk.LOCAL_TIME: None}}, {"list-times"}, set(), HOLD, None),
    "no date": ({"quirks": {Quirk.NO_DATE: None}}, {"date"}, set(), HOLD, None),
    "keys normalised": ({"quirks": {Quirk.KEYS_NORMALISED: None}}, set(), set(), RECONCILE, 30),
    "inputs as text": ({"quirks": {Quirk.INPUTS_AS_TEXT: None}}, {"inputs-kept"}, set(), RECONCILE, 30),
    "inputs added": ({"quirks": {Quirk.INPUTS_ADDED: None}}, {"inputs-added"}, set(), HOLD, None),
    "the workflow is not to be looked at": ({"workflow_forbidden": True}, set(), {"unknown-workflow"}, RECONCILE, 30),
    "triggered by its bucket too": ({"triggers": ("videos",)}, set(), set(), RECONCILE, 30),
    "inputs lost": ({"quirks": {Quirk.INPUTS_LOST: None}}, {"inputs-kept"}, {"inputs-added"}, HOLD, None),
}


class Examined:
    def __init__(self, service, seen):
        self.service, self.seen = service, seen
        self.findings = {point.name: point.tell(seen).finding for point in POINTS}
        self.told = {point.name: point.tell(seen).seen for point in POINTS}
        self.settings = {name: setting.value for name, setting in prescription(seen).items()}

    def named(self, finding):
        return {name for name, found in self.findings.items() if found is finding}


@pytest.fixture
async def examined(emulator):
    """Examine an emulator with these settings: `examined(list_delay=3.0)`."""

    async def do(*, key=KEY, inputs=INPUTS, past=5, credentials=CREDENTIALS, off=0.0, before=None, **options):
        clock = Clock()
        service = await emulator(clock=clock, past=past, **options)
        if before is not None:
            before(service)
        text = canonical(inputs)
        row = Row(1, 1, "videos", key, text, content_key("videos", key, text))

        async def sleep(seconds):
            clock.now += seconds

        async with connect(service.url, connections=1, timeout=2.0) as transport:
            asked = service_of(
                transport.send,
                name="transcode",
                credentials=credentials,
                wall=lambda: clock() + off,
                steady=clock,
                sleep=sleep,
                warn=pytest.fail,
            )
            examination = Examination(asked, asked.start, "nobodys", PATIENCE)
            return Examined(service, await examine(examination, row))

    return do


@pytest.mark.parametrize("reading", READINGS)
async def test_every_reading_of_the_documents_is_told_apart_with_one_start(examined, reading):
    options, differing, lost, on_doubt, settle_time = READINGS[reading]
    found = await examined(**options)
    assert [start.execution_name for start in found.service.ledger.starts] == [found.seen.execution.name]
    assert found.named(Finding.DIFFERS) == differing, found.told
    assert found.named(Finding.CONFIRMED) == SEEN - differing - lost, found.told
    assert found.settings["on-doubt"] == on_doubt
    assert found.settings.get("settle-time") == settle_time
    assert found.settings["trust-503"] is False
    assert ending(found.seen, None) is ExitCode.OK


def test_every_setting_of_the_emulator_that_changes_what_a_client_sees_is_among_the_readings():
    varied = {name for options, *_ in READINGS.values() for name in options}
    # where and for whom it listens, what it keeps, and what the tests below change
    others = {"credentials", "workflows", "host", "port", "ssl_context", "clock", "ledger", "seed", "past"}
    others |= {"faults", "slow", "reject_share", "rate", "burst", "throttle_answer", "retry_after"}
    assert varied | others == {field.name for field in dataclasses.fields(Settings)}
    assert {quirk for options, *_ in READINGS.values() for quirk in options.get("quirks", ())} == {
        quirk for quirk in Quirk if quirk.group is Group.DOCUMENTS
    }


@pytest.mark.parametrize("fault", [kind for kind in AFTER if kind is not FaultKind.SLOW])
async def test_a_start_whose_answer_is_lost_is_found_in_the_list_and_never_made_again(examined, fault):
    found = await examined(faults={fault: 1.0})
    assert [start.execution_name for start in found.service.ledger.starts] == [found.seen.execution.name]
    assert found.service.ledger.requests["start"] == 1
    assert found.settings == {"trust-503": False, "on-doubt": RECONCILE, "settle-time": 30}
    assert ending(found.seen, None) is ExitCode.OK
    assert (found.findings["failure"] is Finding.CONFIRMED) == (fault is FaultKind.INTERNAL_AFTER)


@pytest.mark.parametrize("fault", BEFORE)
async def test_a_start_that_failed_before_it_was_carried_out_is_not_made_again(examined, fault):
    found = await examined(faults={fault: 1.0})
    assert (found.service.ledger.requests["start"], found.service.ledger.starts) == (1, [])
    assert found.seen.execution is None
    refused = fault in {FaultKind.SLOWDOWN, FaultKind.TOO_MANY}
    assert found.settings == ({} if refused else {"trust-503": False, "on-doubt": HOLD})
    end = ending(found.seen, None)
    assert isinstance(end, ServiceError) if refused else end is ExitCode.ROWS_IN_DOUBT
    assert found.findings["failure"] is Finding.UNSEEN


@pytest.mark.parametrize("answer", ThrottleAnswer)
async def test_a_start_over_the_limit_is_not_made_again(examined, answer):
    # another start, of this very second, takes all of the limit
    found = await examined(
        rate=0.001, burst=1, retry_after=7, throttle_answer=answer, before=lambda service: service.takes_a_start()
    )
    assert (found.service.ledger.requests["start"], found.service.ledger.starts) == (1, [])
    assert found.settings == {}
    assert isinstance(ending(found.seen, None), ServiceError)


async def test_a_start_that_is_slow_is_one_start(examined):
    found = await examined(faults={FaultKind.SLOW: 1.0}, slow=0.05)
    assert [start.execution_name for start in found.service.ledger.starts] == [found.seen.execution.name]


async def test_an_object_that_is_missing_shows_that_starts_are_refused_for_it(examined):
    found = await examined(reject_share=1.0)
    assert (found.service.ledger.starts, found.findings["missing-object"]) == ([], Finding.CONFIRMED)
    assert (found.settings, ending(found.seen, None)) == ({}, ExitCode.ROWS_REJECTED)


async def test_a_key_is_only_judged_by_what_it_can_show(examined):
    found = await examined(key="plain.mp4", inputs={})
    told = {name: found.findings[name] for name in ("key", "key-encoding", "key-slash", "key-composed", "inputs-kept")}
    unseen = Finding.UNSEEN
    assert told == dict.fromkeys(told, unseen) | {"key": Finding.CONFIRMED}


async def test_a_key_that_is_normalised_holds_rows_in_doubt(examined):
    key = unicodedata.normalize("NFD", "in/caf\u00e9.mp4")
    found = await examined(key=key, quirks={Quirk.KEYS_NORMALISED: None})
    assert found.findings["key-composed"] is Finding.DIFFERS
    assert found.settings["on-doubt"] == HOLD
    kept = await examined(key=key)
    assert (kept.findings["key-composed"], kept.settings["on-doubt"]) == (Finding.CONFIRMED, RECONCILE)


async def test_a_list_of_one_execution_shows_neither_pages_nor_order(examined):
    found = await examined(past=0)
    assert {"list-paging", "list-order", "list-count"} <= found.named(Finding.UNSEEN)
    assert found.named(Finding.DIFFERS) == set()


async def test_an_old_execution_in_the_list_shows_how_far_it_goes_back(examined):
    def age(service):
        service.start_elsewhere("videos", "old", started_at=service.began_at - 3 * 86400)

    found = await examined(before=age)
    assert (found.findings["retention"], found.told["retention"]) == (
        Finding.CONFIRMED,
        "the oldest execution is 3.0 days old",
    )


async def test_executions_of_others_are_not_taken_for_ours(examined):
    def bustle(service):
        for number in range(20):
            service.start_elsewhere("videos", f"other {number}", started_at=service.began_at)
        service.start_elsewhere("videos", KEY, INPUTS, type="TRIGGERCAL", started_at=service.began_at)

    found = await examined(before=bustle, faults={FaultKind.RESET_AFTER: 1.0})
    assert [start.execution_name for start in found.service.ledger.starts] == [found.seen.execution.name]
    assert found.told["list-filter"] == "26 of APICALL, 1 of TRIGGERCAL on their first pages"


async def test_a_lost_answer_without_the_services_time_stays_in_doubt(examined):
    found = await examined(faults={FaultKind.GARBAGE: 1.0}, quirks={Quirk.NO_DATE: None})
    assert (len(found.service.ledger.starts), found.seen.execution) == (1, None)
    assert (found.settings["on-doubt"], ending(found.seen, None)) == (HOLD, ExitCode.ROWS_IN_DOUBT)


@pytest.mark.parametrize(("off", "told"), [(0, ""), (600.0, "; this machine's clock is 600 s ahead of it")])
async def test_the_clock_is_held_against_the_services(examined, off, told):
    found = await examined(off=off)
    assert found.told["date"] == f"every answer has the service's time{told}"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"credentials": MADE_UP}, CredentialsError),
        ({"workflows": {"other": {}}}, ServiceError),
    ],
)
async def test_no_start_is_spent_where_the_workflow_cannot_be_looked_at(examined, options, error):
    services = []
    with pytest.raises(error) as raised:
        await examined(before=services.append, **options)
    assert isinstance(raised.value, JobError)
    assert services[0].ledger.requests["start"] == 0
