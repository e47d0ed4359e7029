"""Secrets in the service's words: whole or in part, in any escape or encoding, in every text that comes in."""

import base64
import html
import json
import re
from functools import partial
from urllib.parse import quote

import pytest
from conftest import AK, SK, TOKEN
from multidict import CIMultiDict
from services import service_of
from test_credentials_canary import traces

from batcher.model import Cause, Credentials, Execution, Fault, Lost, Reply, Row
from batcher.rules.service.dialect import LONGEST
from batcher.rules.service.secrets import Secrets

USED = Credentials(AK, SK, TOKEN)
SECRETS = Secrets([USED])
NAMES = {TOKEN: "[security token]", SK: "[secret key]", AK: "[access key]"}
ODD = "a/b+c=d&e<f>g\"h'i%41~j.k-l_m"
"""A secret of little else than what escapes change."""


def entities(form, text):
    return "".join(form % ord(char) for char in text)


FORMS = {
    "as it is": str,
    "percent-encoded": partial(quote, safe=""),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent-encoded in lower case": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
    "wholly percent-encoded": partial(entities, "%%%02X"),
    "in JSON": lambda text: json.dumps(text)[1:-1],
    "in JSON with its slashes escaped": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "in JSON in JSON": lambda text: json.dumps(json.dumps(text).replace("/", "\\/"))[1:-1],
    "in JSON by numbers": partial(entities, "\\u%04x"),
    "in HTML": html.escape,
    "in HTML by decimal numbers": partial(entities, "&#%d;"),
    "in HTML by hexadecimal numbers": partial(entities, "&#x%X;"),
    "in HTML twice": lambda text: html.escape(html.escape(text.replace("+", "&plus;"))),
    "in HTML in JSON": lambda text: json.dumps(html.escape(text))[1:-1],
    "in Python": lambda text: repr(text)[1:-1],
    "in Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in Base64 at any place": lambda text: base64.b64encode(f"POST\nx-token:{text}\n/v2".encode()).decode(),
    "in Base64 for URLs": lambda text: base64.urlsafe_b64encode(f"{text}\xff".encode()).decode(),
    "in percent-encoded Base64": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal, in pairs": lambda text: text.encode().hex(" ").upper(),
    "hexadecimal, with colons": lambda text: text.encode().hex(":"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("secret", [AK, SK, TOKEN, ODD])
def test_a_secret_is_masked_in_every_form(form, secret):
    secrets = Secrets([USED, Credentials("ODDACCESSKEY00000000", ODD)])
    masked = secrets.masked(f"the key {form(secret)} is wrong")
    assert re.fullmatch(rf"the key .{{0,4}}{re.escape(NAMES.get(secret, '[secret key]'))}\S{{0,8}} ?is wrong", masked)
    assert not [trace for trace in traces(secret) if trace in masked]


@pytest.mark.parametrize("secret", [AK, SK, TOKEN])
def test_a_part_of_a_secret_is_masked(secret):
    for part in (secret[:10], secret[-10:], secret[3:15], f"{secret[:12]}..."):
        masked = SECRETS.masked(f"signed with {part}")
        assert masked.startswith(f"signed with {NAMES[secret]}")
        assert part[:10] not in masked


def test_several_secrets_are_masked_where_they_stand():
    said = f"{AK}:{SK}, {TOKEN}{TOKEN} and x-token={quote(TOKEN, safe='')}&y=1"
    assert SECRETS.masked(said) == (
        "[access key]:[secret key], [security token][security token] and x-token=[security token]&y=1"
    )


@pytest.mark.parametrize(
    "said",
    [
        "",
        "x",
        "No such key: 100 % of it is gone &amp; \\u00e9t\\u00e9 C:\\temp %zz %41 &bogus; &#99999999;",
        f"access key ...{AK[-4:]}",
        "84a3dd2bd67f43aa9b98cdd74604ca68",
        base64.b64encode(b"nothing of it is secret here").decode(),
        "\u4e2d\u6587 \U0001f600",
    ],
)
def test_everything_else_is_left_as_it_is(said):
    assert SECRETS.masked(said) == said


def test_short_values_of_tests_are_no_secrets():
    assert Secrets([Credentials("AK1", "key", "")]).masked("the key AK1") == "the key AK1"
    assert Secrets(()).masked(TOKEN) == TOKEN


# Where the service's words come in


def replying(reply, **more):
    async def send(*_):
        return reply

    return service_of(send, credentials=USED, **more)


ROW = Row(1, 1, "b", "o", b"", b"k" * 16)
DRESSED = [
    b'{"code":"SYS.0010","message":"%s","request_id":"%s"}',
    b"<Error><Code>NoSuchKey</Code><Message>%s</Message><RequestId>%s</RequestId></Error>",
]


@pytest.mark.parametrize("dress", DRESSED, ids=["JSON", "XML"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_an_error_holds_no_trace_of_a_secret(dress, form):
    for secret in (AK, SK, TOKEN):
        said = json.dumps(form(secret))[1:-1] if dress is DRESSED[0] else html.escape(form(secret))
        answer = await replying(Reply(400, {}, dress % (said.encode(), said.encode()))).start(ROW)
        assert not [trace for trace in traces(secret) if trace in answer.message + answer.request_id + answer.code]
        assert NAMES[secret] in answer.message
        assert NAMES[secret] in answer.request_id


@pytest.mark.parametrize("before", range(LONGEST - len(TOKEN) - 2, LONGEST))
async def test_a_secret_that_is_cut_off_with_its_text_is_masked(before):
    body = json.dumps({"code": "SYS.0010", "message": f"{'y' * before} {TOKEN} and more"}).encode()
    answer = await replying(Reply(400, {}, body)).start(ROW)
    assert TOKEN[:10] not in answer.message


async def test_a_success_a_page_and_a_location_hold_no_secret():
    escaped = TOKEN.replace("/", "\\/")
    body = f'{{"execution_name":"e1","execution_urn":"urn:{escaped}","started_at":"{SK}"}}'
    answer = await replying(Reply(200, CIMultiDict({"X-Request-ID": AK}), body.encode())).start(ROW)
    assert answer.execution == Execution("e1", "urn:[security token]", "[secret key]")
    assert answer.request_id == "[access key]"
    page = json.dumps({"executions": [{"execution_name": "e1", "execution_state": TOKEN}], "is_truncated": False})
    listed = await replying(Reply(200, {}, page.encode())).page()
    assert [each.state for each in listed.noun.executions] == ["[security token]"]
    body = json.dumps({"name": "w", "definition": {"inputs": {"p": {"type": "text", "constraints": {"equal": SK}}}}})
    noun = (await replying(Reply(200, {}, body.encode())).workflow()).noun
    assert noun.parameters["p"].constraints == {"equal": "[secret key]"}
    redirect = Reply(302, CIMultiDict({"Location": f"https://login.example.com/?t={quote(TOKEN, safe='')}"}), b"")
    assert (await replying(redirect).start(ROW)).message == (
        "redirected to https://login.example.com/?t=[security token]"
    )
    lost = await replying(Lost(Fault.LOST, f"proxy: {TOKEN}")).start(ROW)
    assert lost.message == "proxy: [security token]"


async def test_a_known_code_is_never_masked_and_decides_as_before():
    reply = Reply(403, {}, b"<Error><Code>InvalidAccessKeyId</Code><Message>InvalidAccessKeyId</Message></Error>")

    async def send(*_):
        return reply

    answer = await service_of(send, credentials=Credentials("InvalidAccessKeyId", SK)).start(ROW)
    assert (answer.code, answer.message) == ("InvalidAccessKeyId", "[access key]")
    assert answer.meaning.cause is Cause.SIGNATURE


async def test_what_an_execution_was_started_with_is_compared_as_it_is():
    sent = json.dumps({"bucket": "b", "object": "o", "inputs": {"key": AK}})
    body = json.dumps({"execution_info": {"execution_name": "e1", "execution_urn": AK, "input": sent}}).encode()
    found = (await replying(Reply(200, {}, body)).execution("e1")).noun
    assert (found.input, found.execution.urn) == (sent, "[access key]")


async def test_credentials_that_were_replaced_stay_masked():
    newer, bodies = Credentials(AK, "SomeOtherSecretKey/000", "other-token-000/=="), []

    async def renew():
        return newer

    async def send(*_):
        bodies.append(None)
        code = b"InvalidAccessKeyId" if len(bodies) == 1 else b"NoSuchKey"
        said = f"{TOKEN} {newer.security_token}".encode()
        return Reply(403 if len(bodies) == 1 else 404, {}, b'{"code":"%s","message":"%s"}' % (code, said))

    service = service_of(send, credentials=USED, renew=renew)
    assert (await service.start(ROW)).message == "[security token] [security token]"
    assert len(bodies) == 2
