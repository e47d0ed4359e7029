"""The credentials in use: renewed once for everybody, tried by one request alone, never sent again once refused."""

import asyncio
import json

import pytest
from answered import answered
from services import service_of

from batcher.flow.service import LOCKED_SECONDS, STOPPED
from batcher.model import Answer, Cause, Credentials, Execution, Fault, Reply, Row

OLD = Credentials("AK1", "SK1", "T1", expires_at=10_000.0)
NEW = Credentials("AK2", "SK2", "T2", expires_at=50_000.0)
ROW = Row(1, 1, "b", "o", b"", b"k" * 16)
GOOD = Answer(200, execution=Execution("e"))
GIVEN_UP = Answer(fault=Fault.UNREACHED, message=STOPPED)
REFUSALS = [
    answered(403, "InvalidAccessKeyId"),
    answered(403, "SignatureDoesNotMatch"),
    answered(400, "ExpiredToken"),
    answered(401, "SYS.0004"),
    answered(403, "SYS.0013"),
    answered(500, "SYS.0008"),
]
REFUSED = REFUSALS[0]


def reply(answer):
    """Write an answer as it comes over the wire."""
    name = {"execution_name": answer.execution.name} if answer.execution else {"code": answer.code}
    return Reply(answer.status, {}, json.dumps(name).encode())


def signed_by(headers):
    """Give the access key that a request is signed with."""
    return headers["Authorization"].removeprefix("OBS ").partition(":")[0]


class Server:
    """Takes the credentials in `valid`, refuses others, and notes whose requests arrived."""

    def __init__(self, *valid, refusal=REFUSED):
        self.valid = list(valid)
        self.refusal = refusal
        self.asked = []

    async def send(self, _method, _target, headers, _body):
        access_key = signed_by(headers)
        self.asked.append(access_key)
        is_valid = access_key in {each.access_key for each in self.valid}
        await asyncio.sleep(0)
        return reply(GOOD if is_valid else self.refusal)


class Source:
    """Where credentials are found again, and how often that was tried. With `held` it answers when that is set."""

    def __init__(self, *found, held=None):
        self.found = list(found)
        self.held = held
        self.looks = 0
        self.looking = asyncio.Event()

    async def renew(self):
        self.looks += 1
        self.looking.set()
        if self.held is not None:
            await self.held.wait()
        await asyncio.sleep(0)
        return self.found.pop(0) if self.found else None


def in_use(server, source=None, *, stopped=lambda: False, now=lambda: 0.0, credentials=OLD):
    """Give a service that signs with these credentials."""
    return service_of(server.send, credentials=credentials, renew=source and source.renew, wall=now, stopped=stopped)


async def together(service, count):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(service.start(ROW)) for _ in range(count)]
    return [task.result() for task in tasks]


async def test_good_credentials_sign_every_request_once():
    server, source = Server(OLD), Source(NEW)
    service = in_use(server, source)
    assert await together(service, 10) == [GOOD] * 10
    assert server.asked == ["AK1"] * 10
    assert source.looks == 0


async def test_the_first_request_is_alone_until_it_is_answered():
    released, arrived = asyncio.Event(), asyncio.Event()
    asked = []

    async def send(_method, _target, headers, _body):
        asked.append(signed_by(headers))
        arrived.set()
        await released.wait()
        return reply(GOOD)

    service = service_of(send)
    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(service.start(ROW))
        await arrived.wait()
        assert len(asked) == 1
        released.set()
    assert len(asked) == 10


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_wrong_credentials_that_are_final_are_sent_by_one_request_alone(refusal):
    server = Server(NEW, refusal=refusal)
    refused = []
    service = in_use(server, stopped=lambda: bool(refused))

    async def work():
        answer = await service.start(ROW)
        if answer == refusal:
            refused.append(answer)
        return answer

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work()) for _ in range(64)]
    assert server.asked == ["AK1"]
    assert [task.result() for task in tasks] == [refusal] + [GIVEN_UP] * 63


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_credentials_that_expire_are_renewed_once_for_all_and_every_request_is_sent_again(refusal):
    server, source = Server(OLD, refusal=refusal), Source(NEW, NEW, NEW)
    service = in_use(server, source)
    await service.start(ROW)
    server.valid = [NEW]
    assert await together(service, 20) == [GOOD] * 20
    assert source.looks == 1
    assert (server.asked.count("AK1"), server.asked.count("AK2")) == (21, 20)
    assert service.credentials.current == NEW


async def test_a_401_that_the_service_did_not_write_renews_the_credentials_but_no_start_is_sent_again():
    server, source = Server(OLD, refusal=answered(401)), Source(NEW)
    service = in_use(server, source)
    await service.start(ROW)
    server.valid = [NEW]
    assert (await service.start(ROW)).status == 401
    assert server.asked == ["AK1", "AK1"]
    assert await service.start(ROW) == GOOD
    assert server.asked == ["AK1", "AK1", "AK2"]
    server.valid, source.found = [OLD], [OLD]
    assert (await service.workflow()).status == 200
    assert server.asked[3:] == ["AK2", "AK1"]


