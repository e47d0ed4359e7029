"""The official SDK against the emulator: an independent client agrees on signatures, calls and documents.

Its own source is the only published client of these calls: https://github.com/huaweicloud/huaweicloud-sdk-python-obs .
"""

import asyncio
import json
from contextlib import contextmanager

import pytest
from conftest import AK, CREDENTIALS, SK, TOKEN
from obs import WorkflowClient

from batcher.model import Credentials

# The SDK dates its requests with a function that is deprecated since Python 3.12.
pytestmark = pytest.mark.filterwarnings(r"ignore:datetime\.datetime\.utcnow:DeprecationWarning")

KEY = "/in/2026/片段 01 é~+&.mp4"
INPUTS = {"template-id": 7, "note": '中文 "q"', "speed": 1.5, "loud": True, "sizes": [1, 2], "labels": {"a": "b"}}


@contextmanager
def _client(service, credentials=CREDENTIALS):
    """Make the SDK's client. It is one object for the whole process, so one test has one at a time."""
    client = WorkflowClient(
        access_key_id=credentials.access_key,
        secret_access_key=credentials.secret_key,
        security_token=credentials.security_token or None,
        server=service.url,
        max_retry_count=0,
    )
    try:
        yield client
    finally:
        client.close()


async def test_the_sdk_starts_and_the_ledger_has_what_it_sent(emulator):
    service = await emulator()
    with _client(service) as client:
        answer = await asyncio.to_thread(client.asyncAPIStartWorkflow, "transcode", "videos", KEY, INPUTS)
        bare = await asyncio.to_thread(client.asyncAPIStartWorkflow, "transcode", "videos", KEY)
    first, second = service.ledger.starts
    assert (answer.status, bare.status) == (200, 200)
    assert (answer.body.executionName, answer.body.startedAt) == (first.execution_name, first.started_at)
    assert answer.body.executionUrn == f"urn:fgs:local:emulator:execution:transcode:{first.execution_name}:loopback"
    assert (first.bucket, first.object, json.loads(first.inputs)) == ("videos", KEY, INPUTS)
    assert (second.execution_name, second.inputs) == (bare.body.executionName, "{}")


async def test_the_sdk_reads_a_workflow(emulator):
    service = await emulator()
    with _client(service) as client:
        answer = await asyncio.to_thread(client.getWorkflow, "transcode")
    assert (answer.status, answer.body.name) == (200, "transcode")
    assert answer.body.definition["inputs"]["template-id"]["type"] == "integer"


async def test_the_sdk_pages_through_the_list(emulator):
    service = await emulator()
    expected = sorted(service.start_elsewhere("b", f"o{number}") for number in range(7))
    expected += sorted(service.start_elsewhere("b", "o", type="TRIGGERCAL") for _ in range(3))
    names, marker, truncated = [], None, True
    with _client(service) as client:
        while truncated:
            page = await asyncio.to_thread(client.listWorkflowExecution, "transcode", nextMarker=marker, limit=4)
            assert page.status == 200
            names += [entry["execution_name"] for entry in page.body.executions]
            marker, truncated = page.body.nextMarker, page.body.isTruncated
        triggered = await asyncio.to_thread(client.listWorkflowExecution, "transcode", executionType="TRIGGERCAL")
    assert names == expected
    assert [entry["execution_name"] for entry in triggered.body.executions] == expected[7:]


async def test_the_sdk_reads_an_execution_and_restores_it_once_it_has_failed(emulator):
    service = await emulator(run_time=0, fail_share=1.0)
    with _client(service) as client:
        name = (await asyncio.to_thread(client.asyncAPIStartWorkflow, "transcode", "b", KEY)).body.executionName
        failed = await asyncio.to_thread(client.getWorkflowExecution, name, "transcode")
        restored = await asyncio.to_thread(client.restoreFailedWorkflowExecution, name, "transcode")
        again = await asyncio.to_thread(client.restoreFailedWorkflowExecution, name, "transcode")
    info = failed.body.executionInfo
    assert (info["execution_name"], info["execution_state"]) == (service.ledger.starts[0].execution_name, "FAILED")
    assert json.loads(info["input"]) == {"bucket": "b", "object": KEY, "inputs": {}}
    assert (restored.status, restored.body.executionName) == (200, name)
    assert (again.status, again.errorCode) == (400, "SYS.0010")
    assert [(each.execution_name, each.state) for each in service.ledger.restores] == [(name, "FAILED")]


async def test_the_sdk_with_a_wrong_secret_is_refused(emulator):
    service = await emulator()
    with _client(service, Credentials(AK, SK + "x")) as client:
        answer = await asyncio.to_thread(client.asyncAPIStartWorkflow, "transcode", "b", KEY)
    assert (answer.status, answer.errorCode) == (403, "SignatureDoesNotMatch")
    assert service.ledger.starts == []


async def test_the_sdk_passes_with_the_security_token_and_not_without_it(emulator):
    temporary = Credentials(AK, SK, TOKEN)
    service = await emulator(credentials=temporary)
    statuses = []
    for credentials in (temporary, CREDENTIALS):
        with _client(service, credentials) as client:
            answer = await asyncio.to_thread(client.asyncAPIStartWorkflow, "transcode", "b", KEY)
            listed = await asyncio.to_thread(client.listWorkflowExecution, "transcode")
            statuses.append((answer.status, listed.status))
    assert statuses == [(200, 200), (403, 403)]
    assert len(service.ledger.starts) == 1


async def test_the_sdk_reads_the_codes_of_both_ends_of_the_service(emulator):
    service = await emulator(reject_share=1.0)
    with _client(service) as client:
        missing = await asyncio.to_thread(client.asyncAPIStartWorkflow, "transcode", "b", KEY)
        unknown = await asyncio.to_thread(client.getWorkflow, "other")
    assert (missing.status, missing.errorCode) == (404, "SYS.0015")
    assert (unknown.status, unknown.errorCode) == (404, "Workflow.0001")
