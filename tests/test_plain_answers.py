"""The answer to a start is read by a decoder for its documented form, and means what the general reader finds in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from batcher.model import Answer, Execution, Reply
from batcher.rules.service import answers
from batcher.rules.service.answers import read_start

PLAIN = b'{"execution_urn":"urn:fgs:e-1","started_at":"2026-11-24T08:30:00.123Z","execution_name":"e-1"}'
INSERTED = (
    b'"', b"{", b"}", b",", b":", b" ", b"\n", b"\t", b"\r", b"\x00", b"\x1f", b"\x7f", b"\x0b", b"\xa0", b"\xc3\xa9",
    b"\xef\xbb\xbf", b"null", b"true", b"1", b"-", b"[", b"]", b"\\", b"\\u0041", b"\\ud800", b"/**/", b"//", b"'",
    b'"execution_name":"twice",', b'"execution_name":null,', b'"request_id":"r",', b'"x":1e999,', b'"x":{"y":[{}]},',
)  # fmt: skip


def agree(content):
    """What is read must be what the general reader finds."""
    body = answers.object_of(content)
    headers = CIMultiDict({"X-Request-ID": "of the header", "Date": "Tue, 24 Nov 2026 08:30:00 GMT"})
    request_id = answers._request_id(body, headers)
    expected = Answer(200, request_id=request_id, date=headers["date"], execution=answers.started(body))
    assert read_start(Reply(200, headers, content)) == expected
    return expected.execution


def test_the_documented_answer_is_read_by_the_decoder_and_by_the_general_reader_alike():
    assert answers._plain(PLAIN) is not None
    assert agree(PLAIN) == Execution("e-1", "urn:fgs:e-1", "2026-11-24T08:30:00.123Z")


@pytest.mark.parametrize("inserted", INSERTED)
def test_an_odd_text_at_any_place_is_read_as_the_general_reader_reads_it(inserted):
    for at in range(len(PLAIN) + 1):
        agree(PLAIN[:at] + inserted + PLAIN[at:])
        agree(PLAIN[:at] + inserted + PLAIN[at + 1 :])
        agree(PLAIN[:at] + inserted)


NAMES = ("execution_urn", "started_at", "execution_name", "request_id", "RequestId", "restored_at", "")
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES | st.text()), max_size=5), st.booleans())
def test_an_object_of_any_values_is_read_as_the_general_reader_reads_it(pairs, ascii_only):
    fields = (f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=ascii_only)}" for name, value in pairs)
    agree(f"{{{','.join(fields)}}}".encode(errors="surrogatepass"))


@given(st.lists(st.tuples(st.integers(0, len(PLAIN)), st.integers(0, 3), st.binary(max_size=2)), max_size=3))
def test_changed_bytes_are_read_as_the_general_reader_reads_them(changes):
    content = PLAIN
    for at, gone, new in changes:
        content = content[:at] + new + content[at + gone :]
    agree(content)
