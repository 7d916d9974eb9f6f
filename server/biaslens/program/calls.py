"""Calls: evaluating arguments, binding them to parameters, and running what is called."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from biaslens.program import (
    declared,
    expressions,
    externals,
    handovers,
    instances,
    mappings,
    module_methods,
    modules,
    natives,
    statements,
    stretches,
    tables,
    tensors,
)
from biaslens.program.conditions import key_of, settle, show
from biaslens.program.influence import Influence, Skipped, add
from biaslens.program.iteration import items_of
from biaslens.program.names import MISSING
from biaslens.program.origins import Origin
from biaslens.program.run import MAX_DEPTH, BudgetExceeded, PathEnds, Run
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import (
    CLASS_BODY,
    Arguments,
    BoundMethod,
    ClassValue,
    External,
    FunctionValue,
    Instance,
    ModuleValue,
    Partial,
    Scope,
    ShapeOf,
    Stretch,
    Super,
    Table,
    Tensor,
    Unknown,
    Value,
    Wrapped,
)

HIDDEN = "**"
"""Among the influences of arguments: that of a `*` or `**` that may hold more."""


def evaluate_call(run: Run, scope: Scope, node: ast.Call) -> Value:
    """The value of a call expression."""
    if isinstance(node.func, ast.Name) and node.func.id == "super" and "super" not in scope.variables:
        return _super(run, scope, node)
    influence = run.influence
    before, influence.value = influence.value, 0
    callee = expressions.evaluate(run, scope, node.func)
    about_callee = influence.value
    arguments = arguments_of(run, scope, node)
    if about_callee:
        influence.skipped.append(Skipped(frozenset((node,)), about_callee | influence.control))
    result = settle(run, call(run, scope, callee, arguments, node))
    if isinstance(result, Tensor) and influence.value:
        influence.value &= about_callee  # what it is rests on the steps that made it, which say so themselves
    influence.value |= before
    return result


def arguments_of(run: Run, scope: Scope, node: ast.Call) -> Arguments:
    """The evaluated arguments of a call.

    Effect: what is being evaluated rests on all that they rest on.
    """
    influence = run.influence
    callee = whole = influence.value
    influences: dict[int | str, Influence] = {}
    positional: list[Value] = []
    others: Unknown | None = None
    hidden = starred = False
    for argument in node.args:
        influence.value = 0
        if not isinstance(argument, ast.Starred):
            value = expressions.evaluate(run, scope, argument)
            influences[len(positional)] = influence.value
            positional.append(value)
            if starred:
                stretches.changed(run, positional, "append", ())
        else:
            value = settle(run, expressions.evaluate(run, scope, argument.value))
            if isinstance(value, Unknown):
                hidden, others = True, value if argument is node.args[-1] else None
                add(influences, HIDDEN, influence.value)
            else:
                items, before = items_of(run, scope, value, argument.value), len(positional)
                positional += items
                stretches.extended(run, positional, before, items, len(items))
                influences.update(dict.fromkeys(range(before, len(positional)), influence.value))
                starred = True
        whole |= influence.value
    keywords, rest, is_hidden, about_keywords = _keywords_of(run, scope, node, influences)
    hidden = hidden or is_hidden
    influence.value = whole = whole | about_keywords
    about = influences if whole != callee else None
    spread = stretches.of(run, positional) if starred else None
    if hidden or rest is None or rest.rest is None:
        is_open = hidden or (rest is not None and rest.rest is not None)
        return Arguments(tuple(positional), keywords, is_open, None, others, spread, callee, about)
    own = Table(rest=rest.rest, absent=rest.absent | keywords.keys())
    return Arguments(tuple(positional), keywords, True, own, others, spread, callee, about)


def _keywords_of(
    run: Run, scope: Scope, node: ast.Call, influences: dict[int | str, Influence]
) -> tuple[dict[str, Value], Table | None, bool, Influence]:
    """The evaluated keyword arguments of a call, what else they may be, whether some are hidden, and on what all rest.

    Effect: notes in influences on what each of them rests.
    """
    influence = run.influence
    whole: Influence = 0
    keywords: dict[str, Value] = {}
    rest: Table | None = None
    hidden = False
    for keyword in node.keywords:
        influence.value = 0
        value = expressions.evaluate(run, scope, keyword.value)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
            influences[keyword.arg] = influence.value
            whole |= influence.value
            continue
        add(influences, HIDDEN, influence.value)
        value = settle(run, value)
        source = Table(rest=value) if isinstance(value, Unknown) else mappings.entries(value)
        if source is None:
            hidden = True
        else:
            hidden = hidden or any(not isinstance(key, str) for key in source)
            given = {key: item for key, item in source.items() if isinstance(key, str)}
            keywords.update(given)
            influences.update(dict.fromkeys(given, influence.value))
            if isinstance(source, Table):
                rest = Table() if rest is None else rest
                tables.merge(run, rest, Table(rest=source.rest, absent=source.absent | source.keys()))
        whole |= influence.value
    return keywords, rest, hidden, whole


def call(run: Run, scope: Scope, callee: Value, arguments: Arguments, node: ast.AST) -> Value:
    """What calling a value gives."""
    run.step()
    callee = settle(run, callee)
    match callee:
        case FunctionValue() | ClassValue() if handovers.keeper_name(callee):
            return call_unknown(run, scope, show(callee), arguments, node, callee)
        case FunctionValue():
            return call_function(run, callee, arguments, node, scope)
        case BoundMethod(function=str(name), receiver=receiver):
            return call_method(run, scope, receiver, name, arguments, node)
        case BoundMethod(function=function, receiver=receiver):
            return call(run, scope, function, arguments.behind(receiver), node)
        case Wrapped(kind="unfollowed", function=function):
            return call_unknown(run, scope, show(function), arguments, node, function)
        case Wrapped(function=function):
            return call(run, scope, function, arguments, node)
        case ClassValue():
            return instances.construct(run, scope, callee, arguments, node)
        case External():
            return externals.call(run, scope, callee, arguments, node)
        case Instance():
            return modules.apply(run, scope, callee, arguments, node)
        case Partial():
            merged = Arguments(
                (*callee.positional, *arguments.positional),
                {**callee.keywords, **arguments.keywords},
                arguments.open,
                None if callee.keywords else arguments.rest,
                arguments.others,
            )
            return call(run, scope, callee.function, merged, node)
        case _:
            return call_unknown(run, scope, show(callee), arguments, node, callee)


def call_method(run: Run, scope: Scope, receiver: Value, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """A method of a built-in value, of a tensor or of a torch module, by its name."""
    receiver = settle(run, receiver)
    match receiver:
        case Tensor():
            return tensors.method(run, scope, receiver, name, arguments, node)
        case Instance():
            return module_methods.method(run, scope, receiver, name, arguments, node)
        case Super():
            return module_methods.super_method(run, scope, receiver, name, arguments, node)
        case Unknown():
            return tensors.unknown_method(run, scope, receiver, name, arguments, node)
        case ShapeOf():
            return natives.shape_method(run, scope, receiver, name, arguments, node)
        case ModuleValue():
            return call_unknown(run, scope, name, arguments, node)
        case _:
            return natives.method(run, scope, receiver, name, arguments, node)


def call_function(run: Run, function: FunctionValue, arguments: Arguments, node: ast.AST, caller: Scope) -> Value:
    """Runs a function of the source."""
    if run.depth >= MAX_DEPTH:
        raise BudgetExceeded
    influence = run.influence
    outer, given = influence.control, influence.value
    callee = arguments.callee if arguments.influences is not None or given == arguments.callee else given
    variables = bind_parameters(run, function, arguments, node, caller)
    parent = function.scope
    if parent.receiver is CLASS_BODY and parent.owner is function.owner:
        parent = parent.parent or parent
    first = next(iter(variables.values()), None)
    receiver = first if function.owner else function.scope.receiver
    owner = function.owner or function.scope.owner
    scope = Scope(
        function.scope.module,
        variables,
        parent,
        owner,
        receiver,
        arguments=dict(variables),
        function=function.qualified,
        influences=_influences(function, variables, arguments, given) if given else {},
    )
    run.used.add(function.qualified)
    influence.control = outer | callee
    influence.calls.append(node)
    run.depth += 1
    try:
        result, about = _result(run, scope, function)
    finally:
        run.depth -= 1
        influence.calls.pop()
    influence.value = about & ~outer
    influence.control = outer
    return result


def _result(run: Run, scope: Scope, function: FunctionValue) -> tuple[Value, Influence]:
    """What a function's body gives, and on which answers it rests that it is this."""
    if isinstance(function.node, ast.Lambda):
        run.influence.value = 0
        return expressions.evaluate(run, scope, function.node.body), run.influence.here
    if run.world.is_generator(scope.module, function.node):
        scope.yielded = []
    signal = statements.execute_all(run, scope, function.node.body)
    if scope.yielded is not None:
        return scope.yielded, run.influence.control
    if isinstance(signal, statements.Returned):
        return signal.value, signal.influence
    return None, run.influence.control


