"""What an answer proves about its row, and what to say when it ends the job. Pure.

Rule 1: what holds of every dialect is decided here: faults, successes, and how the kind of an error becomes a verdict.
Which kind an error is of is decided by the dialect's table alone, by HTTP status and code together.
Rule 2: a start is sent again only where an answer proves that nothing was started. What is not known is in doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from batcher.errors import CredentialsError, JobError, ServiceError
from batcher.model import UNKNOWN, Answer, Cause, Fault, Kind, Meaning, Verdict

SUCCESS = range(200, 300)

_CERTIFICATE = "Check --endpoint, and that this machine trusts the authority that issued the endpoint's certificate."
ADVICE: Mapping[Cause, str] = {
    Cause.SIGNATURE: "Check the access key and the secret key; temporary keys need their security token too, and they"
    " expire.",
    Cause.TOKEN: "The temporary keys have expired or their permissions have changed: get new ones.",
    Cause.PERMISSION: "Grant the key's user permission to start the workflow, and access to the bucket.",
    Cause.CLOCK: "Set this machine's clock. If it is right, look for a proxy on the way that holds requests up.",
    Cause.ENDPOINT: "Give the region's own endpoint with --endpoint.",
    Cause.UNSERVED: "This endpoint does not serve workflows (any more): give another with --endpoint.",
    Cause.ACCOUNT: "Settle the account with the service.",
    Cause.AGENCY: "Open the workflow service's agency for this account, or widen its permissions.",
    Cause.REQUEST: "The request did not arrive as it was sent: look for a proxy on the way that changes it.",
    Cause.OTHER: "Look the code up in the service's documentation.",
}
"""What to do about a cause that ends the job."""

_ABOUT_CREDENTIALS = frozenset({Cause.SIGNATURE, Cause.TOKEN, Cause.PERMISSION})
"""The causes whose error ends the job as a CredentialsError, any other as a ServiceError."""


class Rule(NamedTuple):
    """What some error codes (one text, between spaces) mean with an HTTP status; no codes stands for any other."""

    kind: Kind
    status: int
    codes: str = ""
    cause: Cause = Cause.OTHER


CLASSES = {
    3: Rule(Kind.FATAL, 300, cause=Cause.ENDPOINT),
    4: Rule(Kind.ROW, 400),
}
"""By the hundreds of the status, where neither the code nor the status is known. Any other status is in doubt."""

FAULTS = {
    Fault.UNREACHED: Verdict.UNSENT,
    Fault.UNTRUSTED: Verdict.FATAL,
    Fault.LOST: Verdict.IN_DOUBT,
}

_MISSING, _TOO_MANY, _FAILURES, _UNAVAILABLE = 404, 429, 500, 503
_UNKNOWN = Rule(UNKNOWN.kind, 0, cause=UNKNOWN.cause)


class Table:
    """What the errors of one dialect mean. `advice` takes the place of ADVICE where it knows better."""

    def __init__(self, rules: Sequence[Rule], advice: Mapping[Cause, str]) -> None:
        self.rules = rules
        self._advice = {**ADVICE, **advice}
        self._spelled = {code.lower(): code for rule in rules for code in rule.codes.split()}
        self._by_code = {(rule.status, code): rule for rule in rules for code in rule.codes.lower().split() or [""]}

    def meaning(self, status: int, code: str) -> Meaning:
        """Look up an error by its HTTP status and code, in any case; by the status alone where the code is unknown."""
        code = code.lower()
        known = self._by_code.get((status, code)) or self._by_code.get((status, ""))
        rule = known or CLASSES.get(status // 100) or _UNKNOWN
        return Meaning(rule.kind, rule.cause, self._advice[rule.cause], self._spelled.get(code, ""))


def judge(answer: Answer, *, proven: bool, repeated: bool, trust_503: bool) -> Verdict:
    """Give the verdict on a start's answer.

    `proven`: some start of this run has succeeded. `repeated`: this row has had an answer that `is_once` before.
    `trust_503`: the user says that the service starts nothing when it answers 503.
    """
    if answer.fault is not None:
        return FAULTS[answer.fault]
    if answer.status in SUCCESS:
        return Verdict.STARTED if answer.execution is not None else Verdict.IN_DOUBT
    verdicts = {
        Kind.FATAL: Verdict.FATAL,
        Kind.ROW: Verdict.REJECTED,
        Kind.REFUSED: Verdict.REFUSED,
        Kind.DOUBT: Verdict.IN_DOUBT,
        Kind.ONCE: Verdict.FATAL if repeated else Verdict.REFUSED,
        Kind.DENIED: Verdict.REJECTED if proven else Verdict.FATAL,
        Kind.UNAVAILABLE: Verdict.REFUSED if trust_503 else Verdict.IN_DOUBT,
    }
    return verdicts[answer.meaning.kind]


def is_once(answer: Answer) -> bool:
    """Tell whether this answer is forgiven a row once, and ends the job when the row gets such a one again."""
    return answer.meaning.kind is Kind.ONCE


def is_busy(answer: Answer) -> bool:
    """Tell whether the service says that it is asked too often: what shows its limit."""
    return answer.status == _TOO_MANY or (answer.status == _UNAVAILABLE and answer.meaning.kind is Kind.REFUSED)


def is_failing(answer: Answer) -> bool:
    """Tell whether an answer is the service's failure, whatever it proves about the row."""
    return answer.status >= _FAILURES and not is_busy(answer) and answer.meaning.kind is not Kind.FATAL


