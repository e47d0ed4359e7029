"""The preflight: what is asked of the service before the first start: its time, and the workflow's parameters.

An intent is noted in the service's time. A CSV cell is text; the declared parameters say which of them are numbers. The
question has no side effect, so here, other than for a start, a lost answer may simply be asked for again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from batcher.flow.drain import Drain
from batcher.model import Answer, Fault, Parameter, ServiceError, Verdict
from batcher.rules import answers, backoff, outcome
from batcher.rules.examination import DENIED

ATTEMPTS = 4
CONTACT_SECONDS = 8.0
"""How long an endpoint may be out of reach at the beginning of a run."""

_AGAIN = frozenset({Verdict.UNSENT, Verdict.REFUSED, Verdict.IN_DOUBT})


async def contact(
    ask: Callable[[], Awaitable[Answer]], drain: Drain, draw: Callable[[], float], monotonic: Callable[[], float]
) -> None:
    """Ask until the service answers: every answer tells its time.

    Ends the job where nobody is reached for CONTACT_SECONDS (that is a wrong address, not an outage that may pass),
    where ATTEMPTS answers are lost, and where a wrong key is found out before every worker has tried it.
    """
    begun = monotonic()
    lost = 0
    while not drain.begun:
        answer = await ask()
        if answer.fault is Fault.UNTRUSTED or outcome.refuses_keys(answer):
            drain.begin(outcome.ending(answer))
        if answer.fault is None:
            return
        lost += answer.fault is Fault.LOST
        if lost == ATTEMPTS or (monotonic() - begun >= CONTACT_SECONDS and not lost):
            drain.begin(outcome.unreachable(answer))
        await drain.sleep(backoff.full_jitter(1, draw()))


async def declared_parameters(
    ask: Callable[[], Awaitable[Answer]],
    sleep: Callable[[float], Awaitable[None]],
    draw: Callable[[], float],
    now: Callable[[], float],
) -> Mapping[str, Parameter] | Answer:
    """Ask for the workflow's declared parameters.

    Gives the answer instead where the service has one and it is not a workflow: then the cells stay text. Raises
    CredentialsError where the credentials are refused, ServiceError where no answer is to be had.
    """
    for attempt in range(1, ATTEMPTS + 1):
        answer = await ask()
        workflow = answers.workflow(answer)
        if workflow is not None:
            return workflow.parameters
        verdict = outcome.judge(answer, proven=False, repeated=False, trust_503=True)
        if verdict not in _AGAIN:
            if answer.status in {401, 403} and answer.code.lower() not in DENIED:
                raise outcome.ending(answer)
            if answer.fault is not None:
                raise outcome.ending(answer)
            return answer
        if attempt < ATTEMPTS:
            await sleep(backoff.wait(attempt, draw(), answer.retry_after, now()))
    raise ServiceError(
        f"the service does not describe the workflow, {ATTEMPTS} attempts: {answer.message or answer.status}",
        "Check --endpoint and the network, then run the same command again; nothing was sent.",
    )
