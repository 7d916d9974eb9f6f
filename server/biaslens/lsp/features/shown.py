"""The diagnostics of a result as its client shows them; pushed, pulled and fixed ones are the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lsprotocol import types

from biaslens.lsp.client import Client
from biaslens.lsp.convert import diagnostic, range_in, range_of
from biaslens.lsp.documents import Document, uri_of
from biaslens.lsp.notebooks import NotebookDocument
from biaslens.lsp.session import Checked, Session
from biaslens.text import Location, Source

if TYPE_CHECKING:
    from biaslens.rules.rule import Finding


def are_pulled(document: Document, client: Client) -> bool:
    """Whether the client asks for the diagnostics of a document; they are published otherwise, never both."""
    return client.pulls_cells if isinstance(document.whole, NotebookDocument) else client.pulls


def unchanged(before: Document, after: Document) -> Iterator[tuple[Document, Document]]:
    """The parts of two versions of a document that are the same to the client; the analysis may see others."""
    known = {part.uri: part for part in before.parts}
    for part in after.parts:
        old = known.get(part.uri)
        if old is not None and (old.version, old.text) == (part.version, part.text):
            yield old, part


def diagnostics(checked: Checked, session: Session) -> list[types.Diagnostic]:
    """One diagnostic for each finding, in the same order."""
    return [shown(finding, checked, session) for finding in checked.findings]


def shown(finding: Finding, checked: Checked, session: Session) -> types.Diagnostic:
    """One finding of a result."""

    def place(location: Location) -> types.Location | None:
        if location.path == checked.document.path:
            part = checked.document.whole.part_at(location.span)
            return types.Location(part.uri, range_in(part, location.span, session.client.encoding)) if part else None
        opened, source = session.documents.get(location.path), checked.files.read(location.path)
        uri = opened.uri if opened else uri_of(location.path)
        if not isinstance(source, Source):
            return None
        return types.Location(uri, range_of(source, location.span, session.client.encoding))

    return diagnostic(finding, checked.document, session.client, place)
