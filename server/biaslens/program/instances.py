"""Constructing objects: instances of classes of the source, and layers of torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from biaslens.catalogue.entry import Entry, Parameter
from biaslens.catalogue.lookup import bind, find
from biaslens.program import calls, classes, expressions, handovers, mappings, modules, tables
from biaslens.program.conditions import holds, settle, truth
from biaslens.program.names import MISSING
from biaslens.program.origins import Origin
from biaslens.program.own_signature import Signature, signature_of
from biaslens.program.run import PathEnds, Run
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import (
    Arguments,
    ClassValue,
    External,
    FunctionValue,
    Instance,
    LayerState,
    Scope,
    Table,
    Unknown,
    Value,
)
from biaslens.text import Location


def construct(run: Run, scope: Scope, cls: ClassValue, arguments: Arguments, node: ast.AST) -> Value:
    """An instance of a class of the source: runs its `__init__`."""
    if _is_enumeration(cls) and arguments.positional:
        return Unknown(Symbol(Kind.MEMBER, cls.qualified, run.ordinal(arguments)), cls.name)
    run.used.add(cls.qualified)
    instance = Instance(cls, location=scope.module.location(node), table=Table() if mappings.is_table(cls) else None)
    builds_parts = classes.torch_base(cls) is not None and find_layer(cls) is None
    given = run.influence.value if arguments.influences is None else arguments.callee
    run.constructing += builds_parts
    try:
        _initialise_instance(run, scope, instance, cls, arguments, node)
    finally:
        run.constructing -= builds_parts
    if instance.layer is not None and instance.layer.handed_on:
        _find_argument(instance.layer, cls, arguments, node)
    distrust(run, instance)
    run.influence.value = given
    return instance


def distrust(run: Run, instance: Instance) -> None:
    """Effect: nothing is believed of an instance whose class works behind the scenes."""
    reason = classes.works_behind_the_scenes(instance.cls)
    if reason:
        modules.escape(run, [instance], reason)


def find_layer(cls: ClassValue) -> Entry | None:
    """The layer of torch that a class derives from."""
    base = classes.torch_base(cls)
    return find(base.name) if base is not None else None


def _initialise_instance(
    run: Run, scope: Scope, instance: Instance, cls: ClassValue, arguments: Arguments, node: ast.AST
) -> None:
    initialiser = classes.find(cls, "__init__")
    if _makes_its_initialiser(cls):
        _fill_fields(run, scope, instance, cls, arguments, node)
    elif initialiser is not None and isinstance(initialiser[1], FunctionValue):
        calls.call_function(run, initialiser[1], arguments.behind(instance), node, scope)
    elif instance.table is not None:
        mappings.method(run, scope, instance, "__init__", arguments, node)
    elif initialiser is None:
        base = classes.torch_base(cls)
        if base is not None:
            initialise(run, scope, instance, base, arguments, node)
        else:
            handovers.to_bases(run, cls, arguments)


def construct_external(run: Run, scope: Scope, cls: External, arguments: Arguments, node: ast.AST) -> Instance:
    """A layer or container of torch."""
    instance = Instance(cls, location=scope.module.location(node))
    given = run.influence.value if arguments.influences is None else arguments.callee
    initialise(run, scope, instance, cls, arguments, node)
    run.influence.value = given
    return instance


def initialise(run: Run, scope: Scope, instance: Instance, base: External, arguments: Arguments, node: ast.AST) -> None:
    """Effect: what `__init__` of a class of torch does to an instance."""
    entry = find(base.name)
    if entry is None:
        modules.fill(run, scope, instance, base.name, arguments, node)
        return
    bound = bound_arguments(run, entry.parameters, arguments, scope.module.location(node))
    if bound is None and base.own:
        modules.escape(run, [instance], f"`{base.own_label}` gets other arguments than `{entry.label}`")
        return
    if bound is None:
        raise PathEnds
    own = signature_of(run, base) if base.own and entry.shift is not None else None
    if own is not None and entry.shift is not None:
        bound[entry.shift.argument] = _switch(entry, entry.shift.argument, own, arguments, bound)
    instance.layer = _layer(run, scope, instance, entry, bound, arguments, node)
    run.layers.append(instance.layer)
    if base.own:
        _declare(scope, instance.layer, base, own, arguments, node)


def bound_arguments(
    run: Run, parameters: tuple[Parameter, ...], arguments: Arguments, location: Location
) -> dict[str, Value] | None:
    """Arguments by parameter name with torch's defaults; those hidden in `*` or `**` are unknown."""
    if not arguments.open:
        bound = bind(parameters, arguments.positional, arguments.keywords)
        return dict(bound) if bound is not None else None
    positional = iter(arguments.positional)
    result: dict[str, Value] = {}
    for parameter in parameters:
        if parameter.name in arguments.keywords:
            result[parameter.name] = arguments.keywords[parameter.name]
        elif parameter.kind == "positional" and (given := next(positional, _NONE)) is not _NONE:
            result[parameter.name] = given
        elif arguments.rest is not None:
            default = MISSING if parameter.required else parameter.default
            result[parameter.name] = tables.get(run, arguments.rest, parameter.name, default)
        else:
            key = Symbol(Kind.OPEN, location, parameter.name, run.count((Kind.OPEN, location)))
            result[parameter.name] = Unknown(key, parameter.name, origin=Origin.CONSTRUCTOR)
    return result