async def test_credentials_that_were_never_good_are_renewed_too():
    server, source = Server(NEW), Source(NEW)
    assert await together(in_use(server, source), 5) == [GOOD] * 5
    assert server.asked == ["AK1"] + ["AK2"] * 5


async def test_new_credentials_that_are_refused_too_are_the_end():
    server, source = Server(), Source(NEW, Credentials("AK3", "SK3"))
    assert await in_use(server, source).start(ROW) == REFUSED
    assert server.asked == ["AK1", "AK2"]
    assert source.looks == 1


async def test_new_credentials_are_tried_by_one_request_alone_where_the_old_ones_have_expired():
    server, source = Server(OLD), Source(NEW)
    refused = []
    service = in_use(server, source, stopped=lambda: bool(refused))
    await service.start(ROW)
    server.valid = []

    async def work():
        answer = await service.start(ROW)
        if answer == REFUSED:
            refused.append(answer)

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(work())
    assert (server.asked.count("AK1"), server.asked.count("AK2")) == (21, 1)


@pytest.mark.parametrize("found", [[], [Credentials("AK1", "SK1", "T1", "the same, found again")]])
async def test_refused_credentials_are_not_sent_again_where_there_are_no_others(found):
    server, source = Server(), Source(*found)
    assert await in_use(server, source).start(ROW) == REFUSED
    assert server.asked == ["AK1"]


@pytest.mark.parametrize(
    "answer", [answered(403, "AccessDenied"), answered(404, "NoSuchKey"), answered(503, "SlowDown")]
)
async def test_an_answer_that_is_not_about_credentials_is_passed_on(answer):
    server, source = Server(refusal=answer), Source(NEW)
    assert await in_use(server, source).start(ROW) == answer
    assert (server.asked, source.looks) == (["AK1"], 0)


async def test_nothing_is_sent_again_when_the_job_stops_while_new_credentials_are_looked_for():
    stopping, held = [], asyncio.Event()
    server, source = Server(OLD), Source(NEW, held=held)
    service = in_use(server, source, stopped=lambda: bool(stopping))
    await service.start(ROW)
    server.valid = [NEW]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(service.start(ROW)) for _ in range(3)]
        await source.looking.wait()
        stopping.append("SIGTERM")
        held.set()
    assert [task.result() for task in tasks] == [REFUSED] * 3
    assert server.asked == ["AK1"] * 4


class Minutes:
    """A sleep that ends when the test says so: `now` is set first."""

    def __init__(self):
        self.now = 0.0
        self._turns = asyncio.Queue()
        self.slept = asyncio.Event()

    async def sleep(self, _):
        self.slept.set()
        self.now = await self._turns.get()

    async def until(self, now):
        """Let the sleeper look at this time, and wait until it sleeps again."""
        await self.slept.wait()
        self.slept.clear()
        self._turns.put_nowait(now)
        await self.slept.wait()


async def test_credentials_are_replaced_ten_minutes_before_they_expire():
    minutes, source = Minutes(), Source(NEW)
    service = in_use(Server(), source, now=lambda: minutes.now)
    keeper = asyncio.create_task(service.credentials.keep_fresh(minutes.sleep))
    await minutes.until(9_399.0)
    assert (service.credentials.current, source.looks) == (OLD, 0)
    await minutes.until(9_400.0)
    assert (service.credentials.current, source.looks) == (NEW, 1)
    await minutes.until(9_460.0)
    assert source.looks == 1
    keeper.cancel()


async def test_a_renewal_that_fails_is_tried_again_and_the_old_ones_stay_meanwhile():
    minutes, source = Minutes(), Source(None, OLD, NEW)
    service = in_use(Server(), source, now=lambda: minutes.now)
    keeper = asyncio.create_task(service.credentials.keep_fresh(minutes.sleep))
    seen = []
    for now in (9_400.0, 9_460.0, 9_520.0):
        await minutes.until(now)
        seen.append(service.credentials.current)
    assert (seen, source.looks) == ([OLD, OLD, NEW], 3)
    keeper.cancel()


async def test_starts_go_on_with_the_old_credentials_while_new_ones_are_looked_for():
    minutes, held = Minutes(), asyncio.Event()
    server, source = Server(OLD), Source(NEW, held=held)
    service = in_use(server, source, now=lambda: minutes.now)
    await service.start(ROW)
    keeper = asyncio.create_task(service.credentials.keep_fresh(minutes.sleep))
    renewing = asyncio.create_task(minutes.until(9_400.0))
    await source.looking.wait()
    assert await together(service, 10) == [GOOD] * 10
    server.valid = [NEW]
    waiting = asyncio.create_task(together(service, 5))
    held.set()
    await renewing
    assert await waiting == [GOOD] * 5
    assert source.looks == 1
    keeper.cancel()


