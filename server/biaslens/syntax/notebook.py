"""Notebooks: all their Python cells as one text, of which each cell is a piece."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from biaslens.text import Edit, Piece, Source


@dataclass(frozen=True)
class Cell:
    """A cell with Python code.

    text: as people wrote it. number: among all cells of the notebook, from one, None where that is not known. address:
    by which an editor knows it, or "".
    """

    text: str
    number: int | None = None
    address: str = ""

    @cached_property
    def code(self) -> str:
        """What Python would see, offset by offset the same."""
        from biaslens.syntax.magics import neutral  # most sources are no notebooks

        return neutral(self.text)


@dataclass(frozen=True)
class Notebook(Source):
    """A notebook as a source, made by `notebook`. Behind the code of each cell follows one line end, the `joint`."""

    cells: tuple[Cell, ...] = ()
    joint: str = "\n"

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The cells."""
        found: list[Piece] = []
        start = 0
        for cell in self.cells:
            found.append(Piece(start, Source(self.path, cell.text), cell.number, cell.address))
            start += len(cell.text) + len(self.joint)
        return tuple(found) or (Piece(0, Source(self.path, "")),)

    def after(self, edits: Iterable[Edit]) -> Notebook:
        """The notebook with every edit applied in the cell where it stands."""
        starts = [piece.start for piece in self.pieces]
        parts: list[list[Edit]] = [[] for _ in starts]
        for edit in edits:
            if not self.fits(edit):
                raise ValueError("an edit that does not fit into a cell")
            piece = self.piece_at(edit.span.start)
            parts[bisect_right(starts, edit.span.start) - 1].append(Edit(piece.inside(edit.span), edit.text))
        texts = (piece.source.edited(part) for piece, part in zip(self.pieces, parts, strict=True))
        cells = (replace(cell, text=text) for cell, text in zip(self.cells, texts, strict=False))
        return notebook(self.path, tuple(cells), self.joint)

    def fits(self, edit: Edit) -> bool:
        """Whether an edit lies in one cell and in nothing but Python. The line end behind a cell is no part of it."""
        piece = self.piece_at(edit.span.start)
        inside = piece.inside(edit.span)
        return piece.span.covers(edit.span) and piece.source.excerpt(inside) == self.excerpt(edit.span)


def notebook(path: str, cells: Sequence[Cell], joint: str = "") -> Notebook:
    """The notebook of some cells. joint: the line end between two cells, by default that which the cells use."""
    texts = (Source(path, cell.text) for cell in cells)
    joint = joint or next((text.newline for text in texts if len(text.line_starts) > 1), "\n")
    return Notebook(path, "".join(cell.code + joint for cell in cells), tuple(cells), joint)
