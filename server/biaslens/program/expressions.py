"""Expressions: one function per kind of node."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from biaslens.program import (
    attributes,
    branching,
    calls,
    comprehensions,
    mappings,
    names,
    objects,
    stretches,
    tables,
    tensors,
)
from biaslens.program.conditions import (
    assume,
    compare,
    holds,
    key_of,
    negate,
    settle,
    show,
    truth,
)
from biaslens.program.influence import Influence
from biaslens.program.iteration import items_of, repeated
from biaslens.program.origins import Origin, only
from biaslens.program.run import Run
from biaslens.program.sizing import MAX_TEXT, calculate, constant, is_number
from biaslens.program.symbols import Kind, Symbol, bounded
from biaslens.program.values import FunctionValue, Instance, Scope, ShapeOf, Table, Tensor, Unknown, Value
from biaslens.program.wording import asked_part, is_all_of, joined

SYMBOLS: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitOr: "|",
    ast.BitAnd: "&",
    ast.BitXor: "^",
}


def evaluate(run: Run, scope: Scope, node: ast.expr) -> Value:
    """The value of an expression on this path."""
    run.step()
    handler = _HANDLERS.get(type(node))
    if handler is None:
        return opaque(run, scope, node)
    value = handler(run, scope, node)
    influence = run.influence
    if type(value) is Instance:
        if value.influences:
            influence.value |= value.influences.get("", 0)
    elif influence.held:
        influence.value |= influence.held.get(id(value), 0)  # as `looked_into` has it, without a call for each value
    return value


def test(run: Run, scope: Scope, node: ast.expr) -> tuple[bool, Influence]:
    """Whether a condition is true on this path, and on which answers that rests."""
    influence = run.influence
    before, influence.value = influence.value, 0
    answer = is_true(run, scope, node)
    rests_on, influence.value = influence.value, before
    return answer, rests_on


def is_true(run: Run, scope: Scope, node: ast.expr) -> bool:
    """Whether a condition is true on this path."""
    return holds(run, scope, condition(run, scope, node), node)


def condition(run: Run, scope: Scope, node: ast.expr) -> Value:
    """The value of a test, where `and`, `or` and `not` give one truth value instead of one of their operands."""
    match node:
        case ast.BoolOp(op=operator, values=parts):
            return _compound(run, scope, "and" if isinstance(operator, ast.And) else "or", parts, node)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return negate(run, condition(run, scope, operand))
        case _:
            return objects.truth_value(run, scope, evaluate(run, scope, node), node)


def take_as_true(run: Run, scope: Scope, node: ast.expr) -> None:
    """Effect: `assert node`."""
    assume(run, condition(run, scope, node))


def opaque(run: Run, scope: Scope, node: ast.AST, *, text: str = "") -> Unknown:
    """A new unknown for a place of the source, another one each time it runs."""
    location = scope.module.location(node)
    return Unknown(run.another(Kind.AT, location), text or scope.module.excerpt(node)[:60])


def binary(run: Run, scope: Scope, symbol: str, left: Value, right: Value, node: ast.AST) -> Value:
    """`left symbol right`."""
    left, right = settle(run, left), settle(run, right)
    if isinstance(left, Tensor) or isinstance(right, Tensor) or symbol == "@":
        return tensors.operator(run, scope, symbol, left, right, node)
    if symbol == "+":  # of shapes, whose sizes follow each other then
        left, right = (
            attributes.listed_sizes(run, scope, value, node) if isinstance(value, ShapeOf) else value
            for value in (left, right)
        )
    left, right = _plain_shape(run, left), _plain_shape(run, right)
    if symbol == "|" and isinstance(left, dict) and isinstance(right, (dict, Unknown)):
        result = Table()
        for source in (left, right):
            tables.merge(run, result, source if isinstance(source, dict) else Table(rest=source))
        return result
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        if symbol == "*" and (items := repeated(run, scope, left, right, node)) is not None:
            return items
        if is_number(left) and is_number(right) and not isinstance(left, str):
            return calculate(symbol, left, right)
        key = bounded(Symbol(Kind.BINARY, symbol, key_of(run, left), key_of(run, right)))
        return Unknown(key, f"{show(left)} {symbol} {show(right)}"[:MAX_TEXT], origin=_origin(left, right))
    if symbol == "+" and isinstance(left, (list, tuple)) and type(left) is type(right):
        both = stretches.joined(run, (left, right))
        return both if isinstance(left, list) else stretches.as_tuple(run, both)
    try:
        return constant(symbol, left, right)
    except Exception:  # the program would raise here, or would not work on values that we only follow
        key = Symbol(Kind.BINARY, symbol, key_of(run, left), key_of(run, right))
        return Unknown(key, f"{show(left)} {symbol} {show(right)}")


_JOINING: Mapping[str, Kind] = {"and": Kind.AND, "or": Kind.OR}


def _compound(run: Run, scope: Scope, symbol: str, parts: list[ast.expr], node: ast.expr) -> Value:
    open_parts: list[Value] = []
    asked: list[str] = []
    for part in parts:
        value = condition(run, scope, part)
        answer = truth(run, value)
        if answer is (symbol == "or"):
            rest = parts[parts.index(part) + 1 :]
            if rest and run.influence.value:
                branching.forgo(run, scope, run.world.arm(rest), run.influence.here)
            return answer
        if answer is None:
            open_parts.append(settle(run, value))
            asked.append(run.world.text(asked_part(part, open_parts[-1])))
    if not open_parts:
        return symbol == "and"
    if len(open_parts) == 1:
        return open_parts[0]
    origin = only(value.origin if isinstance(value, Unknown) else Origin.DATA for value in open_parts)
    key = bounded(Symbol(_JOINING[symbol], *(key_of(run, value) for value in open_parts)))
    text = run.world.text(node) if is_all_of(node, key) else joined(symbol, asked)
    return Unknown(key, text, origin=origin)


def _constant(run: Run, scope: Scope, node: ast.Constant) -> Value:
    return node.value


def _name(run: Run, scope: Scope, node: ast.Name) -> Value:
    return settle(run, names.lookup(run, scope, node.id))


def _attribute(run: Run, scope: Scope, node: ast.Attribute) -> Value:
    owner = evaluate(run, scope, node.value)
    return settle(run, attributes.get(run, scope, owner, node.attr, node))


def _call(run: Run, scope: Scope, node: ast.Call) -> Value:
    return calls.evaluate_call(run, scope, node)


def _binary(run: Run, scope: Scope, node: ast.BinOp) -> Value:
    left = evaluate(run, scope, node.left)
    right = evaluate(run, scope, node.right)
    return binary(run, scope, SYMBOLS[type(node.op)], left, right, node)


def _unary(run: Run, scope: Scope, node: ast.UnaryOp) -> Value:
    if isinstance(node.op, ast.Not):
        return negate(run, condition(run, scope, node.operand))
    value = evaluate(run, scope, node.operand)
    if isinstance(value, Tensor):
        return tensors.negative(run, scope, value, node) if isinstance(node.op, ast.USub) else value
    if isinstance(node.op, ast.UAdd):
        return value
    if isinstance(value, Unknown):
        return binary(run, scope, "*", value, -1, node) if isinstance(node.op, ast.USub) else opaque(run, scope, node)
    try:
        return -value if isinstance(node.op, ast.USub) else ~value
    except TypeError:
        return opaque(run, scope, node)


def _boolean(run: Run, scope: Scope, node: ast.BoolOp) -> Value:
    """`a or b` as a value: one of the operands."""
    stop = isinstance(node.op, ast.Or)
    outer = run.influence.control
    value: Value = None
    for index, part in enumerate(node.values[:-1], 1):
        value = evaluate(run, scope, part)
        if holds(run, scope, value, part) is stop:
            if run.influence.value:
                branching.forgo(run, scope, run.world.arm(node.values[index:]), run.influence.here)
            run.influence.control = outer
            return settle(run, value)
        run.influence.control = outer | run.influence.value
    value = evaluate(run, scope, node.values[-1])
    run.influence.control = outer
    return value


def _compare(run: Run, scope: Scope, node: ast.Compare) -> Value:
    left = evaluate(run, scope, node.left)
    results: list[Value] = []
    for operator, comparator in zip(node.ops, node.comparators, strict=True):
        right = evaluate(run, scope, comparator)
        elementwise = not isinstance(operator, (ast.Is, ast.IsNot, ast.In, ast.NotIn))
        if elementwise and (isinstance(left, Tensor) or isinstance(right, Tensor)):
            return tensors.comparison(run, scope, operator, left, right, node)
        said = objects.compared(run, scope, operator, left, right, node)
        if said is not names.MISSING:
            results.append(said)
            left = right
            continue
        if isinstance(operator, (ast.In, ast.NotIn)) and mappings.is_mapping(right):
            right = mappings.keys_of(run, scope, right, node)
        results.append(compare(run, operator, _plain_shape(run, left), _plain_shape(run, right)))
        left = right
    answers = [truth(run, result) for result in results]
    if False in answers:
        return False
    still_open = [result for result, answer in zip(results, answers, strict=True) if answer is None]
    if not still_open:
        return True
    if len(still_open) == 1:
        return still_open[0]
    return Unknown(bounded(Symbol(Kind.AND, *(key_of(run, value) for value in still_open))), run.world.text(node))


def _conditional(run: Run, scope: Scope, node: ast.IfExp) -> Value:
    answer, influence = test(run, scope, node.test)
    taken, untaken = (node.body, node.orelse) if answer else (node.orelse, node.body)
    value = branching.under(run, scope, influence, lambda: evaluate(run, scope, taken), [untaken])
    run.influence.value |= influence
    return value


def _list(run: Run, scope: Scope, node: ast.List) -> Value:
    return _elements(run, scope, node.elts)


def _tuple(run: Run, scope: Scope, node: ast.Tuple) -> Value:
    return stretches.as_tuple(run, _elements(run, scope, node.elts))


def _set(run: Run, scope: Scope, node: ast.Set) -> Value:
    try:
        return set(_elements(run, scope, node.elts))
    except TypeError:
        return opaque(run, scope, node)


def _elements(run: Run, scope: Scope, nodes: Iterable[ast.expr]) -> list[Value]:
    values: list[Value] = []
    starred = False
    for node in nodes:
        before = len(values)
        if isinstance(node, ast.Starred):
            more = items_of(run, scope, evaluate(run, scope, node.value), node.value)
            values += more
            stretches.extended(run, values, before, more, len(more))
            starred = True
        else:
            values.append(evaluate(run, scope, node))
            if starred:
                stretches.changed(run, values, "append", ())
    return values


def _dict(run: Run, scope: Scope, node: ast.Dict) -> Value:
    result = Table()
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        value = evaluate(run, scope, value_node)
        if key_node is None:
            source = mappings.entries(value)
            rest = value if isinstance(value, Unknown) else opaque(run, scope, value_node)
            tables.merge(run, result, source if source is not None else Table(rest=rest))
            continue
        key = evaluate(run, scope, key_node)
        try:
            result[key] = value
        except TypeError:
            return opaque(run, scope, node)
    return result


def _subscript(run: Run, scope: Scope, node: ast.Subscript) -> Value:
    owner = evaluate(run, scope, node.value)
    return settle(run, attributes.get_item(run, scope, owner, evaluate(run, scope, node.slice), node))


def _slice(run: Run, scope: Scope, node: ast.Slice) -> Value:
    parts = [None if part is None else evaluate(run, scope, part) for part in (node.lower, node.upper, node.step)]
    return slice(*parts)


def _lambda(run: Run, scope: Scope, node: ast.Lambda) -> Value:
    return FunctionValue("lambda", node, scope, calls.defaults(run, scope, node.args), qualified=_place(scope, node))


def _joined(run: Run, scope: Scope, node: ast.JoinedStr) -> Value:
    parts = [evaluate(run, scope, part) for part in node.values]
    if all(isinstance(part, str) for part in parts):
        return "".join(parts)
    return Unknown(bounded(Symbol(Kind.TEXT, *(key_of(run, part) for part in parts))), run.world.text(node))


def _formatted(run: Run, scope: Scope, node: ast.FormattedValue) -> Value:
    value = evaluate(run, scope, node.value)
    if isinstance(value, (str, int, float, bool)) and node.format_spec is None:
        return repr(value) if node.conversion == ord("r") else str(value)
    if isinstance(value, (str, int, float)) and node.format_spec is not None:
        specification = evaluate(run, scope, node.format_spec)
        try:
            return format(value, specification) if len(specification) < 8 else opaque(run, scope, node)
        except (ValueError, TypeError):
            return opaque(run, scope, node)
    form = None if node.format_spec is None else key_of(run, evaluate(run, scope, node.format_spec))
    return Unknown(Symbol(Kind.FORMATTED, key_of(run, value), node.conversion, form), show(value))


def _walrus(run: Run, scope: Scope, node: ast.NamedExpr) -> Value:
    value = evaluate(run, scope, node.value)
    names.bind(run, scope, node.target.id, value)
    return value


def _yield(run: Run, scope: Scope, node: ast.Yield) -> Value:
    value = evaluate(run, scope, node.value) if node.value else None
    if scope.yielded is not None:
        run.influence.changed(scope.yielded)
        scope.yielded.append(value)
        stretches.changed(run, scope.yielded, "append", ())
    return None


def _yield_from(run: Run, scope: Scope, node: ast.YieldFrom) -> Value:
    values = items_of(run, scope, evaluate(run, scope, node.value), node.value)
    if scope.yielded is not None:
        run.influence.changed(scope.yielded)
        before = len(scope.yielded)
        scope.yielded += values
        stretches.extended(run, scope.yielded, before, values, len(values))
    return None


def _await(run: Run, scope: Scope, node: ast.Await) -> Value:
    return evaluate(run, scope, node.value)


def _starred(run: Run, scope: Scope, node: ast.Starred) -> Value:
    return evaluate(run, scope, node.value)


def _plain_shape(run: Run, value: Value) -> Value:
    """A shape of known rank as the tuple of its sizes."""
    return attributes.shape_tuple(run, value) if isinstance(value, ShapeOf) else value


def _place(scope: Scope, node: ast.AST) -> str:
    location = scope.module.location(node)
    return f"{location.path}:{location.span.start}"


def _origin(left: Value, right: Value) -> Origin:
    return only(value.origin for value in (left, right) if isinstance(value, Unknown))


_HANDLERS: Mapping[type[ast.AST], Callable[[Run, Scope, Any], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.List: _list,
    ast.Tuple: _tuple,
    ast.Set: _set,
    ast.Dict: _dict,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.Lambda: _lambda,
    ast.JoinedStr: _joined,
    ast.FormattedValue: _formatted,
    ast.NamedExpr: _walrus,
    ast.Yield: _yield,
    ast.YieldFrom: _yield_from,
    ast.Await: _await,
    ast.Starred: _starred,
    ast.ListComp: comprehensions.list_of,
    ast.GeneratorExp: comprehensions.list_of,
    ast.SetComp: comprehensions.set_of,
    ast.DictComp: comprehensions.dict_of,
}