_NONE = object()


def _declare(
    scope: Scope, layer: LayerState, base: External, own: Signature | None, arguments: Arguments, node: ast.AST
) -> None:
    """Effect: a layer is of a class that is declared to be like torch's. Where its own signature is known, that tells
    how the call can say whether there is a shift."""
    layer.own, layer.unseen = base.own, own is None
    shift = layer.entry.shift
    if own is None or shift is None:
        return
    if not own.takes(shift.argument):
        layer.argument = ""
    if layer.handed_on or not layer.argument:
        return
    index = own.index(layer.argument)
    layer.place = None if index is None else _place_in(node, index, arguments)
    written = _written(node, layer.argument, layer.place)
    layer.text = scope.module.excerpt(written) if written is not None else ""


def _switch(entry: Entry, name: str, own: Signature, arguments: Arguments, bound: dict[str, Value]) -> Value:
    """What decides about the shift, by the class's own signature; what that leaves open is as torch has it."""
    value = own.value(name, arguments)
    if value is not MISSING or arguments.open:
        return bound[name] if value is MISSING else value
    return next(parameter.default for parameter in entry.parameters if parameter.name == name)


def _written(node: ast.AST, name: str, place: int | None) -> ast.expr | None:
    """The expression of an argument in a call."""
    if not isinstance(node, ast.Call):
        return None
    by_name = next((keyword.value for keyword in node.keywords if keyword.arg == name), None)
    return node.args[place] if by_name is None and place is not None and 0 <= place < len(node.args) else by_name


def _layer(
    run: Run,
    scope: Scope,
    instance: Instance,
    entry: Entry,
    bound: dict[str, Value],
    arguments: Arguments,
    node: ast.AST,
) -> LayerState:
    site = scope.module.location(node)
    argument = _argument(scope, entry, node)
    keyword = entry.shift.argument if entry.shift is not None else ""
    place = _place(entry.parameters, keyword, arguments, node)
    outer = instance.location
    handed_on = outer is not None and outer != site and _is_handed_through(scope, node, argument)
    if outer is not None and handed_on:
        keyword = argument.id if isinstance(argument, ast.Name) else keyword
        site, argument, place = outer, None, None
    shift: bool | None = False
    if entry.shift is not None:
        switches = [
            _has_shift(run, scope, bound.get(name, True), argument)
            for name in (entry.shift.argument, entry.shift.also)
            if name
        ]
        shift = False if False in switches else None if None in switches else True
    maker = _maker(scope)
    state = LayerState(
        entry,
        bound,
        site,
        len(run.layers),
        shift,
        call=maker.arguments,
        function=maker.function,
        argument=keyword,
        place=place,
        handed_on=handed_on,
        inside_another=run.constructing > 0,
        influence=run.influence.here,
        calls=(*run.influence.calls, node),
    )
    if argument is not None:
        state.text = scope.module.excerpt(argument)
    return state


def _has_shift(run: Run, scope: Scope, value: Value, argument: ast.expr | None) -> bool | None:
    """Whether an argument is true. A comparison is asked about: `norm == nn.InstanceNorm2d` also tells the norm."""
    match settle(run, value):
        case Unknown(key=Symbol(Kind.EQUAL | Kind.IS), origin=Origin.CONSTRUCTOR) as comparison if argument is not None:
            return holds(run, scope, comparison, argument)
        case settled:
            return truth(run, settled)


def _argument(scope: Scope, entry: Entry, node: ast.AST) -> ast.expr | None:
    """The expression that decides whether the layer has its shift."""
    if entry.shift is None or not isinstance(node, ast.Call):
        return None
    for keyword in node.keywords:
        if keyword.arg == entry.shift.argument:
            return keyword.value
    names = [parameter.name for parameter in entry.parameters if parameter.kind == "positional"]
    if entry.shift.argument not in names or any(isinstance(argument, ast.Starred) for argument in node.args):
        return None
    index = names.index(entry.shift.argument)
    return node.args[index] if index < len(node.args) and _calls_directly(node) else None


def _place(parameters: Sequence[Parameter], name: str, arguments: Arguments, node: ast.AST) -> int | None:
    """Which positional argument of a call is bound to a parameter: others stand before it in a partial, and `self` in
    `Conv2d.__init__(self, ...)`."""
    names = [parameter.name for parameter in parameters if parameter.kind == "positional"]
    return _place_in(node, names.index(name), arguments) if name in names else None


