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
from batcher.emulator.parsing import parse_quirk, parse_refusal
from batcher.emulator.quirks import Group, Quirk
from batcher.emulator.settings import MADE_UP, InputKeys, InputShape, Settings, ThrottleAnswer
from batcher.errors import CredentialsError, ExitCode, JobError, ServiceError
from batcher.flow.doctor import Examination, examine
from batcher.model import Row
from batcher.rules.doctor.advice import POINTS, ending, prescription
from batcher.rules.doctor.list_clock import time_form
from batcher.rules.doctor.points import Finding
from batcher.rules.rows.identity import canonical, content_key

KEY = "/in/caf\u00e9 100% + clip 01.mp4"
INPUTS = {"template-id": 7, "loud": True}
HOLD, RECONCILE = "hold", "reconcile"
PATIENCE = 120.0

# Every point that such a start can show, where nothing is unusual; the others cannot be seen.
SEEN = {
    "served", "signature", "date", "unknown-workflow", "start-answer", "list", "list-delay", "list-times",
    "list-filter", "list-order", "list-paging", "list-count", "states", "list-clock", "list-time-form",
    "input", "bucket", "key", "key-encoding", "key-slash", "inputs-kept", "inputs-added", "as-sent",
}  # fmt: skip

RECORDS = {"input_shape": InputShape.RECORDS}
UNREAD = {"bucket", "key-encoding", "key-slash", "key", "inputs-kept", "inputs-added", "as-sent"}
UNLISTED = {"list-times", "list-clock", "list-time-form", "states"}

