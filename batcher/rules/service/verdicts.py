"""What an answer proves about its row, and what to say when it ends the job. Pure.

Rule 1: everything that decides what an answer proves lives here, in one table to be read by eye.
Rule 2: a start is sent again only where an answer proves that nothing was started. What is not known is in doubt.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from batcher.errors import CredentialsError, JobError, ServiceError
from batcher.model import Answer, Fault, Verdict
from batcher.rules.service import answers


class Kind(enum.Enum):
    """What an error says about the row, before the run's own experience is asked."""

    FATAL = "fatal"
    """Every row would get it."""
    ROW = "row"
    """This row will get it always."""
    REFUSED = "refused"
    """Refused before anything ran."""
    DOUBT = "doubt"
    """The service cannot say whether anything ran."""
    ONCE = "once"
    """Refused, and fatal if the same row gets such an error again."""
    DENIED = "denied"
    """Fatal until a start of this run has succeeded; from then on it is about the row's own bucket."""
    UNAVAILABLE = "unavailable"
    """In doubt, or refused where the user trusts that nothing runs behind such an answer."""


class Cause(NamedTuple):
    """Why a job ends: the error that ends it, and what to do next."""

    error: type[JobError]
    advice: str


KEY = Cause(
    CredentialsError,
    "Check the access key and the secret key; temporary keys need their security token too, and they expire.",
)
TOKEN = Cause(CredentialsError, "The temporary keys have expired or their permissions have changed: get new ones.")
PERMISSION = Cause(
    CredentialsError,
    "Grant the key's user the action dwr:workflow:executeAsync and access to the bucket.",
)
CLOCK = Cause(
    ServiceError,
    "Set this machine's clock; the service allows 15 minutes. If it is right, look for a proxy on the way that holds"
    " requests up, or drops the date of answers.",
)
ENDPOINT = Cause(ServiceError, "Give the region's own endpoint with --endpoint.")
UNSERVED = Cause(ServiceError, "This endpoint does not serve workflows (any more): give another with --endpoint.")
ACCOUNT = Cause(
    ServiceError,
    "Settle the account with Huawei Cloud: arrears, a freeze, a quota, or a missing registration.",
)
AGENCY = Cause(ServiceError, "Open the workflow service's agency for this account, or widen its permissions.")
REQUEST = Cause(ServiceError, "The request did not arrive as it was sent: look for a proxy on the way that changes it.")
CERTIFICATE = Cause(
    ServiceError,
    "Check --endpoint, and that this machine trusts the authority that issued the endpoint's certificate.",
)
OTHER = Cause(ServiceError, "Look the code up in the service's documentation.")


class Rule(NamedTuple):
    """What some error codes (one text, between spaces) mean with an HTTP status; no codes stands for any other."""

    kind: Kind
    status: int
    codes: str = ""
    cause: Cause = OTHER