def _place_in(node: ast.AST, index: int, arguments: Arguments) -> int | None:
    if not isinstance(node, ast.Call) or any(isinstance(a, ast.Starred) for a in node.args):
        return None
    return index + len(node.args) - len(arguments.positional)


def _find_argument(layer: LayerState, cls: ClassValue, arguments: Arguments, node: ast.AST) -> None:
    """Effect: says how the call of a class of the source can tell its layer whether to have a shift.

    So far `layer.argument` is what the last `__init__` before torch's calls it.
    """
    initialiser = classes.find(cls, "__init__")
    if initialiser is None or not isinstance(initialiser[1], FunctionValue):
        return
    parameters = initialiser[1].node.args
    names = [parameter.arg for parameter in (*parameters.posonlyargs, *parameters.args)][1:]
    if layer.argument in names:
        own = [Parameter(name) for name in names]
        layer.place = _place(own, layer.argument, arguments, node)
    elif parameters.kwarg is None and layer.argument not in (parameter.arg for parameter in parameters.kwonlyargs):
        layer.argument = ""


def _maker(scope: Scope) -> Scope:
    """The scope of the function that runs: a helper's layers may differ by nothing but its arguments."""
    current: Scope | None = scope
    while current is not None and not current.arguments:
        current = current.parent
    return current if current is not None else scope


def _calls_directly(node: ast.Call) -> bool:
    """Whether the arguments stand in the order of the class's own constructor."""
    return not (
        isinstance(node.func, ast.Attribute)
        and node.func.attr == "__init__"
        and len(node.args) > 0
        and isinstance(node.func.value, ast.Name)
    )


def _is_handed_through(scope: Scope, node: ast.AST, argument: ast.expr | None) -> bool:
    """Whether `super().__init__(...)` passes on what its caller decides: the caller's call is the one to edit."""
    if not isinstance(node, ast.Call):
        return True
    stars = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
    if argument is None:
        return stars
    return isinstance(argument, ast.Name) and argument.id in scope.variables


def _makes_its_initialiser(cls: ClassValue) -> bool:
    """Whether the class is a dataclass, an attrs class or a NamedTuple without an `__init__` written nearer."""
    for owner in cls.order:
        if isinstance(owner, ClassValue):
            if "__init__" in owner.namespace:
                return False
            if _has_fields(owner):
                return True
        elif isinstance(owner, External) and owner.name in ("typing.NamedTuple", "collections.namedtuple"):
            return True
    return False


def is_dataclass(cls: ClassValue) -> bool:
    """Whether a class, or one of its bases, is a dataclass."""
    return any(isinstance(owner, ClassValue) and _has_fields(owner) for owner in cls.order)


def _has_fields(cls: ClassValue) -> bool:
    for decorator in cls.node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
        if name in ("dataclass", "define", "frozen", "attrs", "s"):
            return True
    return False


def _fill_fields(
    run: Run, scope: Scope, instance: Instance, cls: ClassValue, arguments: Arguments, node: ast.AST
) -> None:
    positional = iter(arguments.positional)
    for owner, field in fields_of(cls):
        name = field.target.id if isinstance(field.target, ast.Name) else ""
        if name in arguments.keywords:
            value = arguments.keywords[name]
        elif (given := next(positional, _NONE)) is not _NONE:
            value = given
        elif field.value is not None:
            value = default_of(run, Scope(owner.module, {}, None), field.value)
        elif arguments.open:
            value = Unknown(Symbol(Kind.FIELD, run.ordinal(instance), name), name, origin=Origin.CONSTRUCTOR)
        else:
            raise PathEnds
        instance.attributes[name] = value
    after = classes.find(cls, "__post_init__")
    if after is not None:
        calls.call(run, scope, after[1], Arguments((instance,)), node)


def fields_of(cls: ClassValue) -> Iterator[tuple[ClassValue, ast.AnnAssign]]:
    """The fields of a dataclass, those of its bases first, with the class that declares each."""
    for owner in reversed(cls.order):
        if isinstance(owner, ClassValue):
            for statement in owner.node.body:
                if isinstance(statement, ast.AnnAssign):
                    yield owner, statement


def default_of(run: Run, scope: Scope, node: ast.expr) -> Value:
    """The default of a field: an expression, or the factory that `field(default_factory=...)` names."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "field":
        for keyword in node.keywords:
            if keyword.arg == "default":
                return expressions.evaluate(run, scope, keyword.value)
            if keyword.arg == "default_factory":
                factory = expressions.evaluate(run, scope, keyword.value)
                return settle(run, calls.call(run, scope, factory, Arguments(), node))
    return expressions.evaluate(run, scope, node)


def _is_enumeration(cls: ClassValue) -> bool:
    return any(isinstance(base, External) and base.name.startswith("enum.") for base in cls.order)
