"""The service of the simulation, in plain Python: it starts, lists and describes executions, and fails by the dice.

It keeps the ledger of what truly started, by whom and when. It shares no code with the project: the judge of a
simulation must not have the opinions of the one who is judged.
"""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import parse_qs

from batcher.model import Fault, Lost, Reply

AFTER = ("lost after", "500 after", "unreadable", "nameless", "slow")
"""The faults of a start that is committed all the same."""
BEFORE = ("refused", "busy", "unsent", "lost before", "500 before", "denied")
LIST_MOODS = ("fine", "fine", "fine", "flaky", "forbidden", "markerless", "dead")
GET_MOODS = ("fine", "fine", "fine", "flaky", "forbidden")
MOST_SKEW = 900.0
"""Seconds by which the date of a request may be off."""
TYPES = ("APICALL", "APICALL", "TRIGGERCAL")
SHAPES = ("plain", "records", "twice")
XML = b"<Error><Code>%s</Code><Message>simulated</Message></Error>"


class Content(NamedTuple):
    """What an execution is for; `inputs` is JSON with sorted names."""

    bucket: str
    object: str
    inputs: str = "{}"

    @property
    def place(self):
        """Where it could be mistaken for another: keys may lose a slash, and inputs are not always told."""
        return self.bucket, self.object.removeprefix("/")

    @property
    def alike(self):
        """What an observer sees who cannot tell numbers from text."""
        inputs = json.loads(self.inputs).items()
        return *self.place, *sorted(
            (name, value if isinstance(value, str) else json.dumps(value)) for name, value in inputs
        )


class Execution(NamedTuple):
    """One entry of the ledger. Times are true POSIX seconds, on the simulated world's own clock."""

    name: str
    type: str
    content: Content
    at: float
    listed_at: float
    ours: bool


class Nature(NamedTuple):
    """What a service is like, for a whole simulation. Times are in seconds, shares between 0 and 1."""

    offset: float
    """The service's clock less the client's."""
    delay: float
    """The longest that an execution is missing from the list."""
    lag: float
    """The longest way of a request to the service."""
    faults: dict[str, float]
    mimics: float
    """The share of doubts in whose time somebody else starts something alike."""
    slow_list: float
    page: int
    shape: str


class Exchange(NamedTuple):
    """One request on its way: `out` seconds until the service makes its answer, `back` until that is there."""

    out: float
    make: Callable[[], Reply | Lost]
    back: float


def nature(dice, settle_time):
    """Draw a service that keeps its promise: what is started is listed within the settle time."""
    kinds = (*BEFORE, *AFTER)
    faults = {kind: dice.choice((0, 0, 0.03, 0.15)) for kind in kinds} | {"denied": dice.choice((0, 0, 0, 0.02))}
    return Nature(
        offset=dice.choice((0, 0, dice.uniform(-600, 600))),
        delay=settle_time * dice.choice((0, 0.1, 0.6)),
        lag=settle_time * dice.choice((0.001, 0.01, 0.3)),
        faults=faults,
        mimics=dice.choice((0, 0, 0, 0.4)),
        slow_list=dice.choice((0, 0, 0.2)),
        page=dice.choice((2, 3, 1000)),
        shape=dice.choice(SHAPES),
    )


