"""Python's own functions: `len`, `range`, `zip`, `isinstance`, `getattr` and their like."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

from biaslens.program import attributes, calls, classes, handovers, modules, objects, stretches, tables
from biaslens.program.conditions import holds, key_of, settle, show, truth
from biaslens.program.expressions import binary, opaque
from biaslens.program.iteration import item_of, items_of, length, spread
from biaslens.program.origins import Origin, only
from biaslens.program.run import PathEnds, Run
from biaslens.program.sizing import MAX_TEXT
from biaslens.program.symbols import Kind, Symbol, bounded
from biaslens.program.values import (
    Arguments,
    BoundMethod,
    ClassValue,
    External,
    FunctionValue,
    Instance,
    Partial,
    Scope,
    ShapeOf,
    Stretch,
    Table,
    Tensor,
    Unknown,
    Value,
)
from biaslens.program.wording import joined

Handler: TypeAlias = Callable[[Run, Scope, Arguments, ast.AST], Value]
"""What calling a known function gives."""


def _len(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    return settle(run, length(run, scope, arguments.positional[0] if arguments.positional else (), node))


def _range(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    values = [settle(run, value) for value in arguments.positional]
    if all(isinstance(value, int) for value in values) and 1 <= len(values) <= 3:
        try:
            result = range(*values)
            len(result)
        except (ValueError, OverflowError):
            return opaque(run, scope, node)
        return result
    start, stop, step = values if len(values) == 3 else (*values, 1) if len(values) == 2 else (0, *values, 1)
    if step == 1:
        count = binary(run, scope, "-", stop, start, node) if start != 0 else stop
        return spread(run, scope, count, node, lambda index: _moved(run, scope, start, index, node))
    if step == -1 and stop == -1:
        up = spread(run, scope, binary(run, scope, "+", start, 1, node), node, lambda index: index)
        return stretches.noted(run, up[::-1], stretches.of(run, up))
    return opaque(run, scope, node)


def _moved(run: Run, scope: Scope, start: Value, index: Value, node: ast.AST) -> Value:
    moved = binary(run, scope, "+", index, start, node) if start != 0 else index
    return replace(moved, origin=Origin.DATA) if isinstance(moved, Unknown) else moved


def _enumerate(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    source, *rest = [*arguments.positional] or [()]
    start = settle(run, rest[0] if rest else arguments.keywords.get("start", 0))
    items = items_of(run, scope, source, node)
    stretch = stretches.of(run, items) or Stretch(len(items), len(items), 0)
    indices = [stretches.index_at(run, stretch, place, len(items)) for place in range(len(items))]
    pairs = [(_moved(run, scope, start, index, node), item) for index, item in zip(indices, items, strict=True)]
    return stretches.noted(run, pairs, stretches.of(run, items))


def _zip(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    """Those of unknown length are taken to be as long as the shortest known one beside them, or as the first of them if
    all others only count."""
    sources = [settle(run, value) for value in arguments.positional]
    first = next((index for index, source in enumerate(sources) if _is_open(source)), None)
    if first is not None and all(_is_open(source) or _counts(source) for source in sources):
        known = {first: items_of(run, scope, sources[first], node)}
    else:
        given = [(index, source) for index, source in enumerate(sources) if not _is_open(source)]
        known = {index: items_of(run, scope, source, node) for index, source in given}
    if not all(known.values()) or not known:
        return []
    exact = [items for items in known.values() if stretches.of(run, items) is None]
    base = min(exact, key=len) if exact else next(iter(known.values()))
    stretch = stretches.of(run, base)
    columns = [_column(run, known.get(i), source, base, stretch) for i, source in enumerate(sources)]
    return stretches.noted(run, list(zip(*columns, strict=True)), stretch)


def _column(
    run: Run, items: list[Value] | None, source: Value, base: list[Value], stretch: Stretch | None
) -> list[Value]:
    """One item of a source for each of the base's. items: those of the source, None where that is unknown."""
    if items is None:
        shape = stretch or Stretch(len(base), len(base), 0)
        indices = [stretches.index_at(run, shape, place, len(base)) for place in range(len(base))]
        if _counts(source):
            return indices
        return [item_of(run, source, shape.count, index) for index in indices]
    own = stretches.of(run, items)
    return [stretches.pick(items, own, place, len(base)) for place in range(len(base))]


def _counts(value: Value) -> bool:
    """Whether it gives 0, 1, 2 and so on, as far as it is needed."""
    return isinstance(value, range) and (value.start, value.step) == (0, 1)


def _is_open(value: Value) -> bool:
    return isinstance(value, Unknown)


