"""The page of a run while it lasts: the event loop makes its content, threads that serve it turn that into HTML.

The content is made at most once a second, and only while somebody looks.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from batcher.edges.report import render
from batcher.rules.report.live import without_names
from batcher.rules.report.page import Page

SECONDS = 1.0
"""The least time between two pages."""
SHARE = 0.05
"""The most of one processor that is spent on making pages: one that takes long to make is kept for longer."""
PATIENCE = 5.0
"""Maximum time to wait for the event loop."""


class LivePage:
    """Makes the page of a run for the threads that serve it. `content` is called in the loop that this is made in."""

    def __init__(self, content: Callable[[], Page]) -> None:
        self._content = content
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._page: Page | None = None
        self._html: dict[bool, bytes] = {}
        self._due = 0.0

    def html(self, with_names: bool) -> bytes | None:  # noqa: FBT001 - called by the server
        """Return the page. None if the loop does not answer in time, and there is no earlier page."""
        if not self._lock.acquire(timeout=PATIENCE):
            return None
        try:
            if time.monotonic() >= self._due:
                self._renew()
            if self._page is None:
                return None
            if with_names not in self._html:
                begun = time.thread_time()
                self._html[with_names] = render(self._page if with_names else without_names(self._page))
                spent = time.thread_time() - begun
                self._due = time.monotonic() + max(SECONDS, spent / SHARE)
            return self._html[with_names]
        finally:
            self._lock.release()

    def _renew(self) -> None:
        made: Future[Page] = Future()
        # The loop may have ended, or be too busy: then the page stays as it is.
        with suppress(RuntimeError, TimeoutError):
            self._loop.call_soon_threadsafe(self._make, made)
            self._page = made.result(PATIENCE)
            self._html = {}

    def _make(self, made: Future[Page]) -> None:
        if not made.set_running_or_notify_cancel():
            return
        try:
            made.set_result(self._content())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            made.set_exception(error)
