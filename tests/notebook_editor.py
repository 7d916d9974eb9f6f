"""A model of an editor with notebooks: it tells of its cells as VS Code does, and shows what it is told of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from lsprotocol import types

from editor import PATIENCE, Editor, Text

PROFILES = ("vscode_139", "vscode_139 of client 9", "vscode_139 without pull")


@dataclass
class OpenNotebook:
    """cells: the addresses of its cells in their order; their texts are the editor's."""

    uri: str
    version: int = 1
    cells: list[str] = field(default_factory=list[str])


@dataclass
class NotebookEditor(Editor):
    """An editor whose documents may be cells; then a change of one is a change of its notebook."""

    notebooks: dict[str, OpenNotebook] = field(default_factory=dict[str, OpenNotebook])
    made: int = 0

    @property
    def pulls_cells(self) -> bool:
        can = self.capabilities.text_document
        return can is not None and can.diagnostic is not None and bool(can.diagnostic.data_support)

    def new_cell(self, notebook: str, text: str) -> types.TextDocumentItem:
        """A cell that no notebook has yet, in the editor's texts."""
        self.made += 1
        scheme, _, path = notebook.partition(":")
        fragment = f"W{self.made}s{'dW50aXRsZWQ' if scheme == 'untitled' else 'ZmlsZQ'}%3D%3D"
        uri = f"vscode-notebook-cell:{path.removeprefix('//')}#{fragment}"
        self.texts[uri] = Text(text, self.encoding)
        return types.TextDocumentItem(uri, "python", 1, text)

    def open_notebook(self, uri: str, *texts: str, kind: str = "jupyter-notebook") -> list[str]:
        """Opens a notebook of Python cells and gives their addresses."""
        items = [self.new_cell(uri, text) for text in texts]
        opened = self.notebooks[uri] = OpenNotebook(uri, cells=[item.uri for item in items])
        document = types.NotebookDocument(uri, kind, 1, [_code(item.uri) for item in items])
        self.client.notebook_document_did_open(types.DidOpenNotebookDocumentParams(document, items))
        return list(opened.cells)

    def close_notebook(self, uri: str) -> None:
        cells = [types.TextDocumentIdentifier(cell) for cell in self.notebooks.pop(uri).cells]
        identifier = types.NotebookDocumentIdentifier(uri)
        self.client.notebook_document_did_close(types.DidCloseNotebookDocumentParams(identifier, cells))

    def splice(self, notebook: str, start: int, count: int, *new: types.TextDocumentItem | str) -> None:
        """Replaces some cells by new ones, and by others that were there: those are named by their addresses."""
        cells = self.notebooks[notebook].cells
        removed = cells[start : start + count]
        cells[start : start + count] = [item if isinstance(item, str) else item.uri for item in new]
        gone = [types.TextDocumentIdentifier(uri) for uri in removed if uri not in cells]
        opened = [item for item in new if not isinstance(item, str)]
        placed = [_code(item if isinstance(item, str) else item.uri) for item in new]
        array = types.NotebookCellArrayChange(start, count, placed)
        structure = types.NotebookDocumentCellChangeStructure(array, opened or None, gone or None)
        self.tell(notebook, types.NotebookDocumentCellChanges(structure=structure))

    def move(self, notebook: str, start: int, end: int) -> None:
        """Moves one cell, as VS Code tells it: all from the one place to the other are replaced."""
        order = list(self.notebooks[notebook].cells)
        order.insert(end, order.pop(start))
        first, last = min(start, end), max(start, end) + 1
        self.splice(notebook, first, last - first, *order[first:last])

    def tell(self, notebook: str, cells: types.NotebookDocumentCellChanges | None, metadata: object = None) -> None:
        """Sends one change of a notebook."""
        self.notebooks[notebook].version += 1
        identifier = types.VersionedNotebookDocumentIdentifier(self.notebooks[notebook].version, notebook)
        change = types.NotebookDocumentChangeEvent(metadata=metadata, cells=cells)  # pyright: ignore[reportArgumentType]
        self.client.notebook_document_did_change(types.DidChangeNotebookDocumentParams(identifier, change))

    def send(self, uri: str, changes: Sequence[types.TextDocumentContentChangeEvent]) -> None:
        notebook = self.notebook_of(uri)
        if notebook is None:
            super().send(uri, changes)
            return
        self.texts[uri].version += 1
        identifier = types.VersionedTextDocumentIdentifier(uri=uri, version=self.texts[uri].version)
        content = types.NotebookDocumentCellContentChanges(identifier, changes)
        self.tell(notebook, types.NotebookDocumentCellChanges(text_content=[content]))

    def notebook_of(self, cell: str) -> str | None:
        return next((uri for uri, opened in self.notebooks.items() if cell in opened.cells), None)

    async def settle(self, cell: str) -> None:
        """Waits until the server has looked at the newest version: a hover rests on it."""
        params = types.HoverParams(types.TextDocumentIdentifier(cell), types.Position(0, 0))
        await asyncio.wait_for(self.client.text_document_hover_async(params), PATIENCE)

    async def shown(self, cell: str) -> list[types.Diagnostic]:
        """What the editor shows in a cell, once the server has looked at the newest version."""
        if self.pulls_cells:
            return await self.diagnostics(cell)
        await self.settle(cell)
        newest = self.published.newest(cell)
        return list(newest.diagnostics) if newest is not None else []

    async def excerpts(self, notebook: str) -> list[list[str]]:
        """The code that is marked in each cell."""
        return [
            [self.texts[cell].excerpt(shown.range) for shown in await self.shown(cell)]
            for cell in self.notebooks[notebook].cells
        ]


def _code(uri: str) -> types.NotebookCell:
    return types.NotebookCell(types.NotebookCellKind.Code, uri)
