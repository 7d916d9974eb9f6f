"""The diagnostics of a file as its client shows them; pushed, pulled and fixed ones are the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from lsprotocol import types

from biaslens.lsp.checked import Checked
from biaslens.lsp.client import Client
from biaslens.lsp.convert import diagnostic, range_in, range_of
from biaslens.lsp.documents import Document, uri_of
from biaslens.lsp.notebooks import NotebookDocument
from biaslens.lsp.session import Session
from biaslens.syntax.files import Files
from biaslens.text import Location, Source

if TYPE_CHECKING:
    from biaslens.rules.rule import Finding


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of one file. version: None where it is not open."""

    uri: str
    version: int | None
    items: list[types.Diagnostic]

    @property
    def result_id(self) -> str | None:
        """Equal for what looks equal; None where nothing is shown."""
        if not self.items:
            return None
        return blake2b(repr(self.items).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


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


def diagnostics(checked: Checked, session: Session) -> list[types.Diagnostic]:
    """One diagnostic for each finding, in the same order; nothing where the user wants none."""
    if session.options_for(checked.document.path).diagnostic_mode == "off":
        return []
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
