"""Paced requests: questions to the service that keep to the throttle of the job, and teach it, as starts do."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from batcher.flow.service import STOPPED, Send
from batcher.flow.turns import Turns
from batcher.model import Answer, Fault, Lost, Reply, Verdict
from batcher.rules.service import verdicts
from batcher.rules.service.dialect import Dialect


def paced(send: Send, turns: Turns, dialect: Dialect) -> Send:
    """Return a function that sends like `send`, each question in a turn of its own. It asks nothing in a drain.

    A request that is no question is sent at once: its sender has a turn for it.
    """

    async def send_in_turn(method: str, target: str, headers: Mapping[str, str], content: bytes | None) -> Reply | Lost:
        if method != "GET":
            return await send(method, target, headers, content)
        turn = await turns.take()
        if turn is None:
            return Lost(Fault.UNREACHED, STOPPED)
        answer = Answer(fault=Fault.LOST)
        verdict = Verdict.IN_DOUBT
        try:
            reply = await send(method, target, headers, content)
            verdict, answer = _judged(reply, dialect)
            return reply
        finally:
            turns.learn(turn, verdict, answer, turns.monotonic())

    return send_in_turn


def _judged(reply: Reply | Lost, dialect: Dialect) -> tuple[Verdict, Answer]:
    """Return what an answer to a question means for the throttle: a success counts as a start does."""
    if isinstance(reply, Lost):
        return verdicts.FAULTS[reply.fault], Answer(fault=reply.fault, message=reply.detail)
    if reply.status in verdicts.SUCCESS:
        return Verdict.STARTED, Answer(reply.status)
    answer = dialect.read_start(reply)
    answer = structs.replace(answer, meaning=dialect.errors.meaning(answer.status, answer.code, answer.message))
    return verdicts.judge(answer, proven=True, repeated=False, trust_503=True), answer
