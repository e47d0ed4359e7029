"""What an answer proves about its row, and the error with which it ends the job. Pure.

Rule 1: this module decides what is the same for every dialect: faults, successes, and the verdict for a kind of error.
The dialect's table alone decides the kind of an error, by HTTP status and code together.
Rule 2: a start is sent again only if an answer proves that nothing was started. Otherwise the row is in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from batcher.errors import CredentialsError, JobError, ServiceError
from batcher.model import UNKNOWN, Answer, Cause, Fault, Kind, Meaning, Verdict

SUCCESS = range(200, 300)

_CERTIFICATE = (
    "Check --endpoint, and that this machine trusts the issuer of the endpoint's certificate. --ca-bundle FILE adds the"
    " certificates of a private authority."
)
FOREIGN = "the answer has no form of the service's, so a proxy or a gateway may have written it"
"""What is said of an error that proves nothing, if it has no words of its own."""
_FOREIGN = "Look for a proxy, a gateway or a login page between this machine and the service, and check --endpoint."
ADVICE: Mapping[Cause, str] = {
    Cause.SIGNATURE: "Check the access key and the secret key. Temporary keys also need their security token, and they"
    " expire.",
    Cause.TOKEN: "The temporary keys have expired or their permissions have changed. Get new keys.",
    Cause.LOCKED: "The service has locked the access key after several wrong signatures, for five minutes. Look for a"
    " program that signs with a wrong secret key.",
    Cause.PERMISSION: "Grant the key's user permission to start the workflow, and access to the bucket.",
    Cause.CLOCK: "Set this machine's clock. If the clock is right, look for a proxy that delays requests.",
    Cause.ENDPOINT: "Give the endpoint of the region with --endpoint.",
    Cause.UNSERVED: "Give the endpoint of a region that serves workflows with --endpoint.",
    Cause.ACCOUNT: "Check the state of the account with the service.",
    Cause.AGENCY: "Create the workflow service's agency for this account, or extend its permissions.",
    Cause.REQUEST: "The request did not arrive as it was sent. Look for a proxy that changes requests.",
    Cause.OTHER: "Look up the code in the service's documentation.",
}
"""What to do about a cause that ends the job."""

_REFUSES_CREDENTIALS = frozenset({Cause.SIGNATURE, Cause.TOKEN, Cause.LOCKED})
_ABOUT_CREDENTIALS = _REFUSES_CREDENTIALS | {Cause.PERMISSION}
"""The causes that end the job with a CredentialsError. Any other cause ends it with a ServiceError."""


class Rule(NamedTuple):
    """What error codes (separated by spaces) mean with an HTTP status. Without codes: every code not listed.

    With `words`, separated by |: only if the message contains one of them, in any case. `limit` reads the limit that
    the error's message names, in requests per second.
    """

    kind: Kind
    status: int
    codes: str = ""
    cause: Cause = Cause.OTHER
    words: str = ""
    limit: Callable[[str], float | None] | None = None


CLASSES = {
    3: Rule(Kind.FATAL, 300, cause=Cause.ENDPOINT),
    4: Rule(Kind.ROW, 400),
}
"""By the first digit of the status, if neither code nor status is known. Any other status leaves the row in doubt."""

FAULTS = {
    Fault.UNREACHED: Verdict.UNSENT,
    Fault.UNTRUSTED: Verdict.FATAL,
    Fault.LOST: Verdict.IN_DOUBT,
    Fault.OVERSIZED: Verdict.IN_DOUBT,
}

_MISSING, _TOO_MANY, _FAILURES, _UNAVAILABLE = 404, 429, 500, 503
_DOUBTFUL = frozenset({Kind.DOUBT, Kind.UNAVAILABLE})
_UNKNOWN = Rule(UNKNOWN.kind, 0, cause=UNKNOWN.cause)


class Table:
    """What the errors of one dialect mean. `advice` replaces entries of ADVICE.

    `form` is what every code of the service looks like. An error without such a code proves nothing: a proxy, a gateway
    or a web server may have written it, also after the service started the row. Without `form`, a status is enough.

    `of_contents` are the codes about a bucket or an object, separated by spaces. In the answer to a question that names
    neither, they mean that the endpoint took the path for a bucket and an object, so that it serves no workflows.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        advice: Mapping[Cause, str],
        form: re.Pattern[str] | None = None,
        of_contents: str = "",
    ) -> None:
        self.rules = rules
        self._of_contents = frozenset(of_contents.lower().split())
        self._advice = {**ADVICE, **advice}
        self._form = form
        self._spelled = {_folded(code): code for rule in rules for code in rule.codes.split()}
        plain = [rule for rule in rules if not rule.words]
        self._by_code = {(rule.status, _folded(code)): rule for rule in plain for code in rule.codes.split() or [""]}
        self._by_words = [rule for rule in rules if rule.words]

    def meaning(self, status: int, code: str, message: str = "") -> Meaning:
        """Look up an error by HTTP status and code, ignoring case, or by the status alone if the code is unknown.

        `code` and `message` are those of a body in a form of the service, empty for any other body. Some codes have
        several meanings, and only the message shows which one it is.
        """
        folded = _folded(code)
        label = self._spelled.get(folded, "")
        rule = self._worded(status, folded, message) or self._by_code.get((status, folded)) if code else None
        if rule is None:
            rule = self._by_code.get((status, "")) or CLASSES.get(status // 100) or _UNKNOWN
            is_believed = self._form is None or label or self._form.fullmatch(code)
            if not is_believed and rule.kind not in _DOUBTFUL:
                rule = rule._replace(kind=Kind.UNPROVEN)
        return Meaning(rule.kind, rule.cause, self._advice[rule.cause], label)

    def named_limit(self, answer: Answer) -> float | None:
        """Return the limit that a refusal names, in requests per second. None if it names none."""
        rule = self._by_code.get((answer.status, _folded(answer.code)))
        return None if rule is None or rule.limit is None else rule.limit(answer.message)

    def _worded(self, status: int, code: str, message: str) -> Rule | None:
        """Return the rule that also depends on the message, if there is one."""
        found = (rule for rule in self._by_words if status == rule.status and code in map(_folded, rule.codes.split()))
        return next((rule for rule in found if any(words in message.lower() for words in rule.words.split("|"))), None)

    def meaning_of_question(self, answer: Answer) -> Meaning:
        """Return what an answer means to a question that names no bucket and no object."""
        if answer.code.lower() not in self._of_contents:
            return answer.meaning
        return Meaning(Kind.FATAL, Cause.UNSERVED, self._advice[Cause.UNSERVED], answer.meaning.label)


def _folded(code: str) -> str:
    """Return a code without differences that mean nothing: case, and the name of a dedicated gateway."""
    return re.sub(r"^apig\.", "apigw.", code.lower())


def judge(answer: Answer, *, proven: bool, repeated: bool, trust_503: bool) -> Verdict:
    """Return the verdict on the answer to a start.

    `proven`: a start of this run has succeeded. `repeated`: an earlier answer to this row `is_once`.
    `trust_503`: the user asserts that the service starts nothing if it answers 503.
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
        Kind.UNPROVEN: Verdict.IN_DOUBT,
        Kind.ONCE: Verdict.FATAL if repeated else Verdict.REFUSED,
        Kind.DENIED: Verdict.REJECTED if proven else Verdict.FATAL,
        Kind.UNAVAILABLE: Verdict.REFUSED if trust_503 else Verdict.IN_DOUBT,
    }
    return verdicts[answer.meaning.kind]


def is_once(answer: Answer) -> bool:
    """Return whether this answer is tolerated once per row. A second one for the same row ends the job."""
    return answer.meaning.kind is Kind.ONCE


def is_busy(answer: Answer) -> bool:
    """Return whether the service reports too many requests. Such an answer shows its limit."""
    return answer.status == _TOO_MANY or (answer.status == _UNAVAILABLE and answer.meaning.kind is Kind.REFUSED)


def is_failing(answer: Answer) -> bool:
    """Return whether an answer is a failure of the service, regardless of what it proves about the row."""
    return answer.status >= _FAILURES and not is_busy(answer) and answer.meaning.kind is not Kind.FATAL


def is_skewed(answer: Answer) -> bool:
    """Return whether the service refuses the date of a request."""
    return answer.meaning.cause is Cause.CLOCK


def unreachable(answer: Answer) -> ServiceError:
    """Return the error that ends the job if the service has never answered. `answer` is the last fault."""
    return ServiceError(
        f"the service cannot be reached: {answer.message}",
        "Check --endpoint and the network, then run the same command again. Rows not yet sent are unchanged.",
    )


def away(seconds: float, word: str) -> ServiceError:
    """Return the error that ends the job after an outage of `seconds`. `word` describes the last answer."""
    return ServiceError(
        f"the service has been unavailable for {seconds:,.0f} s, the maximum set by --max-outage; the last attempt"
        f" ended with {word}",
        "Run the same command again when the service is available. Rows not yet sent are unchanged.",
    )


def is_unproven(answer: Answer) -> bool:
    """Return whether the status refuses, but the answer is in no form of the service, so that it proves nothing."""
    return answer.fault is None and answer.meaning.kind is Kind.UNPROVEN


def word(answer: Answer) -> str:
    """Return a short description of an answer that started nothing: its code, its status, or the fault."""
    if answer.fault is not None:
        return answer.message
    if answer.status in SUCCESS:
        return f"HTTP {answer.status} without an execution name"
    return answer.code if is_busy(answer) and answer.code else f"HTTP {answer.status} {answer.code}".rstrip()


def hides_workflow(answer: Answer) -> bool:
    """Return whether the workflow may be startable although this answer does not describe it.

    Credentials that may start a workflow may lack permission to read it, and an error may concern one call only.
    """
    return answer.status != _MISSING and answer.meaning.cause in {Cause.PERMISSION, Cause.OTHER}


def serves_no_workflows(answer: Answer) -> bool:
    """Return whether this answer to the question for a workflow shows that the endpoint serves none."""
    return answer.fault is None and answer.status not in SUCCESS and answer.meaning.cause is Cause.UNSERVED


def missing(answer: Answer, workflow: str) -> JobError:
    """Return the error that ends the job if the service does not know the workflow. The code is not documented."""
    return ServiceError(
        f"there is no workflow {workflow}: {told(answer)}",
        "Check --workflow, and that --endpoint is in the workflow's region. No row was sent.",
    )


def told(answer: Answer) -> str:
    """Return an error in the service's own words, in one line."""
    message = f"HTTP {answer.status}"
    message += f" {answer.code}" if answer.code else ""
    message += f": {answer.message}" if answer.message else ""
    return message + (f" (request id {answer.request_id})" if answer.request_id else "")


def refuses_credentials(answer: Answer) -> bool:
    """Return whether this answer refuses the credentials of the request. Then nothing ran, and others may work."""
    if answer.fault is not None or answer.status in SUCCESS:
        return False
    return answer.meaning.cause in _REFUSES_CREDENTIALS


def is_locked(answer: Answer) -> bool:
    """Return whether the service has locked the access key of the request, for a while."""
    return answer.meaning.cause is Cause.LOCKED


def none_started(answer: Answer, rows: int) -> JobError:
    """Return the error that ends the job if the first `rows` rows were all refused. `answer` is the last answer."""
    if is_unproven(answer):
        return ending(answer)
    return ServiceError(
        f"the first {rows} rows were all rejected, the last with HTTP {answer.status} {answer.code}: {answer.message}",
        "The workflow, the inputs or the bucket are probably wrong, not the rows. Fix them, then run again with"
        " --retry-rejected.",
    )


def ending(answer: Answer) -> JobError:
    """Return the error that ends the job for an answer: what the service answered, and what to do next.

    A success ends the job if it is the answer to a question, and not the service's.
    """
    if answer.fault is not None:
        return _ending(ServiceError, f"the service cannot be trusted: {answer.message}", _CERTIFICATE)
    error = CredentialsError if answer.meaning.cause in _ABOUT_CREDENTIALS else ServiceError
    if answer.meaning.cause is Cause.UNSERVED:
        return _ending(error, f"the endpoint does not serve workflows: {told(answer)}", answer.meaning.advice)
    if is_unproven(answer) or answer.status in SUCCESS:
        # A 403 page is a proxy's rule more often than a missing permission.
        error = CredentialsError if refuses_credentials(answer) else ServiceError
        advice = "" if answer.meaning.cause is Cause.OTHER else answer.meaning.advice
        return _ending(error, f"the endpoint does not answer like the service: {told(answer)}", f"{_FOREIGN} {advice}")
    return _ending(error, f"the service refuses the job: {told(answer)}", answer.meaning.advice)


def _ending(error: type[JobError], message: str, advice: str) -> JobError:
    return error(message, f"{advice.strip()} Then run the same command again. Rows not yet sent are unchanged.")
