"""The first contact with the service, by plain functions."""

from itertools import count

import pytest

from batcher.flow.drain import Drain
from batcher.flow.preflight import contact
from batcher.model import Answer, CredentialsError, ExitCode, Fault, ServiceError

LOST = Answer(fault=Fault.LOST, message="no answer within 30 s")
UNREACHED = Answer(fault=Fault.UNREACHED, message="connection refused")


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
    assert await Service(Answer(status, code)).contacted() == (1, None)


async def test_a_date_that_is_refused_is_an_answer_too():
    assert await Service(Answer(403, "RequestTimeTooSkewed")).contacted() == (1, None)


async def test_a_lost_answer_is_asked_for_again():
    assert await Service(LOST, UNREACHED, Answer(200)).contacted() == (3, None)


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
        (Answer(401), CredentialsError),
        (Answer(403, "SignatureDoesNotMatch"), CredentialsError),
        (Answer(403, "InvalidAccessKeyId"), CredentialsError),
        (Answer(fault=Fault.UNTRUSTED, message="self-signed"), ServiceError),
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
