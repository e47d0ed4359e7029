"""The HTTP side of emulated buckets, their lists and objects: by path or on a host of their own.

The calls are signed as everything else, and have faults of their own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from urllib.parse import unquote_to_bytes

from aiohttp import web

from batcher.emulator import connection_faults
from batcher.emulator.answers import XML_TYPE, Refusal, xml_refusal
from batcher.emulator.buckets import ListedPage, ListQuestion, head_headers, is_in, page_document, page_of
from batcher.emulator.faults import FAULTS, FaultKind, draw
from batcher.emulator.gate import Signed, check
from batcher.emulator.quirks import Quirk, number
from batcher.emulator.twin import Emulator

NO_KEY = xml_refusal(404, "NoSuchKey", "The specified key does not exist.")
NO_BUCKET = xml_refusal(404, "NoSuchBucket", "The specified bucket does not exist.")
FORBIDDEN = xml_refusal(403, "AccessDenied", "You have no permission for this operation.")
BAD_ARGUMENT = xml_refusal(400, "InvalidArgument", "max-keys is not a number.")
MOST_KEYS = 1000

Refuse = Callable[[Refusal], web.Response]
Respond = Callable[[int, bytes, str, str], web.Response]


class BucketRoutes:
    """The buckets of one emulator. `refuse` and `respond` make answers, and count them."""

    def __init__(self, emulator: Emulator, refuse: Refuse, respond: Respond) -> None:
        self._emulator = emulator
        self._refuse = refuse
        self._respond = respond
        self._random = random.Random(emulator.settings.seed)  # noqa: S311 - it makes a run repeatable

    async def answer(self, request: web.Request) -> web.StreamResponse | None:
        """Answer a request about a bucket. None if it is about none, as far as an emulator without buckets knows."""
        settings = self._emulator.settings
        if not settings.buckets or request.method not in {"GET", "HEAD"}:
            return None
        host = request.host
        label = next((name for name in settings.buckets if host.startswith(f"{name}.")), host.partition(".")[0])
        is_own_host = "." in host and not label.isdecimal()
        path = request.rel_url.raw_path
        bucket, _, key = ("/" + label + path if is_own_host else path)[1:].partition("/")
        signed_path = f"/{bucket}{path}" if is_own_host else path
        is_head = request.method == "HEAD"
        if bool(key) is not is_head:
            return None
        self._emulator.ledger.requests["head object" if is_head else "list objects"] += 1
        signed = Signed(request.method, signed_path, request.rel_url.raw_query_string, request.headers)
        refusal = check(signed, settings.credentials, now=settings.clock())
        if refusal is None and bucket not in settings.buckets:
            refusal = NO_BUCKET
        if refusal is None and settings.bucket_forbidden:
            refusal = FORBIDDEN
        name = unquote_to_bytes(key)
        if refusal is None and is_head and not is_in(settings.buckets[bucket], name):
            refusal = NO_KEY
        if refusal is not None:
            return self._refused(refusal, is_head=is_head)
        fault = draw(settings.bucket_faults, self._random.random())
        if is_head:
            return await self._head(request, name, fault)
        return await self._list(request, bucket, fault)

    def _refused(self, refusal: Refusal, *, is_head: bool) -> web.Response:
        """Refuse a request. The answer to a HEAD request has no body, so that headers name the error."""
        response = self._refuse(refusal)
        if is_head and Quirk.BUCKET_NO_CODE not in self._emulator.settings.quirks:
            response.headers["x-obs-error-code"] = refusal.code
            response.headers["x-obs-error-message"] = refusal.message
        return response

    async def _head(self, request: web.Request, key: bytes, fault: FaultKind | None) -> web.StreamResponse:
        """Show an object. Faults of a body do not matter where there is none."""
        refusal = None if fault is None else FAULTS[fault].refusal
        if refusal is not None:
            return self._refused(refusal, is_head=True)
        if fault in {FaultKind.GARBAGE, FaultKind.CUT}:
            fault = None
        response = await self._with_fault(request, b"", fault)
        response.headers.update(head_headers(key))
        return response

    async def _list(self, request: web.Request, bucket: str, fault: FaultKind | None) -> web.StreamResponse:
        settings = self._emulator.settings
        query = _query(request.rel_url.raw_query_string)
        most = query.get("max-keys", b"1000")
        if not most.isdigit():
            return self._refuse(BAD_ARGUMENT)
        limit = int(number(settings.quirks, Quirk.BUCKET_PAGE, MOST_KEYS))
        question = ListQuestion(
            query.get("prefix", b""),
            query.get("marker", b""),
            query.get("delimiter", b""),
            max(1, min(int(most), MOST_KEYS, limit)),
        )
        document = page_document(
            bucket,
            question,
            self._page(bucket, question),
            is_encoded=query.get("encoding-type") == b"url" and Quirk.BUCKET_RAW not in settings.quirks,
            has_marker=Quirk.BUCKET_NO_MARKER not in settings.quirks,
        )
        return await self._with_fault(request, document, fault)

    def _page(self, bucket: str, question: ListQuestion) -> ListedPage:
        quirks, keys = self._emulator.settings.quirks, self._emulator.settings.buckets[bucket]
        if Quirk.BUCKET_REPEAT in quirks:
            question = question._replace(marker=b"")
        page = page_of(keys, question)
        if Quirk.BUCKET_STUCK in quirks and question.marker:
            return ListedPage((), (), is_truncated=True)
        return page._replace(keys=page.keys[::-1]) if Quirk.BUCKET_BACKWARDS in quirks else page

    async def _with_fault(self, request: web.Request, document: bytes, fault: FaultKind | None) -> web.StreamResponse:
        refusal = None if fault is None else FAULTS[fault].refusal
        if refusal is not None:
            return self._refuse(refusal)
        response = self._respond(200, document, XML_TYPE, "200" if fault is None else fault)
        if fault is FaultKind.GARBAGE:
            response.body, response.content_type = b"<!DOCTYPE html><html><body/></html>", "text/html"
        emulator = self._emulator
        return await connection_faults.carry(
            fault, request, response, document, emulator.stopping, emulator.settings.slow
        )


def _query(text: str) -> Mapping[str, bytes]:
    """Parse a query as it is on the wire. Values are bytes: keys need not be UTF-8."""
    pairs = [part.partition("=") for part in text.split("&") if part]
    return {name: unquote_to_bytes(value) for name, _, value in pairs}
