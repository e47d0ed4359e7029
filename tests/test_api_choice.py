"""Which API a job uses, and for DWR which project: by the options, the checkpoint, the endpoint, or by asking."""

import json
from contextlib import asynccontextmanager

import pytest
from answered import answered
from conftest import AK, KEYS

from batcher.app.api import choose
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.emulator.documents import PROJECT
from batcher.errors import CredentialsError, UsageError
from batcher.flow.drain import Drain
from batcher.model import Described, Fault, Lost, Reply, Workflow
from batcher.options.verbs import RunOptions
from batcher.rules.choices import Api
from batcher.rules.service.dialects import api_of_host, chosen
from batcher.rules.service.names import endpoint
from batcher.rules.service.projects import OWN_HOST, iam_endpoint

DWR = "https://dwr.cn-south-1.myhuaweicloud.com"
OBS = "https://obs.cn-north-4.myhuaweicloud.com"


@pytest.mark.parametrize(
    ("url", "api"),
    [
        (OBS, Api.OBS_V2),
        ("https://obs.eu-west-101.myhuaweicloud.eu", Api.OBS_V2),
        (DWR, Api.DWR_V3),
        ("https://dwr.cn-north-4.myhuaweicloud.com:8443", Api.DWR_V3),
        ("https://dwr.example.com", Api.AUTO),
        ("http://127.0.0.1:8080", Api.AUTO),
    ],
)
def test_an_endpoint_of_the_cloud_has_the_api_of_its_host(url, api):
    assert api_of_host(url) is api


def test_a_region_alone_is_obs_and_that_of_dwr_is_known_in_one_region_only():
    def of(**options):
        return RunOptions.of({"workflow": "w", "manifest": "m.csv", **options}).endpoint

    assert of(region="cn-north-4") == OBS
    assert of(region="cn-south-1", api=Api.DWR_V3) == DWR
    with pytest.raises(UsageError, match="not known") as refused:
        of(region="cn-north-4", api=Api.DWR_V3)
    assert "--endpoint https://dwr.cn-north-4.myhuaweicloud.com" in refused.value.advice
    with pytest.raises(UsageError, match="not a region name"):
        of(region="cn-sooth-1", api=Api.DWR_V3)


def test_the_host_of_another_product_of_dwr_is_refused_with_the_reason():
    with pytest.raises(UsageError, match="another product of DWR, which has no workflows") as refused:
        endpoint("https://dwr-lms.cn-east-3.myhuaweicloud.com", allow_http=False)
    assert "https://dwr.cn-east-3.myhuaweicloud.com" in refused.value.advice
    with pytest.raises(UsageError, match="no region cn-sooth-1"):
        endpoint("https://dwr.cn-sooth-1.myhuaweicloud.com", allow_http=False)


FOUND = Described(200, noun=Workflow("w", {}))
UNSERVED = answered(404, "APIGW.0101", kind=Described)
MISSING = answered(404, "Workflow.0001", kind=Described)
DENIED = answered(403, "AccessDenied", kind=Described)
PAGE = answered(404, "", kind=Described)
LOST = Described(fault=Fault.UNREACHED, message="no connection")


@pytest.mark.parametrize(
    ("obs", "dwr", "api"),
    [
        (FOUND, UNSERVED, Api.OBS_V2),
        (FOUND, FOUND, Api.OBS_V2),
        (UNSERVED, FOUND, Api.DWR_V3),
        (UNSERVED, DENIED, Api.DWR_V3),
        (MISSING, FOUND, Api.DWR_V3),
        (MISSING, MISSING, Api.OBS_V2),
        (PAGE, MISSING, Api.DWR_V3),
        (UNSERVED, PAGE, Api.OBS_V2),
        (LOST, LOST, Api.OBS_V2),
    ],
)
def test_the_api_is_the_one_whose_answer_shows_more_and_obs_if_both_show_as_much(obs, dwr, api):
    assert chosen(obs, dwr) is api


def test_iam_has_a_host_of_its_own_in_some_regions():
    assert (len(OWN_HOST), iam_endpoint("cn-south-1")) == (27, "https://iam.cn-south-1.myhuaweicloud.com")
    assert iam_endpoint("cn-north-11") == "https://iam.myhuaweicloud.com"


