"""Comprehensions: loops that build a value."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from biaslens.program import branching, expressions, statements
from biaslens.program.iteration import items_of
from biaslens.program.run import Run
from biaslens.program.values import Scope, Value


def list_of(run: Run, scope: Scope, node: ast.ListComp | ast.GeneratorExp) -> list[Value]:
    """A list; a generator is followed as the list of its items."""
    result: list[Value] = []
    _loop(run, scope, node.generators, lambda inner: result.append(expressions.evaluate(run, inner, node.elt)), [node.elt])
    return result


def set_of(run: Run, scope: Scope, node: ast.SetComp) -> Value:
    """A set."""
    items: list[Value] = []
    _loop(run, scope, node.generators, lambda inner: items.append(expressions.evaluate(run, inner, node.elt)), [node.elt])
    try:
        return set(items)
    except TypeError:
        return expressions.opaque(run, scope, node)


def dict_of(run: Run, scope: Scope, node: ast.DictComp) -> Value:
    """A dict."""
    pairs: list[tuple[Value, Value]] = []

    def add(inner: Scope) -> None:
        key = expressions.evaluate(run, inner, node.key)
        pairs.append((key, expressions.evaluate(run, inner, node.value)))

    _loop(run, scope, node.generators, add, [node.key, node.value])
    try:
        return dict(pairs)
    except TypeError:
        return expressions.opaque(run, scope, node)


def _loop(
    run: Run,
    scope: Scope,
    generators: list[ast.comprehension],
    body: Callable[[Scope], None],
    what: Sequence[ast.expr],
    depth: int = 0,
) -> None:
    """what: the expressions that the body evaluates."""
    inner = Scope(scope.module, {}, scope, scope.owner, scope.receiver, dict(scope.outer_names))
    generator = generators[depth]
    outer = run.influence.control
    items = items_of(run, scope, expressions.evaluate(run, scope, generator.iter), generator.iter)
    run.influence.control = outer | run.influence.value
    for item in items:
        run.step()
        statements.assign(run, inner, generator.target, item)
        if all(expressions.is_true(run, inner, condition) for condition in generator.ifs):
            run.influence.control |= run.influence.value
            if depth + 1 < len(generators):
                _loop(run, inner, generators, body, what, depth + 1)
            else:
                body(inner)
    left_out = run.influence.here
    run.influence.control = outer
    if left_out & ~outer:  # other answers give more items
        branching.forgo(run, scope, run.world.arm(what), left_out)
