"""The preflight: what is asked of the service before the first start, and how rows stand to the answer.

One signed question proves the endpoint, the credentials and that the workflow exists, and brings the service's time and
the declared parameters. It has no side effect, so here, other than for a start, a lost answer may be asked for again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus

from msgspec import structs

from batcher.errors import ServiceError
from batcher.flow.drain import Drain
from batcher.model import Answer, BadRow, Described, Fault, Found, Parameter, Row, Verdict, Workflow
from batcher.rules.rate import backoff
from batcher.rules.rows.declared import Judgement, judge_of
from batcher.rules.service import verdicts

ATTEMPTS = 4
CONTACT_SECONDS = 8.0
"""How long an endpoint may be out of reach at the beginning of a run."""


async def contact(
    ask: Callable[[], Awaitable[Described[Workflow]]],
    drain: Drain,
    draw: Callable[[], float],
    monotonic: Callable[[], float],
) -> Described[Workflow]:
    """Ask until the service answers, and give that answer: every one of them tells the service's time.

    Ends the job where nobody is reached for CONTACT_SECONDS (that is a wrong address, not an outage that may pass),
    where ATTEMPTS answers are lost, and where wrong credentials are found out before every worker has tried them.
    """
    begun = monotonic()
    lost = 0
    answer = Described[Workflow](fault=Fault.UNREACHED, message="nobody was asked")
    while not drain.begun:
        answer = await ask()
        if answer.fault is Fault.UNTRUSTED or verdicts.refuses_credentials(answer):
            drain.begin(verdicts.ending(answer))
        if answer.fault is None:
            break
        lost += answer.fault is Fault.LOST
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
    """Ask how the workflow of this name is defined.

    A service that is busy or failing is asked ATTEMPTS times, and on for `patience` seconds: then `waiting` is told.
    Gives the answer instead where the service has one and it describes no workflow, though there may be one; and
    whatever came last where the drain begins. Raises ServiceError where there is no such workflow or the service does
    not come to an answer, and what `verdicts.ending` makes of one that refuses the whole job.
    """
    begun = monotonic()
    attempt = 0
    while True:
        attempt += 1
        answer = await contact(ask, drain, draw, monotonic)
        if answer.noun is not None or drain.begun:
            return answer if answer.noun is None else answer.noun
        verdict = verdicts.judge(answer, proven=False, repeated=attempt > 1, trust_503=True)
        # An answer of success that is unreadable stays so; what is in doubt for a start is only a failure here.
        if answer.status in verdicts.SUCCESS or verdict not in {Verdict.REFUSED, Verdict.IN_DOUBT}:
            return _undescribed(answer, name)
        if attempt >= ATTEMPTS and monotonic() - begun >= patience:
            raise ServiceError(
                f"the service does not describe the workflow, {attempt} attempts: {verdicts.told(answer)}",
                "Run the same command again later; nothing was sent.",
            )
        if attempt == ATTEMPTS:
            waiting(answer)
        await drain.sleep(backoff.wait(attempt, draw(), answer.retry_after, now()))


def _undescribed(answer: Answer, name: str) -> Answer:
    if answer.status in verdicts.SUCCESS or verdicts.hides_workflow(answer):
        return answer
    raise verdicts.ending(answer) if answer.status != HTTPStatus.NOT_FOUND else verdicts.missing(answer, name)


_SOUND = Judgement(None)


class Screen:
    """Holds the inputs of rows against the declared parameters of a workflow, before the rows are sent."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self._judge = judge_of(parameters)
        self.warnings: Counter[str] = Counter()
        """What only the service can tell, with the number of rows that it is about."""

    def fault(self, row: Row) -> str | None:
        """Give what is wrong with a row's inputs, None where nothing is; count what there is to warn of."""
        fault, warnings = self._judge(row.inputs)
        if warnings:
            self.warnings.update(warnings)
        return fault

    def found(self, found: Sequence[Found]) -> Sequence[Found]:
        """Make those rows bad ones that break a rule. They keep their identity, which is their content."""
        return found if self._are_sound(each.row for each in found) else [self._screened(each) for each in found]

    def rows(self, rows: Sequence[Row | BadRow]) -> Sequence[Row | BadRow]:
        """As `found`, for rows of which nothing is known."""
        return rows if self._are_sound(rows) else [self._screened(Found(0, row, None, 1)).row for row in rows]

    def _are_sound(self, rows: Iterable[Row | BadRow]) -> bool:
        """Tell at once of rows that have few different inputs among them, as most have."""
        return all(self._judge(inputs) == _SOUND for inputs in {row.inputs for row in rows if isinstance(row, Row)})

    def _screened(self, found: Found) -> Found:
        row = found.row
        fault = None if isinstance(row, BadRow) else self.fault(row)
        if fault is None:
            return found
        reason = f"line {row.line}: {fault}"
        return structs.replace(found, row=BadRow(row.number, row.line, row.bucket, row.object, reason, row.key))