class Iam:
    """Stands in for every host, and notes what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked, self.said = list(answers), [], []

    @asynccontextmanager
    async def connect(self, address, **_):
        async def send(method, target, headers, body):
            self.asked.append((address, method, target, headers, body))
            return self.answers.pop(0)

        yield type("Transport", (), {"send": staticmethod(send)})

    async def choose(self, environment=KEYS, **options):
        world = World(
            Voice(lambda _, text: self.said.append(text)), environment, connect=self.connect, clock=lambda: 1e9
        )
        given = RunOptions.of({"workflow": "w", "manifest": "m.csv", **options})
        found = await choose(given, world, Drain(), None)
        self.asked = [each for each in self.asked if not each[0].startswith("http://169.254")]
        return found.dialect.name, found.project


def answer(*projects, status=200, date="Sun, 09 Sep 2001 01:46:40 GMT"):
    listed = [{"id": id_, "name": name} for id_, name in projects]
    return Reply(status, {"date": date}, json.dumps({"projects": listed}).encode())


REFUSED = Reply(403, {}, b'{"error":{"code":403,"message":"no","title":"Forbidden"}}')


async def test_a_project_is_looked_up_at_the_iam_of_its_region():
    iam = Iam(answer((PROJECT, "cn-south-1")))
    assert await iam.choose(endpoint=DWR) == ("dwr-v3", PROJECT)
    ((address, method, target, headers, _),) = iam.asked
    assert (address, method, target) == (
        "https://iam.cn-south-1.myhuaweicloud.com",
        "GET",
        "/v3/projects?name=cn-south-1",
    )
    assert headers["Authorization"].startswith(
        f"SDK-HMAC-SHA256 Access={AK}, SignedHeaders=host;x-sdk-date, Signature="
    )
    assert iam.said == ["API dwr-v3, because of the endpoint", f"project {PROJECT} (cn-south-1), as IAM says"]


@pytest.mark.parametrize("first", [REFUSED, answer(), Lost(Fault.LOST, "no answer")])
async def test_a_user_without_the_permission_is_asked_for_the_own_projects(first):
    iam = Iam(first, answer(("other", "cn-north-4"), (PROJECT, "cn-south-1"), ("sub", "cn-south-1_videos")))
    assert await iam.choose(endpoint=DWR) == ("dwr-v3", PROJECT)
    assert [each[2] for each in iam.asked] == ["/v3/projects?name=cn-south-1", "/v3/auth/projects"]


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (answer(), "no project called cn-south-1"),
        (answer(("sub", "cn-south-1_videos")), "it names cn-south-1_videos"),
        (answer(("a", "cn-south-1"), ("b", "cn-south-1")), "2 projects called cn-south-1"),
        (REFUSED, "HTTP 403"),
    ],
)
async def test_a_project_that_iam_does_not_name_has_to_be_given(last, words):
    with pytest.raises(CredentialsError, match=words) as refused:
        await Iam(answer(), last).choose(endpoint=DWR)
    assert "--project-id" in refused.value.advice


async def test_iam_is_asked_again_by_its_own_time_if_the_clock_is_wrong():
    iam = Iam(answer(status=401, date="Tue, 24 Nov 2026 08:30:00 GMT"), answer((PROJECT, "cn-south-1")))
    assert await iam.choose(endpoint=DWR) == ("dwr-v3", PROJECT)
    assert [each[3]["X-Sdk-Date"] for each in iam.asked] == ["20010909T014640Z", "20261124T083000Z"]


async def test_another_iam_may_be_named():
    iam = Iam(answer((PROJECT, "cn-south-1")))
    await iam.choose(KEYS | {"HUAWEICLOUD_SDK_IAM_ENDPOINT": "https://iam.example.com"}, endpoint=DWR)
    assert iam.asked[0][0] == "https://iam.example.com"


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": DWR, "project_id": PROJECT},
        {"endpoint": OBS},
        {"endpoint": OBS, "project_id": PROJECT},
        {"endpoint": "https://workflows.example.com"},
        {"region": "cn-south-1"},
        {"endpoint": "https://workflows.example.com", "project_id": PROJECT, "api": Api.DWR_V3},
    ],
)
async def test_nobody_is_asked_where_nothing_is_open(options):
    iam = Iam()
    found = await iam.choose(**options)
    dwr = "dwr" in str(options.get("endpoint")) or "api" in options
    assert (found, iam.asked) == (("dwr-v3", PROJECT) if dwr else ("obs-v2", ""), [])


@pytest.mark.parametrize("options", [{"endpoint": "https://workflows.example.com", "api": Api.DWR_V3}])
async def test_iam_is_asked_only_about_an_endpoint_of_dwr(options):
    iam = Iam()
    with pytest.raises(UsageError, match="needs the id of a project"):
        await iam.choose(**options)
    assert iam.asked == []


async def test_an_endpoint_of_another_name_is_asked_once_in_each_api(emulator, tmp_path):
    service = await emulator()
    said = []
    world = World(Voice(lambda _, text: said.append(text)), KEYS | {"XDG_STATE_HOME": str(tmp_path)})
    options = RunOptions.of(
        {"workflow": "transcode", "manifest": "m.csv", "endpoint": service.url, "project_id": PROJECT}
    )
    found = await choose(options, world, Drain(), None)
    assert (found.dialect.name, found.project, service.ledger.requests) == ("obs-v2", "", {"workflow": 2})
    assert said == ["API obs-v2, because obs-v2 was answered with HTTP 200, and dwr-v3 with HTTP 200"]
