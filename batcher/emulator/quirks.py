"""The quirks: behaviour of the service that no other setting covers, as one table of names, meanings and values.

Without a quirk the emulator behaves as the documents say, or in the likelier way where they leave it open. Several
quirks combine. Whatever they show a client, the ledger records what really started.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum
from math import inf
from textwrap import fill
from typing import NamedTuple, Self

from batcher.errors import UsageError

QuirkValue = float | str | None
"""The value of a quirk: a number, a text, or None for its default."""


class Group(StrEnum):
    """What a quirk is about. The values are headings."""

    DOCUMENTS = "where the documents leave it open"
    TIMES = "times in the list and in details"
    COMPLETENESS = "executions missing from the list, and its pages"
    FRESHNESS = "old answers and their Date"
    FILTERS = "what is listed besides"
    IDENTITY = "names and details mixed up"
    CONTENT = "what a detail shows of an execution's bucket, key and inputs"
    LATENESS = "when a start is committed, and when faults strike"
    RESTORES = "executions that are restored"
    V3 = "where the documents of DWR v3 leave it open"
    BUCKETS = "pages of a bucket's list"


class Unit(NamedTuple):
    """What a quirk's value is: how the help names it, and its bounds if it is a number."""

    metavar: str
    least: float = 0.0
    most: float = inf
    is_text: bool = False


class Takes(Enum):
    """The units of values."""

    HOURS = Unit("HOURS", -24.0, 24.0)
    AGE = Unit("HOURS")
    SECONDS = Unit("SECONDS")
    SHIFT = Unit("SECONDS", -inf)
    SHARE = Unit("SHARE", 0.0, 1.0)
    NUMBER = Unit("N", 1.0)
    TEXT = Unit("TEXT", is_text=True)


