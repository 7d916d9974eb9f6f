"""What the statements of top level do to the names of their module, by looking at each alone."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence


def by_name(affected: Iterable[Collection[str]]) -> dict[str, tuple[int, ...]]:
    """For each name the statements that bind or change it, by index. affected: the names of each."""
    found: dict[str, list[int]] = {}
    for index, names in enumerate(affected):
        for name in names:
            found.setdefault(name, []).append(index)
    return {name: tuple(indices) for name, indices in found.items()}


def mentioned(statement: ast.stmt) -> set[str]:
    """All names in a statement."""
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def rebound(statements: Iterable[ast.stmt]) -> set[str]:
    """Globals that functions assign anew (`global name`)."""
    nodes = (node for statement in statements for node in ast.walk(statement))
    return {name for node in nodes if isinstance(node, ast.Global) for name in node.names}


def handed_over(statement: ast.stmt) -> set[str]:
    """The names that a statement which is only a call hands over."""
    match statement:
        case ast.Expr(value=ast.Call(args=args, keywords=keywords)):
            waiting = [*args, *(keyword.value for keyword in keywords)]
            inner = (
                item for node in waiting for item in (node.elts if isinstance(node, (ast.List, ast.Tuple)) else [node])
            )
            return {node.id for node in inner if isinstance(node, ast.Name)}
        case _:
            return set()


def star_imports(statements: Sequence[ast.stmt]) -> list[ast.ImportFrom]:
    """Every `from m import *`, those inside `try` and `if` included."""
    found = [node for node in _top_level(statements) if isinstance(node, ast.ImportFrom)]
    return [node for node in found if node.names[0].name == "*"]


def typed_imports(statements: Iterable[ast.stmt]) -> dict[str, tuple[ast.ImportFrom, str]]:
    """What `if TYPE_CHECKING:` imports: the statement and the name there, by the name here."""
    blocks = [node for node in statements if isinstance(node, ast.If) and _is_for_types(node.test)]
    found = [node for block in blocks for node in _top_level(block.body) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: (node, alias.name) for node in found for alias in node.names}


def _is_for_types(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _top_level(statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
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


def affected(statement: ast.stmt) -> set[str]:
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


def bound(statement: ast.stmt) -> set[str]:
    """The names of top level that a statement binds, in whatever block of its own."""
    found: set[str] = set()
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
                continue
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                continue
            case ast.Import(names=names):
                found |= {alias.asname or alias.name.split(".")[0] for alias in names}
            case ast.ImportFrom(names=names):
                found |= {alias.asname or alias.name for alias in names}
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                found.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                found.add(name)
            case _:
                pass
        waiting += ast.iter_child_nodes(node)
    return found


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
