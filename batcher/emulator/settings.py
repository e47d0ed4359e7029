"""The settings: everything the emulator can be told, as one checked value.

What the public documents leave open about the service (list delay, the shape of `input` ...) is a setting here, so
that a client can be tried against each reading.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from pathlib import Path

from batcher.emulator.answers import Refusal, json_refusal
from batcher.emulator.faults import FaultKind
from batcher.errors import UsageError
from batcher.model import Credentials, Json

MADE_UP = Credentials("EMULATORACCESSKEY0", "emulator-secret-key", source="made up for the emulator")
"""Well known on purpose: it opens nothing but an emulator."""

NO_WORKFLOW = json_refusal(404, "Workflow.0001", "The workflow does not exist.")
"""No page names the code of an unknown workflow, so this one is a guess that a setting can replace."""


class ParameterType(StrEnum):
    """The types of a workflow's parameters (https://support.huaweicloud.com/en-us/api-obs/obs_04_0122.html)."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    LIST = "list"
    MAP = "map"


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared parameter: its type, its default as text, None where a caller has to give a value, and constraints.

    The emulator only tells its constraints: what the service makes of a start that breaks one is not documented.
    """

    type: ParameterType
    default: str | None = None
    constraints: Mapping[str, Json] = field(default_factory=dict)


class ThrottleAnswer(StrEnum):
    """How a start over the rate is refused: 503 SlowDown by the front end, or 429 SYS.0011 by the back end."""

    SLOWDOWN = "slowdown"
    TOO_MANY = "429"


class InputShape(StrEnum):
    """How an execution tells what it was started with: bucket and object by name, or as the record of an event."""

    PLAIN = "plain"
    RECORDS = "records"


class InputKeys(StrEnum):
    """How the object's key stands in an event record: as it is, or percent-encoded."""

    RAW = "raw"
    ENCODED = "encoded"


class Quirk(StrEnum):
    """What the documents leave open and no other setting tells; without a quirk the likelier reading holds."""

    CREATED = "created"
    COUNT_ALL = "count-all"
    NO_FILTER = "no-filter"
    LOCAL_TIME = "local-time"
    NO_DATE = "no-date"
    KEYS_NORMALISED = "keys-normalised"
    INPUTS_AS_TEXT = "inputs-as-text"
    INPUTS_ADDED = "inputs-added"
    INPUTS_LOST = "inputs-lost"


QUIRKS: Mapping[Quirk, str] = {
    Quirk.CREATED: "a start is answered with 201",
    Quirk.COUNT_ALL: "the list's count is that of all executions, not of the page",
    Quirk.NO_FILTER: "the list ignores which type it is asked for",
    Quirk.LOCAL_TIME: "the list tells the time of UTC+8 as if it were UTC",
    Quirk.NO_DATE: "answers have no Date",
    Quirk.KEYS_NORMALISED: "an execution's key is trimmed and in normal form (NFC)",
    Quirk.INPUTS_AS_TEXT: "an execution's inputs have all become text",
    Quirk.INPUTS_ADDED: "the defaults of parameters are among an execution's inputs",
    Quirk.INPUTS_LOST: "an execution does not tell its inputs",
}
"""Each quirk in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an emulator does. Times are in seconds, shares between 0 and 1. Raises UsageError on what cannot be."""

    credentials: Credentials = MADE_UP
    workflows: Mapping[str, Mapping[str, Declared]] = field(default_factory=lambda: {"transcode": {}})
    """The declared parameters of each workflow, by name."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free port."""
    ssl_context: ssl.SSLContext | None = None
    clock: Callable[[], float] = time.time
    """Gives POSIX time in seconds; all that the emulator says of time comes from here."""
    ledger: Path | None = None
    past: int = 0
    """Executions that ended before the emulator began."""

    run_time: float = 5.0
    """How long an execution is RUNNING."""
    fail_share: float = 0.0
    """The share of objects whose executions end FAILED."""
    reject_share: float = 0.0
    """The share of objects that are said to be missing."""

    rate: float | None = None
    """Starts a second; None is without limit."""
    burst: int | None = None
    """Starts at once after a pause; None is a tenth of a second's worth."""
    throttle_answer: ThrottleAnswer = ThrottleAnswer.SLOWDOWN
    retry_after: int | None = None
    """The `Retry-After` of every SlowDown and 429, in whole seconds; None sends none."""

    seed: int = 0
    faults: Mapping[FaultKind, float] = field(default_factory=dict)
    """The share of starts that meet each fault."""
    slow: float = 1.0
    """How late the slow answers are."""

    list_delay: float = 0.0
    """How long an execution is missing from the list."""
    list_forbidden: bool = False
    get_forbidden: bool = False
    workflow_forbidden: bool = False
    """Whether a key that may start workflows may not look at them."""
    triggers: tuple[str, ...] = ()
    """The buckets whose objects start every workflow too, as its description says."""
    input_shape: InputShape = InputShape.PLAIN
    input_keys: InputKeys = InputKeys.RAW
    input_twice: bool = False
    """Whether `input` is JSON in a string in a string."""
    strip_leading_slash: bool = False
    """Whether an execution's object has lost the leading slash that it was started with."""
    unknown_workflow: Refusal = NO_WORKFLOW
    quirks: Collection[Quirk] = ()

    def __post_init__(self) -> None:
        """Refuse what would only show later."""
        _check_loopback(self.host)
        if self.rate is not None and not 0 < self.rate < inf:
            raise UsageError(f"a rate of {self.rate:g} starts a second", "Give more than 0, or no rate at all.")
        shares = {"fail_share": self.fail_share, "reject_share": self.reject_share, "faults": sum(self.faults.values())}
        shares |= {f"fault {kind}": share for kind, share in self.faults.items()}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise UsageError(f"{name} is a share of {share:g}", "A share is between 0 and 1, the faults' sum too.")


def _check_loopback(host: str) -> None:
    """Refuse every other address: the emulator's keys are well known and its ledger is open to all who reach it."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(f"the emulator does not listen on {host}", "It serves this machine only, as 127.0.0.1 or ::1.")
