"""Which names a loop calculates anew in each round from what they were, or from which round it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import TypeAlias

Loop: TypeAlias = "ast.For | ast.AsyncFor | ast.While"


def counters_of(loop: Loop) -> Mapping[str, int | None]:
    """Each such name with what every round adds to it; None where that is not so simple."""
    bindings = [*_bindings(loop)]
    origins: dict[str, set[str]] = {}
    for name, value in bindings:
        origins.setdefault(name, set()).update(_names(value) if value is not None else {name})
    moving = set[str]() if isinstance(loop, ast.While) else {*_targets(loop.target)}
    found = {name for name in origins if not moving.isdisjoint(reached := _reached(origins, name)) or name in reached}
    times = [name for name, _ in bindings]
    steps = _steps(loop)
    return {name: steps.get(name) if times.count(name) == 1 else None for name in sorted(found - moving)}


def leaves(loop: Loop) -> bool:
    """Whether a body may leave its loop by `break`."""
    return any(isinstance(node, ast.Break) for node in _inside(loop))


def bound_names(loop: Loop) -> list[str]:
    """All names that the body binds."""
    return list(dict.fromkeys(name for name, _ in _bindings(loop)))


def _bindings(loop: Loop) -> Iterator[tuple[str, ast.expr | None]]:
    """Every name that the body binds, with the expression that it gets; None for `+=`, where it counts itself."""
    for node in _inside(loop):
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from ((name, value) for target in targets for name in _targets(target))
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
                yield from ((name, value) for name in _targets(target))
            case ast.AugAssign(target=target, value=value):
                for name in _targets(target):
                    yield name, None
            case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                yield from ((name, value) for name in _targets(target))
            case _:
                pass


def _inside(loop: Loop) -> Iterator[ast.AST]:
    """The nodes of a body, without those of functions and classes in it."""
    open_: list[ast.AST] = [*loop.body, *([loop.test] if isinstance(loop, ast.While) else [])]
    while open_:
        node = open_.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            open_ += ast.iter_child_nodes(node)


def _targets(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from _targets(element)
        case ast.Starred(value=inner):
            yield from _targets(inner)
        case ast.Name(id=name):
            yield name
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            yield f"{owner}.{name}"
        case _:
            pass


def _names(value: ast.expr) -> set[str]:
    names = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
    return names | {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(value)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def _reached(origins: Mapping[str, set[str]], name: str) -> set[str]:
    """All names from which a name is calculated, by way of others that the body binds."""
    reached: set[str] = set()
    open_ = [name]
    while open_:
        for origin in origins.get(open_.pop(), set()) - reached:
            reached.add(origin)
            open_.append(origin)
    return reached


def _steps(loop: Loop) -> dict[str, int]:
    """What a statement of the body itself adds to a name, in rounds of which none is left early."""
    if any(isinstance(node, ast.Continue) for node in _inside(loop)):
        return {}
    found: dict[str, int] = {}
    for statement in loop.body:
        match statement:
            case ast.AugAssign(target=target, op=ast.Add(), value=ast.Constant(value=int(step))):
                found.update(dict.fromkeys(_targets(target), step))
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.BinOp(left=ast.Name(id=same), op=ast.Add(), right=ast.Constant(value=int(step))),
            ) if name == same:
                found[name] = step
            case _:
                pass
    return found
