"""The official v3 SDK: an independent client agrees on signatures, calls and documents of DWR v3.

Its source: https://github.com/huaweicloud/huaweicloud-sdk-python-v3 .
"""

import asyncio
import json
import random
from urllib.parse import quote

import aiohttp
import pytest
from conftest import AK, CREDENTIALS, SK, TOKEN, Clock
from sdk_v3 import BasicCredentials, ClientRequestException, HttpConfig, SdkRequest, Signer, dwr
from test_sdk_signing import OF_IAM, TYPED

from batcher.emulator.documents import PROJECT
from batcher.model import Credentials
from batcher.rules.service.sdk_signing import sdk_date, sdk_query, seal, sealed

CHARACTERS = "aZ09-_.~ /%+&=?#:@!$'()*,;éü中\u00a0"


def made_up(dice):
    """Make up a request: odd paths, queries, headers and bodies, with and without a token."""

    def text(least, most):
        return "".join(dice.choice(CHARACTERS) for _ in range(dice.randint(least, most)))

    path = "/v3/" + "/".join(quote(text(1, 9), safe="") for _ in range(dice.randint(1, 5))) + dice.choice(["", "/"])
    query = [(text(1, 6), text(0, 9)) for _ in range(dice.randint(0, 5))]
    keys = Credentials(f"AK{dice.randrange(10**9)}", text(8, 30), dice.choice(["", "token/+=="]))
    headers = dice.choice([TYPED, OF_IAM]) | {"X-Sdk-Date": sdk_date(dice.randrange(2 * 10**9))}
    return keys, dice.choice(["GET", "POST", "PUT"]), path, query, headers, text(0, 60).encode()