# By HTTP status and code together, never by code alone: the service's two halves use the same codes for different
# things. https://support.huaweicloud.com/en-us/api-obs/obs_04_0115.html; SYS in another sense, APIGW and Workflow:
# https://support.huaweicloud.com/api-dwr/dwr_07_0053.html and https://support.huaweicloud.com/api-dwr/ErrorCode_0.html.
# Codes that belong to other calls (uploads, bucket settings) are left to their status.
RULES = (
    # The whole job: wrong key or no permission. Going on would get the key blocked.
    Rule(Kind.FATAL, 400, "TooManyWrongSignature", KEY),
    Rule(Kind.FATAL, 401, "SYS.0004 APIGW.0301", KEY),
    Rule(Kind.FATAL, 401, cause=KEY),
    # An expired token is an InvalidAccessKeyId (https://support.huaweicloud.com/api-obs/obs_errorcode_0009.html). The
    # S3 interface, which OBS has too, calls it otherwise; a row must not be rejected for that.
    Rule(Kind.FATAL, 400, "ExpiredToken InvalidToken", TOKEN),
    Rule(Kind.FATAL, 403, "ExpiredToken InvalidToken", TOKEN),
    Rule(Kind.FATAL, 403, "InvalidAccessKeyId SignatureDoesNotMatch SYS.0002", KEY),
    Rule(Kind.FATAL, 403, "AccessForbidden SYS.0005 SYS.0007", PERMISSION),
    Rule(Kind.FATAL, 403, cause=PERMISSION),
    # The whole job: wrong address, or workflows are not served there (any more).
    Rule(Kind.FATAL, 301, "PermanentRedirect WebsiteRedirect", ENDPOINT),
    Rule(Kind.FATAL, 307, "TemporaryRedirect", ENDPOINT),
    Rule(Kind.FATAL, 400, "BadDomainName SYS.0023 SYS.0029 SYS.0030", ENDPOINT),
    Rule(Kind.FATAL, 403, "VirtualHostDomainRequired", ENDPOINT),
    Rule(Kind.FATAL, 404, "SYS.0003 SYS.0012", UNSERVED),
    Rule(Kind.FATAL, 405, "MethodNotAllowed FsNotSupport", UNSERVED),
    Rule(Kind.FATAL, 405, cause=UNSERVED),
    Rule(Kind.FATAL, 409, "ServiceNotSupported", UNSERVED),
    Rule(Kind.FATAL, 501, "ServiceNotImplemented", UNSERVED),
    Rule(Kind.FATAL, 501, cause=UNSERVED),
    # The whole job: the account, its quota, its agency.
    Rule(Kind.FATAL, 400, "UserKeyMustBeSpecified SYS.0036", ACCOUNT),
    Rule(Kind.FATAL, 403, "DeregisterUserId InArrearOrInsufficientBalance NotSignedUp Unauthorized", ACCOUNT),
    Rule(Kind.FATAL, 403, "InsufficientStorageSpace SYS.0008 SYS.0009 SYS.0010 SYS.0021 SYS.0022", ACCOUNT),
    Rule(Kind.FATAL, 500, "SYS.0039", ACCOUNT),
    Rule(Kind.FATAL, 400, "SYS.0027 SYS.0028 SYS.0037", AGENCY),
    # The whole job: requests that no service would take, every one alike.
    Rule(Kind.FATAL, 400, "InvalidContentLength MultipleContentLengths", REQUEST),
    Rule(Kind.FATAL, 400, "MissingRequiredHeader MissingSecurityHeader MissingRegion", REQUEST),
    Rule(Kind.FATAL, 411, "MissingContentLength", REQUEST),
    Rule(Kind.FATAL, 411, cause=REQUEST),
    Rule(Kind.FATAL, 414, cause=REQUEST),
    Rule(Kind.FATAL, 431, "SYS.0009", REQUEST),
    Rule(Kind.FATAL, 431, cause=REQUEST),
    # The whole job, unless others got through: policies differ from bucket to bucket.
    Rule(Kind.DENIED, 403, "AccessDenied AllAccessDisabled", PERMISSION),
    # Once is an accident: a request delivered late or dated by a wrong clock (from this answer on the service's own
    # time is known), a token at its end, an agency still being made.
    Rule(Kind.ONCE, 403, "RequestTimeTooSkewed", CLOCK),
    Rule(Kind.ONCE, 403, "SYS.0013", TOKEN),
    Rule(Kind.ONCE, 500, "SYS.0008", TOKEN),
    Rule(Kind.ONCE, 500, "SYS.0031 SYS.0032 SYS.0033 SYS.0034 SYS.0035", AGENCY),
    # The row's own: its bucket or its object is not there, is not ready or cannot be named.
    Rule(Kind.ROW, 400, "InvalidBucket InvalidBucketName KeyTooLongError"),
    Rule(Kind.ROW, 403, "InvalidObjectState"),
    Rule(Kind.ROW, 404, "NoSuchBucket NoSuchKey NoSuchVersion SYS.0014 SYS.0015"),
    # The row's own: its inputs, or a body too large or not understood. They may well differ from row to row.
    Rule(Kind.ROW, 400, "BadRequest InvalidRequest InvalidArgument InvalidRequestBody MissingRequestBodyError"),
    Rule(Kind.ROW, 400, "UnexpectedContent MalformedError MalformedXML"),
    Rule(Kind.ROW, 400, "MaxMessageLengthExceeded EntityTooLarge MetadataTooLarge SYS.0012"),
    Rule(Kind.ROW, 400, "SYS.0004 SYS.0005 SYS.0006 SYS.0007 SYS.0010 SYS.0013 SYS.0038 SYS.0041"),
    Rule(Kind.ROW, 400, "Workflow.0003 Workflow.0004 Workflow.0005 Workflow.0006 Workflow.0007"),
    Rule(Kind.ROW, 400, "Workflow.0008 Workflow.0009 Workflow.0012"),
    Rule(Kind.ROW, 412, "PreconditionFailed"),
    # Refused: too fast, something else is at work on it, or the body did not arrive whole and so cannot have run.
    Rule(Kind.REFUSED, 400, "BadDigest IncompleteBody"),
    Rule(Kind.REFUSED, 409, "OperationAborted"),
    Rule(Kind.REFUSED, 429, "SYS.0011 APIGW.0308"),
    Rule(Kind.REFUSED, 429),
    Rule(Kind.REFUSED, 503, "SlowDown"),
    # In doubt: the service itself does not know. "RequestTimeout" does not promise that the request was incomplete.
    Rule(Kind.DOUBT, 408, "RequestTimeout"),
    Rule(Kind.DOUBT, 408),
    Rule(Kind.DOUBT, 500, "InternalError SYS.0001 SYS.0016 SYS.0018 SYS.0019 SYS.0020 SYS.0024 SYS.0025 SYS.0026"),
    Rule(Kind.DOUBT, 500, "SYS.0040 SYS.0042 SYS.0043 SYS.0044"),
    Rule(Kind.UNAVAILABLE, 503, "ServiceUnavailable"),
    Rule(Kind.UNAVAILABLE, 503),
)