class Service:
    """A simulated service. `clock` gives the true time, `note` takes sentences for the trace."""

    def __init__(self, dice, nature, clock, note):
        self.nature = nature
        self.executions = {}
        self.is_healthy = False
        self.list_mood = self.get_mood = "fine"
        self._dice = dice
        self._clock = clock
        self._note = note

    def turn(self, *, is_healthy):
        """Begin another run of the client: moods change."""
        self.is_healthy = is_healthy
        self.list_mood = "fine" if is_healthy else self._dice.choice(LIST_MOODS)
        self.get_mood = "fine" if is_healthy else self._dice.choice(GET_MOODS)
        self._note(f"service: list {self.list_mood}, get {self.get_mood}")

    def plant(self, content, at, type_="APICALL"):
        """Let somebody else start an execution."""
        self._add(content, at, type_, ours=False)

    def variant(self, content):
        """Make up what somebody else might start: the same content, or inputs that are more or other."""
        inputs = json.loads(content.inputs)
        variants = (inputs, inputs, inputs | {"more": 1}, inputs | {"n": 99})
        return content._replace(inputs=json.dumps(self._dice.choice(variants), sort_keys=True))

    def take(self, method, target, headers, body):
        """Take a request in. From here on a start happens, or does not, whatever becomes of the client."""
        path, _, query = target.partition("?")
        if abs(parsedate_to_datetime(headers["Date"]).timestamp() - self._service_time()) > MOST_SKEW:
            return Exchange(self._lag(), lambda: self._reply(403, XML % b"RequestTimeTooSkewed"), self._lag())
        if method == "POST":
            return self._start(body)
        if path.endswith("workflowexecutions"):
            asked = parse_qs(query)
            back = self._dice.uniform(3, 28) if self._dice.random() < self.nature.slow_list else self._lag()
            return Exchange(self._lag(), lambda: self._list(asked.get("x-workflow-next-marker", [""])[0]), back)
        if path.startswith("/v2/workflows/"):
            return Exchange(self._lag(), lambda: self._trouble(self.get_mood) or self._reply(200, {}), self._lag())
        name = path.rpartition("/")[2]
        return Exchange(self._lag(), lambda: self._get(name), self._lag())

    def _lag(self):
        return self._dice.uniform(0, self.nature.lag)

    def _start(self, body):
        order = json.loads(body)
        content = Content(order["bucket"], order["object"], json.dumps(order.get("inputs", {}), sort_keys=True))
        fault = "none" if self.is_healthy else self._draw()
        out, back = self._lag(), self._lag()
        self._note(f"service: start of {content.object} {content.inputs}, fault {fault}")
        if fault != "none" and self._dice.random() < self.nature.mimics:
            self.plant(self.variant(content), self._clock() + self._dice.uniform(-3, 10), self._dice.choice(TYPES))
        if fault in BEFORE:
            return Exchange(out, lambda: self._failure(fault), back)
        if content.object.startswith("missing"):
            return Exchange(out, lambda: self._reply(404, b'{"code": "SYS.0015", "message": "no such object"}'), back)
        execution = self._add(content, self._clock() + out, "APICALL", ours=True)
        if fault == "slow":
            back += self._dice.uniform(1, 60)
        return Exchange(out, lambda: self._failure(fault, execution), back)

    def _draw(self):
        chance = self._dice.random()
        for fault, share in self.nature.faults.items():
            if chance < share:
                return fault
            chance -= share
        return "none"

    def _add(self, content, at, type_, *, ours):
        name = f"{self._dice.getrandbits(128):032x}"
        execution = Execution(name, type_, content, at, at + self._dice.uniform(0, self.nature.delay), ours)
        self.executions[name] = execution
        who = "ours" if ours else type_
        self._note(f"service: execution {name[:6]} of {content.object} {content.inputs} at {at:.3f}, {who}")
        return execution

    def _failure(self, fault, execution=None):
        failures = {
            "refused": lambda: self._reply(503, XML % b"SlowDown"),
            "busy": lambda: self._reply(429, b'{"code": "SYS.0011", "message": "too many"}'),
            "unsent": lambda: Lost(Fault.UNREACHED, "simulated"),
            "lost before": lambda: Lost(Fault.LOST, "simulated"),
            "500 before": lambda: self._reply(500, XML % b"InternalError"),
            "denied": lambda: self._reply(401, XML % b"Unauthorized"),
            "lost after": lambda: Lost(Fault.LOST, "simulated"),
            "500 after": lambda: self._reply(500, XML % b"InternalError"),
            "unreadable": lambda: self._reply(200, b"<html>"),
            "nameless": lambda: self._reply(200, b"{}"),
        }
        return failures.get(fault, lambda: self._reply(200, self._item(execution)))()

    def _reply(self, status, body):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Reply(status, {"date": formatdate(math.floor(self._service_time()), usegmt=True)}, content)

    def _service_time(self):
        return self._clock() + self.nature.offset

    def _trouble(self, mood):
        if mood == "flaky" and self._dice.random() < 0.4:
            return self._dice.choice((self._reply(500, XML % b"InternalError"), Lost(Fault.LOST, "simulated")))
        if mood == "forbidden":
            return self._reply(403, XML % b"AccessDenied")
        return Lost(Fault.LOST, "simulated") if mood == "dead" else None

    def _list(self, marker):
        trouble = self._trouble(self.list_mood)
        if trouble is not None:
            return trouble
        now = self._clock()
        listed = sorted((each.type + each.name, each) for each in self.executions.values() if each.listed_at <= now)
        following = [pair for pair in listed if pair[0] > marker]
        shown = following[: self.nature.page]
        is_truncated = len(following) > len(shown)
        page = {
            "count": len(shown),
            "is_truncated": is_truncated,
            "executions": [self._item(each) for _, each in shown],
        }
        if is_truncated and self.list_mood != "markerless":
            page["next_marker"] = shown[-1][0]
        return self._reply(200, page)

    def _item(self, execution):
        started_at = datetime.fromtimestamp(execution.at + self.nature.offset, UTC)
        return {
            "execution_name": execution.name,
            "execution_urn": "urn:" + execution.name,
            "execution_type": execution.type,
            "execution_state": "RUNNING",
            "started_at": started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "stopped_at": "",
        }

    def _get(self, name):
        trouble = self._trouble(self.get_mood)
        if trouble is not None:
            return trouble
        execution = self.executions[name]
        bucket, key, inputs = execution.content
        told = {"bucket": bucket, "object": key, "inputs": json.loads(inputs)}
        if self.nature.shape == "records":
            event = {"obs": {"bucket": {"name": bucket}, "object": {"key": key}}}
            told = {"Records": [event], "inputs": json.loads(inputs)}
        text = json.dumps(told)
        text = json.dumps(text) if self.nature.shape == "twice" else text
        return self._reply(200, {"execution_info": {**self._item(execution), "input": text}})
