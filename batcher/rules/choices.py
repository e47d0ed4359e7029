"""The choices that options offer: each an enumeration whose values are the words that a person writes. Pure."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """The formats of a manifest."""

    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"
    TXT = "txt"
    INVENTORY = "inventory"
    OBSUTIL = "obsutil"
    PARQUET = "parquet"


class Api(StrEnum):
    """The APIs of the service: those of OBS and of DWR, or the one that the endpoint has."""

    AUTO = "auto"
    OBS_V2 = "obs-v2"
    DWR_V3 = "dwr-v3"


class Engine(StrEnum):
    """What runs the shards of a list: processes of this machine, or the workers of a Dask cluster."""

    PROCESSES = "processes"
    DASK = "dask"


class Place(StrEnum):
    """A place to look for credentials: the environment, a file, or the agency of the ECS that this runs on."""

    ENV = "env"
    FILE = "file"
    ECS = "ecs"


class OnDoubt(StrEnum):
    """What to do with rows in doubt: ask the execution list about them, hold them, or send them again."""

    RECONCILE = "reconcile"
    HOLD = "hold"
    RESEND = "resend"


class LedgerAction(StrEnum):
    """What to do with a ledger: add what jobs have started, or show what it has."""

    IMPORT = "import"
    STATUS = "status"


class Mode(StrEnum):
    """How progress is shown."""

    AUTO = "auto"
    BAR = "bar"
    LINE = "line"
    JSON = "json"
    NONE = "none"


class Level(StrEnum):
    """How severe an event is, as https://docs.python.org/3/library/logging.html#levels has it."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line of the log is written: for people, or for programs."""

    TEXT = "text"
    JSON = "json"


class Rows(StrEnum):
    """Which rows `batcher status` lists."""

    IN_DOUBT = "in_doubt"


class Failure(StrEnum):
    """The ends of executions that a user may want to restore. The service decides about each one."""

    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


RESTORED = (Failure.FAILED, Failure.TIMED_OUT)
"""The ends of executions that are restored by default."""
MOST_REDRIVES = 3
"""How often an execution is restored by default, at most."""
