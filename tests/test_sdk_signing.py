"""The signature SDK-HMAC-SHA256 against vectors made by an independent implementation, with made-up keys."""

from typing import NamedTuple

import pytest

from batcher.model import Credentials
from batcher.rules.service.sdk_signing import sdk_date, sdk_query, seal, sealed

AK = "EXAMPLEAK0123456789A"
SK = "ExampleSecretKey/abc+DEF0123456789xyzWXYZ"
TOKEN = "ggpjbi1ub3J0aC00EXAMPLETOKEN//abc+def=="
KEYS, TEMPORARY = Credentials(AK, SK), Credentials(AK, SK, TOKEN)
PROJECT = "0123456789abcdef0123456789abcdef"
DATE = "20261124T083000Z"
NOW = 1795509000

TYPED = {"Content-Type": "application/json", "Host": "dwr.cn-south-1.myhuaweicloud.com", "X-Project-Id": PROJECT}
OF_IAM = {"Host": "iam.cn-south-1.myhuaweicloud.com"}
BODY = '{"bucket":"my-videos","object":"in/clip 01.mp4"}'
ODD_BODY = (
    '{"bucket":"demo-bucket","object":"/videos/片段 01 é~+&.mp4","inputs":{"template-id":7000524,'
    '"note":"中文 \\"q\\""}}'
)
WINDOW = (
    ("graph_name", "g_1-x"), ("limit", "200"), ("offset", "1"), ("start_time", "2026-11-24T08:00:00Z"),
    ("end_time", "2026-11-24T08:30:00Z"), ("status", "running"),
)  # fmt: skip
ODD = (
    ("b", "2"), ("a b", "+ /=&~*'()"), ("中", "é"), ("B", "1"), ("a", "x"), ("a", ""), ("l", "z"), ("l", "y"),
    ("t", "true"),
)  # fmt: skip


class Vector(NamedTuple):
    keys: Credentials
    method: str
    path: str
    query: tuple
    headers: dict
    body: str
    names: str
    sent: str
    signature: str


NAMES = "content-type;host;x-project-id;x-sdk-date"
START, ONE = f"/v3/{PROJECT}/workflows/transcode-h265/execute", f"/v3/{PROJECT}/workflows/g_1-x/workflowexecution"
VECTORS = {
    "a start": Vector(
        KEYS, "POST", START, (), TYPED, BODY, NAMES, "",
        "17a7a1b838a914de6ef39b43ce364e446e3e74321d0e51ececd8036ce3235ce2",
    ),
    "a start with temporary keys": Vector(
        TEMPORARY, "POST", START, (), TYPED, ODD_BODY, f"{NAMES};x-security-token", "",
        "8c5abbd6ed89bdf98b2b68a5c36a5d342bb0fd1acb0daf64fe97e9311ccbd8b7",
    ),
    "a window of the list": Vector(
        KEYS, "GET", f"/v3/{PROJECT}/workflowexecutions", WINDOW, TYPED, "", NAMES,
        "end_time=2026-11-24T08%3A30%3A00Z&graph_name=g_1-x&limit=200&offset=1"
        "&start_time=2026-11-24T08%3A00%3A00Z&status=running",
        "4570768dc73696faf49cc54b7e572d6f0b3c6ce0d17b06626c3ef1d6df2caa8b",
    ),
    "odd characters in the path": Vector(
        KEYS, "GET", f"{ONE}/a%20b%2Bc~%E4%B8%AD", (), TYPED, "", NAMES, "",
        "d7faf28bf6349ec1dcac8f37a53cdd188aff060d16df4ccbe5e8bf2020395205",
    ),
    "a retry": Vector(
        TEMPORARY, "POST", f"{ONE}/84a3dd2bd67f43aa9b98cdd74604ca68/retry", (), TYPED, "",
        f"{NAMES};x-security-token", "", "75b1ba5d22234d4b8f0a56651784ccb946b5479800b6a92bd06903dc23782e8b",
    ),
    "a look-up of a project": Vector(
        KEYS, "GET", "/v3/projects", (("name", "cn-south-1"),), OF_IAM, "", "host;x-sdk-date", "name=cn-south-1",
        "c02cec35a2646ef48cb4c83b1bd3dbe4e72a29dc311eab426de3430760ae5dd9",
    ),
    "odd names in the query": Vector(
        KEYS, "GET", "/v3/p/x", ODD, TYPED, "", NAMES,
        "B=1&a=&a=x&a%20b=%2B%20%2F%3D%26~%2A%27%28%29&b=2&l=y&l=z&t=true&%E4%B8%AD=%C3%A9",
        "f3df99972d48c0d433dfeb5832a7f977d023d05a668d022bc7cf9b8824af2520",
    ),
}  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_a_request_is_signed_as_the_vector_says(vector):
    common = seal(vector.keys, vector.method, vector.path, vector.query, vector.headers | {"X-Sdk-Date": DATE})
    headers = sealed(common, vector.body.encode())
    access = f"SDK-HMAC-SHA256 Access={AK}, SignedHeaders={vector.names}, Signature={vector.signature}"
    assert (headers["Authorization"], sdk_query(vector.query)) == (access, vector.sent)
    assert headers.get("X-Security-Token", "") == vector.keys.security_token
    # The transport adds it, and would send it twice.
    assert "Host" not in headers


def test_no_body_is_signed_like_an_empty_one():
    common = seal(KEYS, "POST", START, (), TYPED | {"X-Sdk-Date": DATE})
    assert sealed(common, None) == sealed(common, b"")


def test_the_date_has_whole_seconds_in_utc():
    assert sdk_date(NOW + 0.9) == DATE
