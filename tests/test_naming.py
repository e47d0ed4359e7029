"""Names are checked before they cost a request, and what is said names the rule."""

import pytest

from batcher.errors import UsageError
from batcher.rules.rows.identity import bucket_fault, object_fault
from batcher.rules.service.names import Endpoint, endpoint, region_endpoint, workflow_fault


@pytest.mark.parametrize("name", ["a", "7", "transcode-h264_v2", "A" * 64])
def test_a_workflow_name_by_the_rule_passes(name):
    assert workflow_fault(name) is None


@pytest.mark.parametrize("name", ["", "A" * 65, "-a", "_a", "a b", "a/b", "..", "a?x", "a%2f", "é", "a\n"])
def test_any_other_workflow_name_is_refused(name):
    assert "1 to 64" in workflow_fault(name)


@pytest.mark.parametrize("name", ["abc", "my-videos", "a.b", "0a0", "a" * 63, "1.2.3.4.5", "1.2.3"])
def test_a_bucket_name_by_the_rule_passes(name):
    assert bucket_fault(name) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "3 to 63"),
        ("ab", "3 to 63"),
        ("a" * 64, "3 to 63"),
        ("My-videos", "a-z"),
        ("my_videos", "a-z"),
        ("-my-videos", "begins and ends"),
        ("my-videos-", "begins and ends"),
        (".my-videos", "begins and ends"),
        ("my-videos\n", "a-z"),
        ("v\u00efdeos", "a-z"),
        ("my..videos", "two adjacent dots"),
        ("my.-videos", "next to a hyphen"),
        ("my-.videos", "next to a hyphen"),
        ("192.168.1.1", "IP address"),
    ],
)
def test_any_other_bucket_name_is_refused_with_its_rule(name, said):
    assert said in bucket_fault(name)


@pytest.mark.parametrize(
    "key", [" ", "/a", "a/", "a" * 1024, "\u00e9" * 512, "\U0001f600" * 256, "a\nb", "%20+\"'", ".."]
)
def test_an_object_key_of_1_to_1024_bytes_passes_whatever_it_holds(key):
    assert object_fault(key) is None


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "missing or empty"),
        ("a" * 1025, "1,025 bytes"),
        ("\u00e9" * 512 + "a", "1,025 bytes"),
        ("\U0001f600" * 257, "1,028 bytes"),
        ("a\0b", "NUL"),
        ("a\ud83db", "surrogate"),
    ],
)
def test_any_other_object_key_is_refused_with_its_rule(key, said):
    assert said in object_fault(key)


