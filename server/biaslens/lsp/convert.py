"""Between our values and the protocol's. The only file that knows in which units a client counts columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lsprotocol import types

from biaslens.lsp.client import Client
from biaslens.lsp.documents import Document
from biaslens.lsp.encoded import Encoded
from biaslens.text import Edit, Location, Problem, Source, Span

if TYPE_CHECKING:
    from biaslens.rules.rule import Finding, Fix

SOURCE = "biaslens"

Place: TypeAlias = tuple[int, int, int, int]
"""A range as the client counts: the line and the column of its start, then those of its end."""


def text_after(document: Document, changes: Iterable[types.TextDocumentContentChangeEvent], encoding: str) -> str:
    """The text after the client's changes, each of which is told in terms of the text after the one before it."""
    source = document.mirror
    for change in changes:
        match change:
            case types.TextDocumentContentChangePartial(range=place, text=text):
                source = Source(source.path, source.edited([Edit(span_of(source, place, encoding), text)]))
            case types.TextDocumentContentChangeWholeDocument(text=text):
                source = Source(source.path, text)
    return source.text


def offset_of(source: Source, position: types.Position, encoding: str) -> int:
    """The offset of a client's position; beyond the end of a line or of the text it is clamped."""
    if not 0 <= position.line < len(source.line_starts):
        return len(source.text) if position.line > 0 else 0
    return source.line_starts[position.line] + _column(source.line(position.line), position.character, encoding)


def span_of(source: Source, place: types.Range, encoding: str) -> Span:
    """The offsets of a client's range, clamped; its ends in the right order."""
    start, end = (offset_of(source, position, encoding) for position in (place.start, place.end))
    return Span(min(start, end), max(start, end))


def offset_in(document: Document, position: types.Position, encoding: str) -> int:
    """The offset in the text for the analysis of a position in a document."""
    return document.start + offset_of(document.mirror, position, encoding)


def span_in(document: Document, place: types.Range, encoding: str) -> Span:
    """The span in the text for the analysis of a range in a document."""
    span = span_of(document.mirror, place, encoding)
    return Span(document.start + span.start, document.start + span.end)


def range_in(document: Document, span: Span, encoding: str) -> types.Range:
    """The range in a document of a span in the text for the analysis."""
    return _range(place_in(document, span, encoding))


def place_in(document: Document, span: Span, encoding: str) -> Place:
    """The same as plain numbers."""
    start = document.start
    return place_of(document.mirror, Span(span.start - start, span.end - start) if start else span, encoding)


def range_of(source: Source, span: Span, encoding: str) -> types.Range:
    """The client's range of a span."""
    return _range(place_of(source, span, encoding))


def place_of(source: Source, span: Span, encoding: str) -> Place:
    """The same as plain numbers."""
    return (*position_of(source, span.start, encoding), *position_of(source, span.end, encoding))


def position_of(source: Source, offset: int, encoding: str) -> tuple[int, int]:
    """The line and the column of an offset as the client counts."""
    line, column = source.line_and_column(offset)
    if source.text.isascii():  # Python knows that of a text without looking at it
        return line, column
    return line, _units(source.line(line)[:column], encoding)


def _range(place: Place) -> types.Range:
    return types.Range(types.Position(*place[:2]), types.Position(*place[2:]))


class Mark(NamedTuple):
    """All that a client shows of a finding, so that what looks equal is equal.

    url: "" where it shows no links. fades: it fades the code. related: the address, the place and the message of each.
    """

    code: str
    message: str
    severity: str
    url: str
    fades: bool
    place: Place
    related: tuple[tuple[str, Place, str], ...]


def mark(
    finding: Finding, document: Document, client: Client, find: Callable[[Location], tuple[str, Place] | None]
) -> Mark:
    """A finding as the client can show it. `find` tells where other locations are, or None where it cannot."""
    related: list[tuple[str, Place, str]] = []
    if client.relates:
        for location, message in finding.related:
            found = find(location)
            if found is not None:
                related.append((*found, message))
    return Mark(
        finding.code,
        finding.message,
        finding.severity,
        finding.url if client.links else "",
        client.fades and finding.unnecessary,
        place_in(document, finding.location.span, client.encoding),
        tuple(related),
    )


def diagnostic(shown: Mark) -> types.Diagnostic:
    """A finding for what is answered with it."""
    related = [
        types.DiagnosticRelatedInformation(types.Location(uri, _range(place)), message)
        for uri, place, message in shown.related
    ]
    return types.Diagnostic(
        range=_range(shown.place),
        message=shown.message,
        severity=_severity(shown),
        code=shown.code,
        code_description=types.CodeDescription(shown.url) if shown.url else None,
        source=SOURCE,
        tags=[types.DiagnosticTag.Unnecessary] if shown.fades else None,
        related_information=related or None,
    )


