"""Notebooks that the client has open: their cells as immutable values, and the documents that they are to features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lsprotocol import types

from biaslens.lsp.convert import text_after
from biaslens.lsp.documents import Document, path_of, same_address
from biaslens.syntax.notebook import Cell, notebook
from biaslens.text import Piece, Source, Span


@dataclass(frozen=True)
class OpenCell:
    """A cell as the client has it. language, version, text: as it was opened; "" and 0 before that."""

    uri: str
    is_code: bool
    language: str = ""
    version: int = 0
    text: str = ""

    @cached_property
    def python(self) -> Cell | None:
        """The cell for the analysis, None where it holds no Python code."""
        return Cell(self.text, address=self.uri) if self.is_code and self.language == "python" else None


@dataclass(frozen=True)
class NotebookDocument(Document):
    """One version of one open notebook. Its own text is empty: the client has none, but for its cells."""

    cells: tuple[OpenCell, ...] = ()

    @cached_property
    def source(self) -> Source:
        """All Python cells as one text."""
        return notebook(self.path, [cell.python for cell in self.cells if cell.python is not None])

    @cached_property
    def parts(self) -> tuple[Document, ...]:
        """The Python cells."""
        cells = [cell for cell in self.cells if cell.python is not None]
        pieces = self.source.pieces if cells else ()
        return tuple(
            CellDocument(cell.uri, self.path, cell.version, cell.text, self, piece)
            for cell, piece in zip(cells, pieces, strict=True)
        )

    def part(self, uri: str) -> Document | None:
        """The Python cell that has an address; the notebook itself is nothing that a client asks about."""
        return self._by_address.get(same_address(uri))

    @cached_property
    def _by_address(self) -> Mapping[str, Document]:
        return {same_address(cell.uri): cell for cell in self.parts}

    def part_at(self, span: Span) -> Document | None:
        """The cell in which a span lies."""
        return next((cell for cell in self.parts if cell.shows(span)), None)


@dataclass(frozen=True, eq=False)
class CellDocument(Document):
    """A Python cell in one version of its notebook, whose path it has. piece: what it is of the notebook's source."""

    notebook: NotebookDocument
    piece: Piece

    @property
    def whole(self) -> Document:
        """The notebook."""
        return self.notebook

    @property
    def start(self) -> int:
        """Where it begins in the notebook's source."""
        return self.piece.start

    def shows(self, span: Span) -> bool:
        """Whether a span of the notebook's source lies in this cell."""
        return self.piece.span.covers(span)


def opened_notebook(params: types.DidOpenNotebookDocumentParams) -> NotebookDocument | None:
    """The notebook, or None where it is neither in a file nor untitled."""
    path = path_of(params.notebook_document.uri)
    if path is None:
        return None
    cells = _with_texts(_placed(params.notebook_document.cells, ()), params.cell_text_documents)
    return NotebookDocument(params.notebook_document.uri, path, params.notebook_document.version, "", cells)


def notebook_after(
    before: NotebookDocument, params: types.DidChangeNotebookDocumentParams, encoding: str
) -> NotebookDocument:
    """The notebook after the client's changes: first those of the list of cells, then those of their texts."""
    cells = before.cells
    changes = params.change.cells
    if changes is not None and changes.structure is not None:
        structure = changes.structure
        start = min(structure.array.start, len(cells))
        end = start + structure.array.delete_count
        cells = (*cells[:start], *_placed(structure.array.cells or (), cells), *cells[end:])
        cells = _without_texts(cells, structure.did_close or ())
        cells = _with_texts(cells, structure.did_open or ())
    if changes is not None:
        kinds = {same_address(cell.uri): cell for cell in _placed(changes.data or (), cells)}
        cells = tuple(kinds.get(same_address(cell.uri), cell) for cell in cells)
        for content in changes.text_content or ():
            cells = tuple(_edited(cell, content, encoding) for cell in cells)
    return replace(before, version=params.notebook_document.version, cells=cells)


def _placed(told: Sequence[types.NotebookCell], known: Sequence[OpenCell]) -> tuple[OpenCell, ...]:
    """The cells that the client tells of; one that moved, or became of another kind, keeps its text."""
    by_address = {same_address(cell.uri): cell for cell in known}
    cells: list[OpenCell] = []
    for cell in told:
        is_code = cell.kind == types.NotebookCellKind.Code
        before = by_address.get(same_address(cell.document)) or OpenCell(cell.document, is_code)
        cells.append(before if before.is_code == is_code else replace(before, is_code=is_code))
    return tuple(cells)


def _with_texts(cells: Sequence[OpenCell], items: Sequence[types.TextDocumentItem]) -> tuple[OpenCell, ...]:
    opened = {same_address(item.uri): item for item in items}
    return tuple(
        replace(cell, language=item.language_id, version=item.version, text=item.text)
        if (item := opened.get(same_address(cell.uri)))
        else cell
        for cell in cells
    )


def _without_texts(cells: Sequence[OpenCell], closed: Sequence[types.TextDocumentIdentifier]) -> tuple[OpenCell, ...]:
    addresses = {same_address(item.uri) for item in closed}
    return tuple(OpenCell(cell.uri, cell.is_code) if same_address(cell.uri) in addresses else cell for cell in cells)


def _edited(cell: OpenCell, content: types.NotebookDocumentCellContentChanges, encoding: str) -> OpenCell:
    if same_address(cell.uri) != same_address(content.document.uri):
        return cell
    text = text_after(Document(cell.uri, cell.uri, cell.version, cell.text), content.changes, encoding)
    return replace(cell, version=content.document.version, text=text)