class Quirk(StrEnum):
    """Each quirk: name, group, meaning, unit of its value (if it takes one), default (if the value may be omitted)."""

    _value_: str
    group: Group
    meaning: str
    takes: Takes | None
    default: QuirkValue

    def __new__(
        cls, name: str, group: Group, meaning: str, takes: Takes | None = None, default: QuirkValue = None
    ) -> Self:
        """Make a member that compares and prints as its name."""
        quirk = str.__new__(cls, name)
        quirk._value_ = name
        quirk.group, quirk.meaning, quirk.takes, quirk.default = group, meaning, takes, default
        return quirk

    @property
    def needs_value(self) -> bool:
        """Whether its value must be given."""
        return self.takes is not None and self.default is None

    CREATED = "created", Group.DOCUMENTS, "a start is answered with 201"
    COUNT_ALL = "count-all", Group.DOCUMENTS, "the list's count includes all executions, not only those on the page"
    NO_FILTER = "no-filter", Group.DOCUMENTS, "the list ignores the requested type"
    LOCAL_TIME = "local-time", Group.DOCUMENTS, "times are local, HOURS from UTC, and marked Z", Takes.HOURS, 8.0
    NO_DATE = "no-date", Group.DOCUMENTS, "answers have no Date"
    KEYS_NORMALISED = "keys-normalised", Group.DOCUMENTS, "an execution's key is trimmed and normalized (NFC)"
    INPUTS_AS_TEXT = "inputs-as-text", Group.DOCUMENTS, "an execution's inputs are all converted to text"
    INPUTS_ADDED = "inputs-added", Group.DOCUMENTS, "an execution's inputs include the defaults of parameters"
    INPUTS_LOST = "inputs-lost", Group.DOCUMENTS, "an execution does not show its inputs"

    ZONELESS = "zoneless", Group.TIMES, "times are local, HOURS from UTC, without a zone", Takes.HOURS, 8.0
    ZONED = "zoned", Group.TIMES, "times are local, HOURS from UTC, with their zone", Takes.HOURS, 8.0
    EPOCH_MS = "epoch-ms", Group.TIMES, "times are milliseconds since 1970"
    EPOCH_S = "epoch-s", Group.TIMES, "times are seconds since 1970"
    HTTP_TIMES = "http-times", Group.TIMES, "times are written like a Date header"
    MINUTES_ONLY = "minutes-only", Group.TIMES, "times end with the minute"
    DAYS_ONLY = "days-only", Group.TIMES, "times are days"
    NO_TIMES = "no-times", Group.TIMES, "times are empty"
    QUEUE = "queue", Group.TIMES, "the start time is that of leaving a queue, SECONDS later", Takes.SECONDS
    TIME_JITTER = "time-jitter", Group.TIMES, "start times are off by up to SECONDS, either way", Takes.SECONDS
    LIST_TIMES_ONLY = "list-times-only", Group.TIMES, "odd times are in the list only; details show the true ones"
    START_TIMES_TOO = "start-times-too", Group.TIMES, "the answer to a start shows its time in the odd way as well"

    EMPTY_LIST = "empty-list", Group.COMPLETENESS, "the list is always empty"
    DROPS = "drops", Group.COMPLETENESS, "this share of the objects is never listed", Takes.SHARE
    LAG_SHARE = "lag-share", Group.COMPLETENESS, "--list-delay applies to this share of the objects only", Takes.SHARE
    VANISH = "vanish", Group.COMPLETENESS, "executions leave the list SECONDS after they end", Takes.SECONDS, 0.0
    DETAILS_VANISH = (
        "details-vanish", Group.COMPLETENESS, "executions are unknown by name SECONDS after they end",
        Takes.SECONDS, 0.0,
    )  # fmt: skip
    LAST_EXECUTIONS = "last-executions", Group.COMPLETENESS, "the list has the newest N executions only", Takes.NUMBER
    LAST_HOURS = "last-hours", Group.COMPLETENESS, "the list goes back HOURS only", Takes.AGE
    PAGE_LIMIT = "page-limit", Group.COMPLETENESS, "a page has up to N entries, whatever is asked for", Takes.NUMBER
    BULKY = "bulky", Group.COMPLETENESS, "each entry of the list is N KiB larger", Takes.NUMBER, 2.0
    HIDDEN_TRUNCATION = "hidden-truncation", Group.COMPLETENESS, "is_truncated is false beside a next_marker"
    FIRST_PAGE_ONLY = "first-page-only", Group.COMPLETENESS, "the first page says that it is the last"
    PAGE_SKIP = "page-skip", Group.COMPLETENESS, "N entries are missing between two pages", Takes.NUMBER, 1.0
    PAGE_REPEAT = "page-repeat", Group.COMPLETENESS, "a page repeats N entries of the one before", Takes.NUMBER, 1.0
    MARKER_LOOP = "marker-loop", Group.COMPLETENESS, "the last page leads back to the first"
    DUPLICATES = "duplicates", Group.COMPLETENESS, "this share of the objects is listed twice", Takes.SHARE, 1.0

    LIST_CACHE = "list-cache", Group.FRESHNESS, "the list and its Date are SECONDS old", Takes.SECONDS
    LIST_SNAPSHOT = "list-snapshot", Group.FRESHNESS, "the list and its Date change every SECONDS only", Takes.SECONDS
    LIST_DATE = "list-date", Group.FRESHNESS, "the list's Date is off by SECONDS, its content is not", Takes.SHIFT
    LIST_UNDATED = "list-undated", Group.FRESHNESS, "the list has no Date"
    DETAIL_CACHE = "detail-cache", Group.FRESHNESS, "details and their Date are SECONDS old", Takes.SECONDS

    ALL_WORKFLOWS = "all-workflows", Group.FILTERS, "list and details ignore the workflow that is asked for"
    NEIGHBOUR = "neighbour", Group.FILTERS, "a client of another workflow starts each object too, even if ours fails"
    RIVAL = "rival", Group.FILTERS, "another client starts each object with other inputs, even if ours fails"
    TYPE = "type", Group.FILTERS, "every execution is of this type", Takes.TEXT, "TRIGGERCALL"
    STATE = "state", Group.FILTERS, "every execution is in this state", Takes.TEXT, "ACCEPTED"
    NO_URN = "no-urn", Group.FILTERS, "list and details have no URNs"
    OTHER_URN = "other-urn", Group.FILTERS, "the URNs in list and details name another workflow"

    NAMES_UPPER = "names-upper", Group.IDENTITY, "list and details show names in upper case"
    WRONG_DETAIL = (
        "wrong-detail", Group.IDENTITY, "for this share of the objects, the detail is that of another execution",
        Takes.SHARE, 1.0,
    )  # fmt: skip
    MIXED_DETAIL = (
        "mixed-detail", Group.IDENTITY, "the same, under the name that was asked for", Takes.SHARE, 1.0,
    )  # fmt: skip
    SAME_NAME = (
        "same-name", Group.IDENTITY, "this share of the objects gets the name of the start before; both run",
        Takes.SHARE, 1.0,
    )  # fmt: skip
    STALE_ANSWER = (
        "stale-answer", Group.IDENTITY, "this share is answered like the start before, and starts nothing",
        Takes.SHARE, 1.0,
    )  # fmt: skip

    BUCKET_UPPER = "bucket-upper", Group.CONTENT, "the bucket is in upper case"
    BUCKET_DOMAIN = "bucket-domain", Group.CONTENT, "the bucket has its domain", Takes.TEXT, ".obs.example.com"
    BUCKET_LOST = "bucket-lost", Group.CONTENT, "the bucket is empty"
    KEYS_DECODED = "keys-decoded", Group.CONTENT, "keys are percent-decoded"
    KEYS_PLUS_DECODED = "keys-plus-decoded", Group.CONTENT, "keys are percent-decoded, with + as a space"
    KEYS_ENCODED = "keys-encoded", Group.CONTENT, "keys are percent-encoded, except for slashes"
    KEYS_ENCODED_FULLY = "keys-encoded-fully", Group.CONTENT, "keys are percent-encoded, slashes too"
    KEYS_PLUS_ENCODED = "keys-plus-encoded", Group.CONTENT, "keys are percent-encoded, with + for a space"
    KEYS_SLASHES_DOUBLED = "keys-slashes-doubled", Group.CONTENT, "each slash is doubled"
    KEYS_SLASHES_MERGED = "keys-slashes-merged", Group.CONTENT, "several slashes become one"
    KEYS_SLASHES_TRIMMED = "keys-slashes-trimmed", Group.CONTENT, "keys neither begin nor end with a slash"
    KEYS_SLASHES_REMOVED = "keys-slashes-removed", Group.CONTENT, "keys have no slash"
    KEYS_SLASH_ADDED = "keys-slash-added", Group.CONTENT, "keys begin with one more slash"
    KEYS_BASENAME = "keys-basename", Group.CONTENT, "keys begin after their last slash"
    KEYS_NFC = "keys-nfc", Group.CONTENT, "keys are normalized (NFC)"
    KEYS_NFD = "keys-nfd", Group.CONTENT, "keys are normalized (NFD)"
    KEYS_NFKC = "keys-nfkc", Group.CONTENT, "keys are normalized (NFKC)"
    KEYS_FOLDED = "keys-folded", Group.CONTENT, "keys are in lower case"
    KEYS_ENTITIES = "keys-entities", Group.CONTENT, "keys have HTML entities for &, <, > and quotes"
    KEYS_ASCII = "keys-ascii", Group.CONTENT, "keys have ? for other than ASCII characters"
    KEYS_MOJIBAKE = "keys-mojibake", Group.CONTENT, "keys are UTF-8 that was read as Latin-1"
    KEYS_CUT = "keys-cut", Group.CONTENT, "keys end after N characters", Takes.NUMBER
    INPUTS_MASKED = "inputs-masked", Group.CONTENT, "the values of inputs are *"
    INPUTS_BLANK = "inputs-blank", Group.CONTENT, "the values of inputs are empty"
    INPUTS_NULL_DROPPED = "inputs-null-dropped", Group.CONTENT, "inputs lack what is null"
    INPUTS_REORDERED = "inputs-reordered", Group.CONTENT, "inputs are in the opposite order"
    INPUTS_PADDED = "inputs-padded", Group.CONTENT, "text in inputs has blanks around it"
    INPUTS_EXTRA = "inputs-extra", Group.CONTENT, "inputs include one of the service's own"
    NUMBERS_AS_TEXT = "numbers-as-text", Group.CONTENT, "numbers in inputs are text"
    NUMBERS_AS_FLOATS = "numbers-as-floats", Group.CONTENT, "whole numbers in inputs have a fraction: 1.0 for 1"
    INPUT_EMPTY = "input-empty", Group.CONTENT, "an execution's whole input is empty"

    LATE_COMMIT = (
        "late-commit", Group.LATENESS,
        "a start is committed and answered SECONDS after it was received, even if the client has left",
        Takes.SECONDS,
    )  # fmt: skip
    LATE_SHARE = "late-share", Group.LATENESS, "late-commit applies to this share of the objects only", Takes.SHARE
    LATE_RESET = "late-reset", Group.LATENESS, "the connection of a late start is reset before it is committed"
    FAULTS_FIRST = (
        "faults-first", Group.LATENESS,
        "faults and late commits strike an object's first start only, chosen by object and seed",
    )  # fmt: skip

    RESTORE_ANY = "restore-any", Group.RESTORES, "an execution is restored in any state, not only if it failed"
    RESTORE_FAILS = (
        "restore-fails", Group.RESTORES, "this share of the objects fails again after a restore", Takes.SHARE, 1.0,
    )  # fmt: skip
    RESTORE_HIDDEN = (
        "restore-hidden", Group.RESTORES, "list and details show a restore SECONDS later", Takes.SECONDS,
    )  # fmt: skip
    RESTORE_LATE = (
        "restore-late", Group.RESTORES,
        "a restore is carried out and answered SECONDS after it was received, even if the client has left",
        Takes.SECONDS,
    )  # fmt: skip
    RESTORE_RENAMES = "restore-renames", Group.RESTORES, "a restored execution goes on under another name"

    V3_MANUAL = "v3-manual", Group.V3, "list and details have the shape of the manual, not that of the SDK"
    V3_CODES = "v3-codes", Group.V3, "the codes of errors are whole numbers, except for those of the gateway"
    V3_OFFSET_PAGES = "v3-offset-pages", Group.V3, "the offset of the list counts pages"
    V3_OFFSET_ZERO = "v3-offset-zero", Group.V3, "the offset of the list begins at 0"
    V3_CAP = "v3-cap", Group.V3, "the highest offset is N", Takes.NUMBER
    V3_ENDS_EXCLUSIVE = "v3-ends-exclusive", Group.V3, "the ends of the time that is asked for do not belong to it"
    V3_NEWEST_FIRST = "v3-newest-first", Group.V3, "the list begins with the newest execution"
    V3_BY_UPDATE = "v3-by-update", Group.V3, "the list is filtered by the time of the last change"
    V3_NO_WINDOW = "v3-no-window", Group.V3, "the list ignores the time that is asked for"
    V3_INPUTS_LISTED = "v3-inputs-listed", Group.V3, "a start takes inputs as a list of objects, and refuses a map"
    V3_EXPRESS = "v3-express", Group.V3, "the workflow is of mode EXPRESS, and its executions are not listed"

    BUCKET_PAGE = "bucket-page", Group.BUCKETS, "a page has up to N objects, whatever is asked for", Takes.NUMBER
    BUCKET_NO_MARKER = "bucket-no-marker", Group.BUCKETS, "pages have no NextMarker"
    BUCKET_RAW = "bucket-raw", Group.BUCKETS, "keys are not encoded, whatever is asked for"
    BUCKET_REPEAT = "bucket-repeat", Group.BUCKETS, "every page is the first one"
    BUCKET_STUCK = "bucket-stuck", Group.BUCKETS, "the second page is empty and says that there is more"
    BUCKET_NO_CODE = "bucket-no-code", Group.BUCKETS, "errors of HEAD requests have no code, only a status"
    BUCKET_BACKWARDS = "bucket-backwards", Group.BUCKETS, "the keys of a page descend"


