"""The diagnostics of a file as its client shows them; pushed, pulled and fixed ones are the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lsprotocol import types

from biaslens.lsp.checked import Checked
from biaslens.lsp.client import Client
from biaslens.lsp.convert import Mark, Place, diagnostic, encoded_diagnostic, mark, place_in, place_of
from biaslens.lsp.documents import Document, uri_of
from biaslens.lsp.encoded import Encoded
from biaslens.lsp.notebooks import NotebookDocument
from biaslens.lsp.session import Session
from biaslens.syntax.files import Files
from biaslens.text import Location, Source

if TYPE_CHECKING:
    from biaslens.rules.rule import Finding


@dataclass(frozen=True)
class Shown:
    """What is shown of one file. version: None where it is not open."""

    uri: str
    version: int | None
    items: list[Encoded]

    @cached_property
    def result_id(self) -> str | None:
        """Equal for what looks equal; None where nothing is shown."""
        if not self.items:
            return None
        from hashlib import blake2b

        return blake2b("\n".join(self.items).encode(), digest_size=8).hexdigest()

    def report(self, previous: str | None) -> dict[str, object]:
        """The answer to a client that shows what had that result id."""
        known: dict[str, object] = {} if self.result_id is None else {"resultId": self.result_id}
        if known and previous == self.result_id:
            return {"kind": "unchanged", **known}
        return {"kind": "full", "items": self.items, **known}


def shown_of(path: str, session: Session) -> Shown | None:
    """What is shown of a file, open or not, as far as is known by now; None where that is still to be found out."""
    document = session.documents.get(path)
    if isinstance(document, NotebookDocument):  # what there is to show is its cells'
        return Shown(document.uri, document.version, [])
    if document is not None:
        checked = session.known(document)
        return Shown(document.uri, document.version, diagnostics(checked, session)) if checked is not None else None
    if not session.workspace.is_judged(path):
        return None
    found, uri = session.workspace.found(path), uri_of(path)
    if found is None:
        return Shown(uri, None, [])
    file = Document(uri, path, 0, found.source.text)
    return Shown(uri, None, diagnostics(Checked(file, None, found.findings, Files(found.related), None), session))


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


def diagnostics(checked: Checked, session: Session) -> list[Encoded]:
    """One diagnostic for each finding, in the same order; nothing where the user wants none."""
    if session.options_for(checked.document.path).diagnostic_mode == "off":
        return []
    return [encoded_diagnostic(_mark(finding, checked, session)) for finding in checked.findings]


def shown(finding: Finding, checked: Checked, session: Session) -> types.Diagnostic:
    """One finding of a result."""
    return diagnostic(_mark(finding, checked, session))


def _mark(finding: Finding, checked: Checked, session: Session) -> Mark:
    client = session.client

    def find(location: Location) -> tuple[str, Place] | None:
        if location.path == checked.document.path:
            part = checked.document.whole.part_at(location.span)
            return (part.uri, place_in(part, location.span, client.encoding)) if part else None
        opened, source = session.documents.get(location.path), checked.files.read(location.path)
        uri = opened.uri if opened else uri_of(location.path)
        return (uri, place_of(source, location.span, client.encoding)) if isinstance(source, Source) else None

    return mark(finding, checked.document, client, find)
