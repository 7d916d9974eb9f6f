"""`try`: what it guards may fail between any two of its statements, and then a handler goes on."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from biaslens.program import branching, expressions, names, statements
from biaslens.program.origins import Origin
from biaslens.program.run import Covered, PathEnds, Run
from biaslens.program.symbols import Kind
from biaslens.program.values import External, Scope

if TYPE_CHECKING:
    from biaslens.program.statements import Signal

MAX_PLACES = 8
"""Of a longer body, so many statements at its beginning, and the last one, are taken to fail."""


def try_block(run: Run, scope: Scope, node: ast.Try) -> Signal:
    """Effect: runs a `try`. Whether something fails that may is a question; where the program surely raises, the first
    handler goes on."""
    influence = run.influence
    outer = influence.control
    failing = _failure(run, scope, node)
    test = influence.value
    influence.control |= test
    handlers = [run.world.arm(handler.body) for handler in node.handlers]
    for arm in handlers if test else ():
        branching.forgo(run, scope, arm, influence.control)
    signal, is_over = _guarded(run, scope, node, failing)
    if not is_over and signal is None:
        if failing is not None:
            signal = _handle(run, scope, node.handlers[failing[0]])
        else:
            signal = statements.execute_all(run, scope, node.orelse)
    others = [run.world.arm(part) for part in (node.body, node.orelse) if part]
    if signal is None and not any(arm.leaves for arm in (*handlers, *others)):
        influence.control = outer  # otherwise the code after the `try` runs only if nothing left it
    last = statements.execute_all(run, scope, node.finalbody)
    return last or signal


def _guarded(run: Run, scope: Scope, node: ast.Try, failing: tuple[int, int] | None) -> tuple[Signal, bool]:
    """Effect: runs what is guarded, up to where it fails. Gives the signal, and whether a handler ran already."""
    influence = run.influence
    before, guarded = influence.control, [*influence.handlers]
    done = len(node.body) if failing is None else failing[1]
    if node.handlers:
        influence.handlers.append((scope, [run.world.arm(handler.body) for handler in node.handlers]))
    try:
        signal = statements.execute_all(run, scope, node.body[:done])
    except PathEnds as end:
        influence.handlers[:] = guarded
        if isinstance(end, Covered) or not node.handlers:
            raise
        influence.control = before | influence.here
        return _handle(run, scope, node.handlers[failing[0] if failing is not None else 0]), True
    influence.handlers[:] = guarded
    if failing is not None and influence.control:
        branching.forgo(run, scope, run.world.arm(node.body[done:]), influence.control)
    return signal, False


def _handle(run: Run, scope: Scope, handler: ast.ExceptHandler) -> Signal:
    if handler.name:
        names.bind(run, scope, handler.name, expressions.opaque(run, scope, handler))
    return statements.execute_all(run, scope, handler.body)


def _failure(run: Run, scope: Scope, node: ast.Try) -> tuple[int, int] | None:
    """Which handler goes on, and how many statements ran before; None where nothing fails."""
    run.influence.value = 0
    if run.shared is None or scope.parent is None or not _may_fail(run, scope, node.body):
        return None
    places = [*range(len(node.body))]
    if len(places) > MAX_PLACES:
        places = [*places[:MAX_PLACES], places[-1]]
    location = scope.module.location(node)
    choices = [("no", "nothing fails in a `try`")]
    for index, handler in enumerate(node.handlers):
        if not run.world.arm(handler.body).raises and not _is_about_imports(handler):
            choices += [(f"{index} {place}", f"{_words(handler)} goes on") for place in places]
    if len(choices) == 1:
        return None
    key = run.another(Kind.FAILS, location)
    chosen = run.decide(key, "a `try` that may fail", Origin.DATA, location, choices)
    if chosen == "no":
        return None
    index, place = chosen.split()
    return int(index), int(place)


def _may_fail(run: Run, scope: Scope, body: Sequence[ast.stmt]) -> bool:
    """Whether anything is done there besides importing and naming things; where it raises itself, that is followed."""
    return any(_does_something(run, scope, part) for node in body for part in ast.walk(node))


def _does_something(run: Run, scope: Scope, node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):  # torch has what the catalogue knows
        is_known = isinstance(node.value, ast.Name) and isinstance(names.lookup(run, scope, node.value.id), External)
        return not is_known
    return isinstance(node, (ast.Call, ast.BinOp, ast.Subscript))


def _is_about_imports(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return all(isinstance(kind, ast.Name) and kind.id in ("ImportError", "ModuleNotFoundError") for kind in kinds)


def _words(handler: ast.ExceptHandler) -> str:
    return "`except`" if handler.type is None else f"`except {ast.unparse(handler.type)}`"