@lru_cache(maxsize=4096)
def encoded_diagnostic(shown: Mark) -> Encoded:
    """The same, as it is sent. Most of a file's findings are told again after each edit, unchanged."""
    fields: dict[str, object] = {
        "range": _encoded_range(shown.place),
        "message": shown.message,
        "severity": _severity(shown).value,
        "code": shown.code,
    }
    if shown.url:
        fields["codeDescription"] = {"href": shown.url}
    fields["source"] = SOURCE
    if shown.fades:
        fields["tags"] = [types.DiagnosticTag.Unnecessary.value]
    if shown.related:
        fields["relatedInformation"] = [
            {"location": {"uri": uri, "range": _encoded_range(place)}, "message": message}
            for uri, place, message in shown.related
        ]
    return Encoded(json.dumps(fields))


def _severity(shown: Mark) -> types.DiagnosticSeverity:
    return types.DiagnosticSeverity[shown.severity.capitalize()]


def _encoded_range(place: Place) -> dict[str, object]:
    line, column, last_line, last_column = place
    return {
        "start": {"line": line, "character": column},
        "end": {"line": last_line, "character": last_column},
    }


def problem_diagnostic(problem: Problem, source: Source, client: Client) -> types.Diagnostic:
    """What is wrong with a configuration file; what may be right elsewhere is a warning only."""
    return types.Diagnostic(
        range=range_of(source, problem.span or Span(0, 0), client.encoding),
        message=problem.message,
        severity=types.DiagnosticSeverity.Error
        if problem.kind == "configuration"
        else types.DiagnosticSeverity.Warning,
        code=problem.kind,
        source=SOURCE,
    )


def code_action(
    fix: Fix, shown: types.Diagnostic, document: Document, client: Client, *, preferred: bool = True
) -> types.CodeAction:
    """A quick fix. Only a safe one is preferred, because editors apply preferred fixes by one key.

    preferred: it is the usual one of several.
    """
    safe = fix.applicability == "safe"
    return types.CodeAction(
        title=fix.title if safe or not fix.reason else f"{fix.title} (unsafe: {fix.reason.rstrip('.')})",
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[shown],
        is_preferred=True if safe and preferred else None,
        edit=workspace_edit(fix.edits, document, client),
    )


def workspace_edit(edits: Sequence[Edit], document: Document, client: Client) -> types.WorkspaceEdit:
    """The edits for this version of the document, said so where the client understands it. Those for a notebook, or
    for one of its cells, may be in any of its cells."""
    changes: dict[str, list[types.TextEdit]] = {}
    versioned: list[types.TextDocumentEdit] = []
    for part in document.whole.parts:
        own = [edit for edit in sorted(edits) if part.shows(edit.span)]
        if own or part is document:
            identifier = types.OptionalVersionedTextDocumentIdentifier(uri=part.uri, version=part.version)
            new = [types.TextEdit(range_in(part, edit.span, client.encoding), edit.text) for edit in own]
            changes[part.uri] = new
            versioned.append(types.TextDocumentEdit(identifier, new))
    return types.WorkspaceEdit(document_changes=versioned) if client.versions else types.WorkspaceEdit(changes=changes)


def confirmed_edit(
    changes: Iterable[tuple[Document, bool, Sequence[Edit]]], label: str, client: Client
) -> types.WorkspaceEdit:
    """The edits of several documents, each with whether it is open. The client asks before it applies them, if it can.

    label: what it says of them then.
    """
    edits_by_uri: dict[str, list[types.TextEdit]] = {}
    found: list[types.TextDocumentEdit] = []
    for document, is_open, edits in changes:
        ranges = [(range_of(document.mirror, edit.span, client.encoding), edit.text) for edit in sorted(edits)]
        edits_by_uri[document.uri] = [types.TextEdit(*change) for change in ranges]
        version = document.version if is_open else None
        identifier = types.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=version)
        annotated = [types.AnnotatedTextEdit(label, *change) for change in ranges]
        found.append(types.TextDocumentEdit(identifier, annotated if client.confirms else edits_by_uri[document.uri]))
    if not client.versions:
        return types.WorkspaceEdit(changes=edits_by_uri)
    annotations = {label: types.ChangeAnnotation(label, needs_confirmation=True)} if client.confirms else None
    return types.WorkspaceEdit(document_changes=found, change_annotations=annotations)


def hover(markdown: str, plain: str, span: Span, document: Document, client: Client) -> types.Hover:
    """An explanation of the span, as Markdown or plain text."""
    return types.Hover(markup(markdown, plain, client), range_in(document, span, client.encoding))


def markup(markdown: str, plain: str, client: Client) -> types.MarkupContent:
    """A text in the form that the client prefers."""
    if client.markdown:
        return types.MarkupContent(types.MarkupKind.Markdown, markdown)
    return types.MarkupContent(types.MarkupKind.PlainText, plain)


def _column(line: str, character: int, encoding: str) -> int:
    """The code point at a client's column; inside of one it is that one's start."""
    if encoding == "utf-32" or line.isascii():
        return max(0, min(character, len(line)))
    for column, char in enumerate(line):
        character -= _units(char, encoding)
        if character < 0:
            return column
    return len(line)


def _units(text: str, encoding: str) -> int:
    """How many of the client's units a text takes."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
