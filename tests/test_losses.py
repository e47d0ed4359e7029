"""A row whose content may be what a service shows of a larger one is held: controls show what it leaves out."""

import asyncio
import json
from email.utils import formatdate
from functools import partial

import pytest

from batcher.flow.reconcile import Inquiry, reconcile
from batcher.model import Described, Execution, ExecutionDetail, Page, Status, Unsettled
from batcher.rules.doubts.contents import Content
from batcher.rules.doubts.control import Control
from batcher.rules.doubts.forms import Sent
from batcher.rules.doubts.losses import loss_for

NOW = 1_795_509_000.0

LOSSES = {
    "no inputs": (Sent("b", "o", {}), Sent("b", "c", {"n": 1}), Content("b", "c", None), "inputs"),
    "masked": (Sent("b", "o", {"n": "***"}), Sent("b", "c", {"n": 1}), Content("b", "c", {"n": "***"}), "masks"),
    "empty, in a list": (
        Sent("b", "o", {"n": [1, {"m": ""}]}), Sent("b", "c", {"n": 1}), Content("b", "c", {"n": ""}), "masks",
    ),
    "question marks": (Sent("b", "a?.mp4", {}), Sent("b", "\u00e9.mp4", {}), Content("b", "?.mp4", {}), "? for some"),
    "no folders": (Sent("b", "a.mp4", {}), Sent("b", "in/c.mp4", {}), Content("b", "c.mp4", {}), "folders"),
    "no slashes": (Sent("b", "ina.mp4", {}), Sent("b", "in/c.mp4", {}), Content("b", "inc.mp4", {}), "slashes"),
    "cut": (Sent("b", "in/clips/a.b", {}), Sent("b", "in/clips/c.mp4", {}), Content("b", "in/clips/c.m", {}), "longer"),
}  # fmt: skip
"""A row, a known execution by what it was started with and by what is shown of it, and the words about the row."""


@pytest.mark.parametrize("case", LOSSES)
def test_an_execution_with_exactly_the_content_of_a_row_may_be_another_where_such_a_part_is_left_out(case):
    row, sent, shown, words = LOSSES[case]
    assert words in loss_for(row, [(sent, shown)])
    as_sent = Content(*sent)
    assert loss_for(row, [(sent, as_sent)]) == ""


@pytest.mark.parametrize(
    ("row", "case"),
    [
        (Sent("b", "o", {"n": 1}), "no inputs"),
        (Sent("b", "o", {"n": 1}), "masked"),
        (Sent("b", "a.mp4", {}), "question marks"),
        (Sent("b", "in/a.mp4", {}), "no folders"),
        (Sent("b", "short.mp4", {}), "cut"),
    ],
)
def test_a_content_that_keeps_what_the_service_leaves_out_is_no_other_ones(row, case):
    assert loss_for(row, [LOSSES[case][1:3]]) == ""


def test_a_key_with_its_slashes_encoded_has_lost_nothing():
    assert loss_for(Sent("b", "a.mp4", {}), [(Sent("b", "in/c.mp4", {}), Content("b", "in%2Fc.mp4", {}))]) == ""


@pytest.mark.parametrize(
    ("sent", "shown", "adopted"),
    [
        # The inputs of a control are hidden, so those of the row's execution may be.
        ({"n": 1}, {}, []),
        ({"n": 1}, {"inputs": {"n": 1}}, [1]),
        # A job without inputs has nothing that could be hidden.
        ({}, {}, [1]),
        ({}, {"inputs": {}}, [1]),
    ],
)
async def test_a_row_without_inputs_is_adopted_unless_a_control_shows_that_inputs_are_hidden(sent, shown, adopted):
    inputs = json.dumps(sent).encode() if sent else b""
    control = Control(2, "e", "urn:w:e", NOW - 99, NOW - 100, NOW - 98, "b", "c", inputs)
    row = Unsettled(1, Status.IN_DOUBT, 1, "b", "o", b"", "", NOW - 100, NOW - 99)
    executions = [Execution("e", "urn:w:e", "", NOW - 99), Execution("x", "urn:w:x", "", NOW - 99)]
    details = {"e": {"bucket": "b", "object": "c"} | shown, "x": {"bucket": "b", "object": "o"}}

    async def pages(_windows):
        yield Described(200, date=formatdate(NOW, usegmt=True), noun=Page(tuple(executions)))

    async def detail(name):
        return Described(200, noun=ExecutionDetail(Execution(name), json.dumps(details[name])))

    inquiry = Inquiry(
        executions=pages, execution=detail, note=partial(asyncio.sleep, 0),
        unowned=partial(asyncio.sleep, 0, executions), controls=partial(asyncio.sleep, 0, [control]), date=None,
        sleep=None, stopped=lambda: False, now=lambda: NOW, settle_time=30.0,
    )  # fmt: skip
    findings = await reconcile(inquiry, [row], patient=False)
    assert [row.id for row, _ in findings.adopted] == adopted
    if not adopted:
        assert findings.reason == "1 row: an execution at its time may have inputs, which the service does not show"