async def test_credentials_without_an_end_are_left_alone():
    minutes, source = Minutes(), Source(NEW)
    permanent = Credentials("AK", "SK")
    service = in_use(Server(), source, now=lambda: minutes.now, credentials=permanent)
    keeper = asyncio.create_task(service.credentials.keep_fresh(minutes.sleep))
    await minutes.until(1e12)
    assert (service.credentials.current, source.looks) == (permanent, 0)
    keeper.cancel()


LOCKED = Reply(401, {}, b'{"error_msg":"AK access failed to reach the limit,forbidden","error_code":"APIGW.0301"}')


class Locking(Server):
    """A gateway that locks the key of the requests with these numbers."""

    def __init__(self, *locked):
        super().__init__(OLD)
        self.locked = set(locked)

    async def send(self, method, target, headers, body):
        number = len(self.asked) + 1
        answer = await super().send(method, target, headers, body)
        return LOCKED if number in self.locked else answer


def locking(server, waits, source=None):
    async def sleep(seconds):
        waits.append(seconds)

    return service_of(server.send, credentials=OLD, renew=source and source.renew, sleep=sleep, warn=lambda _: None)


async def test_a_key_that_has_worked_is_sent_again_once_its_lock_has_ended():
    server, waits = Locking(2, 3, 4), []
    service = locking(server, waits)
    assert await service.start(ROW) == GOOD
    assert await together(service, 3) == [GOOD] * 3
    # Three were on the wire when the key was locked. One of them waits and tries, and the others follow it.
    assert (waits, len(server.asked)) == ([LOCKED_SECONDS], 7)


async def test_a_key_that_is_locked_from_the_beginning_or_for_good_is_refused():
    server, waits = Locking(1), []
    answer = await locking(server, waits).start(ROW)
    assert (answer.meaning.cause, waits, len(server.asked)) == (Cause.LOCKED, [], 1)
    server, waits = Locking(*range(2, 99)), []
    service = locking(server, waits)
    await service.start(ROW)
    assert (await service.start(ROW)).meaning.cause is Cause.LOCKED
    assert (len(waits), len(server.asked)) == (3, 5)


async def test_newer_keys_are_used_instead_of_waiting_for_a_lock():
    server, waits = Locking(2), []
    server.valid.append(NEW)
    service = locking(server, waits, Source(NEW))
    assert [await service.start(ROW) for _ in range(2)] == [GOOD, GOOD]
    assert (waits, server.asked) == ([], ["AK1", "AK1", "AK2"])


async def test_nothing_leaves_with_refused_credentials_while_others_are_looked_for():
    held = asyncio.Event()
    server, source = Server(OLD), Source(NEW, held=held)
    service = in_use(server, source)
    assert await service.start(ROW) == GOOD
    server.valid = [NEW]
    async with asyncio.TaskGroup() as group:
        first = group.create_task(service.start(ROW))
        await source.looking.wait()
        others = [group.create_task(service.start(ROW)) for _ in range(20)]
        for _ in range(50):
            await asyncio.sleep(0)
        assert server.asked == ["AK1", "AK1"]
        held.set()
    assert [first.result(), *(each.result() for each in others)] == [GOOD] * 21
    assert server.asked == ["AK1", "AK1", *["AK2"] * 21]


PAGE = Reply(401, {}, b"<html>Unauthorized</html>")
BLOCKED = Row(2, 2, "b", "blocked", b"", b"x" * 16)


class Firewall(Server):
    """Lets the service start each row, and answers for one of them with a page of its own."""

    def __init__(self, *valid):
        super().__init__(*valid)
        self.blocked = 0

    async def send(self, method, target, headers, body):
        answer = await super().send(method, target, headers, body)
        if b"blocked" not in body:
            return answer
        self.blocked += 1
        return PAGE


@pytest.mark.parametrize("renewed", [False, True])
async def test_a_start_that_another_program_refuses_is_sent_once_whatever_becomes_of_the_others(renewed):
    held = asyncio.Event()
    server, source = Firewall(OLD), Source(NEW, held=held) if renewed else Source()
    service = in_use(server, source)
    assert await service.start(ROW) == GOOD
    server.valid = [NEW] if renewed else [OLD]
    async with asyncio.TaskGroup() as group:
        # Where others are refused too, one of them has found newer credentials before it is the blocked one's turn.
        others = [group.create_task(service.start(ROW)) for _ in range(20)]
        blocked = group.create_task(service.start(BLOCKED))
        await asyncio.sleep(0)
        held.set()
    assert [each.result() for each in others] == [GOOD] * 20
    assert (blocked.result().status, server.blocked) == (401, 1)
