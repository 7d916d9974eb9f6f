"""Comprehensions: loops that build a value."""

from __future__ import annotations

import ast
from collections.abc import Callable

from biaslens.program import expressions, statements
from biaslens.program.iteration import items_of
from biaslens.program.run import Run
from biaslens.program.values import Scope, Value


def list_of(run: Run, scope: Scope, node: ast.ListComp | ast.GeneratorExp) -> list[Value]:
    """A list; a generator is followed as the list of its items."""
    result: list[Value] = []
    _loop(run, scope, node.generators, lambda inner: result.append(expressions.evaluate(run, inner, node.elt)))
    return result


def set_of(run: Run, scope: Scope, node: ast.SetComp) -> Value:
    """A set."""
    items: list[Value] = []
    _loop(run, scope, node.generators, lambda inner: items.append(expressions.evaluate(run, inner, node.elt)))
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

    _loop(run, scope, node.generators, add)
    try:
        return dict(pairs)
    except TypeError:
        return expressions.opaque(run, scope, node)


def _loop(
    run: Run, scope: Scope, generators: list[ast.comprehension], body: Callable[[Scope], None], depth: int = 0
) -> None:
    inner = Scope(scope.module, {}, scope, scope.owner, scope.receiver, dict(scope.outer_names))
    generator = generators[depth]
    for item in items_of(run, scope, expressions.evaluate(run, scope, generator.iter), generator.iter):
        run.step()
        statements.assign(run, inner, generator.target, item)
        if all(expressions.is_true(run, inner, condition) for condition in generator.ifs):
            if depth + 1 < len(generators):
                _loop(run, inner, generators, body, depth + 1)
            else:
                body(inner)
