"""Text to syntax trees. A top-level statement that does not parse is skipped; the others count."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

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
        found: dict[str, list[int]] = {}
        for index, statement in enumerate(self.statements):
            for name in _affected(statement):
                found.setdefault(name, []).append(index)
        return {name: tuple(indices) for name, indices in found.items()}

    @cached_property
    def rebound(self) -> frozenset[str]:
        """Globals that functions assign anew (`global name`): when that happens cannot be told."""
        if "global " not in self.source.text:
            return frozenset()
        declared = (node for statement in self.statements for node in ast.walk(statement))
        return frozenset(name for node in declared if isinstance(node, ast.Global) for name in node.names)

    @cached_property
    def star_imports(self) -> tuple[ast.ImportFrom, ...]:
        """Every `from m import *` at top level, those inside `try` and `if` included, last one first."""
        found = [node for node in _top_level(self.statements) if isinstance(node, ast.ImportFrom)]
        return tuple(node for node in reversed(found) if node.names[0].name == "*")

    @cached_property
    def typed_imports(self) -> dict[str, tuple[ast.ImportFrom, str]]:
        """What `if TYPE_CHECKING:` imports: the statement and the name there, by the name here. Packages that import
        lazily tell in this way where their names come from."""
        blocks = [node for node in self.statements if isinstance(node, ast.If) and _is_for_types(node.test)]
        found = [node for block in blocks for node in _top_level(block.body) if isinstance(node, ast.ImportFrom)]
        return {alias.asname or alias.name: (node, alias.name) for node in found for alias in node.names}

    def span(self, node: ast.AST) -> Span:
        """The offsets of a node that has a position."""
        return self.location(node).span

    def location(self, node: ast.AST) -> Location:
        """Where a node stands."""
        found = self._locations.get(node)
        if found is None:
            start = self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]
            end = self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
            found = self._locations[node] = Location(self.source.path, Span(start, end))
        return found

    @cached_property
    def _locations(self) -> dict[ast.AST, Location]:
        """Remembers what `location` found: a run asks for the same few nodes on every path."""
        return {}

    def excerpt(self, node: ast.AST) -> str:
        """The text of a node on one line."""
        return " ".join(self.source.excerpt(self.span(node)).split())

    def _offset(self, line: int, column: int) -> int:
        starts = self.source.line_starts
        start = starts[min(line, len(starts)) - 1]
        if self.source.text[start : start + column].isascii():
            return start + column
        text = self.source.line(min(line, len(starts)) - 1)
        return start + len(text.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "replace"))


def parse(source: Source, name: str = "", package: str = "") -> Module:
    """Parses a file; never raises. What was skipped is told in `problems`."""
    statements: list[ast.stmt] = []
    problems: list[Problem] = []
    for piece in source.pieces:
        whole = _parsed(_at_its_line(source, piece.span))
        if isinstance(whole, str) and isinstance(source, Notebook):
            whole = _indented(_at_its_line(source, piece.span, "if 1:\n")) or whole
        if isinstance(whole, list):
            statements += whole
            continue
        for span in chunks(source, piece.span):
            part = _parsed(_at_its_line(source, span))
            if isinstance(part, list):
                statements += part
            else:
                message = f"This statement was skipped: {_in_its_piece(part, source)}."
                problems.append(Problem("syntax", message, source.path, span))
    return Module(source, name, package, tuple(statements), tuple(problems))


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
    match _parsed(text):
        case [ast.If(body=body, orelse=[])]:
            return [ast.increment_lineno(statement, -1) for statement in body]
        case _:
            return None


def _parsed(text: str) -> list[ast.stmt] | str:
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


_TOKEN = re.compile(
    r"#[^\r\n]*|(?:[rRbBuUfF]{0,2})(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''"
    r"|\"(?:\\.|[^\"\\\r\n])*\"|'(?:\\.|[^'\\\r\n])*')|\"\"\"|'''|[()\[\]{}]|\r\n|\n|\r",
    re.DOTALL,
)
_HARD_START = re.compile(r"(?:class|def|async|import|from|@)\b|@")
_CONTINUES = re.compile(r"(?:else|elif|except|finally)\b|[)\]}#]")
_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")


def chunks(source: Source, piece: Span) -> Iterator[Span]:
    """Splits whole lines of a text at their top-level statements, by brackets, strings and indentation alone."""
    text = source.excerpt(piece)
    starts = [0] if text[:1].strip() else []
    depth = 0
    decorated = text.startswith("@")
    for token in _TOKEN.finditer(text):
        word = token.group()
        if word in _OPENING:
            depth += 1
        elif word in _CLOSING:
            depth = max(0, depth - 1)
        elif word[0] in "\r\n":
            rest = text[token.end() : token.end() + 8]
            if not rest or rest[0].isspace() or _CONTINUES.match(rest):
                continue
            hard = _HARD_START.match(rest) is not None
            if (depth == 0 or hard) and not decorated:
                starts.append(token.end())
                depth = 0
            decorated = rest[0] == "@"
    starts = starts or [0]  # a text that is indented throughout
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield Span(piece.start + start, piece.start + end)


def _is_for_types(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _top_level(statements: tuple[ast.stmt, ...] | list[ast.stmt]) -> Iterator[ast.stmt]:
    """Top-level statements and those inside top-level `if`, `try` and `with`."""
    for statement in statements:
        yield statement
        match statement:
            case ast.If() | ast.Try() | ast.With():
                for field in ("body", "orelse", "finalbody"):
                    yield from _top_level(getattr(statement, field, []))
                for handler in getattr(statement, "handlers", []):
                    yield from _top_level(handler.body)
            case _:
                pass


def _affected(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement binds, or whose values it changes by a method, an item or an attribute."""
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return {name}
        case ast.Import(names=names):
            return {alias.asname or alias.name.split(".")[0] for alias in names}
        case ast.ImportFrom(names=names):
            return {alias.asname or alias.name for alias in names}
        case _:
            return set(_changed_names(statement))


def _changed_names(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                yield name
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                yield name
            case ast.Expr(value=ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[ast.Name(id=name), *_])):
                yield name
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=inner))):
                while isinstance(inner, ast.Attribute):
                    inner = inner.value
                if isinstance(inner, ast.Name):
                    yield inner.id
            case ast.For(iter=inner):
                while isinstance(inner, (ast.Attribute, ast.Call)):
                    inner = inner.value if isinstance(inner, ast.Attribute) else inner.func
                if isinstance(inner, ast.Name):
                    yield inner.id
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name.split(".")[0] for alias in names)
            case _:
                pass