CLASSES = {
    3: Rule(Kind.FATAL, 300, cause=ENDPOINT),
    4: Rule(Kind.ROW, 400),
}
"""By the hundreds of the status, where neither the code nor the status is known. Any other status is in doubt."""

FAULTS = {
    Fault.UNREACHED: Verdict.UNSENT,
    Fault.UNTRUSTED: Verdict.FATAL,
    Fault.LOST: Verdict.IN_DOUBT,
}

_MISSING, _TOO_MANY, _FAILURES, _UNAVAILABLE = 404, 429, 500, 503
_UNKNOWN = Rule(Kind.DOUBT, 0)
_BY_CODE = {(rule.status, code): rule for rule in RULES for code in rule.codes.lower().split() or [""]}


def judge(answer: Answer, *, proven: bool, repeated: bool, trust_503: bool) -> Verdict:
    """Give the verdict on a start's answer.

    `proven`: some start of this run has succeeded. `repeated`: this row has had an answer that `is_once` before.
    `trust_503`: the user says that the service starts nothing when it answers 503.
    """
    if answer.fault is not None:
        return FAULTS[answer.fault]
    if answer.status in answers.SUCCESS:
        return Verdict.STARTED if answers.started(answer) else Verdict.IN_DOUBT
    verdicts = {
        Kind.FATAL: Verdict.FATAL,
        Kind.ROW: Verdict.REJECTED,
        Kind.REFUSED: Verdict.REFUSED,
        Kind.DOUBT: Verdict.IN_DOUBT,
        Kind.ONCE: Verdict.FATAL if repeated else Verdict.REFUSED,
        Kind.DENIED: Verdict.REJECTED if proven else Verdict.FATAL,
        Kind.UNAVAILABLE: Verdict.REFUSED if trust_503 else Verdict.IN_DOUBT,
    }
    return verdicts[_rule(answer).kind]


def is_once(answer: Answer) -> bool:
    """Tell whether this answer is forgiven a row once, and ends the job when the row gets such a one again."""
    return _rule(answer).kind is Kind.ONCE


def is_busy(answer: Answer) -> bool:
    """Tell whether the service says that it is asked too often: what shows its limit."""
    return answer.status == _TOO_MANY or (answer.status == _UNAVAILABLE and _rule(answer).kind is Kind.REFUSED)


def is_failing(answer: Answer) -> bool:
    """Tell whether an answer is the service's failure, whatever it proves about the row."""
    return answer.status >= _FAILURES and not is_busy(answer) and _rule(answer).kind is not Kind.FATAL


def is_skewed(answer: Answer) -> bool:
    """Tell whether the service refuses the date of a request."""
    return _rule(answer).cause is CLOCK


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
    if answer.status in answers.SUCCESS:
        return f"HTTP {answer.status} that names no execution"
    return answer.code if is_busy(answer) and answer.code else f"HTTP {answer.status} {answer.code}".rstrip()


def hides_workflow(answer: Answer) -> bool:
    """Tell whether this answer to a question about the workflow leaves open that it can be started.

    A key that may start a workflow need not be allowed to look at it, and not every error is about every call.
    """
    return answer.status != _MISSING and _rule(answer).cause in {PERMISSION, UNSERVED, OTHER}


def missing(answer: Answer, workflow: str) -> JobError:
    """Give the error that ends the job where the service does not know the workflow (which code says so is open)."""
    if _rule(answer).cause is UNSERVED:
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


def refuses_keys(answer: Answer) -> bool:
    """Tell whether this answer refuses the keys that signed the request, so that nothing ran and other keys may do."""
    if answer.fault is not None or answer.status in answers.SUCCESS:
        return False
    return _rule(answer).cause in {KEY, TOKEN}


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
        cause = CERTIFICATE
        message = f"the service cannot be trusted: {answer.message}"
    else:
        cause = _rule(answer).cause
        message = f"the service refuses the job: {told(answer)}"
    return cause.error(message, f"{cause.advice} Then run the same command again; rows not yet sent are untouched.")


def _rule(answer: Answer) -> Rule:
    status, code = answer.status, answer.code.lower()
    return _BY_CODE.get((status, code)) or _BY_CODE.get((status, "")) or CLASSES.get(status // 100) or _UNKNOWN
