"""The keys in use: renewed once for everybody, tried by one request alone, never sent again once refused."""

import asyncio

import pytest

from batcher.flow.credentials import STOPPED, Keys
from batcher.model import Answer, Credentials

OLD = Credentials("AK1", "SK1", "T1", expires_at=10_000.0)
NEW = Credentials("AK2", "SK2", "T2", expires_at=50_000.0)
GOOD = Answer(200, body={"execution_name": "e"})
REFUSALS = [
    Answer(403, "InvalidAccessKeyId"),
    Answer(403, "SignatureDoesNotMatch"),
    Answer(400, "ExpiredToken"),
    Answer(401),
    Answer(403, "SYS.0013"),
    Answer(500, "SYS.0008"),
]
REFUSED = REFUSALS[0]


class Service:
    """Takes the keys in `valid`, refuses others, and notes whose requests arrived."""

    def __init__(self, *valid, refusal=REFUSED):
        self.valid = list(valid)
        self.refusal = refusal
        self.asked = []

    async def ask(self, credentials):
        self.asked.append(credentials.access_key)
        is_valid = credentials in self.valid
        await asyncio.sleep(0)
        return GOOD if is_valid else self.refusal


class Source:
    """Where keys are found again, and how often that was tried. With `held` it answers when that is set."""

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


def in_use(source=None, *, stopped=lambda: False, now=lambda: 0.0, credentials=OLD):
    return Keys(credentials, source and source.renew, stopped, now)


async def together(keys, service, count):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(keys.use(service.ask)) for _ in range(count)]
    return [task.result() for task in tasks]


async def test_good_keys_sign_every_request_once():
    service, source = Service(OLD), Source(NEW)
    keys = in_use(source)
    assert await together(keys, service, 10) == [GOOD] * 10
    assert service.asked == ["AK1"] * 10
    assert source.looks == 0


async def test_the_first_request_is_alone_until_it_is_answered():
    answered, arrived = asyncio.Event(), asyncio.Event()
    asked = []

    async def ask(credentials):
        asked.append(credentials)
        arrived.set()
        await answered.wait()
        return GOOD

    keys = in_use()
    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(keys.use(ask))
        await arrived.wait()
        assert len(asked) == 1
        answered.set()
    assert len(asked) == 10


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_wrong_keys_that_are_final_are_sent_by_one_request_alone(refusal):
    service = Service(NEW, refusal=refusal)
    refused = []
    keys = in_use(stopped=lambda: bool(refused))

    async def work():
        answer = await keys.use(service.ask)
        if answer == refusal:
            refused.append(answer)
        return answer

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work()) for _ in range(64)]
    assert service.asked == ["AK1"]
    assert [task.result() for task in tasks] == [refusal] + [STOPPED] * 63


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_keys_that_expire_are_renewed_once_for_all_and_every_request_is_sent_again(refusal):
    service, source = Service(OLD, refusal=refusal), Source(NEW, NEW, NEW)
    keys = in_use(source)
    await keys.use(service.ask)
    service.valid = [NEW]
    assert await together(keys, service, 20) == [GOOD] * 20
    assert source.looks == 1
    assert (service.asked.count("AK1"), service.asked.count("AK2")) == (21, 20)
    assert keys.current == NEW


async def test_keys_that_were_never_good_are_renewed_too():
    service, source = Service(NEW), Source(NEW)
    assert await together(in_use(source), service, 5) == [GOOD] * 5
    assert service.asked == ["AK1"] + ["AK2"] * 5


async def test_new_keys_that_are_refused_too_are_the_end():
    service, source = Service(), Source(NEW, Credentials("AK3", "SK3"))
    assert await in_use(source).use(service.ask) == REFUSED
    assert service.asked == ["AK1", "AK2"]
    assert source.looks == 1