@pytest.mark.parametrize(
    ("text", "expected", "url"),
    [
        ("https://obs.cn-north-4.myhuaweicloud.com", ("https", "obs.cn-north-4.myhuaweicloud.com", 443), None),
        ("https://obs.eu-de.otc.t-systems.com", ("https", "obs.eu-de.otc.t-systems.com", 443), None),
        ("HTTPS://Obs.Example.COM:443/", ("https", "obs.example.com", 443), "https://obs.example.com"),
        ("https://obs.example.com:8443", ("https", "obs.example.com", 8443), None),
        ("https://[2001:db8::1]:8443", ("https", "2001:db8::1", 8443), None),
        ("http://127.0.0.1:8080", ("http", "127.0.0.1", 8080), None),
        ("http://127.9.9.9", ("http", "127.9.9.9", 80), None),
        ("http://localhost:8080", ("http", "localhost", 8080), None),
        ("http://[::1]:8080", ("http", "::1", 8080), None),
    ],
)
def test_an_endpoint_is_read_and_written_in_one_form(text, expected, url):
    assert endpoint(text, allow_http=False) == Endpoint(*expected)
    assert endpoint(text, allow_http=False).url == (url or text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("obs.cn-north-4.myhuaweicloud.com", "https://"),
        ("obs.cn-north-4.myhuaweicloud.com:443", "https://"),
        ("ftp://obs.example.com", "https://"),
        ("https:obs.example.com", "https://"),
        ("", "https://"),
        ("https://obs.example.com/v2", "a path"),
        ("https://obs.example.com?x=1", "a query"),
        ("https://obs.example.com?", "a query"),
        ("https://obs.example.com#a", "a query"),
        ("https://ak@obs.example.com", "a user name"),
        ("https://", "no host"),
        ("https://:443", "no host"),
        ("https://obs example.com", "neither a name nor an IP address"),
        ("https://obs.ex\u00e4mple.com", "neither a name nor an IP address"),
        ("https://obs.example.com\n", "a control character"),
        (" https://obs.example.com", "a space"),
        ("https://obs.example.com:port", "not a URL"),
        ("https://obs.example.com:65536", "not a URL"),
        ("https://[::1", "not a URL"),
    ],
)
def test_what_is_no_endpoint_is_refused_with_the_reason(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        endpoint(text, allow_http=True)
    assert caught.value.advice in {
        "Give an endpoint like https://obs.cn-north-4.myhuaweicloud.com.",
        "Give https://obs.cn-north-4.myhuaweicloud.com.",
        "Give https://obs.cn-north-4.myhuaweicloud.com:443.",
        "Give https://obs.example.com.",
        "Give https://obs.example.com:65536.",
    }


def test_a_password_in_an_endpoint_is_not_repeated():
    with pytest.raises(UsageError) as caught:
        endpoint("https://me:hushhush@obs.example.com", allow_http=False)
    assert "hushhush" not in str(caught.value) + caught.value.advice


def test_plain_http_to_another_machine_needs_leave():
    with pytest.raises(UsageError, match="not encrypted") as caught:
        endpoint("http://obs.example.com", allow_http=False)
    assert "--allow-http" in caught.value.advice
    assert endpoint("http://obs.example.com", allow_http=True) == Endpoint("http", "obs.example.com", 80)


@pytest.mark.parametrize("bucket", ["my-videos", "my.videos"])
@pytest.mark.parametrize("host", ["obs.cn-north-4.myhuaweicloud.com", "obs.eu-west-101.myhuaweicloud.eu"])
def test_an_endpoint_that_names_a_bucket_is_refused_with_the_right_one(bucket, host):
    with pytest.raises(UsageError, match="contains a bucket name") as caught:
        endpoint(f"https://{bucket}.{host}", allow_http=False)
    assert f"https://{host}," in caught.value.advice


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("cn-north-4", "https://obs.cn-north-4.myhuaweicloud.com"),
        ("ap-southeast-1", "https://obs.ap-southeast-1.myhuaweicloud.com"),
        ("my-kualalumpur-1", "https://obs.my-kualalumpur-1.myhuaweicloud.com"),
        ("eu-west-101", "https://obs.eu-west-101.myhuaweicloud.eu"),
    ],
)
def test_a_region_is_short_for_its_endpoint(region, url):
    assert region_endpoint(region) == url
    assert endpoint(region_endpoint(region), allow_http=False).url == url


@pytest.mark.parametrize(
    ("region", "near"),
    [
        ("cn-nroth-4", "cn-north-4"),
        ("cn-norht-4", "cn-north-4"),
        ("cn-noth-1", "cn-north-1"),
        ("ap-southeastt-2", "ap-southeast-2"),
        ("ap-suotheast-1", "ap-southeast-1"),
        ("cn_north_4", "cn-north-4"),
        ("CN-North-4", "cn-north-4"),
        ("cn-north4", "cn-north-4"),
        (" cn-north-4", "cn-north-4"),
        ("cn north 4", "cn-north-4"),
        ("my-kualalumpor-1", "my-kualalumpur-1"),
    ],
)
def test_a_misspelled_region_is_refused_with_the_one_that_is_meant(region, near):
    with pytest.raises(UsageError, match="not a region name") as caught:
        region_endpoint(region)
    assert caught.value.advice == f"Did you mean {near}?"


def test_a_misspelled_region_in_an_endpoint_is_refused_too():
    with pytest.raises(UsageError, match="there is no region cn-nroth-4") as caught:
        endpoint("https://obs.cn-nroth-4.myhuaweicloud.com", allow_http=False)
    assert caught.value.advice == "Did you mean https://obs.cn-north-4.myhuaweicloud.com?"
    assert endpoint("https://obs.cn-nroth-4.example.com", allow_http=False).host == "obs.cn-nroth-4.example.com"


@pytest.mark.parametrize(
    "region", ["cn-north-5", "cn-east-77", "me-west-1", "sa-uruguay-1", "ca-central-1", "jp-tokyo-1", "eu-north-200"]
)
def test_a_region_that_may_be_new_passes(region):
    assert endpoint(region_endpoint(region), allow_http=False).host.startswith(f"obs.{region}.")


@pytest.mark.parametrize("region", ["", "north", "cn-north-4/", "cn-north-4.evil.example", "CN-NORTH-4", "cn north 4"])
def test_what_is_no_region_is_refused(region):
    with pytest.raises(UsageError, match="not a region name"):
        region_endpoint(region)
