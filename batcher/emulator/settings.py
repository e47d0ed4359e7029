"""The settings of an emulator, as one checked value.

What the public documents leave open about the service (list delay, the format of `input` ...) is a setting here, so
that a client can be tested against each interpretation.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from pathlib import Path

from batcher.emulator.answers import Refusal, json_refusal
from batcher.emulator.executions import ExecutionState
from batcher.emulator.faults import FaultKind, lot
from batcher.emulator.quirks import Quirk, QuirkValue, check_value, number
from batcher.errors import UsageError
from batcher.model import Credentials, Json

MADE_UP = Credentials("EMULATORACCESSKEY0", "emulator-secret-key", source="made up for the emulator")
"""Public on purpose: they are valid for an emulator only."""

NO_WORKFLOW = json_refusal(404, "Workflow.0001", "The workflow does not exist.")
"""The error code of an unknown workflow is not documented. This is a guess that a setting can replace."""


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
    """A declared parameter: its type, its default as text (None if a caller has to give a value), and constraints.

    The emulator only reports constraints: it is not documented how the service treats a start that violates one.
    """

    type: ParameterType
    default: str | None = None
    constraints: Mapping[str, Json] = field(default_factory=dict)


class ThrottleAnswer(StrEnum):
    """How a start above the rate is refused.

    By the front end with 503 SlowDown, by the back end with 429 SYS.0011, or by a gateway with 429 APIGW.0308, which
    names the limit.
    """

    SLOWDOWN = "slowdown"
    TOO_MANY = "429"
    GATEWAY = "gateway"


class InputShape(StrEnum):
    """How an execution reports what it was started with: as bucket and object by name, or as an event record."""

    PLAIN = "plain"
    RECORDS = "records"


class InputKeys(StrEnum):
    """How an object's key is written in an event record: as it is, or percent-encoded."""

    RAW = "raw"
    ENCODED = "encoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an emulator does. Times are in seconds, shares between 0 and 1. Raises UsageError for invalid values."""

    credentials: Credentials = MADE_UP
    workflows: Mapping[str, Mapping[str, Declared]] = field(default_factory=lambda: {"transcode": {}})
    """The declared parameters of each workflow, by name."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free port."""
    ssl_context: ssl.SSLContext | None = None
    clock: Callable[[], float] = time.time
    """Returns POSIX time in seconds. The emulator takes all times from here."""
    ledger: Path | None = None
    past: int = 0
    """The number of executions that ended before the emulator was started."""

    run_time: float = 5.0
    """Seconds for which an execution is RUNNING."""
    run_spread: float = 0.0
    """The share of `run_time` by which an execution may run shorter or longer, by its object."""
    fail_share: float = 0.0
    """The share of objects whose executions end as FAILED."""
    timeout_share: float = 0.0
    """The share of objects whose executions time out."""
    cancel_share: float = 0.0
    """The share of objects whose executions are cancelled."""
    abandon_share: float = 0.0
    """The share of objects whose executions end with a word that no document has."""
    reject_share: float = 0.0
    """The share of objects that are reported as missing."""

    rate: float | None = None
    """Maximum starts per second; None is unlimited."""
    burst: int | None = None
    """Starts at once after a pause; None is a tenth of a second's worth."""
    most_in_flight: int | None = None
    """Maximum number of starts that wait for their answer; None is unlimited."""
    most_running: int | None = None
    """Maximum number of executions that run at a time; None is unlimited."""
    throttle_answer: ThrottleAnswer = ThrottleAnswer.SLOWDOWN
    retry_after: int | None = None
    """The `Retry-After` of every SlowDown and 429, in whole seconds; None sends none."""

    seed: int = 0
    faults: Mapping[FaultKind, float] = field(default_factory=dict)
    """The share of starts with each fault."""
    restore_faults: Mapping[FaultKind, float] = field(default_factory=dict)
    """The share of restores with each fault."""
    slow: float = 1.0
    """Seconds by which slow answers are late."""

    list_delay: float = 0.0
    """Seconds for which a new execution is missing from the list."""
    list_forbidden: bool = False
    get_forbidden: bool = False
    restore_forbidden: bool = False
    workflow_forbidden: bool = False
    """Whether credentials that may start workflows are not allowed to read them."""
    triggers: tuple[str, ...] = ()
    """The buckets whose objects also start every workflow, according to the workflow's description."""
    input_shape: InputShape = InputShape.PLAIN
    input_keys: InputKeys = InputKeys.RAW
    input_twice: bool = False
    """Whether `input` is JSON within a JSON string."""
    strip_leading_slash: bool = False
    """Whether an execution's object lacks the leading slash that it was started with."""
    unknown_workflow: Refusal = NO_WORKFLOW
    buckets: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    """The keys of each bucket, in the order of their bytes. Without any, nothing is answered about buckets."""
    bucket_faults: Mapping[FaultKind, float] = field(default_factory=dict)
    """The share of the pages of their lists with each fault."""
    bucket_forbidden: bool = False
    """Whether credentials that may start workflows are not allowed to list buckets."""
    quirks: Mapping[Quirk, QuirkValue] = field(default_factory=dict)
    """Each quirk with its value; None is its default."""

    def __post_init__(self) -> None:
        """Check values that would otherwise fail later."""
        _check_loopback(self.host)
        if self.rate is not None and not 0 < self.rate < inf:
            raise UsageError(f"rate {self.rate:g}: not a positive number", "Give starts per second, or no rate at all.")
        shares = {
            "run_spread": self.run_spread,
            "sum of the shares that do not succeed": sum(share for _, share in self.ends),
            "reject_share": self.reject_share,
            "faults": sum(self.faults.values()),
            "restore_faults": sum(self.restore_faults.values()),
        }
        shares |= {f"fault {kind}": share for kind, share in (*self.faults.items(), *self.restore_faults.items())}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise UsageError(f"{name}: {share:g} is not a share", "Give shares from 0 to 1, with a sum up to 1.")
        for quirk, value in self.quirks.items():
            check_value(quirk, value)
        if Quirk.NEIGHBOUR in self.quirks and len(self.workflows) < 2:  # noqa: PLR2004 - a workflow and its neighbour
            raise UsageError(f"quirk {Quirk.NEIGHBOUR}: there is no other workflow", "Give two workflows.")

    @property
    def ends(self) -> Sequence[tuple[ExecutionState, float]]:
        """The states in which executions end that do not succeed, each with its share of the objects."""
        return (
            (ExecutionState.FAILED, self.fail_share),
            (ExecutionState.TIMEOUT, self.timeout_share),
            (ExecutionState.CANCELLED, self.cancel_share),
            (ExecutionState.ABANDONED, self.abandon_share),
        )

    def strikes(self, quirk: Quirk, bucket: str, object_: str, *, absent: float = 0.0) -> bool:
        """Return whether an object is in the share that a quirk has, which is `absent` without the quirk."""
        share = number(self.quirks, quirk, absent)
        return share >= 1 or (share > 0 and lot(self.seed, quirk, bucket, object_) < share)


def _check_loopback(host: str) -> None:
    """Refuse any other address: the emulator's credentials are public, and everyone who reaches it sees its ledger."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(f"{host}: not a loopback address", "The emulator serves this machine only: 127.0.0.1 or ::1.")