def _influences(
    function: FunctionValue, variables: Mapping[str, Value], arguments: Arguments, given: Influence
) -> dict[str, Influence]:
    """On which answers the arguments of a function rest. given: on which all of them rest together."""
    if arguments.influences is None:
        return dict.fromkeys(variables, given)
    listed = function.node.args
    names = [parameter.arg for parameter in (*listed.posonlyargs, *listed.args)]
    found: dict[str, Influence] = {}
    for key, influence in arguments.influences.items():
        if key == HIDDEN:
            continue
        if isinstance(key, int):
            name = names[key] if key < len(names) else listed.vararg.arg if listed.vararg is not None else ""
        else:
            name = key if key in variables else listed.kwarg.arg if listed.kwarg is not None else ""
        if influence:
            found[name] = found.get(name, 0) | influence
    hidden = arguments.influences.get(HIDDEN, 0)
    if hidden:  # what is not named may be in there
        found |= {name: found.get(name, 0) | hidden for name in variables if name not in arguments.keywords}
    return found


def bind_parameters(
    run: Run, function: FunctionValue, arguments: Arguments, node: ast.AST, caller: Scope
) -> dict[str, Value]:
    """The variables with which a function's body starts."""
    parameters = function.node.args
    names = [parameter.arg for parameter in (*parameters.posonlyargs, *parameters.args)]
    variables: dict[str, Value] = dict(zip(names, arguments.positional, strict=False))
    rest = arguments.positional[len(names) :]
    if parameters.vararg:
        variables[parameters.vararg.arg] = _other_positional(run, arguments, rest, node, caller)
    elif rest:
        raise PathEnds
    keyword_names = {*names, *(parameter.arg for parameter in parameters.kwonlyargs)}
    extra = {name: value for name, value in arguments.keywords.items() if name not in keyword_names}
    for name, value in arguments.keywords.items():
        if name in keyword_names:
            if name in variables:
                raise PathEnds
            variables[name] = value
    if parameters.kwarg:
        variables[parameters.kwarg.arg] = _other_keywords(
            run, parameters.kwarg.arg, arguments, extra, keyword_names, node, caller
        )
    elif extra:
        raise PathEnds
    for name in (*names, *(parameter.arg for parameter in parameters.kwonlyargs)):
        if name not in variables:
            variables[name] = _missing(run, function, name, arguments, node, caller)
    return variables


