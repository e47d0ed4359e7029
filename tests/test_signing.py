"""The signature, stage by stage, against vectors made by an independent implementation, with made-up keys."""

import os
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

from batcher.model import Credentials
from batcher.rules.service.signing import (
    authorization,
    canonical_resource,
    http_date,
    signature,
    signed_headers,
    string_to_sign,
    wire_query,
)

AK = "EXAMPLEAK0123456789A"
SK = "ExampleSecretKey/abc+DEF0123456789xyzWXYZ"
TOKEN = "ggpjbi1ub3J0aC00EXAMPLETOKEN//abc+def=="
KEYS = Credentials(AK, SK)
TEMPORARY = Credentials(AK, SK, TOKEN)

NOW = 1795509000
DATE = "Tue, 24 Nov 2026 08:30:00 GMT"
JSON = {"Content-Type": "application/json"}
DATED = JSON | {"Date": DATE}

GRAPH = "/v2/workflows/transcode-h265"
LIST = "/v2/workflowexecutions"
ONE = "/v2/workflowexecutions/84a3dd2bd67f43aa9b98cdd74604ca68"
OF_GRAPH = (("x-workflow-graph-name", "transcode-h265"),)
MARKED = (
    *OF_GRAPH,
    ("x-workflow-next-marker", "APICALLaa76d0ccc918619a2853ce2c5965c592"),
    ("x-workflow-limit", "1000"),
    ("x-workflow-execution-type", "APICALL"),
)
MARKED_SORTED = (
    "x-workflow-execution-type=APICALL&x-workflow-graph-name=transcode-h265&x-workflow-limit=1000"
    "&x-workflow-next-marker=APICALLaa76d0ccc918619a2853ce2c5965c592"
)
ODD = (("x-workflow-graph-name", "g_1-x"), ("x-workflow-next-marker", "APICALL+/= x"))
PREFIX = (("x-workflow-prefix", None), ("x-workflow-start", "1"), ("x-workflow-limit", "100"))
OBJECTS = (("prefix", "videos/"), ("marker", "a b"), ("max-keys", "1000"), ("encoding-type", "url"))
OBJECT = "/demo-bucket/videos/%E7%89%87%E6%AE%B5%2001%20%C3%A9~%2B%26.mp4"

HEAD = "\n\napplication/json\nTue, 24 Nov 2026 08:30:00 GMT\n"
TOKEN_LINE = f"x-obs-security-token:{TOKEN}\n"
UNDATED = f"POST\n\napplication/json\n\nx-obs-date:{DATE}\n"


class Vector(NamedTuple):
    method: str
    path: str
    query: tuple
    headers: dict
    text: str
    signed: str


VECTORS = {
    "V1": Vector("POST", GRAPH, (), DATED, f"POST{HEAD}{GRAPH}", "36DkTBWAlCa2j44M20h6/YXB7qI="),
    "V2": Vector(
        "POST",
        GRAPH,
        (),
        DATED | {"x-obs-security-token": TOKEN},
        f"POST{HEAD}{TOKEN_LINE}{GRAPH}",
        "hv1i375m+nMr7kl+661p78lOgQk=",
    ),
    "V3": Vector("POST", GRAPH, (), JSON | {"x-obs-date": DATE}, f"{UNDATED}{GRAPH}", "Qh4MlD/aiCswLV2t4jkBSvUGtpI="),
    "V4": Vector(
        "POST",
        GRAPH,
        (),
        DATED | {"x-obs-security-token": TOKEN, "x-obs-date": DATE},
        f"{UNDATED}{TOKEN_LINE}{GRAPH}",
        "tVtkzdikyPAKjcRjI9jKaxx421s=",
    ),
    "V5": Vector(
        "POST",
        GRAPH,
        (),
        DATED | {"Content-MD5": "aRKUTNvlH12CsfJ5L8tW4g=="},
        f"POST\naRKUTNvlH12CsfJ5L8tW4g==\napplication/json\n{DATE}\n{GRAPH}",
        "fT1nHRCsprfibYCgIRNgJUGXAVM=",
    ),
    "V6": Vector("GET", GRAPH, (), DATED, f"GET{HEAD}{GRAPH}", "372DCdm78nwFrcg2f3fN7kzmiCU="),
    "V7": Vector(
        "GET",
        LIST,
        MARKED,
        DATED,
        f"GET{HEAD}/v2/workflowexecutions?{MARKED_SORTED}",
        "3pvU+cgTEioEvfQVz4TlY6xeCqU=",
    ),
    "V8": Vector(
        "GET",
        ONE,
        OF_GRAPH,
        DATED,
        f"GET{HEAD}{ONE}?x-workflow-graph-name=transcode-h265",
        "H34DXpbQqSooDPbyuIlY3pCuVRI=",
    ),
    "V9": Vector(
        "PUT",
        ONE,
        OF_GRAPH,
        DATED,
        f"PUT{HEAD}{ONE}?x-workflow-graph-name=transcode-h265",
        "SLNLoymrsm5YQpP0ruxxCky4dDw=",
    ),
    "V10": Vector(
        "GET",
        "/v2/workflows/trans",
        PREFIX,
        DATED,
        f"GET{HEAD}/v2/workflows/trans?x-workflow-limit=100&x-workflow-prefix&x-workflow-start=1",
        "ILSCawyuG/bSEASSf3MNzuNT+eM=",
    ),
    "V11": Vector(
        "GET",
        "/v2/workflows/",
        PREFIX[:1],
        DATED,
        f"GET{HEAD}/v2/workflows/?x-workflow-prefix",
        "sK4HOznw2rXc0k5RLWUaZ/AtyXQ=",
    ),
    "V12": Vector(
        "HEAD",
        OBJECT,
        (),
        {"Date": DATE, "x-obs-security-token": TOKEN},
        f"HEAD\n\n\n{DATE}\n{TOKEN_LINE}{OBJECT}",
        "gPOdOWnrINphKPyQicj7mDDQz7I=",
    ),
    "V13": Vector(
        "GET",
        "/demo-bucket/",
        OBJECTS,
        {"Date": DATE},
        f"GET\n\n\n{DATE}\n/demo-bucket/",
        "MKi5d9XZFKYP902IDe+xHaIAXCw=",
    ),
    "V14": Vector(
        "GET",
        LIST,
        ODD,
        DATED,
        f"GET{HEAD}/v2/workflowexecutions?x-workflow-graph-name=g_1-x&x-workflow-next-marker=APICALL+/= x",
        "RYx+tNzFJZxYlurh3hVCgDN9DyA=",
    ),
}


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_a_vector_holds_at_every_stage(vector):
    text = string_to_sign(vector.method, vector.path, vector.query, vector.headers)
    assert text == vector.text
    assert signature(SK, text) == vector.signed
    assert authorization(KEYS, text) == f"OBS EXAMPLEAK0123456789A:{vector.signed}"