async def test_new_keys_are_tried_by_one_request_alone_where_the_old_ones_have_expired():
    service, source = Service(OLD), Source(NEW)
    refused = []
    keys = in_use(source, stopped=lambda: bool(refused))
    await keys.use(service.ask)
    service.valid = []

    async def work():
        answer = await keys.use(service.ask)
        if answer == REFUSED:
            refused.append(answer)

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(work())
    assert (service.asked.count("AK1"), service.asked.count("AK2")) == (21, 1)


@pytest.mark.parametrize("found", [[], [Credentials("AK1", "SK1", "T1", "the same, found again")]])
async def test_refused_keys_are_not_sent_again_where_there_are_no_others(found):
    service, source = Service(), Source(*found)
    assert await in_use(source).use(service.ask) == REFUSED
    assert service.asked == ["AK1"]


@pytest.mark.parametrize("answer", [Answer(403, "AccessDenied"), Answer(404, "NoSuchKey"), Answer(503, "SlowDown")])
async def test_an_answer_that_is_not_about_keys_is_passed_on(answer):
    service, source = Service(refusal=answer), Source(NEW)
    assert await in_use(source).use(service.ask) == answer
    assert (service.asked, source.looks) == (["AK1"], 0)


async def test_nothing_is_sent_again_when_the_job_stops_while_new_keys_are_looked_for():
    stopping, held = [], asyncio.Event()
    service, source = Service(OLD), Source(NEW, held=held)
    keys = in_use(source, stopped=lambda: bool(stopping))
    await keys.use(service.ask)
    service.valid = [NEW]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(keys.use(service.ask)) for _ in range(3)]
        await source.looking.wait()
        stopping.append("SIGTERM")
        held.set()
    assert [task.result() for task in tasks] == [REFUSED] * 3
    assert service.asked == ["AK1"] * 4


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


async def test_keys_are_replaced_ten_minutes_before_they_expire():
    minutes, source = Minutes(), Source(NEW)
    keys = in_use(source, now=lambda: minutes.now)
    keeper = asyncio.create_task(keys.keep_fresh(minutes.sleep))
    await minutes.until(9_399.0)
    assert (keys.current, source.looks) == (OLD, 0)
    await minutes.until(9_400.0)
    assert (keys.current, source.looks) == (NEW, 1)
    await minutes.until(9_460.0)
    assert source.looks == 1
    keeper.cancel()


async def test_a_renewal_that_fails_is_tried_again_and_the_old_keys_stay_meanwhile():
    minutes, source = Minutes(), Source(None, OLD, NEW)
    keys = in_use(source, now=lambda: minutes.now)
    keeper = asyncio.create_task(keys.keep_fresh(minutes.sleep))
    seen = []
    for now in (9_400.0, 9_460.0, 9_520.0):
        await minutes.until(now)
        seen.append(keys.current)
    assert (seen, source.looks) == ([OLD, OLD, NEW], 3)
    keeper.cancel()


async def test_starts_go_on_with_the_old_keys_while_new_ones_are_looked_for():
    minutes, held = Minutes(), asyncio.Event()
    service, source = Service(OLD), Source(NEW, held=held)
    keys = in_use(source, now=lambda: minutes.now)
    await keys.use(service.ask)
    keeper = asyncio.create_task(keys.keep_fresh(minutes.sleep))
    renewing = asyncio.create_task(minutes.until(9_400.0))
    await source.looking.wait()
    assert await together(keys, service, 10) == [GOOD] * 10
    service.valid = [NEW]
    waiting = asyncio.create_task(together(keys, service, 5))
    held.set()
    await renewing
    assert await waiting == [GOOD] * 5
    assert source.looks == 1
    keeper.cancel()


async def test_keys_without_an_end_are_left_alone():
    minutes, source = Minutes(), Source(NEW)
    permanent = Credentials("AK", "SK")
    keys = in_use(source, now=lambda: minutes.now, credentials=permanent)
    keeper = asyncio.create_task(keys.keep_fresh(minutes.sleep))
    await minutes.until(1e12)
    assert (keys.current, source.looks) == (permanent, 0)
    keeper.cancel()