def _list(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    return items_of(run, scope, arguments.positional[0], node) if arguments.positional else []


def _tuple(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if arguments.positional and isinstance(arguments.positional[0], ShapeOf):
        return attributes.shape_tuple(run, arguments.positional[0])
    return stretches.as_tuple(run, _list(run, scope, arguments, node))


def _set(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    try:
        return set(_list(run, scope, arguments, node))
    except TypeError:
        return opaque(run, scope, node)


def _dict(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    result = Table()
    for source in (settle(run, value) for value in arguments.positional):
        if isinstance(source, dict):
            tables.merge(run, result, source)
        elif isinstance(source, Instance) and source.table is not None:
            tables.merge(run, result, source.table)
        elif isinstance(source, Unknown):
            tables.merge(run, result, Table(rest=source))
        else:
            for pair in items_of(run, scope, source, node):
                if isinstance(pair, (tuple, list)) and len(pair) == 2:
                    try:
                        result[pair[0]] = pair[1]
                    except TypeError:
                        return opaque(run, scope, node)
                else:
                    tables.opened(run, result, pair)
    result.update(arguments.keywords)
    if arguments.rest is not None:
        tables.merge(run, result, arguments.rest)
        result.update(arguments.keywords)  # a name that is given twice is an error
    elif arguments.open:
        tables.opened(run, result, None)
    return result


def _reversed(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    items = _list(run, scope, arguments, node)
    stretch = stretches.of(run, items)
    turned = Stretch(stretch.count, stretch.back, stretch.front) if stretch is not None else None
    return stretches.noted(run, items[::-1], turned)


def _sorted(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    items = _list(run, scope, arguments, node)
    if arguments.keywords or not all(isinstance(item, (int, float, str)) for item in items):
        modules.escape(run, items, "its place in a sorted list could not be told")
        stretch = stretches.of(run, items)
        shuffled = [opaque(run, scope, node) for _ in items]
        return stretches.noted(run, shuffled, Stretch(stretch.count if stretch is not None else len(items), 0, 0))
    try:
        return sorted(items)
    except TypeError:
        return opaque(run, scope, node)


def _isinstance(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) != 2:
        return opaque(run, scope, node)
    value, kinds = settle(run, arguments.positional[0]), arguments.positional[1]
    options = list(kinds) if isinstance(kinds, (tuple, list)) else [kinds]
    answers = [_is_instance(value, kind) for kind in options]
    if True in answers:
        return True
    if None not in answers:
        return False
    key = Symbol(Kind.IS_INSTANCE, key_of(run, value), *(key_of(run, kind) for kind in options))
    origin = value.origin if isinstance(value, Unknown) else Origin.DATA
    return Unknown(key, f"isinstance({show(value)}, ...)", origin=origin)


def _is_instance(value: Value, kind: Value) -> bool | None:
    if isinstance(value, Unknown) or isinstance(kind, Unknown):
        return None
    if isinstance(value, Instance):
        return any(base is kind or base == kind for base in classes.order_of(value.cls)) or (
            _derived(value, kind) or (None if classes.has_unknown_base(value.cls) or _is_unknown_base(kind) else False)
        )
    if isinstance(value, Tensor):
        return isinstance(kind, External) and kind.name in ("torch.Tensor", "torch.nn.Parameter")
    if isinstance(kind, External):
        if kind.name.startswith("builtins."):
            known = {"int": int, "float": float, "str": str, "list": list, "tuple": tuple, "dict": dict, "bool": bool}
            python = known.get(kind.name[9:])
            if python is not None:
                return isinstance(value, python) or (isinstance(value, ShapeOf) and python is tuple)
        if kind.name.endswith((".Iterable", ".Sequence", ".Sized", ".Collection")):
            return isinstance(value, (list, tuple, set, dict, str, ShapeOf))
        if kind.name.endswith((".Mapping", ".MutableMapping", ".OrderedDict")):
            return isinstance(value, dict)
        if kind.name in ("numbers.Number", "numbers.Integral", "numbers.Real"):
            return isinstance(value, (int, float))
        if kind.name.startswith("torch."):
            return False
        return None
    return False


def _is_unknown_base(kind: Value) -> bool:
    """A private class of torch that layers may derive from."""
    name = kind.name.rpartition(".")[2] if isinstance(kind, External) else ""
    return name.startswith("_") and name not in FAMILIES


def _derived(value: Instance, kind: Value) -> bool:
    """Bases among torch's own classes: every layer is a Module, a BatchNorm2d a _BatchNorm."""
    if not isinstance(kind, External):
        return False
    if kind.name == "torch.nn.Module":
        return classes.is_module_class(value.cls)
    family = FAMILIES.get(kind.name.rpartition(".")[2], ())
    base = classes.torch_base(value.cls)
    if base is None or base.own:  # what behaves like a layer of torch need not derive from it
        return False
    return base.name.rpartition(".")[2].removeprefix("Lazy").startswith(family or ("?",))


FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "_BatchNorm": ("BatchNorm", "SyncBatchNorm"),
        "_InstanceNorm": ("InstanceNorm",),
        "_NormBase": ("BatchNorm", "SyncBatchNorm", "InstanceNorm"),
        "_ConvNd": ("Conv",),
        "_ConvTransposeNd": ("ConvTranspose",),
        "_DropoutNd": ("Dropout", "AlphaDropout", "FeatureAlphaDropout"),
    }
)
"""torch's own base classes, by the names of the layers that derive from them."""


def _issubclass(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) == 2:
        cls, kind = (settle(run, value) for value in arguments.positional)
        if isinstance(cls, (ClassValue, External)) and not isinstance(kind, (Unknown, tuple)):
            if any(base is kind or base == kind for base in classes.order_of(cls)):
                return True
            if not classes.has_unknown_base(cls):
                return isinstance(kind, External) and kind.name == "torch.nn.Module" and classes.is_module_class(cls)
    key = bounded(Symbol(Kind.IS_SUBCLASS, *(key_of(run, value) for value in arguments.positional)))
    return Unknown(key, "issubclass(...)")


def _getattr(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) < 2:
        return opaque(run, scope, node)
    owner, name = settle(run, arguments.positional[0]), settle(run, arguments.positional[1])
    if isinstance(name, Unknown):
        name = run.spelled.get(name.key, name)
    if not isinstance(name, str):
        modules.escape(run, [owner], "an attribute that we could not tell is read")
        key = bounded(Symbol(Kind.ATTRIBUTE, key_of(run, owner), key_of(run, name)))
        dotted = handovers.keeper_name(External(f"{owner.name}.?")) if isinstance(owner, External) else ""
        return Unknown(key, f"getattr({show(owner)}, ...)"[:MAX_TEXT], dotted=dotted)
    if len(arguments.positional) > 2:
        found = attributes.has(run, scope, owner, name, node)
        if found is False:
            return arguments.positional[2]
    return attributes.get(run, scope, owner, name, node)


def _setattr(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) == 3:
        owner, name, value = arguments.positional
        name = stretches.spelled(run, settle(run, name))
        if isinstance(name, str):
            attributes.set_attribute(run, scope, owner, name, value)
        elif isinstance(owner, Instance):
            modules.escape(run, [owner], "an attribute that we could not tell is set")
    return None


def _hasattr(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) == 2 and isinstance(arguments.positional[1], str):
        owner = settle(run, arguments.positional[0])
        found = attributes.has(run, scope, owner, arguments.positional[1], node)
        if found is not None:
            return found
        key = Symbol(Kind.HAS_ATTRIBUTE, key_of(run, owner), arguments.positional[1])
        return Unknown(key, f"hasattr({show(owner)}, ...)")
    return opaque(run, scope, node)


def _delattr(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) == 2 and isinstance(arguments.positional[1], str):
        attributes.delete_attribute(run, settle(run, arguments.positional[0]), arguments.positional[1])
    return None


def _type(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    value = settle(run, arguments.positional[0]) if arguments.positional else None
    if isinstance(value, Instance):
        return value.cls
    if isinstance(value, dict):
        return External("builtins.dict")
    if isinstance(value, (bool, int, float, str, list, tuple, set)):
        return External(f"builtins.{type(value).__name__}")
    return opaque(run, scope, node)


def _callable(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    value = settle(run, arguments.positional[0]) if arguments.positional else None
    if isinstance(value, Unknown):
        return Unknown(Symbol(Kind.IS_CALLABLE, value.key), f"callable({value.text})", origin=value.origin)
    return isinstance(value, (FunctionValue, ClassValue, External, Partial, Instance, BoundMethod))


def _number(kind: type[int] | type[float]) -> Handler:
    def handler(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
        if not arguments.positional:
            return kind()
        value = settle(run, arguments.positional[0])
        if isinstance(value, (int, float, str)):
            try:
                return kind(value)
            except (ValueError, OverflowError):
                raise PathEnds from None
        if isinstance(value, Tensor):
            run.emit_unknown(kind.__name__, "a number is read out of the tensor", [value], scope.module.location(node))
            return opaque(run, scope, node)
        if kind is int and isinstance(value, Unknown) and value.size is not None:
            return value
        key = Symbol(Kind.FUNCTION, kind.__name__, key_of(run, value))
        return Unknown(key, f"{kind.__name__}({show(value)})", True, origin_of(value))

    return handler


def _bool(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    value = objects.truth_value(run, scope, arguments.positional[0], node) if arguments.positional else False
    answer = truth(run, value)
    return value if answer is None else answer


def _str(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    value = settle(run, arguments.positional[0]) if arguments.positional else ""
    if isinstance(value, (str, int, float, bool)):
        return str(value)
    return Unknown(Symbol(Kind.TEXT, key_of(run, value)), f"str({show(value)})", origin=origin_of(value))


def _sum(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    source, *rest = [*arguments.positional] or [()]
    total: Value = rest[0] if rest else 0
    for part in items_of(run, scope, source, node):
        total = part if total == 0 and isinstance(part, Tensor) else binary(run, scope, "+", total, part, node)
    return total


def _any_or_all(stop: bool) -> Handler:
    def handler(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
        items = items_of(run, scope, arguments.positional[0], node) if arguments.positional else []
        items = [objects.truth_value(run, scope, item, node) for item in items]
        answers = [truth(run, item) for item in items]
        if stop in answers:
            return stop
        still_open = [item for item, answer in zip(items, answers, strict=True) if answer is None]
        if not still_open:
            return not stop
        kind, symbol = (Kind.OR, "or") if stop else (Kind.AND, "and")
        text = run.world.text(node) if len(still_open) == len(items) else joined(symbol, [*map(show, still_open)])
        key = bounded(Symbol(kind, *(key_of(run, item) for item in still_open)))
        return Unknown(key, text, origin=origin_of(*still_open))

    return handler


def _map(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) != 2:
        return opaque(run, scope, node)
    function, source = arguments.positional
    items = items_of(run, scope, source, node)
    results = [calls.call(run, scope, function, Arguments((item,)), node) for item in items]
    return stretches.noted(run, results, stretches.of(run, items))


def _filter(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) != 2 or not isinstance(node, ast.expr):
        return opaque(run, scope, node)
    function, source = arguments.positional
    items = items_of(run, scope, source, node)
    kept = [(i, i if function is None else calls.call(run, scope, function, Arguments((i,)), node)) for i in items]
    return [item for item, answer in kept if holds(run, scope, answer, node)]


def _next(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if arguments.positional and isinstance(arguments.positional[0], list) and arguments.positional[0]:
        run.touch(arguments.positional[0])
        first = arguments.positional[0].pop(0)
        stretches.changed(run, arguments.positional[0], "pop", (0,))
        return first
    return opaque(run, scope, node)


def _slice(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    return slice(*arguments.positional[:3]) if 1 <= len(arguments.positional) <= 3 else opaque(run, scope, node)


def _everything(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    """`eval`, `exec`, `locals`: code or a view that may use every variable around it."""
    values: list[Value] = []
    current = scope
    while current.parent is not None:
        values += current.variables.values()
        current = current.parent
    return calls.call_unknown(run, scope, handovers.CODE_IN_A_TEXT, Arguments((*arguments.positional, *values)), node)


def origin_of(*values: Value) -> Origin:
    """Where unknown values come from, where that is one place."""
    return only(value.origin for value in values if isinstance(value, Unknown))


BUILTINS: Mapping[str, Handler] = MappingProxyType(
    {
        "builtins.len": _len,
        "builtins.range": _range,
        "builtins.enumerate": _enumerate,
        "builtins.zip": _zip,
        "builtins.list": _list,
        "builtins.tuple": _tuple,
        "builtins.set": _set,
        "builtins.frozenset": _set,
        "builtins.dict": _dict,
        "collections.OrderedDict": _dict,
        "builtins.reversed": _reversed,
        "builtins.sorted": _sorted,
        "builtins.isinstance": _isinstance,
        "builtins.issubclass": _issubclass,
        "builtins.getattr": _getattr,
        "builtins.setattr": _setattr,
        "builtins.hasattr": _hasattr,
        "builtins.delattr": _delattr,
        "builtins.type": _type,
        "builtins.callable": _callable,
        "builtins.int": _number(int),
        "builtins.float": _number(float),
        "builtins.bool": _bool,
        "builtins.str": _str,
        "builtins.sum": _sum,
        "builtins.any": _any_or_all(True),
        "builtins.all": _any_or_all(False),
        "builtins.map": _map,
        "builtins.filter": _filter,
        "builtins.next": _next,
        "builtins.eval": _everything,
        "builtins.exec": _everything,
        "builtins.locals": _everything,
        "builtins.globals": _everything,
        "builtins.vars": _everything,
        "builtins.slice": _slice,
    }
)
"""By full name."""