def is_skewed(answer: Answer) -> bool:
    """Tell whether the service refuses the date of a request."""
    return answer.meaning.cause is Cause.CLOCK


def unreachable(answer: Answer) -> ServiceError:
    """Give the error that ends the job where nobody has ever answered; `answer` says what came instead."""
    return ServiceError(
        f"the service cannot be reached: {answer.message}",
        "Check --endpoint and the network, then run the same command again; rows that were not sent are untouched.",
    )


def away(seconds: float, word: str) -> ServiceError:
    """Give the error that ends the job when the service has been away for so long; `word` is the last attempt's."""
    return ServiceError(
        f"the service has been away for {seconds:,.0f} s, as long as --max-outage allows; the last attempt ended"
        f" with {word}",
        "Run the same command again when it is back; rows that were not sent are untouched.",
    )


def word(answer: Answer) -> str:
    """Give the few words that an answer which is no start is known by: its code, its status, or what went wrong."""
    if answer.fault is not None:
        return answer.message
    if answer.status in SUCCESS:
        return f"HTTP {answer.status} that names no execution"
    return answer.code if is_busy(answer) and answer.code else f"HTTP {answer.status} {answer.code}".rstrip()


def hides_workflow(answer: Answer) -> bool:
    """Tell whether this answer to a question about the workflow leaves open that it can be started.

    Credentials that may start a workflow need not be allowed to look at it, and not every error is about every call.
    """
    return answer.status != _MISSING and answer.meaning.cause in {Cause.PERMISSION, Cause.UNSERVED, Cause.OTHER}


def missing(answer: Answer, workflow: str) -> JobError:
    """Give the error that ends the job where the service does not know the workflow (which code says so is open)."""
    if answer.meaning.cause is Cause.UNSERVED:
        return ending(answer)
    return ServiceError(
        f"there is no workflow {workflow}: {told(answer)}",
        "Check --workflow, and that --endpoint is in the region that has it. Nothing was sent.",
    )


def told(answer: Answer) -> str:
    """Give the service's own words about an error, in one line."""
    message = f"HTTP {answer.status}"
    message += f" {answer.code}" if answer.code else ""
    message += f": {answer.message}" if answer.message else ""
    return message + (f" (request id {answer.request_id})" if answer.request_id else "")


def refuses_credentials(answer: Answer) -> bool:
    """Tell whether this answer refuses the credentials that signed the request: nothing ran, and others may do."""
    if answer.fault is not None or answer.status in SUCCESS:
        return False
    return answer.meaning.cause in {Cause.SIGNATURE, Cause.TOKEN}


def all_rejected(answer: Answer, rows: int) -> ServiceError:
    """Give the error that ends the job when the first so many rows were all rejected, `answer` being the last word."""
    return ServiceError(
        f"the first {rows} rows were all rejected, the last with HTTP {answer.status} {answer.code}: {answer.message}",
        "The workflow, the inputs or the bucket are wrong rather than the rows: mend them, then run again with"
        " --retry-rejected.",
    )


def ending(answer: Answer) -> JobError:
    """Give the error that ends the job for a fatal answer: what came back, and what to do next."""
    if answer.fault is not None:
        return _ending(ServiceError, f"the service cannot be trusted: {answer.message}", _CERTIFICATE)
    error = CredentialsError if answer.meaning.cause in _ABOUT_CREDENTIALS else ServiceError
    return _ending(error, f"the service refuses the job: {told(answer)}", answer.meaning.advice)


def _ending(error: type[JobError], message: str, advice: str) -> JobError:
    return error(message, f"{advice} Then run the same command again; rows not yet sent are untouched.")
