"""`biaslens explain FILE:LINE`: what an editor says about a line, in the terminal."""

from __future__ import annotations

import re
import shutil
import textwrap
from dataclasses import dataclass

from biaslens.cli.choices import Choices
from biaslens.cli.console import Console
from biaslens.cli.inputs import gather
from biaslens.explain.hover import Hover, hover, hovers_on
from biaslens.lint import Report, lint
from biaslens.render.place import displayed, printable
from biaslens.syntax.files import Files
from biaslens.text import Problem, Source, Span

_PLACE = re.compile(r"(?P<path>.+?):(?P<line>\d+)(?::(?P<column>\d+))?:?")
_WIDEST = 100
_NAMED = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, one-based as editors and `check` show it, and perhaps a column."""

    path: str
    line: int
    column: int | None


def place_of(argument: str) -> Place | None:
    """The place that an argument such as `model.py:12` or `model.py:12:9` names; None where it names none."""
    match = _PLACE.fullmatch(argument)
    if match is None:
        return None
    column = match["column"]
    return Place(match["path"], int(match["line"]), int(column) if column else None)


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
    if not 1 <= place.line <= len(source.line_starts):
        console.note(
            f"{displayed(source.path, console.folder)} has {len(source.line_starts)} lines, and no {place.line}."
        )
        return 2
    report = lint(source, inputs.files, inputs.resolver.options_for(source.path))
    for problem in report.problems:
        console.complain(problem, inputs.files.read)
    found = _explanations(place, report, inputs.files)
    if not found:
        console.note(_nothing(place, report, console.folder))
        return 2
    console.say("\n\n".join(_text(one, source, console) for one in found))
    return 0


def _explanations(place: Place, report: Report, files: Files) -> list[Hover]:
    """What is at the column, or all that begins on the line, or what the line is the inside of."""
    source = report.source
    line = source.line(place.line - 1)
    start = source.line_starts[place.line - 1]
    if place.column is not None:
        there = hover(report, source.offset(place.line - 1, place.column - 1), files)
        return [there] if there else []
    begun = [*hovers_on(report, Span(start, start + len(line)), files)]
    around = hover(report, start + len(line) - len(line.lstrip()), files)
    return begun or ([around] if around else [])


def _nothing(place: Place, report: Report, folder: str) -> str:
    source = report.source
    everything = hovers_on(report, Span(0, len(source.text)))
    lines = list(dict.fromkeys(source.line_and_column(one.span.start)[0] + 1 for one in everything))
    where = f"{displayed(source.path, folder)}:{place.line}"
    if not lines:
        return f"There is no layer, norm or softmax to explain at {where}, nor anywhere else in the file."
    near = sorted(sorted(lines, key=lambda line: (abs(line - place.line), line))[:_NAMED])
    return f"There is no layer, norm or softmax to explain at {where}. The nearest are at {', '.join(map(str, near))}."


def _text(found: Hover, source: Source, console: Console) -> str:
    """The place and the code, then the paragraphs, wrapped on a terminal."""
    line, column = source.line_and_column(found.span.start)
    where = f"{displayed(source.path, console.folder)}:{line + 1}:{column + 1}"
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
