"""Statements: one function per kind of node."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from biaslens.program import (
    attributes,
    branching,
    calls,
    classes,
    expressions,
    failures,
    handovers,
    modules,
    names,
    stretches,
    tensors,
)
from biaslens.program.carried import Carried, leave_off, yielded_more
from biaslens.program.conditions import compare, holds, question_of, settle, truth
from biaslens.program.counters import leaves
from biaslens.program.influence import Influence
from biaslens.program.iteration import items_of, unpack
from biaslens.program.origins import Origin
from biaslens.program.run import Covered, ModuleState, PathEnds, Run
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import (
    CLASS_BODY,
    Arguments,
    BoundMethod,
    External,
    FunctionValue,
    Instance,
    Scope,
    Tensor,
    Unknown,
    Value,
    Wrapped,
)
from biaslens.text import Location

MAX_OPEN_ROUNDS = 3
"""So many rounds are followed of a `while` loop of which the source does not tell when it ends."""

MAX_LOOP_STEPS = 15_000
"""A `while` loop that takes longer is left; what it would have done is not known."""


@dataclass(frozen=True, slots=True)
class Returned:
    """A function is left with a value. influence: on which answers it rests that it is this one."""

    value: Value
    influence: Influence = 0


class Leaves:
    """A loop is left (`break`) or goes on with its next round (`continue`)."""


BREAK = Leaves()
CONTINUE = Leaves()

Signal = Returned | Leaves | None


def execute(run: Run, scope: Scope, node: ast.stmt) -> Signal:
    """Effect: runs one statement. Gives a signal where control leaves the block."""
    run.step()
    run.influence.value = 0
    handler = _HANDLERS.get(type(node))
    return handler(run, scope, node) if handler else None


def execute_all(run: Run, scope: Scope, nodes: Sequence[ast.stmt]) -> Signal:
    """Effect: runs a block."""
    for index, node in enumerate(nodes, 1):
        signal = execute(run, scope, node)
        if signal is not None:
            if run.influence.control and index < len(nodes):
                branching.forgo(run, scope, run.world.arm(nodes[index:]), run.influence.control)
            return signal
    return None


def assign(run: Run, scope: Scope, target: ast.expr, value: Value) -> None:
    """Effect: `target = value`."""
    match target:
        case ast.Name(id=name):
            _label(value, name)
            names.bind(run, scope, name, value)
        case ast.Attribute(value=owner, attr=name):
            container = expressions.evaluate(run, scope, owner)
            _hand_out(run, scope, container, target, value)
            attributes.set_attribute(run, scope, container, name, value)
        case ast.Subscript(value=owner, slice=index):
            container = expressions.evaluate(run, scope, owner)
            _hand_out(run, scope, container, target, value)
            attributes.set_item(run, scope, container, expressions.evaluate(run, scope, index), value, target)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            _unpack(run, scope, elements, value, target)
        case ast.Starred(value=inner):
            assign(run, scope, inner, value)
        case _:
            pass


def _hand_out(run: Run, scope: Scope, owner: Value, target: ast.expr, value: Value) -> None:
    """Effect: tensors that are put into an object of somebody else are read there by whoever has it."""
    inside = tensors.inside([value]) if isinstance(owner, (Unknown, External)) else []
    if inside:
        name = next((part.id for part in ast.walk(target) if isinstance(part, ast.Name)), "object")
        reason = f"it is put into `{name}`, and whoever has that may read it"
        run.emit_unknown(name, reason, inside, scope.module.location(target))


def _label(value: Value, name: str) -> None:
    """A layer held by a local variable only is called by that."""
    if isinstance(value, Instance) and not value.label:
        modules.give_label(value, name, final=False)


def _unpack(run: Run, scope: Scope, targets: Sequence[ast.expr], value: Value, node: ast.expr) -> None:
    starred = next((i for i, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
    if starred is None:
        for target, part in zip(targets, unpack(run, scope, value, len(targets), node), strict=True):
            assign(run, scope, target, part)
        return
    items = items_of(run, scope, value, node)
    after = len(targets) - starred - 1
    if len(items) < len(targets) - 1:
        raise PathEnds
    middle = items[starred : len(items) - after]
    for target, part in zip(targets, [*items[:starred], middle, *items[len(items) - after :]], strict=True):
        assign(run, scope, target, part)


def _expression(run: Run, scope: Scope, node: ast.Expr) -> Signal:
    if not isinstance(node.value, ast.Constant):
        expressions.evaluate(run, scope, node.value)
    return None


def _assignment(run: Run, scope: Scope, node: ast.Assign) -> Signal:
    value = expressions.evaluate(run, scope, node.value)
    if (
        isinstance(node.value, ast.GeneratorExp)
        and isinstance(node.targets[0], ast.Name)
        and not handovers.are_parameters(run, value)
    ):  # it runs later, when its names may mean something else
        used = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
        held = [scope.variables[name] for name in sorted(used & scope.variables.keys())]
        value = calls.call_unknown(run, scope, "a generator", Arguments((value, *held)), node)
    for target in node.targets:
        assign(run, scope, target, value)
    return None


def _annotated(run: Run, scope: Scope, node: ast.AnnAssign) -> Signal:
    if node.value is not None:
        assign(run, scope, node.target, expressions.evaluate(run, scope, node.value))
    return None


def _augmented(run: Run, scope: Scope, node: ast.AugAssign) -> Signal:
    match node.target:
        case ast.Name(id=name):
            current = settle(run, names.lookup(run, scope, name))
        case ast.Attribute(value=owner, attr=name):
            current = attributes.get(run, scope, expressions.evaluate(run, scope, owner), name, node.target)
        case ast.Subscript(value=owner, slice=index):
            container = expressions.evaluate(run, scope, owner)
            position = expressions.evaluate(run, scope, index)
            current = attributes.get_item(run, scope, container, position, node.target)
    value = expressions.evaluate(run, scope, node.value)
    symbol = expressions.SYMBOLS[type(node.op)]
    if isinstance(current, Tensor):
        tensors.operator_in_place(run, scope, symbol, current, value, node)
        if isinstance(node.target, ast.Subscript):
            assign(run, scope, node.target, current)
    elif isinstance(current, list) and symbol == "+":
        run.touch(current)
        added, before = items_of(run, scope, value, node.value), len(current)
        current += added
        stretches.extended(run, current, before, added, len(added))
    elif isinstance(current, dict) and symbol == "|":
        calls.call_method(run, scope, current, "update", Arguments((value,)), node)
    elif isinstance(current, Instance) and symbol == "+":
        calls.call_method(run, scope, current, "extend", Arguments((value,)), node)
    else:
        assign(run, scope, node.target, expressions.binary(run, scope, symbol, current, value, node))
    return None


def _return(run: Run, scope: Scope, node: ast.Return) -> Signal:
    value = expressions.evaluate(run, scope, node.value) if node.value else None
    return Returned(value, run.influence.here)


def _if(run: Run, scope: Scope, node: ast.If) -> Signal:
    value = expressions.condition(run, scope, node.test)
    is_true = holds(run, scope, value, node.test, fails=isinstance(node.body[-1], ast.Raise))
    taken, untaken = (node.body, node.orelse) if is_true else (node.orelse, node.body)
    test = run.influence.value
    try:
        signal = branching.under(run, scope, test, lambda: execute_all(run, scope, taken), untaken, taken)
        run.influence.control |= test if signal is not None else 0
        return signal
    except PathEnds as end:
        end.tests.append(question_of(run, value))
        raise


def _for(run: Run, scope: Scope, node: ast.For) -> Signal:
    influence = run.influence
    outer = influence.control
    items = items_of(run, scope, expressions.evaluate(run, scope, node.iter), node.iter)
    source = influence.value
    influence.control |= source
    stretch = stretches.of(run, items)
    handed_on = Carried(run, scope, node) if stretch is not None else None
    signal: Signal = None
    for place, item in enumerate(items):
        if handed_on is not None and stretch is not None and place:
            handed_on.next_round(stretches.index_at(run, stretch, place, len(items)))
        influence.value = source
        assign(run, scope, node.target, item)
        signal = execute_all(run, scope, node.body)
        if signal is BREAK or isinstance(signal, Returned):
            break
    is_left = signal is BREAK or isinstance(signal, Returned)
    if handed_on is not None and stretch is not None and not isinstance(signal, Returned):
        handed_on.end(None if is_left else stretch.count)
    _leave_loop(run, scope, node, outer)
    if is_left:
        return None if signal is BREAK else signal
    return execute_all(run, scope, node.orelse)


def _leave_loop(run: Run, scope: Scope, node: ast.For | ast.AsyncFor | ast.While, outer: Influence) -> None:
    """Effect: with other answers a loop would have gone round more often.

    outer: on what it rests that it is reached.
    """
    influence = run.influence
    if influence.control & ~outer:
        arm = run.world.arm(node.body)
        branching.forgo(run, scope, arm, influence.control)
        if not arm.returns:
            influence.control = outer


def _while(run: Run, scope: Scope, node: ast.While) -> Signal:
    """A condition that the source leaves open is asked once per round, and false by default from the second on. The
    second round then stands for all that may come."""
    outer = run.influence.control
    signal = _go_round(run, scope, node)
    _leave_loop(run, scope, node, outer)
    return execute_all(run, scope, node.orelse) if signal is OVER else signal


OVER = Leaves()
"""A loop ends since its condition does not hold any more."""


def _go_round(run: Run, scope: Scope, node: ast.While) -> Signal:
    """Effect: the rounds of a `while` loop."""
    is_endless = isinstance(node.test, ast.Constant) and scope.yielded is not None
    handed_on, start = Carried(run, scope, node), run.steps
    is_open, followed = is_endless, 0  # how many rounds were followed since the end is open
    place = scope.module.location(node)
    number = run.count((Kind.WHILE, place))
    for round_number in count():
        run.influence.value = 0
        if is_open and round_number:
            handed_on.next_round(None)
        value, asked = expressions.condition(run, scope, node.test), len(run.answers)
        answer = truth(run, value)
        if answer is None:
            is_open = True
            answer = followed < MAX_OPEN_ROUNDS and _goes_on(
                run, node, value, Symbol(Kind.WHILE, place, number, round_number), place
            )
        run.influence.control |= run.influence.value
        if not answer:
            handed_on.end(None)
            return OVER
        if followed >= MAX_OPEN_ROUNDS:
            if is_endless:
                yielded_more(run, scope)
            elif not leaves(node):  # what returns later is what returned in a round before
                raise Covered
            handed_on.end(None)
            return None
        if run.steps - start > MAX_LOOP_STEPS:
            leave_off(run, scope, node)
            return None
        followed += is_open
        signal = execute_all(run, scope, node.body)
        if signal is BREAK:
            handed_on.end(None)
            return None
        if isinstance(signal, Returned):
            return signal
        is_open = is_open or (isinstance(node.test, ast.Constant) and len(run.answers) > asked)
    return None


def _goes_on(run: Run, node: ast.While, value: Value, key: Symbol, place: Location) -> bool:
    """Whether a loop goes on where the source leaves it open; only its first round is one that a model has or not."""
    text = run.world.text(node.test)
    choices = [("yes", f"{text} holds"), ("no", f"{text} ends")]
    is_first = key.parts[-1] == 0
    origin = value.origin if isinstance(value, Unknown) and is_first else Origin.DATA
    return run.decide(key, text, origin, place, choices if is_first else choices[::-1]) == "yes"


def _with(run: Run, scope: Scope, node: ast.With | ast.AsyncWith) -> Signal:
    entered: list[Instance] = []
    for item in node.items:
        value = settle(run, expressions.evaluate(run, scope, item.context_expr))
        if isinstance(value, Instance) and classes.find(value.cls, "__enter__"):
            entered.append(value)
            value = _call_special(run, scope, value, "__enter__", (), item.context_expr)
        if item.optional_vars is not None:
            assign(run, scope, item.optional_vars, value)
    signal = execute_all(run, scope, node.body)
    for manager in reversed(entered):
        _call_special(run, scope, manager, "__exit__", (None, None, None), node)
    return signal


def _call_special(
    run: Run, scope: Scope, owner: Instance, name: str, arguments: tuple[Value, ...], node: ast.AST
) -> Value:
    found = classes.find(owner.cls, name)
    return calls.call(run, scope, found[1], Arguments((owner, *arguments)), node) if found else None


def _raise(run: Run, scope: Scope, node: ast.Raise) -> Signal:
    raise PathEnds


def _assert(run: Run, scope: Scope, node: ast.Assert) -> Signal:
    """An assertion is taken to hold, unless a handler waits for its failure."""
    if run.influence.handlers:
        holds_here, test = expressions.test(run, scope, node.test)
        run.influence.value = test
        if not holds_here:
            raise PathEnds
        if test:
            run.influence.control |= test
            branching.forgo_handlers(run)
    expressions.take_as_true(run, scope, node.test)
    return None


def _function(run: Run, scope: Scope, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Signal:
    names.bind(run, scope, node.name, decorated(run, scope, node, function(run, scope, node)))
    return None


def function(run: Run, scope: Scope, node: ast.FunctionDef | ast.AsyncFunctionDef) -> FunctionValue:
    """The function that a `def` makes."""
    place = scope.module.location(node)
    qualified = f"{place.path}:{place.span.start}:{node.name}"
    owner = scope.owner if scope.receiver is CLASS_BODY else None
    return FunctionValue(node.name, node, scope, calls.defaults(run, scope, node.args), owner, qualified)


def decorated(run: Run, scope: Scope, node: Any, value: Value) -> Value:
    """What decorators make of a function or class. Those that we cannot read are taken to keep what it does."""
    for decorator in reversed(node.decorator_list):
        match decorator:
            case ast.Name(id="staticmethod" | "classmethod" | "property" as kind):
                value = Wrapped(kind, value)
            case ast.Attribute(attr="setter" | "deleter" | "getter"):
                return Wrapped("setter", value)
            case _:
                value = _apply_decorator(run, scope, decorator, value)
    return value


UNFOLLOWED_DECORATORS = frozenset(
    {
        "contextlib.contextmanager",
        "contextlib.asynccontextmanager",
        "functools.singledispatch",
        "functools.singledispatchmethod",
    }
)
"""What they make of a function runs it in parts, or runs another one."""


def _apply_decorator(run: Run, scope: Scope, decorator: ast.expr, value: Value) -> Value:
    target = expressions.evaluate(run, scope, decorator)
    if isinstance(target, External) and target.name.endswith(("cached_property", "lazy_property")):
        return Wrapped("property", value)
    if isinstance(target, External) and target.name in UNFOLLOWED_DECORATORS:
        return Wrapped("unfollowed", value)
    if isinstance(target, (FunctionValue, BoundMethod)):
        result = run.aside(lambda: settle(run, calls.call(run, scope, target, Arguments((value,)), decorator)), value)
        return value if isinstance(result, Unknown) or result is None else result
    return value


def _class(run: Run, scope: Scope, node: ast.ClassDef) -> Signal:
    names.bind(run, scope, node.name, decorated(run, scope, node, classes.define(run, scope, node)))
    return None


def _import(run: Run, scope: Scope, node: ast.Import) -> Signal:
    names.execute_import(run, scope, node)
    return None


def _import_from(run: Run, scope: Scope, node: ast.ImportFrom) -> Signal:
    names.execute_import_from(run, scope, node)
    return None


def _global(run: Run, scope: Scope, node: ast.Global) -> Signal:
    state = run.globals.setdefault(scope.module.path, ModuleState())
    for name in node.names:
        scope.outer_names[name] = Scope(scope.module, state.variables)
    return None


def _nonlocal(run: Run, scope: Scope, node: ast.Nonlocal) -> Signal:
    for name in node.names:
        outer = scope.parent
        while outer is not None and name not in outer.variables:
            outer = outer.parent
        if outer is not None:
            scope.outer_names[name] = outer
    return None


def _delete(run: Run, scope: Scope, node: ast.Delete) -> Signal:
    for target in node.targets:
        match target:
            case ast.Name(id=name):
                scope.variables.pop(name, None)
            case ast.Attribute(value=owner, attr=name):
                attributes.delete_attribute(run, expressions.evaluate(run, scope, owner), name)
            case ast.Subscript(value=owner, slice=index):
                container = expressions.evaluate(run, scope, owner)
                attributes.delete_item(run, container, expressions.evaluate(run, scope, index))
            case _:
                pass
    return None


def _match(run: Run, scope: Scope, node: ast.Match) -> Signal:
    subject = expressions.evaluate(run, scope, node.subject)
    taken = next((case for case in node.cases if _matches(run, scope, subject, case, node.subject)), None)
    untaken = [case for case in node.cases if case is not taken]
    body = taken.body if taken is not None else ()
    test = run.influence.value
    signal = branching.under(run, scope, test, lambda: execute_all(run, scope, body), untaken, body)
    run.influence.control |= test if signal is not None else 0
    return signal


def _matches(run: Run, scope: Scope, subject: Value, case: ast.match_case, node: ast.expr) -> bool:
    if case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None:
        if case.pattern.name:
            names.bind(run, scope, case.pattern.name, subject)
        return True
    patterns = case.pattern.patterns if isinstance(case.pattern, ast.MatchOr) else [case.pattern]
    for pattern in patterns:
        if not isinstance(pattern, (ast.MatchValue, ast.MatchSingleton)):
            continue
        constant = pattern.value if isinstance(pattern, ast.MatchSingleton) else None
        value = expressions.evaluate(run, scope, pattern.value) if isinstance(pattern, ast.MatchValue) else constant
        written = pattern.value if isinstance(pattern, ast.MatchValue) else ast.Constant(constant)
        question = ast.copy_location(ast.Compare(node, [ast.Eq()], [written]), pattern)
        if holds(run, scope, compare(run, ast.Eq(), subject, value), question):
            return case.guard is None or expressions.is_true(run, scope, case.guard)
    return False


def _break(run: Run, scope: Scope, node: ast.Break) -> Signal:
    return BREAK


def _continue(run: Run, scope: Scope, node: ast.Continue) -> Signal:
    return CONTINUE


_HANDLERS: Mapping[type[ast.stmt], Callable[[Run, Scope, Any], Signal]] = {
    ast.Expr: _expression,
    ast.Assign: _assignment,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Return: _return,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: failures.try_block,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Global: _global,
    ast.Nonlocal: _nonlocal,
    ast.Delete: _delete,
    ast.Match: _match,
    ast.Break: _break,
    ast.Continue: _continue,
}
