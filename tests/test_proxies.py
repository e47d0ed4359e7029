"""Which proxy the environment's variables name, and which of them are mistakes."""

import pytest

from batcher.errors import UsageError
from batcher.rules.service.proxies import Proxy, is_excepted, proxy_for

HOST = "obs.cn-north-4.myhuaweicloud.com"


def chosen(scheme="https", host=HOST, port=443, **named):
    return proxy_for(scheme, host, port, named)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("https://proxy.example.com", "https://proxy.example.com"),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("10.0.0.1", "http://10.0.0.1"),
        (" http://proxy:3128/ ", "http://proxy:3128"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_a_proxy_is_read_as_curl_reads_it(text, url):
    assert chosen(https=text) == Proxy(url, url, "HTTPS_PROXY")


def test_the_password_of_a_proxy_is_sent_but_not_shown():
    for text in ("http://me:hush%40hush@proxy:3128", "me:hush%40hush@proxy:3128"):
        assert chosen(https=text) == Proxy("http://me:hush%40hush@proxy:3128", "http://proxy:3128", "HTTPS_PROXY")


def test_the_variable_of_the_scheme_goes_before_the_one_for_all():
    assert chosen() is None
    assert chosen(http="http://a:1") is None
    assert chosen(all="http://b:2").variable == "ALL_PROXY"
    assert chosen(https="http://a:1", all="http://b:2").url == "http://a:1"
    assert chosen(https="", all="http://b:2").url == "http://b:2"
    assert chosen("http", http="http://a:1").variable == "HTTP_PROXY"
    assert chosen(https="socks5://a:1", no="myhuaweicloud.com") is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("http://", "is not the URL of a proxy"),
        ("http:/proxy:3128", "http:/proxy:3128 is not the URL of a proxy"),
        ('"http://proxy:3128"', "is not the URL of a proxy"),
        ("http://proxy:port", "proxy:port is not the URL of a proxy"),
        ("http://proxy:99999", "proxy:99999 is not the URL of a proxy"),
        ("http://me:hush@proxy:port", "proxy:port is not the URL of a proxy"),
        ("ftp://proxy", "proxy is not the URL of a proxy"),
        ("$PROXY", "is not the URL of a proxy"),
        ("socks5://proxy:1080", "a SOCKS proxy cannot be used"),
        ("socks5h://me:hush@proxy:1080", "a SOCKS proxy cannot be used"),
    ],
)
def test_a_mistake_is_named_with_its_variable_and_without_a_password(text, fault):
    for variable in ("https", "all"):
        with pytest.raises(UsageError) as caught:
            chosen(**{variable: text})
        assert str(caught.value).startswith(f"{variable.upper()}_PROXY: ")
        assert str(caught.value).endswith(fault)
        assert "hush" not in str(caught.value) + caught.value.advice


@pytest.mark.parametrize(
    "text",
    [
        HOST, "myhuaweicloud.com", ".myhuaweicloud.com", "*.myhuaweicloud.com", "*", f"{HOST}:443", f"https://{HOST}/",
        f"a.example, {HOST}", f"a.example {HOST}", HOST.upper(),
    ],
)  # fmt: skip
def test_no_proxy_excepts_a_host_by_name_domain_or_port(text):
    assert is_excepted(HOST, 443, text)


@pytest.mark.parametrize("text", ["", ",", "huaweicloud.com", "obs", f"{HOST}:80", "10.0.0.0/8", "http://", "."])
def test_no_proxy_excepts_no_other_host(text):
    assert not is_excepted(HOST, 443, text)


def test_no_proxy_excepts_addresses_by_their_network():
    assert is_excepted("10.1.2.3", 443, "10.0.0.0/8")
    assert is_excepted("fd00::7", 443, "fd00::/8")
    assert not is_excepted("11.1.2.3", 443, "10.0.0.0/8")
    assert not is_excepted("10.1.2.3", 443, "10.0.0.0/99")
