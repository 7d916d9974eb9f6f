"""The diagnostics of a result as its client shows them; pushed, pulled and fixed ones are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from biaslens.lsp.convert import diagnostic, range_of
from biaslens.lsp.documents import uri_of
from biaslens.lsp.session import Checked, Session
from biaslens.text import Location, Source

if TYPE_CHECKING:
    from biaslens.rules.rule import Finding


def diagnostics(checked: Checked, session: Session) -> list[types.Diagnostic]:
    """One diagnostic for each finding, in the same order."""
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