def defaults(run: Run, scope: Scope, parameters: ast.arguments) -> dict[str, Value]:
    """The values of default arguments, evaluated where the function is defined."""
    positional = (*parameters.posonlyargs, *parameters.args)
    result: dict[str, Value] = {}
    if parameters.defaults:
        for parameter, default in zip(positional[-len(parameters.defaults) :], parameters.defaults, strict=True):
            result[parameter.arg] = expressions.evaluate(run, scope, default)
    for parameter, keyword_default in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True):
        if keyword_default is not None:
            result[parameter.arg] = expressions.evaluate(run, scope, keyword_default)
    return result


def call_unknown(
    run: Run,
    scope: Scope,
    name: str,
    arguments: Arguments,
    node: ast.AST,
    callee: Value = None,
    *,
    of: Symbol | None = None,
) -> Unknown:
    """A call of code that we cannot follow: it reads every tensor that it gets and may change every module, unless the
    catalogue knows better.

    callee: what is called, where that may have a name to import it by. of: the symbol of a method.
    """
    kept = handovers.kept(run, scope, callee, name, arguments, node)
    if kept is not MISSING:
        return kept
    dotted = declared.dotted_name(callee) or handovers.keeper_name(callee)
    location = scope.module.location(node)
    values = [*arguments.positional, *arguments.keywords.values()]
    inside = tensors.inside(values)
    reason, handed = f"`{name}` is code that could not be followed", "" if run.applying else name
    run.emit_unknown(name, reason, inside, location, dotted, handed)
    handovers.hand_over(run, values, name)
    called = of or key_of(run, callee)
    number = run.count((Kind.CALL, location, called))
    if not inside and _gives_the_same_again(callee) and all(map(_is_constant, values)):
        number = 0
    given = any(isinstance(value, Unknown) and value.origin in (Origin.FORWARD, Origin.RESULT) for value in values)
    makes = not inside and not any(isinstance(value, Instance) for value in values)  # else it wraps, or computes
    origin = Origin.RESULT if given or inside else Origin.DATA
    return Unknown(
        Symbol(Kind.CALL, location, called, number), f"{name}(...)", origin=origin, dotted=dotted if makes else ""
    )


