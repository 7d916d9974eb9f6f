"""The diagnostics of a file as its client shows them; pushed, pulled and fixed ones are the same."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from lsprotocol import types

from biaslens.lsp.convert import diagnostic, range_of
from biaslens.lsp.documents import Document, uri_of
from biaslens.lsp.session import Checked, Session
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


def diagnostics(checked: Checked, session: Session) -> list[types.Diagnostic]:
    """One diagnostic for each finding, in the same order; nothing where the user wants none."""
    if session.options_for(checked.document.path).diagnostic_mode == "off":
        return []
    return [shown(finding, checked, session) for finding in checked.findings]


def shown(finding: Finding, checked: Checked, session: Session) -> types.Diagnostic:
    """One finding of a result."""

    def place(location: Location) -> types.Location | None:
        if location.path == checked.document.path:
            uri, source = checked.document.uri, checked.document.mirror
        else:
            opened, source = session.documents.get(location.path), checked.files.read(location.path)
            uri = opened.uri if opened else uri_of(location.path)
        if not isinstance(source, Source):
            return None
        return types.Location(uri, range_of(source, location.span, session.client.encoding))

    return diagnostic(finding, checked.document, session.client, place)
