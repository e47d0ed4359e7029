"""The service of the simulation, in plain Python: it starts, lists and describes executions, and fails by the dice.

It keeps the ledger of what truly started, by whom and when, and may show something else (`simulated_lies.py`). It
shares no code with the project: the judge of a simulation must not have the opinions of the one who is judged.
"""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from simulated_lies import SHARE
from simulated_nature import BEFORE

from batcher.model import Fault, Lost, Reply

LIST_MOODS = ("fine", "fine", "fine", "flaky", "forbidden", "markerless", "dead")
GET_MOODS = ("fine", "fine", "fine", "flaky", "forbidden")
SLIP = 5.5
"""Seconds by which a time in the list may differ from the truth and still count as true."""
MOST_SKEW = 900.0
"""Seconds by which the date of a request may be off."""
TYPES = ("APICALL", "APICALL", "TRIGGERCAL")
OURS, OTHER = "transcode", "another"
"""The workflows: ours, and that of a neighbour."""
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
    workflow: str = OURS


class Exchange(NamedTuple):
    """One request on its way: `out` seconds until the service makes its answer, `back` until that is there."""

    out: float
    make: Callable[[], Reply | Lost]
    back: float


class Service:
    """A simulated service. `clock` gives the true time, `note` takes sentences for the trace, `lies` are its own."""

    def __init__(self, dice, nature, clock, note, lies):
        self.nature = nature
        self.executions = {}
        self.names = {}
        """The names of the executions by what clients are told."""
        self.confused = set()
        """The contents of starts that were answered with the execution of another start, and of these others."""
        self.is_healthy = False
        self.list_mood = self.get_mood = "fine"
        self._dice = dice
        self._clock = clock
        self._note = note
        self._lies = lies
        self._previous = None
        self._listed_names, self._truly_listed, self._walked_at = set(), set(), 0.0
        self._truly_described = {}

    def turn(self, *, is_healthy):
        """Begin another run of the client: moods change."""
        self.is_healthy = is_healthy
        self.list_mood = "fine" if is_healthy else self._dice.choice(LIST_MOODS)
        self.get_mood = "fine" if is_healthy else self._dice.choice(GET_MOODS)
        self._truly_described = {}
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
        is_dated = self._lies.told("date", 0.0) is not None
        if is_dated and abs(parsedate_to_datetime(headers["Date"]).timestamp() - self._service_time()) > MOST_SKEW:
            return Exchange(self._lag(), lambda: self._reply(403, XML % b"RequestTimeTooSkewed"), self._lag())
        if method == "POST":
            return self._start(body)
        if path.endswith("workflowexecutions"):
            asked = parse_qs(query)
            back = self._dice.uniform(3, 28) if self._dice.random() < self.nature.slow_list else self._lag()
            return Exchange(self._lag(), lambda: self._list(asked.get("x-workflow-next-marker", [""])[0]), back)
        if path.startswith("/v2/workflows/"):
            return Exchange(self._lag(), lambda: self._trouble(self.get_mood) or self._reply(200, {}), self._lag())
        name = unquote(path.rpartition("/")[2])
        return Exchange(self._lag(), lambda: self._get(name), self._lag())

    def _lag(self):
        return self._dice.uniform(0, self.nature.lag)

    def _start(self, body):
        order = json.loads(body)
        content = Content(order["bucket"], order["object"], json.dumps(order.get("inputs", {}), sort_keys=True))
        fault = "none" if self.is_healthy else self._draw()
        out, back = self._lag(), self._lag()
        if self._lies.having("has_neighbour"):
            self._add(content, self._clock() + self._dice.uniform(0, 3), "APICALL", ours=False, workflow=OTHER)
        self._note(f"service: start of {content.object} {content.inputs}, fault {fault}")
        if fault != "none" and self._dice.random() < self.nature.mimics:
            self.plant(self.variant(content), self._clock() + self._dice.uniform(-3, 10), self._dice.choice(TYPES))
        if fault in BEFORE:
            return Exchange(out, lambda: self._failure(fault), back)
        if content.object.startswith("missing"):
            return Exchange(out, lambda: self._reply(404, b'{"code": "SYS.0015", "message": "no such object"}'), back)
        answered = self._answered_as_another(content)
        if answered is not None and self._lies.having("answer") == "stale":
            return Exchange(out, lambda: self._failure("none", answered), back)
        out = self._lies.told("commit", out)
        late = self._lies.told("late", 0.0) if fault == "lost after" else 0.0
        execution = self._add(content, self._clock() + out + late, "APICALL", ours=True)
        self._previous = answered or execution
        if fault == "slow":
            back += self._dice.uniform(1, 60)
        return Exchange(out, lambda: self._failure(fault, answered or execution), back)

    def _answered_as_another(self, content):
        """Give the execution of the start before, if this start is answered with that one."""
        previous = self._previous if self._lies.having("answer") else None
        if previous is None or self._dice.random() > SHARE:
            return None
        self.confused |= {content, previous.content}
        return previous

    def _draw(self):
        chance = self._dice.random()
        for fault, share in self.nature.faults.items():
            if chance < share:
                return fault
            chance -= share
        return "none"

    def _add(self, content, at, type_, *, ours, workflow=OURS):
        name = f"{self._dice.getrandbits(128):032x}"
        listed_at = at + self._dice.uniform(0, self.nature.delay)
        execution = Execution(name, type_, content, at, listed_at, ours, workflow)
        self.executions[name] = execution
        self.names |= {name: name, self._lies.told("name", name): name}
        who = "ours" if ours else f"{type_} of {workflow}"
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
        is_odd = self._lies.having("is_in_answers")
        return failures.get(fault, lambda: self._reply(200, self._item(execution, is_odd=is_odd)))()

    def _reply(self, status, body, date=math.nan):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        date = self._lies.told("date", self._clock() if date is not None and math.isnan(date) else date)
        dated = {} if date is None else {"date": formatdate(math.floor(date + self.nature.offset), usegmt=True)}
        return Reply(status, dated, content)

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
        seen = self._lies.told("seen", now)
        listed = sorted((each.type + each.name, each) for each in self._listed(seen, now))
        following = [pair for pair in listed if pair[0] > marker]
        shown = following[: self.nature.page]
        is_truncated = len(following) > len(shown)
        page = {
            "count": len(shown),
            "is_truncated": is_truncated,
            "executions": [self._shown(each) for _, each in shown],
        }
        if is_truncated and self.list_mood != "markerless":
            page["next_marker"] = shown[-1][0]
        page = self._lies.told("page", page, [pair[0] for pair in following[len(shown) :]])
        if not marker:
            self._listed_names, self._truly_listed, self._walked_at = set(), set(), now
        self._listed_names |= {each.name for _, each in shown}
        self._truly_listed |= {each.name for _, each in shown if self._is_shown_truly(each)}
        return self._reply(200, page, self._lies.told("list_date", seen, now))

    def _listed(self, seen, now):
        is_mixed = self._lies.having("has_neighbour")
        known = [each for each in self.executions.values() if is_mixed or each.workflow == OURS]
        return self._lies.told("listed", [each for each in known if each.listed_at <= seen], now)

    def _item(self, execution, *, is_odd):
        """Show an execution as the answer to its start does. `is_odd` lets the lies change its time."""
        at = self._lies.told("at", execution.at, execution.name) if is_odd else execution.at
        at += self.nature.offset
        started_at = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "execution_name": execution.name,
            "execution_urn": f"urn:{execution.workflow}:{execution.name}",
            "execution_type": execution.type,
            "execution_state": "RUNNING",
            "started_at": self._lies.told("time", started_at, at) if is_odd else started_at,
            "stopped_at": "",
        }

    def _shown(self, execution):
        """Show an execution as the list and its detail do."""
        item = self._item(execution, is_odd=True)
        return item | {
            "execution_name": self._lies.told("name", execution.name),
            "execution_urn": self._lies.told("urn", item["execution_urn"]),
            "execution_type": self._lies.told("type", execution.type, execution.name),
        }

    def _get(self, asked):
        trouble = self._trouble(self.get_mood)
        if trouble is not None:
            return trouble
        true = self.names.get(asked)
        name = true and self._lies.told("detail", true, self.executions, self._clock())
        if name is None:
            return self._reply(404, b'{"code": "SYS.0015", "message": "no such execution"}')
        source = self._lies.told("content", name, self.executions)
        is_alike = self.executions[source].content.alike == self.executions[true].content.alike
        self._truly_described[true] = true == name and is_alike
        return self._reply(200, self._detail(self.executions[name], self._text(source)))

    def _detail(self, execution, text):
        return {"execution_info": {**self._shown(execution), "input": text}}

    def _text(self, name):
        """Write what an execution was started with."""
        bucket, key, inputs = self.executions[name].content
        bucket, key = self._lies.told("bucket", bucket), self._lies.told("key", key)
        inputs = self._lies.told("inputs", json.loads(inputs))
        shown = {} if inputs is None else {"inputs": inputs}
        told = {"bucket": bucket, "object": key} | shown
        if self.nature.shape == "records":
            event = {"obs": {"bucket": {"name": bucket}, "object": {"key": key}}}
            told = {"Records": [event]} | shown
        text = json.dumps(told)
        return self._lies.told("input", json.dumps(text) if self.nature.shape == "twice" else text)

    # What the judge asks

    @property
    def ahead(self):
        """The seconds by which the `Date` of the list is ahead, by which it dates doubts too late."""
        told = self._lies.told("list_date", 0.0, 0.0)
        return max(0.0, told or 0.0)

    def is_fooling(self, content, answered, adopted):
        """Tell whether the latest walk shows what is known of these starts, and hides those that we have of a content.

        No client can tell this from the truth: the lie strikes what is asked about, and nothing that is known. Of those
        that a client has adopted it knows nothing but from the list.
        """
        described = [self._truly_described.get(self.names.get(each.name)) for each in answered]
        asked = [each for each in self.executions.values() if each.ours and each.content == content]
        return (
            all(self._is_shown_as_known(each) for each in answered)
            and False not in described
            and (True in described or bool(adopted and not answered))
            and all(self._is_hidden(each) for each in asked)
        )

    def mixed_up(self, told, answered):
        """Say why a client could not know that an execution is not what it was shown as, empty if it could."""
        execution = self.executions[self.names[told]]
        controls = [self._truly_described.get(self.names.get(each.name)) for each in answered]
        is_blameless = False not in controls and (not controls or True in controls)
        if not self._truly_described.get(execution.name, True) and is_blameless:
            return "shown as another execution by a service that shows all that is known"
        if not self._is_own(execution) and not answered:
            return "shown at another time by a service of which nothing is known"
        return ""

    def _is_hidden(self, execution):
        """Tell whether the latest walk did not show an execution that an honest one would have shown, or as another."""
        is_told = execution.name in self._listed_names and self._is_own(execution)
        is_described = self._truly_described.get(execution.name, True)
        return not (is_told and is_described) and execution.listed_at <= self._walked_at

    def _is_shown_as_known(self, answered):
        """Tell whether the latest walk shows an answered start with its name and at its time.

        Its time is known from its answer, and from when it was sent and answered.
        """
        execution = self.executions[self.names[answered.name]]
        at = self._time_shown(execution, is_odd=True)
        told = self._time_shown(execution, is_odd=bool(self._lies.having("is_in_answers")))
        is_in_time = at is None or (
            answered.begin - SLIP < at < answered.end + SLIP and (told is None or abs(at - told) < SLIP)
        )
        return execution.name in self._truly_listed and is_in_time

    def _is_shown_truly(self, execution):
        shown, true = self._shown(execution), self._item(execution, is_odd=False)
        return self._is_typed_truly(execution) and all(
            shown[part] == true[part] for part in ("execution_name", "execution_urn")
        )

    def _is_own(self, execution):
        """Tell whether an execution is shown with its time, and as started by a request or by an event as it was."""
        at = self._time_shown(execution, is_odd=True)
        return self._is_typed_truly(execution) and (at is None or abs(at - execution.at) < SLIP)

    def _time_shown(self, execution, *, is_odd):
        """Give the time that is shown of an execution, as true time. None if nobody can read it."""
        at = _read(self._item(execution, is_odd=is_odd)["started_at"])
        return None if at is None else at - self.nature.offset

    def _is_typed_truly(self, execution):
        type_ = self._lies.told("type", execution.type, execution.name)
        return type_.upper().startswith("TRIGGER") is execution.type.startswith("TRIGGER")


def _read(text):
    """Read a time as ISO 8601 has it, in UTC if it has no zone. None, which may be any time, if it is nothing such."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
