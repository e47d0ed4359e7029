"""The rules of a bucket's list: addresses, hosts, pages, patterns, sizes and times."""

import pytest
from conftest import CREDENTIALS
from hypothesis import given
from hypothesis import strategies as st

from batcher.app.bucket_service import obs_endpoint
from batcher.emulator.buckets import ListQuestion, in_order, page_document, page_of
from batcher.emulator.gate import Signed, check
from batcher.errors import UsageError
from batcher.rules.bucket.address import Address, address_of, list_name
from batcher.rules.bucket.filters import Wanted, keeper, pattern_of, size_of, when_of
from batcher.rules.bucket.host import Asked, bucket_host
from batcher.rules.bucket.page import ObjectPage, object_page
from batcher.rules.bucket.progress import fault_of, next_marker
from batcher.rules.bucket.rows import keys_of, written
from batcher.rules.service.names import endpoint

REGION = "https://obs.cn-north-4.myhuaweicloud.com"


@pytest.mark.parametrize(
    ("url", "bucket", "origin", "path"),
    [
        (REGION, "videos", "https://videos.obs.cn-north-4.myhuaweicloud.com", "/"),
        (REGION, "my.videos", REGION, "/my.videos"),
        ("http://obs.test:8080", "my.videos", "http://my.videos.obs.test:8080", "/"),
        ("http://127.0.0.1:8080", "videos", "http://127.0.0.1:8080", "/videos"),
        ("http://[::1]:8080", "videos", "http://[::1]:8080", "/videos"),
        ("http://localhost:8080", "videos", "http://localhost:8080", "/videos"),
    ],
)
def test_a_bucket_is_asked_on_its_own_host_where_there_can_be_one_and_signed_by_its_name(url, bucket, origin, path):
    host = bucket_host(endpoint(url, allow_http=True), bucket)
    call = host.list_call(Asked("a b/", "a b/\n+ü", "/"))
    assert (host.origin, call.path) == (origin, path)
    query = host.dialect.wire_query(call.query)
    assert query == "?prefix=a%20b/&marker=a%20b/%0A%2B%C3%BC&delimiter=/&max-keys=1000&encoding-type=url"
    headers = host.dialect.sign(CREDENTIALS, call, None, 1_795_509_000)
    resource = path if host.base else f"/{bucket}/"
    signed = Signed("GET", resource, query[1:], headers)
    assert check(signed, CREDENTIALS, now=1_795_509_000) is None


def test_the_objects_of_a_job_of_dwr_are_in_obs_of_its_region():
    assert obs_endpoint("https://dwr.cn-south-1.myhuaweicloud.com") == "https://obs.cn-south-1.myhuaweicloud.com"
    assert obs_endpoint("http://127.0.0.1:1") == "http://127.0.0.1:1"


def test_an_address_is_taken_as_it_is_and_no_two_have_the_same_list():
    assert address_of("obs://videos/a//b/../%20 ") == Address("videos", "a//b/../%20 ")
    prefixes = ["", "a", "a/", "a/b", "a_b", "a-b", "a//b", "A", "ü", "a b", "x" * 200, "x" * 201, "a/b/", "a.b"]
    assert len({list_name(Address("videos", prefix)) for prefix in prefixes}) == len(prefixes)
    with pytest.raises(UsageError):
        address_of("obs://No_Bucket/x")


@pytest.mark.parametrize(
    ("pattern", "fits", "others"),
    [
        ("*.mp4", ["a.mp4", "x/y/a.mp4", ".mp4"], ["a.mp4/x", "a.mov"]),
        ("/*.mp4", ["a.mp4"], ["x/a.mp4"]),
        ("raw/*.mp4", ["raw/a.mp4", "x/raw/a.mp4"], ["raw/b/a.mp4", "xraw/a.mp4"]),
        ("/raw/**", ["raw/a", "raw/b/c", "raw/"], ["x/raw/a", "raw"]),
        ("raw/", ["raw/a", "x/raw/b/c"], ["raw", "draw/a"]),
        ("clip?.{mp4,mov}", ["clip1.mp4", "clip2.mov"], ["clip12.mp4", "clip/.mp4", "clip1.avi"]),
        ("[a-c]x[!0-9]", ["axb", "cxx"], ["dxb", "ax1", "ax/"]),
        ("\\*", ["*"], ["a"]),
        ("**line**", ["a\nline\nb"], ["lin"]),
        ("a,b", ["a,b"], ["a", "b"]),
    ],
)
def test_a_pattern_fits_as_in_rclone(pattern, fits, others):
    compiled = pattern_of(pattern)
    assert [key for key in (*fits, *others) if compiled.fullmatch(key)] == fits


