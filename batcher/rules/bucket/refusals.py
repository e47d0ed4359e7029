"""What an answer to a question about a bucket means for the listing, and the error with which it ends. Pure."""

from __future__ import annotations

from batcher.errors import CredentialsError, JobError, ServiceError
from batcher.model import Answer, Cause, Described, Fault, Noun, Verdict
from batcher.rules.service import verdicts

AGAIN = frozenset({Verdict.UNSENT, Verdict.REFUSED, Verdict.IN_DOUBT})
"""The verdicts after which the same question is asked again."""
_SAME = "Then run the same command again; the listing continues where it ended."


def verdict_on(answer: Described[Noun], *, is_repeated: bool) -> Verdict:
    """Return the verdict on the answer to a question. STARTED is an answer, whatever it describes."""
    if answer.noun is not None or answer.fault is Fault.OVERSIZED:
        return Verdict.STARTED
    if answer.fault is None and answer.status in verdicts.SUCCESS:
        return Verdict.IN_DOUBT
    return verdicts.judge(answer, proven=True, repeated=is_repeated, trust_503=False)


def refused(answer: Answer, bucket: str, endpoint: str) -> JobError:
    """Return the error with which an answer ends the listing of a bucket."""
    said = verdicts.told(answer)
    match answer.code.lower():
        case "nosuchbucket":
            return ServiceError(f"there is no bucket {bucket} at {endpoint}: {said}", "Check its name and the region.")
        case "accessdenied" | "allaccessdisabled":
            advice = f"Grant the key's user the permission obs:bucket:ListBucket for it. {_SAME}"
            return CredentialsError(f"the bucket {bucket} may not be listed: {said}", advice)
    if answer.fault is Fault.UNREACHED:
        return verdicts.unreachable(answer)
    if answer.meaning.cause in {Cause.UNSERVED, Cause.ENDPOINT}:
        advice = f"Give the endpoint of OBS in the bucket's region. {_SAME}"
        return ServiceError(f"{endpoint} does not list the bucket {bucket}: {said}", advice)
    if answer.fault is None and answer.meaning.cause is Cause.OTHER:
        return ServiceError(f"the bucket {bucket} cannot be listed: {said}", f"Look up the code. {_SAME}")
    return verdicts.ending(answer)


def misled(bucket: str, fault: str) -> ServiceError:
    """Return the error for a page that does not continue the list."""
    return ServiceError(
        f"the list of the bucket {bucket} cannot be trusted: {fault}",
        "Nothing was left out or taken twice so far. Run the same command again; if it ends in the same way, list the"
        " bucket with another tool, and report the page to the service's support.",
    )