@pytest.mark.parametrize("name", ["V1", "V2", "V6", "V7", "V8", "V9", "V10", "V11", "V14"])
def test_a_workflow_call_carries_the_headers_that_it_signs(name):
    vector = VECTORS[name]
    credentials = TEMPORARY if "x-obs-security-token" in vector.headers else KEYS
    headers = signed_headers(credentials, vector.method, vector.path, vector.query, now=NOW)
    assert headers == vector.headers | {"Authorization": f"OBS EXAMPLEAK0123456789A:{vector.signed}"}


def test_the_security_token_is_part_of_the_signature():
    other = Credentials(AK, SK, "another-token")
    with_token, with_other, without = (
        signed_headers(each, "POST", GRAPH, now=NOW)["Authorization"] for each in (TEMPORARY, other, KEYS)
    )
    assert len({with_token, with_other, without}) == 3


def test_header_names_are_signed_in_lower_case_and_values_without_margins():
    headers = {"CONTENT-TYPE": " application/json ", "date": DATE, "X-Obs-Security-Token": f" {TOKEN} "}
    assert string_to_sign("post", GRAPH, (), headers) == VECTORS["V2"].text


def test_the_query_is_encoded_on_the_wire_and_plain_in_the_signature():
    assert wire_query(ODD) == "?x-workflow-graph-name=g_1-x&x-workflow-next-marker=APICALL%2B/%3D%20x"
    assert canonical_resource("", ODD) == "?x-workflow-graph-name=g_1-x&x-workflow-next-marker=APICALL+/= x"


def test_the_wire_keeps_the_order_of_the_query_and_all_of_its_names():
    assert wire_query(OBJECTS) == "?prefix=videos/&marker=a%20b&max-keys=1000&encoding-type=url"
    assert wire_query(PREFIX) == "?x-workflow-prefix&x-workflow-start=1&x-workflow-limit=100"
    assert wire_query(()) == ""


def test_names_that_the_service_does_not_sign_stay_out_of_the_resource():
    query = (("x-workflow-limit", "5"), ("marker", "m"), ("x-obs-acl", "a"), ("X-Workflow-Start", "1"))
    assert canonical_resource("/p", query) == "/p?x-obs-acl=a&x-workflow-limit=5"


def test_a_date_is_written_in_gmt():
    assert http_date(NOW) == DATE
    assert http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"


SPEAKS = """
import locale, sys, time
locale.setlocale(locale.LC_ALL, "")
from batcher.rules.service.signing import http_date
print(time.strftime("%a", time.gmtime(int(sys.argv[1]))), "|", http_date(int(sys.argv[1])))
"""


def spoken(circumstances):
    """What the C library calls the day, and the date that we write, in a process of its own."""
    child = [sys.executable, "-c", SPEAKS, str(NOW)]
    return subprocess.run(child, env=os.environ | circumstances, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    """An environment in which the C library speaks German."""
    if not shutil.which("localedef"):
        pytest.skip("no localedef to make a locale with")
    home = tmp_path_factory.mktemp("locales")
    made = subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", home / "de_DE.UTF-8"], check=False)
    if made.returncode:
        pytest.skip("no sources to make a locale from")
    return {"LOCPATH": str(home), "LC_ALL": "de_DE.UTF-8"}


def test_a_date_is_english_in_a_process_that_speaks_german(german):
    assert spoken(german) == f"Di | {DATE}\n"


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC+11"])
def test_a_date_is_gmt_in_a_process_of_another_time_zone(zone):
    assert spoken({"LC_ALL": "C", "TZ": zone}) == f"Tue | {DATE}\n"


def test_credentials_show_no_secret():
    shown = repr(Credentials(AK, SK, TOKEN, source="environment"))
    assert shown == "Credentials(source='environment')"