@pytest.mark.parametrize("pattern", ["[a", "{a", "a\\"])
def test_a_pattern_that_is_not_closed_is_refused(pattern):
    with pytest.raises(UsageError):
        pattern_of(pattern)


def test_sizes_have_units_of_1024_and_times_are_dates_or_ages():
    assert [size_of(text) for text in ("7", "1K", "10M", "1.5GiB", "0", "2TB")] == [
        7, 1024, 10 << 20, 3 << 29, 0, 2 << 40,
    ]  # fmt: skip
    assert when_of("2026-11-01").time(0) == when_of("2026-11-01T08:00+08:00").time(0) == 1_793_491_200
    assert when_of("7d").time(1_000_000) == 1_000_000 - 7 * 86400
    for text in ("", "x", "2026-13-01", "7 days"):
        with pytest.raises(UsageError):
            when_of(text)
    with pytest.raises(UsageError):
        size_of("10 apples")


def test_sizes_times_and_classes_select_at_their_bounds():
    times = ("2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000Z", "2026-11-03T00:00:00Z")
    page = ObjectPage("abc", ("1", "2", "3"), times, ("", "", ""), ("STANDARD", "WARM", ""))

    def kept(**wanted):
        return "".join(keeper(Wanted(**wanted), 0.0)(page).keys)

    assert (kept(min_size=2), kept(max_size=2), kept(min_size=2, max_size=2)) == ("bc", "ab", "b")
    assert (kept(newer=when_of("2026-11-02")), kept(older=when_of("2026-11-02"))) == ("bc", "a")
    assert (kept(storage_classes=frozenset({"STANDARD"})), kept(suffixes=("b", "c"))) == ("ac", "bc")
    assert kept(include=("[ab]",), exclude=("b",)) == "a"
    with pytest.raises(ValueError, match="no size"):
        keeper(Wanted(min_size=1), 0.0)(page._replace(sizes=("", "", "")))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html/>",
        b"<ListBucketResult><Contents>",
        b"<ListBucketResult/>",
        b"<ListBucketResult><IsTruncated>perhaps</IsTruncated></ListBucketResult>",
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents></ListBucketResult>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x><ListBucketResult/>'.encode("utf-16"),
        b"\xff\xfe",
    ],
)
def test_a_page_that_cannot_be_read_completely_is_not_read_at_all(body):
    assert object_page(body) is None


KEY = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12)


@given(st.sets(KEY, min_size=1, max_size=12), st.sampled_from(["", "/", "a"]), st.integers(1, 5))
def test_any_keys_come_through_pages_and_rows_as_they_are(keys, delimiter, most):
    stored, found, asked = in_order(keys), [], Asked("", "", delimiter)
    while True:
        question = ListQuestion(b"", asked.marker.encode(), delimiter.encode(), most)
        listed = page_of(stored, question)
        page = object_page(page_document("videos", question, listed))
        assert fault_of(page, asked) is None
        found += [*page.keys, *(key for group in page.prefixes for key in sorted(keys) if key.startswith(group))]
        if not page.is_truncated:
            break
        asked = asked._replace(marker=next_marker(page, asked))
    assert found.sort() is None
    assert found == sorted(keys)
    blank = [""] * len(found)
    lines = written("videos", ObjectPage(found, blank, blank, blank, blank)).decode()
    assert list(keys_of(line + "\n" for line in lines.split("\n")[:-1])) == found
