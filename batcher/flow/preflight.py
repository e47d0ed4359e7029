"""The preflight: what the service is asked before the first start, and the check of rows against its answer.

One signed request shows that the endpoint and the credentials work and that the workflow exists. Its answer brings the
service's time and the declared parameters. Unlike a start it has no side effect, so it is repeated if no answer comes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from batcher.errors import ServiceError
from batcher.flow.drain import Drain
from batcher.model import Answer, Described, Fault, Verdict, Workflow
from batcher.rules.rate import backoff
from batcher.rules.service import verdicts

ATTEMPTS = 4
CONTACT_SECONDS = 8.0
"""Seconds for which the endpoint may be unreachable at the beginning of a run."""


async def contact(
    ask: Callable[[], Awaitable[Described[Workflow]]],
    drain: Drain,
    draw: Callable[[], float],
    monotonic: Callable[[], float],
) -> Described[Workflow]:
    """Ask until the service answers, and return the answer, which contains the service's time.

    Begins the drain if the service is unreachable for CONTACT_SECONDS (a wrong address rather than an outage), if
    ATTEMPTS answers are lost, or if the credentials are refused: then the workers do not try them.
    """
    begun = monotonic()
    lost = 0
    answer = Described[Workflow](fault=Fault.UNREACHED, message="no request was sent")
    while not drain.begun:
        answer = await ask()
        if answer.fault is Fault.UNTRUSTED or verdicts.refuses_credentials(answer):
            drain.begin(verdicts.ending(answer))
        if answer.fault is None:
            break
        lost += answer.fault is not Fault.UNREACHED
        if lost == ATTEMPTS or (monotonic() - begun >= CONTACT_SECONDS and not lost):
            drain.begin(verdicts.unreachable(answer))
        await drain.sleep(backoff.full_jitter(1, draw()))
    return answer


async def described(  # noqa: PLR0913, PLR0917 - time and chance are arguments
    ask: Callable[[], Awaitable[Described[Workflow]]],
    name: str,
    drain: Drain,
    draw: Callable[[], float],
    monotonic: Callable[[], float],
    now: Callable[[], float],
    patience: float = 0.0,
    waiting: Callable[[Answer], None] = lambda _: None,
) -> Workflow | Answer:
    """Ask for the definition of the workflow `name`.

    A service that is busy or failing is asked ATTEMPTS times. If that is not enough, `waiting` is called with the
    answer, and the service is asked again until `patience` seconds have passed since the first request.
    Returns the answer instead of a workflow if the answer leaves open whether the workflow exists, and the last answer
    if the drain begins. Raises ServiceError if there is no such workflow or if the service keeps failing, and the error
    of `verdicts.ending` if the service refuses the whole job.
    """
    begun = monotonic()
    attempt = 0
    while True:
        attempt += 1
        answer = await contact(ask, drain, draw, monotonic)
        if answer.noun is not None or drain.begun:
            return answer if answer.noun is None else answer.noun
        if verdicts.serves_no_workflows(answer):
            raise verdicts.ending(answer)
        verdict = verdicts.judge(answer, proven=False, repeated=attempt > 1, trust_503=True)
        # A definition that cannot be read stays unreadable. A verdict of doubt is only a failure for this request.
        is_read = answer.status in verdicts.SUCCESS and not answer.is_garbled
        if is_read or verdict not in {Verdict.REFUSED, Verdict.IN_DOUBT}:
            return _undescribed(answer, name)
        if attempt >= ATTEMPTS and (answer.is_garbled or verdicts.is_unproven(answer)):
            raise verdicts.ending(answer)
        if attempt >= ATTEMPTS and monotonic() - begun >= patience:
            raise ServiceError(
                f"the service does not describe the workflow after {attempt} attempts: {verdicts.told(answer)}",
                "Run the same command again later. No row was sent.",
            )
        if attempt == ATTEMPTS:
            waiting(answer)
        await drain.sleep(backoff.wait(attempt, draw(), answer.retry_after, now()))


def _undescribed(answer: Answer, name: str) -> Answer:
    if answer.status in verdicts.SUCCESS or verdicts.hides_workflow(answer):
        return answer
    raise verdicts.ending(answer) if answer.status != HTTPStatus.NOT_FOUND else verdicts.missing(answer, name)
