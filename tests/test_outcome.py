"""What an answer proves: every row of the tables, written out here on its own authority."""

import json
from collections import Counter

import pytest
from answered import answered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batcher.errors import CredentialsError, ExitCode, ServiceError
from batcher.model import Answer, Cause, Execution, Fault, Kind, Reply, Verdict
from batcher.rules.service import answers
from batcher.rules.service.obs_v2_errors import RULES
from batcher.rules.service.verdicts import ending, is_once, judge, refuses_credentials

REJECTED, REFUSED, FATAL, IN_DOUBT = Verdict.REJECTED, Verdict.REFUSED, Verdict.FATAL, Verdict.IN_DOUBT
NAMED = Execution("84a3dd2b")

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine fails no test."""


def first(answer, **circumstances):
    """Judge an answer as the first of its row in a run where nothing has been started yet."""
    return judge(answer, **{"proven": False, "repeated": False, "trust_503": False} | circumstances)


def cases(expected, text):
    """Read lines of a status and its codes; `-` stands for no code at all."""
    for line in filter(str.strip, text.splitlines()):
        status, *codes = line.split()
        for code in codes:
            yield pytest.param(int(status), "" if code == "-" else code, expected, id=f"{status}-{code}")


FATALS = """
    301 PermanentRedirect WebsiteRedirect
    307 TemporaryRedirect
    400 InvalidContentLength MultipleContentLengths
    400 MissingRequiredHeader MissingSecurityHeader MissingRegion
    400 UserKeyMustBeSpecified TooManyWrongSignature BadDomainName ExpiredToken InvalidToken
    403 AccessForbidden DeregisterUserId InArrearOrInsufficientBalance NotSignedUp Unauthorized
    403 InvalidAccessKeyId SignatureDoesNotMatch VirtualHostDomainRequired InsufficientStorageSpace
    403 ExpiredToken InvalidToken
    405 MethodNotAllowed FsNotSupport
    409 ServiceNotSupported
    411 MissingContentLength
    501 ServiceNotImplemented
    401 SYS.0004 APIGW.0301
    403 SYS.0002 SYS.0005 SYS.0007 SYS.0008 SYS.0009 SYS.0010 SYS.0021 SYS.0022
    404 SYS.0003 SYS.0012 APIGW.0101 APIGW.0103
    400 APIGW.0104 APIGW.0105 APIGW.0106
    431 SYS.0009
    400 SYS.0023 SYS.0027 SYS.0028 SYS.0029 SYS.0030 SYS.0036 SYS.0037
    500 SYS.0039
"""
UNLESS_PROVEN = """
    403 AccessDenied AllAccessDisabled
"""
REJECTIONS = """
    400 BadRequest InvalidRequest InvalidArgument
    400 InvalidRequestBody MissingRequestBodyError UnexpectedContent MalformedError MalformedXML
    400 MaxMessageLengthExceeded EntityTooLarge MetadataTooLarge
    400 InvalidBucket InvalidBucketName KeyTooLongError
    403 InvalidObjectState
    404 NoSuchBucket NoSuchKey NoSuchVersion
    412 PreconditionFailed
    400 SYS.0004 SYS.0005 SYS.0006 SYS.0007 SYS.0010 SYS.0012 SYS.0013 SYS.0038 SYS.0041
    404 SYS.0014 SYS.0015
    400 Workflow.0003 Workflow.0004 Workflow.0005 Workflow.0006 Workflow.0007 Workflow.0008 Workflow.0009 Workflow.0012
"""
REFUSALS = """
    400 BadDigest IncompleteBody
    409 OperationAborted
    429 SYS.0011 APIGW.0308
    503 SlowDown
"""
FORGIVEN_ONCE = """
    403 RequestTimeTooSkewed SYS.0013
    500 SYS.0008 SYS.0031 SYS.0032 SYS.0033 SYS.0034 SYS.0035
"""
DOUBTS = """
    408 RequestTimeout
    500 InternalError
    500 SYS.0001 SYS.0016 SYS.0018 SYS.0019 SYS.0020 SYS.0024 SYS.0025 SYS.0026
    500 SYS.0040 SYS.0042 SYS.0043 SYS.0044