def _gives_the_same_again(callee: Value) -> bool:
    """Whether a call with the same constants gives the same result: what a module tells of its surroundings does, a
    method of an unknown object (`names.pop()`) and a draw of random numbers need not."""
    return isinstance(callee, External) and "random" not in callee.name and callee.name != "builtins.next"


def _is_constant(value: Value) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, bytes, External))


def _other_positional(run: Run, arguments: Arguments, given: Sequence[Value], node: ast.AST, caller: Scope) -> Value:
    """What a function's `*name` holds. given: those that are known."""
    if arguments.others is not None and not given:
        return arguments.others
    items = list(given)
    if arguments.others is not None:
        return stretches.as_tuple(run, stretches.joined(run, [items, items_of(run, caller, arguments.others, node)]))
    if arguments.spread is not None and given:
        stretches.note(run, items, Stretch(arguments.spread.count, 0, 0))
    return stretches.as_tuple(run, items)


def _other_keywords(
    run: Run, name: str, arguments: Arguments, given: dict[str, Value], taken: set[str], node: ast.AST, caller: Scope
) -> Table:
    """What a function's `**name` holds.

    given: those that are known. taken: names of its own parameters.
    """
    if arguments.rest is not None:
        return Table(given, arguments.rest.rest, taken | arguments.rest.absent)
    if not arguments.open:
        return Table(given)
    location = caller.module.location(node)
    key = Symbol(Kind.OPEN, location, name, run.count((Kind.OPEN, name)))
    return Table(given, Unknown(key, name), taken)


def _missing(run: Run, function: FunctionValue, name: str, arguments: Arguments, node: ast.AST, caller: Scope) -> Value:
    if arguments.rest is not None:
        return tables.get(run, arguments.rest, name, function.defaults.get(name, MISSING))
    if arguments.open:
        location = caller.module.location(node)
        value = Unknown(Symbol(Kind.OPEN, location, name, run.count((Kind.OPEN, name))), name)
        if name in function.defaults:
            run.presumed[value.key] = function.defaults[name]
        return value
    if name in function.defaults:
        return function.defaults[name]
    raise PathEnds


def _super(run: Run, scope: Scope, node: ast.Call) -> Value:
    owner: Value = None
    receiver: Value = None
    if len(node.args) == 2:
        owner = expressions.evaluate(run, scope, node.args[0])
        receiver = expressions.evaluate(run, scope, node.args[1])
    if len(node.args) != 2 or (isinstance(owner, External) and owner.own):
        current: Scope | None = scope
        while current is not None and (current.owner is None or current.receiver is None):
            current = current.parent
        if current is not None:
            owner, receiver = current.owner, current.receiver
    if isinstance(owner, ClassValue) and isinstance(receiver, (Instance, ClassValue)):
        return Super(owner, receiver)
    return Unknown(Symbol(Kind.SUPER, scope.module.location(node), key_of(run, receiver)), "super()")