# Options of the emulator, points that differ with them, points that cannot be seen any more, --on-doubt, --settle-time
READINGS = {
    "as assumed": ({}, set(), set(), RECONCILE, 30),
    "listed late": ({"list_delay": 12.0}, set(), set(), RECONCILE, 50),
    "listed very late": ({"list_delay": 60.0}, {"list-delay"}, set(), RECONCILE, 200),
    "never listed": ({"list_delay": 500.0}, {"list-delay"}, UNLISTED, HOLD, None),
    "list forbidden": (
        {"list_forbidden": True},
        {"list", "list-filter"},
        {"signature", "list-delay", "list-order", "list-paging", "list-count"} | UNLISTED,
        HOLD,
        None,
    ),
    "executions forbidden": ({"get_forbidden": True}, {"input"}, UNREAD, HOLD, None),
    "an event's record": (RECORDS, set(), set(), RECONCILE, 30),
    "encoded keys": (RECORDS | {"input_keys": InputKeys.ENCODED}, {"key-encoding", "as-sent"}, set(), RECONCILE, 30),
    "text in text": ({"input_twice": True}, set(), set(), RECONCILE, 30),
    "no leading slash": ({"strip_leading_slash": True}, {"key-slash", "as-sent"}, set(), RECONCILE, 30),
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
    "local time": ({"quirks": {Quirk.LOCAL_TIME: None}}, {"list-times", "list-clock"}, set(), HOLD, None),
    "no date": ({"quirks": {Quirk.NO_DATE: None}}, {"date"}, {"list-clock"}, HOLD, None),
    "keys normalised": ({"quirks": {Quirk.KEYS_NORMALISED: None}}, set(), set(), RECONCILE, 30),
    "inputs as text": ({"quirks": {Quirk.INPUTS_AS_TEXT: None}}, {"inputs-kept", "as-sent"}, set(), RECONCILE, 30),
    "inputs added": ({"quirks": {Quirk.INPUTS_ADDED: None}}, {"inputs-added", "as-sent"}, set(), HOLD, None),
    "the workflow is not to be looked at": ({"workflow_forbidden": True}, set(), {"unknown-workflow"}, RECONCILE, 30),
    "triggered by its bucket too": ({"triggers": ("videos",)}, set(), set(), RECONCILE, 30),
    "inputs lost": ({"quirks": {Quirk.INPUTS_LOST: None}}, {"inputs-kept", "as-sent"}, {"inputs-added"}, HOLD, None),
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


UTC, MS = "in UTC (Z)", "ISO 8601, to the millisecond"
AHEAD = "8 h 0 min ahead of the service's clock, as the local time of UTC+08:00 is"
RIGHT = "within 5 s of the service's clock"
UNREADABLE_TIME = "no time that can be read was seen in the list"

# Quirks, the form of a time, whether it can be read to the second, what its clock is
TIMES = {
    "": (f"{MS}, {UTC}", True, RIGHT),
    "local-time": (f"{MS}, {UTC}", True, AHEAD),
    "zoneless": (f"{MS}, without a zone", True, AHEAD),
    "zoneless=-3.5": (
        f"{MS}, without a zone", True, "3 h 30 min behind the service's clock, as the local time of UTC-03:30 is",
    ),
    "zoned": (f"{MS}, with the zone +08:00", True, RIGHT),
    "queue=75": (f"{MS}, {UTC}", True, "1 min ahead of the service's clock"),
    "queue=20": (f"{MS}, {UTC}", True, "19 s ahead of the service's clock"),
    "minutes-only": ("ISO 8601, to the minute, in UTC (Z)", False, None),
    "days-only": ("ISO 8601, to the day, without a zone", False, None),
    "epoch-ms": ("milliseconds since 1970", False, UNREADABLE_TIME),
    "epoch-s": ("seconds since 1970", False, UNREADABLE_TIME),
    "http-times": ("like a Date header", False, UNREADABLE_TIME),
    "no-times": ("no time", False, UNREADABLE_TIME),
}  # fmt: skip


@pytest.mark.parametrize("quirks", TIMES)
async def test_the_form_of_the_lists_times_and_its_clock_are_reported(examined, quirks):
    form, is_read, clock = TIMES[quirks]
    found = await examined(quirks=dict(map(parse_quirk, quirks.split())))
    assert found.told["list-time-form"] == form
    assert found.findings["list-time-form"] is (Finding.CONFIRMED if is_read else Finding.DIFFERS)
    assert clock in {found.told["list-clock"], None}
    expected = Finding.CONFIRMED if clock == RIGHT else Finding.UNSEEN if clock == UNREADABLE_TIME else Finding.DIFFERS
    assert clock is None or found.findings["list-clock"] is expected


@pytest.mark.parametrize(
    ("text", "form", "is_read"),
    [
        ("2026-11-24T08:30:00Z", "ISO 8601, to the second, in UTC (Z)", True),
        ("2026-11-24 08:30:00.123456", "ISO 8601, to the microsecond, without a zone", True),
        ("2026-11-24T08:30:00.123456789+0530", "ISO 8601, to the nanosecond, with the zone +0530", True),
        ("1795509000123456", "microseconds since 1970", False),
        ("17955", "a number of 5 digits", False),
        ("yesterday", "in a form that is not known", False),
    ],
)
def test_the_form_of_a_time_is_described(text, form, is_read):
    assert time_form(text) == (form, is_read)


CHANGED = {
    "bucket-upper": ("bucket", "the bucket in another case"),
    "bucket-domain": ("bucket", "the bucket with its domain"),
    "bucket-lost": ("bucket", "another bucket"),
    "keys-decoded keys-folded": ("as-sent", "the key percent-decoded, the key in another case"),
    "keys-slashes-doubled": ("as-sent", "the key with other slashes"),
    "numbers-as-text": ("as-sent", "numbers in the inputs as text"),
    "inputs-masked": ("as-sent", "masked inputs"),
    "keys-basename": ("as-sent", "the key without its folders"),
}


@pytest.mark.parametrize("quirks", CHANGED)
async def test_how_a_content_is_shown_in_another_form_is_reported_in_the_words_of_reconcile(examined, quirks):
    point, words = CHANGED[quirks]
    found = await examined(key="/In/caf\u00e9 100%25 + clip 01.mp4", quirks=dict(map(parse_quirk, quirks.split())))
    assert (found.told[point], found.findings[point]) == (words, Finding.DIFFERS)


def test_every_setting_of_the_emulator_that_changes_what_a_client_sees_is_among_the_readings():
    varied = {name for options, *_ in READINGS.values() for name in options}
    # where and for whom it listens, what it keeps, and what the tests below change
    others = {"credentials", "workflows", "host", "port", "ssl_context", "clock", "ledger", "seed", "past"}
    others |= {"faults", "slow", "reject_share", "rate", "burst", "throttle_answer", "retry_after"}
    others |= {"most_in_flight", "most_running"}
    # how executions end, which no start shows, and the objects of buckets
    others |= {"run_spread", "timeout_share", "cancel_share", "abandon_share"}
    others |= {"buckets", "bucket_faults", "bucket_forbidden", "restore_faults", "restore_forbidden"}
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
