"""`workspace/diagnostic`: the diagnostics of all files, as they are found, for clients that ask for them.

A client asks again a moment after each answer, naming what it shows. So an answer is given only when something is
different from that; until then the request stays open. What is found while more is to come is sent ahead of the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from biaslens.lsp.documents import path_of
from biaslens.lsp.encoded import Encoded, encoded
from biaslens.lsp.features.shown import shown_of
from biaslens.lsp.session import Session

_TOGETHER = 0.05
"""Seconds for which news are gathered before they are sent."""


def register(server: LanguageServer, session: Session) -> None:
    """Answers for the files that the settings want: those that are open, or all below the folders of the workspace."""
    if not session.client.pulls:
        return
    open_requests: list[_Request] = []

    async def pull(params: types.WorkspaceDiagnosticParams) -> Encoded:
        request = _Request(session, params.previous_result_ids)
        open_requests.append(request)
        try:
            return await answer(request, params.partial_result_token)
        finally:
            open_requests.remove(request)

    async def answer(request: _Request, token: types.ProgressToken | None) -> Encoded:
        has_answer = False
        while True:
            is_last = not (session.workspace.is_busy or session.is_checking)
            items = request.news() if is_last or token is not None else []
            has_answer = has_answer or bool(items)
            if items and token is not None:
                server.protocol.notify(types.PROGRESS, encoded({"token": token, "value": {"items": items}}))
            if is_last and has_answer:
                return encoded({"items": [] if token is not None else items})
            await request.arrived.wait()
            await asyncio.sleep(_TOGETHER)

    def changed(path: str) -> None:
        for request in open_requests:
            request.add(path)

    def settled(done: int, total: int) -> None:
        if not total:
            wake()

    def wake(*_: object) -> None:
        for request in open_requests:
            request.arrived.set()

    def look_again(*_: object) -> None:
        for request in open_requests:
            request.begin()

    server.feature(types.WORKSPACE_DIAGNOSTIC)(pull)
    session.listeners.append(lambda checked, before: changed(checked.document.path))
    session.close_listeners.append(lambda document: changed(document.path))
    session.workspace.listeners.append(changed)
    session.workspace.progress_listeners.append(settled)
    session.configuration_listeners.append(look_again)


@dataclass(eq=False)
class _Request:
    """One request, from its beginning to its answer. shows: by path, the address and result id that the client has."""

    session: Session
    previous: Iterable[types.PreviousResultId]
    shows: dict[str, tuple[str, str | None]] = field(default_factory=dict[str, tuple[str, str | None]])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._todo: dict[str, None] = {}
        self._same: list[Encoded] = []
        for known in self.previous:
            self.shows[path_of(known.uri) or known.uri] = (known.uri, known.value)
        self._named = set(self.shows)
        self.begin()

    def begin(self) -> None:
        """Effect: everything may be news."""
        documents = (path for path, document in self.session.documents.items() if document.is_file)
        self._todo.update(dict.fromkeys((*documents, *self.session.workspace.paths_with_findings(), *self.shows)))
        self.arrived.set()

    def add(self, path: str) -> None:
        """Effect: something may be news about a file."""
        self._todo[path] = None
        self.arrived.set()

    def news(self) -> list[Encoded]:
        """What the client does not show yet. With the first of it goes of what it shows already that it is the same."""
        self.arrived.clear()
        items: list[Encoded] = []
        waiting, self._todo = self._todo, {}
        for path in waiting:
            found = shown_of(path, self.session)
            if found is None:
                self._todo[path] = None
                continue
            uri, before = self.shows.get(path, (found.uri, None))
            now = found.result_id
            if now != before or (before is not None and path in self._named):
                report = encoded({"uri": uri, "version": found.version, **found.report(before)})
                (items if now != before else self._same).append(report)
            self._named.discard(path)
            self.shows[path] = (uri, now)
        if items:
            items += self._same
            self._same = []
        return items