def check_value(quirk: Quirk, value: QuirkValue) -> None:
    """Check a quirk's value. None stands for its default. Raises UsageError."""
    if value is None:
        if quirk.takes is not None and quirk.needs_value:
            raise UsageError(f"quirk {quirk}: a value is missing", f"Write {quirk}={quirk.takes.value.metavar}.")
        return
    if quirk.takes is None:
        raise UsageError(f"quirk {quirk}: it takes no value", f"Write {quirk} alone.")
    unit = quirk.takes.value
    if unit.is_text:
        fits = isinstance(value, str) and bool(value)
    else:
        # NaN is not within any bounds; infinity is none of these units.
        fits = not isinstance(value, str) and unit.least <= value <= unit.most and abs(value) < inf
    if not fits:
        raise UsageError(f"quirk {quirk}: {value!r} is not a value for it", f"Write {quirk}={unit.metavar}.")


def number(quirks: Mapping[Quirk, QuirkValue], quirk: Quirk, absent: float = 0.0) -> float:
    """Return the number that a quirk has, `absent` if it is not among these."""
    if quirk not in quirks:
        return absent
    value = quirks[quirk]
    return float(quirk.default or 0.0) if value is None else float(value)


def text(quirks: Mapping[Quirk, QuirkValue], quirk: Quirk, absent: str) -> str:
    """Return the text that a quirk has, `absent` if it is not among these."""
    if quirk not in quirks:
        return absent
    value = quirks[quirk]
    return str(quirk.default if value is None else value)


WIDTH = 78
"""A help indents its text by 2, and fits a terminal of 80 columns."""
MEANINGS_AT = 28


def described_quirks() -> list[str]:
    """Describe all quirks for a help text, in one paragraph for each group: names, values and meanings."""
    return ["\n".join([f"Quirks: {group.value}", *_lines(group)]) for group in Group]


def _lines(group: Group) -> list[str]:
    return [_line(quirk) for quirk in Quirk if quirk.group is group]


def _line(quirk: Quirk) -> str:
    value = "" if quirk.takes is None else f"={quirk.takes.value.metavar}"
    usage = quirk + (f"[{value}]" if value and quirk.default is not None else value)
    # The no-break space keeps the default in one piece.
    default = "" if quirk.default is None else f" [default:\xa0{_shown(quirk.default)}]"
    first = f"  {usage:<{MEANINGS_AT - 2}}"
    lines = fill(quirk.meaning + default, WIDTH, initial_indent=first, subsequent_indent=" " * MEANINGS_AT)
    return lines.replace("\xa0", " ")


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
