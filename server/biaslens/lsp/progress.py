"""Bars in the client that show how far something is, with a button to cancel it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast
from uuid import uuid4

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.client import Client

_BETWEEN = 0.05
"""Seconds between two reports, at least."""


class Bar:
    """One bar, from when it is made until `close`. Where the client shows none, or refuses, nothing happens."""

    def __init__(self, server: LanguageServer, client: Client, title: str, cancel: Callable[[], None]) -> None:
        self._bars: Any = server.work_done_progress  # which leaves its types open
        self._title = title
        self._cancel = cancel
        self._token = f"biaslens-{uuid4()}"
        self._shown_at: float | None = None
        self._is_closed = False
        self._opening = asyncio.ensure_future(self._open()) if client.shows_progress else None

    def show(self, done: int, total: int) -> None:
        """Tells how many of how many files are done."""
        now = time.monotonic()
        if self._shown_at is not None and not self._is_closed and now - self._shown_at >= _BETWEEN:
            self._shown_at = now
            report = types.WorkDoneProgressReport(
                message=f"{done}/{total} files", percentage=100 * done // max(total, 1)
            )
            self._bars.report(self._token, report)

    def close(self) -> None:
        """Takes the bar away."""
        if self._shown_at is not None and not self._is_closed:
            self._bars.end(self._token, types.WorkDoneProgressEnd())
            self._bars.tokens.pop(self._token, None)
        self._is_closed = True

    async def _open(self) -> None:
        try:
            await self._bars.create_async(self._token)
        except Exception:  # the client has its reasons
            return
        if self._is_closed:
            self._bars.tokens.pop(self._token, None)
            return
        begin = types.WorkDoneProgressBegin(title=self._title, cancellable=True, percentage=0)
        self._bars.begin(self._token, begin)
        self._shown_at = time.monotonic()
        cast("Future[None]", self._bars.tokens[self._token]).add_done_callback(lambda _: self._cancel())
