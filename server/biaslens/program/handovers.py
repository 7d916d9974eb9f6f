"""What becomes of models, and of their parameters, that are handed to code outside of the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from biaslens.algebra.axes import Shape
from biaslens.algebra.outcome import Effect, reads, unknown
from biaslens.catalogue import keepers
from biaslens.catalogue.entry import Result, Step
from biaslens.program import classes, declared, expressions, modules, tensors
from biaslens.program.conditions import settle
from biaslens.program.names import MISSING
from biaslens.program.run import Run
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import (
    Arguments,
    BoundMethod,
    ClassValue,
    External,
    FunctionValue,
    Instance,
    Partial,
    Scope,
    Tensor,
    Unknown,
    Value,
    Wrapped,
)
from biaslens.syntax.bindings import handed_over
from biaslens.text import Location

CODE_IN_A_TEXT = "code in a text"
"""How `eval` and `exec` are called, and with that what they give: it may do anything that the file itself may."""


def name_of(callee: Value) -> str:
    """The dotted name by which the catalogue may know code that is not followed, or ""."""
    return callee.name.lstrip(".") if isinstance(callee, External) else declared.dotted_name(callee)


def name_of_attribute(owner: Value, attribute: str) -> str:
    """The same of what an object has that known code made, or that is of a class derived from a known one; or ""."""
    match owner:
        case Unknown(dotted=dotted) if keepers.find(dotted):
            return f"{dotted}.{attribute}"
        case Instance(cls=ClassValue() as cls):
            names = (f"{base.name}.{attribute}" for base in cls.order if isinstance(base, External))
            return next((name for name in names if keepers.find(name)), "")
        case _:
            return ""


def keeper_name(callee: Value) -> str:
    """The dotted name of code that the catalogue knows, or "" of other code."""
    name = name_of(callee)
    return name if keepers.find(name) else ""


def kept(run: Run, scope: Scope, callee: Value, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """What a call gives of code that leaves a model as it is; MISSING where nobody knows that of it."""
    dotted = name_of(callee)
    row = keepers.find(dotted)
    values = [*arguments.positional, *arguments.keywords.values()]
    if row is None and not keepers.watches(name.rpartition(".")[2]):
        return MISSING
    inside = tensors.inside(values)
    gives_back = row is not None and row.gives and any(map(_is_code, values))
    if not inside and not gives_back and not any(isinstance(value, Instance) for value in _flat(values)):
        return MISSING  # nothing is handed over
    location = scope.module.location(node)
    others = [tensor for tensor in inside if not run.facts[tensor.var].parameter]
    result = Unknown(run.another(Kind.KEPT, location), f"{name}(...)")
    if row is None:
        return result
    match row.gives:
        case "model":
            return next((_wrapped(run, value) for value in values if _is_code(value)), values[0])
        case "arguments":
            given = tuple(_wrapped(run, value) for value in values)
            return given[0] if len(given) == 1 else given
        case "model first":
            model = next((_wrapped(run, value) for value in values if isinstance(value, Instance)), result)
            return (model, *(Unknown(Symbol(Kind.ITEM, result.key, place), result.text) for place in (1, 2, 3)))
        case "vector":
            effect = reads("it is an entry of a vector of all parameters")
            return made_of(run, inside, name, location, effect) if inside else result
        case _ if row.reads and others:
            run.emit_unknown(name, f"`{name}` is code that could not be followed", others, location, dotted)
        case _:
            pass
    return Unknown(result.key, result.text, dotted=dotted)


def hand_over(run: Run, values: Iterable[Value], name: str) -> None:
    """Effect: code that nobody knows got some values. What rewires models, or is called while one runs, may have made
    anything of the modules among them; of other code it is noted that it got them."""
    values = list(values)
    if run.applying or keepers.rewires(name) or name.startswith(CODE_IN_A_TEXT):
        modules.escape(run, values, f"it is passed to `{name}`, which could not be followed")
        return
    for value in _flat(values):
        if not isinstance(value, Instance):
            continue
        for module in modules.submodules(value):
            run.touch(module)
            if classes.is_module_class(module.cls):
                module.handed = module.handed or name
                if module.layer is not None:
                    module.layer.handed = module.layer.handed or name
            else:
                module.escaped = module.escaped or f"it is passed to `{name}`, which could not be followed"


def to_bases(run: Run, cls: Value, arguments: Arguments) -> None:
    """Effect: an initialiser that is out of sight gets some values: that of a base class which could not be read."""
    unseen = [base for base in classes.order_of(cls) if isinstance(base, (External, Unknown))]
    if classes.has_unknown_base(cls) and not any(keepers.find(name_of(base)) for base in unseen):
        hand_over(run, [*arguments.positional, *arguments.keywords.values()], getattr(cls, "name", "its base class"))


def made_of(run: Run, parts: Sequence[Tensor], name: str, location: Location, effect: Effect | None = None) -> Tensor:
    """A tensor that is made of some others.

    effect: what that does to a shift of theirs, where it is known.
    """
    effect = effect or unknown(f"`{name}` is code that could not be followed")
    return run.emit(name, Step((Result(Shape(), (effect,) * len(parts)),)), parts, location)[0]


def are_parameters(run: Run, value: Value) -> bool:
    """Whether a value lists nothing but parameters, perhaps with their names."""
    tensors_inside = tensors.inside([value])
    plain = all(isinstance(item, (Tensor, str)) for item in _flat([value]))
    return bool(tensors_inside) and plain and all(run.facts[tensor.var].parameter for tensor in tensors_inside)


def by_statements(run: Run, scope: Scope, name: str) -> None:
    """Effect: what statements of top level do that hand a global to code which is not followed."""
    for statement in scope.module.statements:
        if isinstance(statement, ast.Expr) and name in handed_over(statement) and isinstance(statement.value, ast.Call):
            callee = settle(run, expressions.evaluate(run, scope, statement.value.func))
            if isinstance(callee, (External, Unknown)):
                expressions.evaluate(run, scope, statement.value)


def _flat(values: Iterable[Value], depth: int = 6) -> Iterator[Value]:
    """The values, those in containers, and those that functions carry with them."""
    for value in values if depth else ():
        match value:
            case list() | tuple() | set():
                yield from _flat(value, depth - 1)
            case dict():
                yield from _flat(value.values(), depth - 1)
            case FunctionValue() | BoundMethod() | Partial() | Wrapped():
                yield from _flat(modules.captured(value), depth - 1)
            case _:
                yield value


def _is_code(value: Value) -> bool:
    return isinstance(value, (Instance, FunctionValue, BoundMethod, Partial, ClassValue, list, tuple, Tensor))


def _wrapped(run: Run, value: Value) -> Value:
    """A wrapper behaves like what is in it, and has attributes of its own."""
    if isinstance(value, Instance) and classes.is_module_class(value.cls):
        run.touch(value)
        value.wrapped = True
    return value
