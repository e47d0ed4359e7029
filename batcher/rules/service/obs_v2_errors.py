"""What the error codes of the service mean, in one table for both APIs, and what else is known of OBS v2's. Pure.

Only this table decides what an error proves about its row. `verdicts.py` has the rules for all dialects. An unknown
error leaves its row in doubt, and so does an error in none of the two forms of the service: its author may not know
whether the row was started.
"""

from __future__ import annotations

import re

from batcher.model import Cause, Kind
from batcher.rules.service.named_limit import gateway_limit
from batcher.rules.service.verdicts import Rule, Table

# Keyed by HTTP status and code together, never by code alone: the service's two halves use the same codes for different
# errors. https://support.huaweicloud.com/en-us/api-obs/obs_04_0115.html; SYS with other meanings, APIGW and Workflow:
# https://support.huaweicloud.com/api-dwr/dwr_07_0053.html and https://support.huaweicloud.com/api-dwr/ErrorCode_0.html.
# Codes of other calls (uploads, bucket settings) are not listed: their status decides. No pair of a status and a code
# has one meaning in OBS v2 and another in DWR v3. The API gateway before DWR has one code for every 401; only its
# messages show the reason.
RULES = (
    # The gateway: the date of the request, a lock of the access key, an expired token, everything else.
    Rule(Kind.ONCE, 401, "APIGW.0301", Cause.CLOCK, "signature expired"),
    Rule(Kind.FATAL, 401, "APIGW.0301", Cause.LOCKED, "access failed to reach the limit"),
    Rule(Kind.FATAL, 401, "APIGW.0301", Cause.TOKEN, "token expires|decrypt token fail"),
    # The whole job: wrong key or no permission. The service would block the key if the job continued.
    Rule(Kind.FATAL, 400, "TooManyWrongSignature", Cause.SIGNATURE),
    Rule(Kind.FATAL, 401, "SYS.0004 APIGW.0301", Cause.SIGNATURE),
    Rule(Kind.FATAL, 401, cause=Cause.SIGNATURE),
    # An expired token is an InvalidAccessKeyId (https://support.huaweicloud.com/api-obs/obs_errorcode_0009.html). The
    # S3 interface of OBS has other names for it. A row must not be rejected because of them.
    Rule(Kind.FATAL, 400, "ExpiredToken InvalidToken", Cause.TOKEN),
    Rule(Kind.FATAL, 403, "ExpiredToken InvalidToken", Cause.TOKEN),
    Rule(Kind.FATAL, 403, "InvalidAccessKeyId SignatureDoesNotMatch SYS.0002", Cause.SIGNATURE),
    Rule(Kind.FATAL, 403, "AccessForbidden SYS.0005 SYS.0007", Cause.PERMISSION),
    Rule(Kind.FATAL, 403, cause=Cause.PERMISSION),
    # The whole job: the address is wrong, or it does not serve workflows (any more).
    Rule(Kind.FATAL, 301, "PermanentRedirect WebsiteRedirect", Cause.ENDPOINT),
    Rule(Kind.FATAL, 307, "TemporaryRedirect", Cause.ENDPOINT),
    Rule(Kind.FATAL, 400, "BadDomainName SYS.0023 SYS.0029 SYS.0030", Cause.ENDPOINT),
    Rule(Kind.FATAL, 403, "VirtualHostDomainRequired", Cause.ENDPOINT),
    Rule(Kind.FATAL, 404, "SYS.0003 SYS.0012 APIGW.0101 APIGW.0103", Cause.UNSERVED),
    Rule(Kind.FATAL, 400, "APIGW.0104 APIGW.0105 APIGW.0106", Cause.UNSERVED),
    Rule(Kind.FATAL, 405, "MethodNotAllowed FsNotSupport", Cause.UNSERVED),
    Rule(Kind.FATAL, 405, cause=Cause.UNSERVED),
    Rule(Kind.FATAL, 409, "ServiceNotSupported", Cause.UNSERVED),
    Rule(Kind.FATAL, 501, "ServiceNotImplemented", Cause.UNSERVED),
    Rule(Kind.FATAL, 501, cause=Cause.UNSERVED),
    # The whole job: the account, its quota, its agency.
    Rule(Kind.FATAL, 400, "UserKeyMustBeSpecified SYS.0036", Cause.ACCOUNT),
    Rule(Kind.FATAL, 403, "DeregisterUserId InArrearOrInsufficientBalance NotSignedUp Unauthorized", Cause.ACCOUNT),
    Rule(Kind.FATAL, 403, "InsufficientStorageSpace SYS.0008 SYS.0009 SYS.0010 SYS.0021 SYS.0022", Cause.ACCOUNT),
    Rule(Kind.FATAL, 500, "SYS.0039", Cause.ACCOUNT),
    Rule(Kind.FATAL, 400, "SYS.0027 SYS.0028 SYS.0037", Cause.AGENCY),
    # The whole job: every request is invalid in the same way.
    Rule(Kind.FATAL, 400, "InvalidContentLength MultipleContentLengths", Cause.REQUEST),
    Rule(Kind.FATAL, 400, "MissingRequiredHeader MissingSecurityHeader MissingRegion", Cause.REQUEST),
    Rule(Kind.FATAL, 411, "MissingContentLength", Cause.REQUEST),
    Rule(Kind.FATAL, 411, cause=Cause.REQUEST),
    Rule(Kind.FATAL, 414, cause=Cause.REQUEST),
    Rule(Kind.FATAL, 431, "SYS.0009", Cause.REQUEST),
    Rule(Kind.FATAL, 431, cause=Cause.REQUEST),
    Rule(Kind.FATAL, 494, cause=Cause.REQUEST),
    # The whole job, unless another start has succeeded: policies differ between buckets.
    Rule(Kind.DENIED, 403, "AccessDenied AllAccessDisabled", Cause.PERMISSION),
    # Tolerated once per row: a request delivered late or dated by a wrong clock (after this answer the service's time
    # is known), a token that has just expired, an agency that is still being created.
    Rule(Kind.ONCE, 403, "RequestTimeTooSkewed", Cause.CLOCK),
    Rule(Kind.ONCE, 403, "SYS.0013", Cause.TOKEN),
    Rule(Kind.ONCE, 500, "SYS.0008", Cause.TOKEN),
    Rule(Kind.ONCE, 500, "SYS.0031 SYS.0032 SYS.0033 SYS.0034 SYS.0035", Cause.AGENCY),
    # The row only: its bucket or its object does not exist, is not ready, or has an invalid name.
    Rule(Kind.ROW, 400, "InvalidBucket InvalidBucketName KeyTooLongError"),
    Rule(Kind.ROW, 403, "InvalidObjectState"),
    Rule(Kind.ROW, 404, "NoSuchBucket NoSuchKey NoSuchVersion SYS.0014 SYS.0015"),
    # The row only: its inputs, or a body that is too large or invalid. Both may differ between rows.
    Rule(Kind.ROW, 400, "BadRequest InvalidRequest InvalidArgument InvalidRequestBody MissingRequestBodyError"),
    Rule(Kind.ROW, 400, "UnexpectedContent MalformedError MalformedXML"),
    Rule(Kind.ROW, 400, "MaxMessageLengthExceeded EntityTooLarge MetadataTooLarge SYS.0012"),
    Rule(Kind.ROW, 400, "SYS.0004 SYS.0005 SYS.0006 SYS.0007 SYS.0010 SYS.0013 SYS.0038 SYS.0041"),
    Rule(Kind.ROW, 400, "Workflow.0003 Workflow.0004 Workflow.0005 Workflow.0006 Workflow.0007"),
    Rule(Kind.ROW, 400, "Workflow.0008 Workflow.0009 Workflow.0012"),
    Rule(Kind.ROW, 412, "PreconditionFailed"),
    # Refused: the rate is too high, another operation is in progress, or the body was incomplete, so nothing ran.
    Rule(Kind.REFUSED, 400, "BadDigest IncompleteBody"),
    Rule(Kind.REFUSED, 409, "OperationAborted"),
    Rule(Kind.REFUSED, 429, "SYS.0011"),
    # A gateway of one's own spells its codes APIG.
    Rule(Kind.REFUSED, 429, "APIGW.0308", limit=gateway_limit),
    Rule(Kind.REFUSED, 429),
    Rule(Kind.REFUSED, 503, "SlowDown"),
    # In doubt: the service itself does not know. "RequestTimeout" does not promise that the request was incomplete.
    Rule(Kind.DOUBT, 408, "RequestTimeout"),
    Rule(Kind.DOUBT, 408),
    # In doubt: no status of the service, but of the web servers and load balancers before it. They give these (client
    # closed the request, too early, connection closed without an answer) also after they passed the request on.
    *(Rule(Kind.DOUBT, status) for status in (425, 444, 449, 460, 463, 499)),
    Rule(Kind.DOUBT, 500, "InternalError SYS.0001 SYS.0016 SYS.0018 SYS.0019 SYS.0020 SYS.0024 SYS.0025 SYS.0026"),
    Rule(Kind.DOUBT, 500, "SYS.0040 SYS.0042 SYS.0043 SYS.0044"),
    Rule(Kind.UNAVAILABLE, 503, "ServiceUnavailable"),
    Rule(Kind.UNAVAILABLE, 503),
)

