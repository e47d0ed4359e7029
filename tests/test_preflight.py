"""The first contact with the service, and how rows stand to what it declares, by plain functions."""

from functools import partial
from itertools import count

import pytest
from answered import answered as answered_by_the_table

from batcher.errors import CredentialsError, ExitCode, JobError, ServiceError
from batcher.flow.drain import Drain
from batcher.flow.preflight import ATTEMPTS, contact, described
from batcher.model import BadRow, Described, Fault, Found, Parameter, Row, Status, Workflow
from batcher.rules.rows.declared import Screen

answered = partial(answered_by_the_table, kind=Described)
LOST = answered(fault=Fault.LOST, message="no answer within 30 s")
UNREACHED = answered(fault=Fault.UNREACHED, message="connection refused")


class Service:
    """Gives its answers one after another."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.drain = Drain()
        self.asked = 0

    async def ask(self):
        self.asked += 1
        return self._answers.pop(0)

    async def contacted(self):
        await contact(self.ask, self.drain, lambda: 0.0, count(100.0).__next__)
        return self.asked, self.drain.reason


@pytest.mark.parametrize("status", [200, 403, 404, 405, 429, 500, 503])
async def test_any_answer_is_enough_even_one_that_refuses(status):
    code = "AccessDenied" if status == 403 else ""
    assert await Service(answered(status, code)).contacted() == (1, None)


async def test_a_date_that_is_refused_is_an_answer_too():
    assert await Service(answered(403, "RequestTimeTooSkewed")).contacted() == (1, None)


async def test_a_lost_answer_is_asked_for_again():
    assert await Service(LOST, UNREACHED, answered(200)).contacted() == (3, None)


async def test_the_job_ends_where_nobody_is_reached_for_eight_seconds():
    # One second goes by with each question.
    asked, reason = await Service(*[UNREACHED] * 20).contacted()
    assert (asked, type(reason)) == (8, ServiceError)
    assert str(reason) == "the service cannot be reached: connection refused"


async def test_the_job_ends_where_four_answers_are_lost():
    asked, reason = await Service(*[LOST] * 20).contacted()
    assert (asked, str(reason)) == (4, "the service cannot be reached: no answer within 30 s")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answered(401), CredentialsError),
        (answered(403, "SignatureDoesNotMatch"), CredentialsError),
        (answered(403, "InvalidAccessKeyId"), CredentialsError),
        (answered(fault=Fault.UNTRUSTED, message="self-signed"), ServiceError),
    ],
)
async def test_the_job_ends_at_once_with_a_wrong_key_or_a_service_that_is_not_trusted(answer, error):
    asked, reason = await Service(answer).contacted()
    assert (asked, type(reason)) == (1, error)


async def test_a_signal_ends_the_asking_and_stays_the_reason():
    service = Service(LOST, LOST)

    async def ask():
        service.drain.begin(ExitCode.SIGTERM)
        return await service.ask()

    await contact(ask, service.drain, lambda: 0.0, count(100.0).__next__)
    assert (service.asked, service.drain.reason) == (1, ExitCode.SIGTERM)


# What the workflow declares

WORKFLOW = answered(200, noun=Workflow("w", {"p": Parameter("p", "integer", has_value=False, constraints={})}))
BUSY = answered(503, "SlowDown")
FAILING = answered(500, "InternalError", "sorry")
SKEWED = answered(403, "RequestTimeTooSkewed")


async def looked(*answers_):
    service = Service(*answers_)
    found = await described(service.ask, "transcode", service.drain, lambda: 0.0, count(100.0).__next__, lambda: 0.0)
    return found, service


@pytest.mark.parametrize(
    "before", [(), (BUSY,), (FAILING, answered(502), answered(408)), (LOST, UNREACHED), (SKEWED,)], ids=len
)
async def test_a_workflow_is_described_whatever_came_before(before):
    found, service = await looked(*before, WORKFLOW)
    assert found == Workflow("w", {"p": Parameter("p", "integer", has_value=False, constraints={})})
    assert (service.asked, service.drain.reason) == (len(before) + 1, None)


@pytest.mark.parametrize(
    "answer",
    [
        answered(403, "AccessDenied"),
        answered(403, "SYS.0005"),
        answered(403, "CodeOfTomorrow"),
        answered(400, "InvalidArgument"),
        answered(200),
    ],
)
async def test_an_answer_that_hides_the_workflow_is_given(answer):
    found, service = await looked(answer)
    assert (found, service.drain.reason) == (answer, None)


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (answered(404, "Workflow.0099"), ServiceError, "there is no workflow transcode: HTTP 404"),
        (answered(404, "Workflow.0001", "no"), ServiceError, "no workflow transcode: HTTP 404 Workflow.0001: no"),
        (answered(301, "PermanentRedirect"), ServiceError, "the service refuses the job: HTTP 301"),
        (answered(403, "NotSignedUp"), ServiceError, "the service refuses the job: HTTP 403"),
    ],
)
async def test_an_answer_about_the_whole_job_ends_it(answer, error, told):
    with pytest.raises(error, match=told):
        await looked(answer)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (405, ""), (405, "MethodNotAllowed"), (501, ""), (404, "APIGW.0101"), (404, "SYS.0003"),
        (409, "ServiceNotSupported"),
    ],
)  # fmt: skip
async def test_the_job_ends_at_once_where_the_endpoint_serves_no_workflows(status, code):
    with pytest.raises(ServiceError) as caught:
        await looked(answered(status, code))
    assert str(caught.value) == f"the endpoint does not serve workflows: HTTP {status} {code}".rstrip()
    assert "DWR v3 (Data Workroom)" in caught.value.advice


async def test_a_success_that_stays_something_else_ends_the_job_too():
    page = answered(200, is_garbled=True)
    found, service = await looked(*[page] * (ATTEMPTS - 1), WORKFLOW)
    assert (found.name, service.asked) == ("w", ATTEMPTS)
    with pytest.raises(ServiceError, match="the endpoint does not answer like the service: HTTP 200"):
        await looked(*[page] * ATTEMPTS)


@pytest.mark.parametrize("status", [302, 400, 403, 404, 407, 413])
async def test_an_answer_that_stays_foreign_ends_the_job_after_a_few_questions(status):
    foreign = answered(status)
    found, service = await looked(*[foreign] * (ATTEMPTS - 1), WORKFLOW)
    assert (found.name, service.asked) == ("w", ATTEMPTS)
    service = Service(*[foreign] * 9)
    with pytest.raises(JobError, match=f"the endpoint does not answer like the service: HTTP {status}") as caught:
        await described(
            service.ask, "w", service.drain, lambda: 0.0, count(100.0).__next__, lambda: 0.0, patience=900.0
        )
    assert service.asked == ATTEMPTS
    assert "Look for a proxy, a gateway or a login page" in caught.value.advice


async def test_a_clock_that_is_refused_twice_ends_the_job():
    with pytest.raises(ServiceError, match="RequestTimeTooSkewed"):
        await looked(SKEWED, SKEWED)


@pytest.mark.parametrize("answer", [answered(401), answered(403, "SignatureDoesNotMatch")])
async def test_a_wrong_key_begins_the_drain(answer):
    found, service = await looked(answer)
    assert (found, type(service.drain.reason), service.asked) == (answer, CredentialsError, 1)


async def test_a_service_that_only_fails_is_asked_a_few_times():
    service = Service(*[FAILING] * 100)
    with pytest.raises(ServiceError, match=f"{ATTEMPTS} attempts: HTTP 500 InternalError: sorry"):
        await described(service.ask, "transcode", service.drain, lambda: 0.0, count(100.0).__next__, lambda: 0.0)
    assert service.asked == ATTEMPTS


async def test_a_service_that_fails_for_a_while_is_asked_on_and_the_person_is_told_once():
    service, told = Service(*[FAILING] * 30, WORKFLOW), []
    clock = count(100.0).__next__
    found = await described(
        service.ask, "transcode", service.drain, lambda: 0.0, clock, lambda: 0.0, patience=900.0, waiting=told.append
    )
    assert (found.name, service.asked, told) == ("w", 31, [FAILING])


async def test_a_service_that_fails_for_longer_than_the_patience_ends_the_job():
    service = Service(*[FAILING] * 100)
    clock = count(100.0).__next__
    with pytest.raises(ServiceError, match="12 attempts: HTTP 500 InternalError: sorry"):
        await described(service.ask, "transcode", service.drain, lambda: 0.0, clock, lambda: 0.0, patience=20.0)
    assert service.asked == 12


PARAMETERS = {"p": Parameter("p", "integer", has_value=True, constraints={"valid_values": [1, 2]})}


def row(number, inputs):
    return Row(number, number + 1, "videos", f"o{number}", inputs, bytes([number]) * 16)


def test_rows_that_break_a_rule_become_bad_and_keep_their_identity():
    screen = Screen(PARAMETERS)
    good, bad, known = row(1, b'{"p":1}'), row(2, b'{"p":3}'), BadRow(3, 4, "", "", "line 4: no", b"x" * 16)
    found = [Found(7, good, None, 1), Found(8, bad, Status.PENDING, 2), Found(9, known, None, 1)]
    reason = "line 3: inputs.p: 3 is not among the allowed values: [1,2]"
    made = BadRow(2, 3, "videos", "o2", reason, b"\2" * 16)
    assert screen.found(found) == [found[0], Found(8, made, Status.PENDING, 2), found[2]]
    assert screen.rows([good, bad, known]) == [good, made, known]
    assert screen.rows([good, known]) == [good, known]
    assert screen.warnings == {}


def test_what_only_the_service_can_tell_is_counted():
    screen = Screen(PARAMETERS)
    rows = [row(1, b'{"p":"1"}'), row(2, b'{"p":"2"}'), row(3, b'{"p":1}')]
    assert screen.rows(rows) == rows
    assert screen.warnings == {"inputs.p: text where an integer is declared": 2}