"""
UNLESS_TRUSTED = """
    503 ServiceUnavailable
"""
CODED = [
    *cases(FATAL, FATALS + UNLESS_PROVEN),
    *cases(REJECTED, REJECTIONS),
    *cases(REFUSED, REFUSALS + FORGIVEN_ONCE),
    *cases(IN_DOUBT, DOUBTS + UNLESS_TRUSTED),
]


@pytest.mark.parametrize(("status", "code", "verdict"), CODED)
@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
def test_a_code_has_its_verdict_however_it_is_spelled(status, code, verdict, spelling):
    assert first(answered(status, spelling(code))) is verdict


def test_every_code_of_the_table_is_tested_here():
    tabled = {(rule.status, code) for rule in RULES for code in rule.codes.split()}
    assert tabled == {(case.values[0], case.values[1]) for case in CODED}


def test_no_status_and_code_stands_in_the_table_twice():
    plain = [rule for rule in RULES if not rule.words]
    keys = Counter((rule.status, code) for rule in plain for code in rule.codes.lower().split() or [""])
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, FATAL) for status in (300, 301, 302, 303, 304, 307, 308, 399)),
        *((status, FATAL) for status in (401, 403, 405, 411, 414, 431, 494, 501)),
        *((status, REJECTED) for status in (400, 402, 404, 406, 409, 410, 412, 413, 415, 416, 418, 422, 451)),
        (429, REFUSED),
        *((status, IN_DOUBT) for status in (408, 425, 444, 449, 460, 463, 499)),
        *((status, IN_DOUBT) for status in (500, 502, 503, 504, 505, 507, 520, 599)),
        *((status, IN_DOUBT) for status in (0, 100, 101, 199, 600, 999)),
    ],
)
@pytest.mark.parametrize("code", ["NobodyKnowsThis", "Unheard.0042", "KMS.NobodyKnowsThis"])
def test_an_unknown_code_of_the_service_has_the_verdict_of_its_status(status, verdict, code):
    assert first(answered(status, code)) is verdict


@pytest.mark.parametrize("code", ["", "403", "FORBIDDEN", "Forbidden", "not_found", "ERR-7", "a code of tomorrow"])
def test_a_status_without_a_code_of_the_service_proves_nothing(code):
    for answer in (answered(status, code) for status in [*range(300, 500), 501]):
        assert first(answer) is first(answer, proven=True, repeated=True, trust_503=True) is IN_DOUBT
        assert not is_once(answer)


PAGES = [
    b"",
    b"Bad Gateway",
    b"<html><head><title>403 Forbidden</title></head><body><h1>NoSuchKey</h1></body></html>",
    b"<!DOCTYPE html><html><body><Code>NoSuchKey</Code></body></html>",
    b'{"message":"Forbidden"}',
    b'{"code":403,"message":"Forbidden"}',
    b'{"error":{"code":"NoSuchKey","message":"nested"}}',
    b'{"timestamp":"2026-11-24T08:30:00Z","status":404,"error":"Not Found","path":"/v2/workflows/w"}',
    b'["NoSuchKey"]',
    b'{"code":"NoSuchKey"',
]
"""What proxies, gateways and web servers answer, and an error of the service that is cut off."""


@pytest.mark.parametrize("body", PAGES)
def test_an_answer_that_the_service_did_not_write_leaves_the_row_in_doubt(body):
    for status in (302, 400, 401, 403, 404, 407, 413, 425, 429, 431, 444, 499, 501):
        answer = answers.read_start(Reply(status, {}, body))
        assert first(answered(status, answer.code), proven=True) is IN_DOUBT


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (404, b"<Error><Code>NoSuchKey</Code><Message>m</Message></Error>", REJECTED),
        (404, b'<?xml version="1.0"?>\n<!-- front end -->\n<Error><Code>NoSuchTomorrow</Code></Error>', REJECTED),
        (400, b'{"code":"SYS.0010","message":"m","request_id":"r"}', REJECTED),
        (401, b'{"error_code":"APIGW.0301","error_msg":"m","request_id":"r"}', FATAL),
        (401, b'{"error_code":"APIGW.0307","error_msg":"m","request_id":"r"}', FATAL),
        (403, b'{"error_code":"APIGW.0302","error_msg":"m","request_id":"r"}', FATAL),
        (429, b'{"error_code":"APIGW.0308","error_msg":"m","request_id":"r"}', REFUSED),
    ],
)
def test_an_answer_in_a_form_of_the_service_is_believed(status, body, verdict):
    assert first(answered(status, answers.read_start(Reply(status, {}, body)).code)) is verdict


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        # Codes of other calls.
        *cases(REJECTED, "400 CustomDomainNotExist EntityTooSmall InvalidPart InvalidPolicyDocument TooManyBuckets"),
        *cases(REJECTED, "400 KMS.NotFoundException OEFTrigger.1003 OEFTrigger.1009"),
        *cases(REJECTED, "404 NoSuchBucketPolicy NoSuchUpload NoSuchWebsiteConfiguration"),
        *cases(REJECTED, "409 BucketAlreadyExists BucketNotEmpty InvalidBucketState ObjectNotAppendable"),
        *cases(REJECTED, "416 InvalidRange"),
        # Codes with a status that they are not documented with.
        *cases(IN_DOUBT, "500 SlowDown SYS.0011 AccessDenied NoSuchKey OperationAborted BadDigest SYS.0015"),
        *cases(IN_DOUBT, "502 SlowDown SYS.0031"),
        *cases(IN_DOUBT, "503 InternalError SYS.0011 SYS.0008 RequestTimeTooSkewed"),
        *cases(IN_DOUBT, "408 SlowDown AccessDenied"),
        *cases(REJECTED, "400 SlowDown SYS.0011 SYS.0001 AccessDenied InternalError SYS.0008"),
        *cases(FATAL, "403 NoSuchKey SYS.0001 SYS.0011 SlowDown"),
        *cases(FATAL, "401 SYS.0001 SlowDown"),
        *cases(REFUSED, "429 AccessDenied InternalError SYS.0001"),
        # Almost a code.
        *cases(IN_DOUBT, "503 SlowDown. SlowDow Slow_Down"),
        *cases(IN_DOUBT, "500 SYS.0030 SYS.00311 SYS.8"),
    ],
)
def test_a_code_without_its_status_proves_nothing(status, code, verdict):
    assert first(answered(status, code)) is verdict


@pytest.mark.parametrize(("status", "code", "verdict"), [*cases(FATAL, FORGIVEN_ONCE)])
def test_what_is_forgiven_once_is_fatal_when_it_comes_again(status, code, verdict):
    answer = answered(status, code)
    assert is_once(answer)
    assert first(answer, repeated=True) is verdict


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        *cases(FATAL, FATALS + UNLESS_PROVEN),
        *cases(REJECTED, REJECTIONS),
        *cases(REFUSED, REFUSALS),
        *cases(IN_DOUBT, DOUBTS + UNLESS_TRUSTED),
    ],
)
def test_everything_else_is_the_same_the_second_time(status, code, verdict):
    answer = answered(status, code)
    assert not is_once(answer)
    assert first(answer, repeated=True) is verdict


@pytest.mark.parametrize("answer", [answered(200, execution=NAMED), answered(fault=Fault.LOST), answered()])
def test_neither_success_nor_silence_is_forgiven_once(answer):
    assert not is_once(answer)


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [*cases(REJECTED, UNLESS_PROVEN), *cases(FATAL, FATALS), *cases(REJECTED, REJECTIONS)],
)
def test_once_a_start_has_succeeded_a_denial_is_about_the_row(status, code, verdict):
    assert first(answered(status, code), proven=True) is verdict


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        *cases(REFUSED, "503 - ServiceUnavailable SlowDown NobodyKnowsThis"),
        *cases(IN_DOUBT, "500 - InternalError SYS.0042"),
        *cases(IN_DOUBT, "502 -"),
        *cases(IN_DOUBT, "504 -"),
        *cases(IN_DOUBT, "408 RequestTimeout"),
    ],
)
def test_trust_in_503_makes_it_a_refusal_and_no_other(status, code, verdict):
    assert first(answered(status, code), trust_503=True) is verdict


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [(Fault.UNREACHED, Verdict.UNSENT), (Fault.UNTRUSTED, FATAL), (Fault.LOST, IN_DOUBT)],
)
def test_what_never_left_may_be_sent_again_and_what_may_have_left_may_not(fault, verdict):
    assert first(answered(fault=fault)) is verdict


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_any_success_that_names_an_execution_is_a_start(status):
    assert first(answered(status, execution=NAMED)) is Verdict.STARTED


@pytest.mark.parametrize(
    "body",
    [None, {}, {"execution_name": ""}, {"execution_name": None}, {"execution_name": 7}, {"execution_name": ["a"]}],
)
@pytest.mark.parametrize("code", ["", "SlowDown", "SYS.0011"])
def test_a_success_that_names_nothing_is_in_doubt(body, code):
    content = json.dumps(body if body is None else body | {"code": code}).encode()
    assert first(answers.read_start(Reply(200, {}, content))) is IN_DOUBT
    assert first(answered(200, code)) is IN_DOUBT


def test_an_error_that_names_an_execution_is_no_start():
    assert first(answered(404, "NoSuchKey", execution=NAMED)) is REJECTED


anything = st.builds(
    answered,
    status=st.integers(-1, 1000) | st.sampled_from([200, 403, 500, 503]),
    code=st.text() | st.sampled_from(["SlowDown", "AccessDenied", "SYS.0008", "RequestTimeTooSkewed"]),
    message=st.text(),
    execution=st.none() | st.builds(Execution, st.text(min_size=1)),
    fault=st.none() | st.sampled_from(Fault),
)


@unhurried
@given(anything, st.booleans(), st.booleans(), st.booleans())
def test_any_answer_has_a_verdict_and_only_a_named_success_is_started(answer, proven, repeated, trust_503):
    verdict = judge(answer, proven=proven, repeated=repeated, trust_503=trust_503)
    success = answer.fault is None and 200 <= answer.status < 300
    assert isinstance(verdict, Verdict)
    assert (verdict is Verdict.STARTED) == (success and answer.execution is not None)
    if success and verdict is not Verdict.STARTED:
        assert verdict is IN_DOUBT


@unhurried
@given(st.integers(200, 299), st.binary(), st.booleans(), st.booleans(), st.booleans())
def test_a_success_with_any_bytes_is_never_sent_again(status, content, proven, repeated, trust_503):
    answer = answers.read_start(Reply(status, {}, content))
    assert judge(answer, proven=proven, repeated=repeated, trust_503=trust_503) in {Verdict.STARTED, IN_DOUBT}


@pytest.mark.parametrize(
    ("status", "code", "error", "advice"),
    [
        (400, "TooManyWrongSignature", CredentialsError, "access key"),
        (401, "", CredentialsError, "access key"),
        (401, "SYS.0004", CredentialsError, "access key"),
        (403, "", ServiceError, "Look for a proxy"),
        (403, "AccessDenied", CredentialsError, "dwr:workflow:executeAsync"),
        (403, "SYS.0005", CredentialsError, "dwr:workflow:executeAsync"),
        (403, "InvalidAccessKeyId", CredentialsError, "access key"),
        (403, "SignatureDoesNotMatch", CredentialsError, "secret key"),
        (403, "SYS.0013", CredentialsError, "temporary keys"),
        (500, "SYS.0008", CredentialsError, "temporary keys"),
        (403, "RequestTimeTooSkewed", ServiceError, "Set this machine's clock; the service allows 15 minutes"),
        (403, "InArrearOrInsufficientBalance", ServiceError, "arrears"),
        (403, "SYS.0022", ServiceError, "freeze"),
        (403, "InsufficientStorageSpace", ServiceError, "quota"),
        (500, "SYS.0031", ServiceError, "agency"),
        (400, "SYS.0037", ServiceError, "agency"),
        (301, "PermanentRedirect", ServiceError, "--endpoint"),
        (302, "", ServiceError, "--endpoint"),
        (400, "SYS.0029", ServiceError, "--endpoint"),
        (404, "SYS.0003", ServiceError, "DWR v3 (Data Workroom)"),
        (405, "", ServiceError, "DWR v3 (Data Workroom)"),
        (501, "", ServiceError, "DWR v3 (Data Workroom)"),
        (411, "", ServiceError, "proxy"),
        (431, "SYS.0009", ServiceError, "proxy"),
    ],
)
def test_a_job_ends_with_the_error_and_the_advice_of_its_cause(status, code, error, advice):
    ended = ending(answered(status, code))
    assert type(ended) is error
    assert advice in ended.advice


@pytest.mark.parametrize(
    ("status", "codes"),
    [
        (400, "TooManyWrongSignature ExpiredToken InvalidToken"),
        (401, "SYS.0004 APIGW.0301 APIGW.0307 Unheard.Of"),
        (403, "InvalidAccessKeyId SignatureDoesNotMatch SYS.0002 SYS.0013 ExpiredToken InvalidToken"),
        (500, "SYS.0008"),
    ],
)
def test_an_answer_refuses_the_credentials_where_others_may_do(status, codes):
    assert [code for code in codes.split() if not refuses_credentials(answered(status, code))] == []
    assert [code for code in codes.split() if first(answered(status, code)) not in {FATAL, REFUSED}] == []


@pytest.mark.parametrize(
    "answer",
    [
        answered(200, execution=NAMED),
        answered(200),
        answered(403),
        answered(403, "AccessDenied"),
        answered(403, "RequestTimeTooSkewed"),
        answered(404, "NoSuchKey"),
        answered(429),
        answered(500, "InternalError"),
        answered(503, "SlowDown"),
        answered(fault=Fault.LOST),
        answered(fault=Fault.UNREACHED),
    ],
)
def test_any_other_answer_does_not_refuse_the_credentials(answer):
    assert not refuses_credentials(answer)


def test_every_answer_that_can_end_a_job_has_advice_of_its_own():
    fatal = [rule for rule in RULES if rule.kind in {Kind.FATAL, Kind.DENIED, Kind.ONCE}]
    assert [rule for rule in fatal if rule.cause is Cause.OTHER] == []


def test_the_exit_code_tells_refused_credentials_from_a_service_that_refuses():
    assert ending(answered(403, "InvalidAccessKeyId")).exit_code is ExitCode.CREDENTIALS
    assert ending(answered(405)).exit_code is ExitCode.SERVICE


def test_the_error_says_status_code_message_and_request_id():
    ended = ending(answered(403, "InvalidAccessKeyId", "No such key.", "0000018F"))
    assert str(ended) == "the service refuses the job: HTTP 403 InvalidAccessKeyId: No such key. (request id 0000018F)"
    assert ended.advice.endswith("Then run the same command again. Rows not yet sent are unchanged.")


def test_the_error_says_no_more_than_the_answer():
    assert (
        str(ending(answered(405, "MethodNotAllowed")))
        == "the endpoint does not serve workflows: HTTP 405 MethodNotAllowed"
    )
    assert str(ending(answered(413))) == "the endpoint does not answer like the service: HTTP 413"


def test_an_untrusted_certificate_ends_the_job_with_what_was_found():
    ended = ending(Answer(fault=Fault.UNTRUSTED, message="obs.example.com:443: self-signed certificate"))
    assert type(ended) is ServiceError
    assert str(ended) == "the service cannot be trusted: obs.example.com:443: self-signed certificate"
    assert "certificate" in ended.advice


def test_the_error_never_shows_a_security_token():
    said = (
        b'{"code":"SignatureDoesNotMatch","message":"signed: POST\\nx-obs-security-token:gQpj+/==\\n/v2/workflows/w"}'
    )
    answer = answers.read_start(Reply(403, {}, said))
    ended = ending(answered(403, answer.code, answer.message))
    assert "gQpj" not in str(ended) + ended.advice
    assert "[security token] /v2/workflows/w" in str(ended)
