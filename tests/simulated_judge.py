"""The judge of the simulation: compares what the service's ledger says with what the job claims, and complains.

What a row's time was is known from what the checkpoint was told and when, on the true clock. Where the service lies,
rows may be held. Still none may be started twice or lost, but for what no client can tell.
"""

import json
from collections import Counter
from typing import NamedTuple

from simulated_service import Content

from batcher.errors import ExitCode
from batcher.model import Row, Status
from batcher.rules.rows.identity import content_key

LATE = 60.0
"""Seconds after a doubt in which its execution may yet begin, or the settle time if that is longer: the job promises to
look so far, and no further."""
SLACK = 40.0
"""Seconds by which the client may misjudge the service's clock, where the answers that tell it are slow."""
BAD_LINE = '{"object": ""}\n'


class Window(NamedTuple):
    """When a row may have been sent, in true time; `end` is None while nobody has put it in doubt."""

    begin: float
    end: float | None


class Answered(NamedTuple):
    """A start that was answered: the name of its execution, and when it must have begun by what the client knows."""

    name: str
    begin: float
    end: float


class Watch:
    """Sees what the checkpoint is told, and keeps when each row may have been sent."""

    def __init__(self, now, note, service):
        self.windows = {}
        self.fooled = {}
        """The contents of which the client could not know better, each with the proof of that."""
        self.stood = 0.0
        """Seconds by which the client may believe that it is earlier, since its machine stood still."""
        self._content_of = {}
        self._doubted = set()
        self._answered = {}
        """The starts that were answered, by content."""
        self._adopted = set()
        """The names of those that were found in the list."""
        self._now = now
        self._note = note
        self._service = service

    def admitted(self, rows):
        for admitted in rows:
            if not isinstance(admitted.row, Row):
                continue
            inputs = json.loads(admitted.row.inputs or b"{}")
            content = Content(admitted.row.bucket, admitted.row.object, json.dumps(inputs, sort_keys=True))
            self._content_of[admitted.id] = content
            if admitted.status is Status.SENDING:
                self._note(f"client: intent of {admitted.id} {content.object} {content.inputs}")
                self.windows.setdefault(content, []).append(Window(self._now() - self.stood, None))

    def settled(self, settlements):
        for settlement in settlements:
            self._note(f"client: {settlement.id} is {settlement.status.name} {settlement.execution[:6]}")
            content = self._content_of.get(settlement.id)
            if settlement.execution and content in self._doubted:
                self._adopted_as(content, settlement.execution)
            elif settlement.execution:
                begin = self.windows[content][-1].begin - SLACK
                self._answered[content] = Answered(settlement.execution, begin, self._now())
            if settlement.status is Status.IN_DOUBT:
                self._doubted.add(content)
                # Where it had an answer, a crash came before that was on the disk.
                self._answered.pop(content, None)
            if settlement.status is Status.PENDING:
                self._doubted.discard(content)
                if self._service.is_fooling(content, self._answered.values(), self._adopted):
                    self.fooled[content] = "hidden by a list that shows all that is known"
            windows = self.windows.get(content)
            if settlement.status is Status.IN_DOUBT and windows:
                windows[-1] = windows[-1]._replace(end=self._now())

    def _adopted_as(self, content, name):
        service = self._service
        proof = service.mixed_up(name, self._answered.values())
        if proof:
            self.fooled |= {content: proof, service.executions[service.names[name]].content: proof}
        self._adopted.add(name)


class Claims(NamedTuple):
    """What the job claims at its end: the checkpoint's rows by key, the records in their order, and the exit code."""

    rows: dict[bytes, tuple[Status, str]]
    records: list[dict]
    code: ExitCode


class Untold(NamedTuple):
    """What the client could not tell."""

    is_lied_to: bool
    names: dict[str, str]
    """The names of executions by those that it was told."""
    fooled: dict[Content, str]
    """The contents of which it could not know better, each with the proof of that."""
    confused: set[Content]
    """The contents whose starts were answered with the execution of another start."""
    late: float
    """The seconds after a doubt in which the client may take an execution for a row's."""