ADVICE = {
    Cause.PERMISSION: "Grant the key's user the action dwr:workflow:executeAsync and access to the bucket.",
    Cause.CLOCK: "Set this machine's clock; the service allows 15 minutes. If the clock is right, look for a proxy that"
    " delays requests or removes the date of answers.",
    Cause.UNSERVED: "OBS Data+ workflows were moved to DWR v3 (Data Workroom), an API with endpoints of its own. For a"
    " workflow there, give --endpoint https://dwr.REGION.myhuaweicloud.com.",
    Cause.ACCOUNT: "Check the account with Huawei Cloud for arrears, a freeze, a quota, or a missing registration.",
}
"""The advice for causes about which more is known for this API than in `verdicts.ADVICE`."""

FORM = re.compile(r"[A-Za-z]+\.(?:[0-9]{4}|[A-Z]\w+)|(?:[A-Z]+[a-z]+){2,}")
"""What a code of the service looks like: SYS.0011, APIGW.0308, KMS.NotFoundException, or NoSuchBucket.

A number, one word, or words in capitals are codes of other programs, such as `{"code": 403}` and `"FORBIDDEN"`.
"""

OF_CONTENTS = (
    "InvalidBucket InvalidBucketName NoSuchBucket NoSuchKey NoSuchVersion NoSuchUpload NoSuchWebsiteConfiguration"
    " AllAccessDisabled InvalidObjectState KeyTooLongError SYS.0014 SYS.0015"
)
"""Codes about a bucket or an object. An OBS endpoint without workflows takes `/v2/workflows/w` for an object of one."""

ERRORS = Table(RULES, ADVICE, FORM, OF_CONTENTS)
