"""One start over DWR v3 and what it shows, against the readings of its documents that the emulator knows."""

import pytest
from conftest import Clock
from services import service_of

from batcher.edges.transport import connect
from batcher.emulator.documents import PROJECT
from batcher.emulator.quirks import Quirk
from batcher.flow.doctor import Examination, examine
from batcher.model import Row
from batcher.rules.choices import Api
from batcher.rules.doctor.advice import points_of, prescription, untried_of
from batcher.rules.doctor.points import Finding
from batcher.rules.rows.identity import canonical, content_key
from batcher.rules.service.dialects import dialect_of

KEY = "/in/caf\u00e9 100% + clip 01.mp4"
INPUTS = {"template-id": 7, "loud": True}
SEEN = {
    "served", "signature", "date", "unknown-workflow", "start-answer", "list", "list-delay", "list-times",
    "list-paging", "list-count", "states", "list-clock", "list-time-form", "inputs-form", "mode", "list-window",
    "input", "bucket", "key", "key-encoding", "key-slash", "inputs-kept", "inputs-added", "as-sent",
}  # fmt: skip
LISTED = {"list-times", "list-clock", "list-time-form", "states"}
NO_START = {"start-answer", "list-delay", "inputs-kept", "inputs-added", "as-sent", "input", "bucket", "key"}
NO_START |= LISTED | {"key-encoding", "key-slash", "list-window", "signature"}

# Quirks, points that differ with them, points that cannot be seen any more, --on-doubt
READINGS = {
    "as assumed": ({}, set(), set(), "reconcile"),
    "the manual's answers": ({Quirk.V3_MANUAL: None}, set(), set(), "reconcile"),
    "other offsets": ({Quirk.V3_OFFSET_ZERO: None, Quirk.V3_NEWEST_FIRST: None}, set(), set(), "reconcile"),
    "exclusive ends": ({Quirk.V3_ENDS_EXCLUSIVE: None, Quirk.V3_CODES: None}, set(), set(), "reconcile"),
    "all are counted": ({Quirk.COUNT_ALL: None}, {"list-count"}, set(), "reconcile"),
    "the time is ignored": ({Quirk.V3_NO_WINDOW: None}, {"list", "list-window"}, {"list-delay"} | LISTED, "hold"),
    "EXPRESS": (
        {Quirk.V3_EXPRESS: None}, {"mode", "list-delay"}, {"list-paging", "list-count", "list-window"} | LISTED, "hold",
    ),
    "inputs as a list": ({Quirk.V3_INPUTS_LISTED: None}, {"inputs-form"}, NO_START - {"signature"}, None),
}  # fmt: skip


async def examined(emulator, **options):
    clock = Clock()
    service = await emulator(clock=clock, past=300, **options)
    text = canonical(INPUTS)
    row = Row(1, 1, "videos", KEY, text, content_key("videos", KEY, text))

    async def sleep(seconds):
        clock.now += seconds

    async with connect(service.url, connections=1, timeout=2.0) as transport:
        asked = service_of(
            transport.send,
            name="transcode",
            credentials=service.settings.credentials,
            wall=clock,
            steady=clock,
            sleep=sleep,
            warn=pytest.fail,
            dialect=dialect_of(Api.DWR_V3, service.url, PROJECT),
        )
        return service, await examine(Examination(asked, asked.start, "nobodys", 120.0), row)


@pytest.mark.parametrize("reading", READINGS)
async def test_every_reading_of_the_documents_of_dwr_is_told_apart_with_one_start(emulator, reading):
    quirks, differing, lost, on_doubt = READINGS[reading]
    service, seen = await examined(emulator, quirks=quirks)
    findings = {point.name: point.tell(seen) for point in points_of("dwr-v3")}
    named = {finding: {name for name, each in findings.items() if each.finding is finding} for finding in Finding}
    assert named[Finding.DIFFERS] == differing, findings
    assert named[Finding.CONFIRMED] == SEEN - differing - lost, findings
    settings = prescription(seen)
    assert (settings["on-doubt"].value if settings else None) == on_doubt
    assert len(service.ledger.starts) == (Quirk.V3_INPUTS_LISTED not in quirks)


def test_the_points_of_the_two_apis_differ_where_their_lists_do():
    obs, dwr = ({point.name for point in points_of(api)} for api in ("obs-v2", "dwr-v3"))
    assert (obs - dwr, dwr - obs) == ({"list-filter", "list-order"}, {"inputs-form", "mode", "list-window"})
    assert set(untried_of("obs-v2")) - set(untried_of("dwr-v3"))