class Judge:
    """Judges one simulation. `lines` are those of the manifest, `executions` is the ledger."""

    def __init__(self, lines, executions, windows, claims, untold, *, is_ordered):
        self.held = self.twice = self.lost = 0
        """The numbers of contents in doubt, started twice, and neither started nor in doubt."""
        self.excused = Counter()
        """The numbers of contents that were started twice or lost, and the client could not tell, by the proof."""
        self._untold = untold
        self._lines = lines
        self._contents = [content_of(line) for line in lines]
        self._executions = executions
        self._windows = windows
        self._claims = claims
        self._is_ordered = is_ordered

    def complaints(self):
        """Tell which promises are broken."""
        started = Counter(each.content for each in self._executions.values() if each.ours)
        for content, count in started.items():
            if count > 1 and not self._is_excused(content):
                self.twice += 1
                yield f"{content} was started {count} times"
        for content in sorted(set(filter(None, self._contents))):
            fault = self._fault_of(content, *self._end_of(content))
            if fault:
                yield f"{content} {fault}"
        expected = self._expected_code()
        if self._claims.code != expected:
            yield f"the exit code is {self._claims.code}, not {expected}"
        yield from self._faults_of_records()
        if self._is_ordered:
            yield from self._faults_of_last_lines()

    def _is_excused(self, content):
        proof = self._untold.fooled.get(content)
        proof = proof or (content in self._untold.confused and "answered with the execution of another start")
        if proof:
            self.excused[proof] += 1
        return bool(proof)

    def _end_of(self, content):
        inputs = json.loads(content.inputs)
        canonical = json.dumps(inputs, sort_keys=True, separators=(",", ":")).encode() if inputs else b""
        return self._claims.rows.get(content_key(content.bucket, content.object, canonical), (None, ""))

    def _fault_of(self, content, state, name):
        """Say what is wrong with how a row ended, None where all is well."""
        if state is Status.STARTED:
            return self._fault_of_name(content, name)
        if state is Status.IN_DOUBT:
            self.held += 1
            is_clear = not self._is_blurred(content) and self._has_control() and not self._is_unknown(content)
            is_allowed = self._untold.is_lied_to or not is_clear
            return None if is_allowed else "is held, and the list is clear"
        is_rejected = state is Status.REJECTED and content.object.startswith("missing")
        return None if is_rejected else f"was lost: it is {state}"

    def _fault_of_name(self, content, name):
        execution = self._execution(name)
        if self._untold.is_lied_to:
            if self._is_started(content, execution):
                return None
            self.lost += 1
            return f"was lost: it is said to be {execution}"
        if execution is None or execution.content.alike != content.alike or execution.type != "APICALL":
            return f"is said to be started as {name}, which is {execution}"
        is_own = execution.ours and execution.content == content
        if not is_own and not self._is_within(execution, content):
            return f"has adopted {execution} of another time, windows {self._windows.get(content)}"
        return None

    def _execution(self, name):
        return self._executions.get(self._untold.names.get(name))

    def _is_started(self, content, adopted):
        """Tell whether a row was started at all, by the client or by somebody whose start cannot be told from it."""
        is_ours = any(each.ours and each.content == content for each in self._executions.values())
        is_alike = adopted is not None and adopted.content.alike == content.alike and self._is_within(adopted, content)
        return is_ours or is_alike or self._is_excused(content)

    def _is_blurred(self, content):
        """Tell whether something that could be mistaken for a row happened in its time."""
        other_rows = any(other and other != content and other.place == content.place for other in self._contents)
        others = (each for each in self._executions.values() if each.content.place == content.place)
        return other_rows or any(not each.ours and self._is_within(each, content) for each in others)

    def _is_unknown(self, content):
        """Tell whether another client has started what a row is held for: the simulated machine has no witness."""
        held = {record["object"] for record in self._claims.records if _code(record) == "UnknownExecution"}
        calls = (each for each in self._executions.values() if not each.ours and each.type == "APICALL")
        return content.object in held and any(each.content.place == content.place for each in calls)

    def _has_control(self):
        """Tell whether the job knows an execution of its own, by which it can see that the list is complete."""
        return any(state is Status.STARTED for state, _ in self._claims.rows.values())

    def _is_within(self, execution, content):
        late = self._untold.late
        return any(
            window.begin - SLACK <= execution.at and (window.end is None or execution.at <= window.end + late)
            for window in self._windows.get(content, ())
        )

    def _expected_code(self):
        states = {self._end_of(content)[0] for content in self._contents if content}
        if Status.IN_DOUBT in states:
            return ExitCode.ROWS_IN_DOUBT
        return ExitCode.ROWS_REJECTED if None in self._contents or Status.REJECTED in states else ExitCode.OK

    def _faults_of_records(self):
        started = [record for record in self._claims.records if record["status"] == "started"]
        named = {record["execution_name"] for record in started}
        owned = {name for state, name in self._claims.rows.values() if state is Status.STARTED}
        if named != owned:
            yield f"records name {named - owned} that the checkpoint does not, and lack {owned - named}"
        for record in started:
            execution = self._execution(record["execution_name"])
            is_its_own = execution is not None and execution.content.place[1] == record["object"].removeprefix("/")
            if not is_its_own and not self._untold.is_lied_to:
                yield f"{record['object']} is recorded as {record['execution_name']}, which is {execution}"

    def _faults_of_last_lines(self):
        """Compare each row's last record with how the checkpoint says that it ended."""
        last = {record["row"]: record["status"] for record in self._claims.records}
        seen = set()
        for number, (line, content) in enumerate(zip(self._lines, self._contents, strict=True), 1):
            state, _ = self._end_of(content) if content else (Status.INVALID, "")
            state = Status.DUPLICATE if content and line in seen else state
            # Every bad line is the same bad line, and is written down once.
            is_again = content is None and line in seen
            seen.add(line)
            if not is_again and (state is None or last.get(number) != state.name.lower()):
                yield f"the last record of row {number} is {last.get(number)}, and the row is {state}"


def _code(record):
    return (record["error"] or {}).get("code")


def content_of(line):
    """Read a line of the manifest; None for the bad one."""
    if line == BAD_LINE:
        return None
    row = json.loads(line)
    return Content("bucket", row["object"], json.dumps(row["inputs"], sort_keys=True))