def test_1000_requests_are_signed_as_the_official_sdk_signs_them():
    dice = random.Random(21)
    for _ in range(1000):
        keys, method, path, query, headers, body = made_up(dice)
        token = {"X-Security-Token": keys.security_token} if keys.security_token else {}
        theirs = SdkRequest(
            method=method, host=headers["Host"], resource_path=path, query_params=[*query],
            header_params=headers | token, body=body,
        )  # fmt: skip
        Signer(BasicCredentials(keys.access_key, keys.secret_key)).sign(theirs)
        ours = sealed(seal(keys, method, path, query, headers), body)
        assert ours["Authorization"] == theirs.header_params["Authorization"], (path, query)
        assert sdk_query(query) == theirs.uri.partition("?")[2]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Give the SDK a home of its own: it writes there."""
    monkeypatch.setenv("HOME", str(tmp_path))


KEY = "/in/2026/片段 01 é~+&.mp4"
INPUTS = {"template-id": 7, "note": '中文 "q"', "speed": 1.5, "loud": True, "sizes": [1, 2], "labels": {"a": "b"}}


def client_of(service, credentials=CREDENTIALS, project=PROJECT):
    keys = BasicCredentials(credentials.access_key, credentials.secret_key, project)
    if credentials.security_token:
        keys = keys.with_security_token(credentials.security_token)
    config = HttpConfig.get_default_config()
    config.ignore_ssl_verification, config.retry_times = True, 0
    built = dwr.DwrClient.new_builder().with_http_config(config).with_credentials(keys)
    return built.with_endpoint(service.url).build()


def start(client, key=KEY, inputs=None):
    body = dwr.ExecuteWorkflowBody(bucket="videos", object=key, inputs=inputs)
    return client.async_invoke_api_start_workflow(dwr.AsyncInvokeApiStartWorkflowRequest("transcode", body))


async def test_the_sdk_starts_lists_reads_and_retries_and_the_ledger_has_what_it_sent(emulator):
    service = await emulator(run_time=0, fail_share=1.0)
    client = client_of(service)
    ask = asyncio.to_thread
    answer = await ask(start, client, inputs=INPUTS)
    bare = await ask(start, client, key="o")
    first, second = service.ledger.starts
    assert (answer.execution_name, answer.started_at) == (first.execution_name, first.started_at)
    assert (first.bucket, first.object, json.loads(first.inputs)) == ("videos", KEY, INPUTS)
    assert (second.execution_name, second.inputs) == (bare.execution_name, "{}")
    workflow = await ask(client.show_workflow_info, dwr.ShowWorkflowInfoRequest("transcode"))
    assert (workflow.name, workflow.definition["inputs"]["template-id"]["type"]) == ("transcode", "integer")
    page = await ask(client.list_workflow_instance, dwr.ListWorkflowInstanceRequest(graph_name="transcode", limit=1))
    assert (page.count, page.is_truncated, page.next_offset) == (1, True, 2)
    rest = dwr.ListWorkflowInstanceRequest(graph_name="transcode", limit=1, offset=page.next_offset, status="fail")
    listed = [*page.executions, *(await ask(client.list_workflow_instance, rest)).executions]
    assert [each.execution_name for each in listed] == [first.execution_name, second.execution_name]
    one = {"graph_name": "transcode", "execution_name": first.execution_name}
    detail = await ask(client.show_workflow_instance, dwr.ShowWorkflowInstanceRequest(**one))
    assert (detail.status, detail.input) == ("fail", {"bucket": "videos", "object": KEY, "inputs": INPUTS})
    retried = await ask(client.restore_workflow_execution, dwr.RestoreWorkflowExecutionRequest(**one))
    assert retried.execution_name == first.execution_name
    assert [(each.execution_name, each.state) for each in service.ledger.restores] == [(first.execution_name, "FAILED")]


@pytest.mark.parametrize(
    ("credentials", "project", "words"),
    [
        (Credentials(AK, SK + "x"), PROJECT, "verify aksk signature fail"),
        (Credentials("OTHERAK", SK), PROJECT, "ak OTHERAK not exist"),
        (Credentials(AK, SK, TOKEN), PROJECT, "decrypt token fail"),
        (CREDENTIALS, "other", "not that of the user"),
    ],
)
async def test_the_sdk_is_refused_with_wrong_credentials(emulator, credentials, project, words):
    service = await emulator()
    with pytest.raises(ClientRequestException, match=words):
        await asyncio.to_thread(start, client_of(service, credentials, project))
    assert service.ledger.starts == []


async def test_the_sdk_passes_with_the_security_token(emulator):
    temporary = Credentials(AK, SK, TOKEN)
    service = await emulator(credentials=temporary)
    await asyncio.to_thread(start, client_of(service, temporary))
    assert len(service.ledger.starts) == 1


async def test_a_stale_date_and_a_tampered_body_are_refused(emulator):
    clock = Clock()
    service = await emulator(clock=clock)
    target = f"/v3/{PROJECT}/workflows/transcode/execute"

    def signed(now, body=b'{"bucket":"b","object":"o"}'):
        host = service.url.removeprefix("http://")
        theirs = SdkRequest(
            "POST", host=host, resource_path=target, query_params=[], body=body,
            header_params={"Content-Type": "application/json", "X-Sdk-Date": sdk_date(now)},
        )  # fmt: skip
        return Signer(BasicCredentials(AK, SK)).sign(theirs).header_params

    async with aiohttp.ClientSession(service.url) as session:

        async def sent(headers, body=b'{"bucket":"b","object":"o"}'):
            async with session.post(target, headers=headers, data=body) as answer:
                return answer.status, (await answer.json(content_type=None)).get("error_msg", "")

        stale, words = await sent(signed(clock.now - 901))
        assert (stale, words.partition(": ")[2].partition(",")[0]) == (401, "signature expired")
        tampered, words = await sent(signed(clock.now), b'{"bucket":"b","object":"other"}')
        assert (tampered, words.partition(": ")[2].partition(",")[0]) == (401, "verify aksk signature fail")
        assert service.ledger.starts == []
        assert (await sent(signed(clock.now - 890)))[0] == 200
        # more than five failures in succession lock the key, even for a good signature
        assert {await sent(signed(clock.now - 901)) for _ in range(6)} == {(401, expired_words(clock))}
        assert "reach the limit" in (await sent(signed(clock.now)))[1]
        clock.now += 301
        assert (await sent(signed(clock.now)))[0] == 200
    assert len(service.ledger.starts) == 2


def expired_words(clock):
    dates = f"signature time:{sdk_date(clock.now - 901)},server time:{sdk_date(clock.now)}"
    return f"Incorrect IAM authentication information: signature expired, {dates}"
