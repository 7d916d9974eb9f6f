"""Text to syntax trees. A top-level statement that does not parse is skipped; the others count."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from biaslens.syntax.bindings import affected, bound, by_name, rebound, star_imports, typed_imports
from biaslens.syntax.chunks import chunks
from biaslens.syntax.modes import freezers
from biaslens.syntax.notebook import Notebook
from biaslens.text import Location, Problem, Source, Span


@dataclass(frozen=True)
class Module:
    """One parsed file. `name` is its dotted module name; `package` the package that relative imports start from."""

    source: Source
    name: str
    package: str
    statements: tuple[ast.stmt, ...]
    problems: tuple[Problem, ...]

    @property
    def path(self) -> str:
        """The file's name."""
        return self.source.path

    @cached_property
    def affecting(self) -> dict[str, tuple[int, ...]]:
        """For each top-level name the statements that bind or change it, by index."""
        return by_name(map(affected, self.statements))

    @cached_property
    def binding(self) -> dict[str, list[int]]:
        """For each top-level name the statements that bind it, by index."""
        found: dict[str, list[int]] = {}
        for index, statement in enumerate(self.statements):
            for name in bound(statement):
                found.setdefault(name, []).append(index)
        return found

    @cached_property
    def changing(self) -> frozenset[str]:
        """The names that more than one statement binds or changes: they mean different things at different times."""
        return frozenset(name for name, indices in self.affecting.items() if len(indices) > 1)

    @cached_property
    def freezers(self) -> frozenset[str]:
        """The names of its functions and methods that may put modules into eval mode; "" where top level does."""
        if re.search(r"\.eval\(\)|\.train\((mode=)?False\)|\.training = False", self.source.text) is None:
            return frozenset()
        return freezers(self.statements)

    @cached_property
    def rebound(self) -> frozenset[str]:
        """Globals that functions assign anew (`global name`): when that happens cannot be told."""
        if "global " not in self.source.text:
            return frozenset()
        return frozenset(rebound(self.statements))

    @cached_property
    def yields(self) -> bool:
        """Whether any of its functions may be a generator."""
        return "yield" in self.source.text

    @cached_property
    def star_imports(self) -> tuple[ast.ImportFrom, ...]:
        """Every `from m import *` at top level, those inside `try` and `if` included, last one first."""
        return tuple(reversed(star_imports(self.statements)))

    @cached_property
    def typed_imports(self) -> dict[str, tuple[ast.ImportFrom, str]]:
        """What `if TYPE_CHECKING:` imports: the statement and the name there, by the name here. Packages that import
        lazily tell in this way where their names come from."""
        return typed_imports(self.statements)

    def span(self, node: ast.AST) -> Span:
        """The offsets of a node that has a position."""
        return self.location(node).span

    def location(self, node: ast.AST) -> Location:
        """Where a node stands."""
        found = self._locations.get(node)
        if found is None:
            found = self._locations[node] = self._location(node)
        return found

    def _location(self, node: ast.AST) -> Location:
        start = offset_of(self.source, node.lineno, node.col_offset)  # type: ignore[attr-defined]
        end = offset_of(self.source, node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        return Location(self.source.path, Span(start, end))

    @cached_property
    def _locations(self) -> dict[ast.AST, Location]:
        """Remembers what `location` found: a run asks for the same few nodes on every path."""
        return {}

    def names(self, node: ast.AST) -> Sequence[str]:
        """The names in a function, each once."""
        found = self._names.get(node)
        if found is None:
            found = self._names[node] = names_in(node)
        return found

    @cached_property
    def _names(self) -> dict[ast.AST, Sequence[str]]:
        """Remembers what `names` found."""
        return {}

    def excerpt(self, node: ast.AST) -> str:
        """The text of a node on one line."""
        return " ".join(self.source.excerpt(self.span(node)).split())


def names_in(node: ast.AST) -> Sequence[str]:
    """The names in some code, each once."""
    return tuple(sorted({part.id for part in ast.walk(node) if isinstance(part, ast.Name)}))


def parse(source: Source, name: str = "", package: str = "") -> Module:
    """Parses a file; never raises. What was skipped is told in `problems`."""
    statements: list[ast.stmt] = []
    problems: list[Problem] = []
    for piece in source.pieces:
        whole = parsed(_at_its_line(source, piece.span))
        if isinstance(whole, str) and isinstance(source, Notebook):
            whole = _indented(_at_its_line(source, piece.span, "if 1:\n")) or whole
        if isinstance(whole, list):
            statements += whole
            continue
        for span in chunks(source, piece.span):
            part = parsed(_at_its_line(source, span))
            if isinstance(part, list):
                statements += part
            else:
                problems.append(skipped(_in_its_piece(part, source), source, span))
    return Module(source, name, package, tuple(statements), tuple(problems))


def skipped(message: str, source: Source, span: Span) -> Problem:
    """What is said of a statement that does not parse. message: of Python's parser."""
    return Problem("syntax", f"This statement was skipped: {message}.", source.path, span)


def offset_of(source: Source, line: int, column: int) -> int:
    """The offset of a place as `ast` tells it: a line from one, and a column in UTF-8 bytes."""
    starts = source.line_starts
    start = starts[min(line, len(starts)) - 1]
    if source.text[start : start + column].isascii():
        return start + column
    text = source.line(min(line, len(starts)) - 1)
    return start + len(text.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "replace"))


def _at_its_line(source: Source, span: Span, lead: str = "") -> str:
    """Whole lines, behind as many empty ones as stand before them, and a lead."""
    return "\n" * source.line_and_column(span.start)[0] + lead + source.excerpt(span)


def _in_its_piece(message: str, source: Source) -> str:
    """A message of Python's parser with the numbers of lines as people count them."""

    def row(number: re.Match[str]) -> str:
        line = min(int(number[1]), len(source.line_starts)) - 1
        return f"line {source.position(source.line_starts[line]).row}"

    return re.sub(r"\bline (\d+)\b", row, message)


def _indented(text: str) -> list[ast.stmt] | None:
    """The statements that stand indented behind a line that is not there, as IPython allows them; None without any."""
    match parsed(text):
        case [ast.If(body=body, orelse=[])]:
            return [ast.increment_lineno(statement, -1) for statement in body]
        case _:
            return None


def parsed(text: str) -> list[ast.stmt] | str:
    """The statements, or why there are none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text).body
    except SyntaxError as error:
        return error.msg
    except (RecursionError, MemoryError):
        return "it is nested too deeply"
    except (ValueError, OverflowError) as error:
        return str(error)
