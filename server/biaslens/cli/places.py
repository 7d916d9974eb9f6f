"""`biaslens explain FILE:LINE`: what an editor says about a line, in the terminal."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from biaslens.cli.choices import Choices
from biaslens.cli.console import Console
from biaslens.cli.inputs import gather
from biaslens.explain.hover import Hover, hover, hovers_on
from biaslens.lint import Report, lint
from biaslens.render.place import displayed, printable
from biaslens.syntax.files import Files
from biaslens.syntax.parse import parse
from biaslens.text import Piece, Position, Problem, Source, Span
from biaslens.unreached import Unreached, unreached

_PLACE = re.compile(r"(?P<path>.+?)(?::cell (?P<cell>\d+))?:(?P<line>\d+)(?::(?P<column>\d+))?:?")
_WIDEST = 100
_NAMED = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file or of a notebook's cell, one-based as editors and `check` show it, and perhaps a column."""

    path: str
    line: int
    column: int | None
    cell: int | None = None


def place_of(argument: str) -> Place | None:
    """The place that an argument such as `model.py:12`, `model.py:12:9` or `train.ipynb:cell 3:12` names, if any."""
    match = _PLACE.fullmatch(argument)
    if match is None:
        return None
    column, cell = match["column"], match["cell"]
    return Place(match["path"], int(match["line"]), int(column) if column else None, int(cell) if cell else None)


def explain_place(place: Place, choices: Choices, console: Console) -> int:
    """Prints the explanations of a line; 2 where the file cannot be read or nothing on the line can be explained."""
    inputs = gather((place.path,), None, choices)
    if len(inputs.paths) != 1 or inputs.problems:
        for problem in inputs.problems:
            console.complain(problem, inputs.files.read)
        if not inputs.problems:
            console.note(f"{place.path} is not a single file: name the file and the line, as in `model.py:12`.")
        return 2
    source = inputs.files.read(inputs.paths[0])
    if isinstance(source, Problem):
        console.complain(source, inputs.files.read)
        return 2
    name = displayed(source.path, console.folder)
    piece = next((piece for piece in source.pieces if piece.cell == place.cell), None)
    if piece is None:
        example = source.pieces[0].cell
        hint = f"Name one of its Python cells, as in `{name}:cell {example}:1`." if example else "It has no cells."
        console.note(f"Which place in {name}? {hint}")
        return 2
    lines = len(piece.source.line_starts)
    if not 1 <= place.line <= lines:
        console.note(f"{f'Cell {piece.cell} of ' if piece.cell else ''}{name} has {lines} lines, and no {place.line}.")
        return 2
    report = lint(source, inputs.files, inputs.resolver.options_for(source.path))
    for problem in report.problems:
        console.complain(problem, inputs.files.read)
    found = _explanations(place, piece, report, inputs.files)
    if not found:
        lost = unreached(parse(source), report.flow, report.problems)
        console.note(_nothing(place, piece, report, lost, name))
        return 2
    console.say("\n\n".join(_text(one, source, console) for one in found))
    return 0


def _explanations(place: Place, piece: Piece, report: Report, files: Files) -> list[Hover]:
    """What is at the column, or all that begins on the line, or what the line is the inside of."""
    line = piece.source.line(place.line - 1)
    start = piece.start + piece.source.line_starts[place.line - 1]
    if place.column is not None:
        there = hover(report, piece.start + piece.source.offset(place.line - 1, place.column - 1), files)
        return [there] if there else []
    begun = [*hovers_on(report, Span(start, start + len(line)), files)]
    around = hover(report, start + len(line) - len(line.lstrip()), files)
    return begun or ([around] if around else [])


def _nothing(place: Place, piece: Piece, report: Report, lost: Sequence[Unreached], name: str) -> str:
    everything = hovers_on(report, piece.span)
    rows = list(dict.fromkeys(report.source.position(one.span.start).row for one in everything))
    where = f"{name}:{Position(place.line, 1, place.cell)}".rpartition(":")[0]
    inside = [layer for layer in lost if piece.span.start <= layer.location.span.start < piece.span.end]
    for layer in inside:
        if report.source.position(layer.location.span.start).row == place.line:
            return f"The {layer.entry.label} at {where} could not be followed: {layer.reason}."
    if not rows and (inside or report.problems):
        return f"There is nothing to explain at {where}: nothing that makes a layer could be followed."
    if not rows:
        all_of_it = "cell" if piece.cell else "file"
        return f"There is no layer, norm or softmax to explain at {where}, nor anywhere else in the {all_of_it}."
    near = sorted(sorted(rows, key=lambda row: (abs(row - place.line), row))[:_NAMED])
    return f"There is no layer, norm or softmax to explain at {where}. The nearest are at {', '.join(map(str, near))}."


def _text(found: Hover, source: Source, console: Console) -> str:
    """The place and the code, then the paragraphs, wrapped on a terminal."""
    where = f"{displayed(source.path, console.folder)}:{source.position(found.span.start)}"
    code = printable(" ".join(source.excerpt(found.span).split()))
    head = f"{console.paint(where, 'path')}: {textwrap.shorten(code, _WIDEST, placeholder=' …')}"
    verdict, *rest = (printable(text) for text in found.lines)
    return "\n".join(
        [head, *(_wrapped(verdict, console, strong=True)), *(row for text in rest for row in _wrapped(text, console))]
    )


def _wrapped(text: str, console: Console, *, strong: bool = False) -> list[str]:
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    rows = (
        textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) if console.out.isatty() else [text]
    )
    return [console.paint(row, "strong") if strong else row for row in rows]
