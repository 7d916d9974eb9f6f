"""Functions and classes of the standard library and of torch that are no tensor operations."""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from biaslens.catalogue.lookup import find
from biaslens.program import attributes, calls, classes, instances, tensors
from biaslens.program.conditions import holds, key_of, settle, show, truth
from biaslens.program.expressions import opaque
from biaslens.program.iteration import CONTAINERS, items_of, length, rounds
from biaslens.program.run import Run
from biaslens.program.sizing import calculate, is_number
from biaslens.program.values import (
    Arguments,
    ClassValue,
    External,
    Facts,
    FunctionValue,
    Instance,
    Partial,
    Scope,
    ShapeOf,
    Tensor,
    Unknown,
    Value,
)

Handler = Callable[[Run, Scope, Arguments, ast.AST], Value]

MAX_RANGE = 100_000


def call(run: Run, scope: Scope, function: External, arguments: Arguments, node: ast.AST) -> Value:
    """What calling something outside the sources gives."""
    name = function.name
    handler = HANDLERS.get(name)
    if handler is not None:
        return handler(run, scope, arguments, node)
    entry = find(name)
    if entry is not None:
        if entry.role != "function":
            return instances.construct_external(run, scope, function, arguments, node)
        return tensors.call_function(run, scope, entry, arguments, node)
    if name in CONTAINERS or name == "torch.nn.Module":
        return instances.construct_external(run, scope, function, arguments, node)
    if name.startswith("torch.nn.init."):
        return arguments.positional[0] if arguments.positional else None
    if name.startswith(QUIET):
        return Unknown(("call", name, run.count(name)), f"{show(function)}(...)")
    if (
        name.startswith("torch.")
        and "." in name[6:]
        and find(f"torch.Tensor.{name.rpartition('.')[2]}")
        and name.startswith("torch.Tensor.")
    ):
        return tensors.method(
            run,
            scope,
            arguments.positional[0],
            name[13:],
            Arguments(arguments.positional[1:], arguments.keywords, arguments.open),
            node,
        )
    return calls.call_unknown(run, scope, show(function), arguments, node)


QUIET = (
    "builtins.print",
    "logging.",
    "warnings.",
    "builtins.id",
    "builtins.hash",
    "builtins.repr",
    "time.",
    "os.",
    "pathlib.",
    "random.",
    "torch.manual_seed",
    "torch.cuda.",
    "torch.backends.",
    "torch.is_grad_enabled",
    "torch.device",
    "torch.jit.is_",
    "torch.overrides.has_torch_function",
    "torch._C._log_api_usage_once",
    "typing.",
    "torch.finfo",
    "torch.iinfo",
)
"""Calls that change neither tensors nor modules; what they give is not known."""


def _len(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    return settle(run, length(run, scope, arguments.positional[0], node)) if arguments.positional else 0


def _range(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    values = [settle(run, value) for value in arguments.positional]
    if all(isinstance(value, int) for value in values) and 1 <= len(values) <= 3:
        try:
            result = range(*values)
        except ValueError:
            return opaque(run, scope, node)
        return result if len(result) <= MAX_RANGE else opaque(run, scope, node)
    if len(values) == 1 or (len(values) == 2 and values[0] == 0):
        return range(rounds(run, scope, values[-1], node))
    if len(values) == 2 and isinstance(values[0], int):
        count = rounds(run, scope, calculate("-", values[1], values[0]), node)
        return range(values[0], values[0] + count)
    return opaque(run, scope, node)


def _enumerate(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if not arguments.positional:
        return []
    start = arguments.positional[1] if len(arguments.positional) > 1 else arguments.keywords.get("start", 0)
    items = items_of(run, scope, arguments.positional[0], node)
    first = start if isinstance(start, int) else 0
    return [(index + first, value) for index, value in enumerate(items)]


def _zip(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    known = [value for value in arguments.positional if not isinstance(settle(run, value), Unknown)]
    columns: list[list[Value]] = [[] for _ in arguments.positional]
    for position, value in sorted(
        enumerate(arguments.positional), key=lambda pair: pair[1] not in known if known else 0
    ):
        value = settle(run, value)
        if isinstance(value, Unknown) and known:
            count = min((len(column) for column in columns if column), default=0)
            from biaslens.program.iteration import item

            columns[position] = [item(value, index) for index in range(count)]
        else:
            columns[position] = items_of(run, scope, value, node)
    return list(zip(*columns, strict=False))


def _list(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    return items_of(run, scope, arguments.positional[0], node) if arguments.positional else []


def _tuple(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if arguments.positional and isinstance(arguments.positional[0], ShapeOf):
        return attributes.shape_tuple(run, arguments.positional[0])
    return tuple(_list(run, scope, arguments, node))


def _set(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    try:
        return set(_list(run, scope, arguments, node))
    except TypeError:
        return opaque(run, scope, node)


def _dict(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    result: dict[Any, Value] = {}
    for source in arguments.positional:
        source = settle(run, source)
        if isinstance(source, dict):
            result.update(source)
        elif isinstance(source, Unknown):
            result[calls.OPEN_KEY] = True
        else:
            for pair in items_of(run, scope, source, node):
                if isinstance(pair, (tuple, list)) and len(pair) == 2:
                    try:
                        result[pair[0]] = pair[1]
                    except TypeError:
                        return opaque(run, scope, node)
    result.update(arguments.keywords)
    if arguments.open:
        result[calls.OPEN_KEY] = True
    return result


def _reversed(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    return _list(run, scope, arguments, node)[::-1]


def _sorted(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    items = _list(run, scope, arguments, node)
    if arguments.keywords or not all(isinstance(item, (int, float, str)) for item in items):
        return opaque(run, scope, node)
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
    key = ("isinstance", key_of(run, value), *(key_of(run, kind) for kind in options))
    origin = value.origin if isinstance(value, Unknown) else "data"
    return Unknown(key, f"isinstance({show(value)}, ...)", origin=origin)


def _is_instance(value: Value, kind: Value) -> bool | None:
    if isinstance(value, Unknown) or isinstance(kind, Unknown):
        return None
    if isinstance(value, Instance):
        return any(base is kind or base == kind for base in classes.order_of(value.cls)) or (
            _derived(value, kind) or (None if classes.has_unknown_base(value.cls) else False)
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


def _derived(value: Instance, kind: Value) -> bool:
    """Bases among torch's own classes: every layer is a Module, a BatchNorm2d a _BatchNorm."""
    if not isinstance(kind, External):
        return False
    if kind.name == "torch.nn.Module":
        return classes.is_module_class(value.cls)
    families = {"_BatchNorm": "BatchNorm", "_ConvNd": "Conv", "_InstanceNorm": "InstanceNorm", "_NormBase": "Norm"}
    family = families.get(kind.name.rpartition(".")[2])
    base = classes.torch_base(value.cls)
    return family is not None and base is not None and family in base.name


def _issubclass(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) == 2:
        cls, kind = (settle(run, value) for value in arguments.positional)
        if isinstance(cls, (ClassValue, External)) and not isinstance(kind, (Unknown, tuple)):
            if any(base is kind or base == kind for base in classes.order_of(cls)):
                return True
            if not classes.has_unknown_base(cls):
                return isinstance(kind, External) and kind.name == "torch.nn.Module" and classes.is_module_class(cls)
    return Unknown(("issubclass", *(key_of(run, value) for value in arguments.positional)), "issubclass(...)")


def _getattr(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) < 2:
        return opaque(run, scope, node)
    owner, name = settle(run, arguments.positional[0]), settle(run, arguments.positional[1])
    if not isinstance(name, str):
        return Unknown(("attribute", key_of(run, owner), key_of(run, name)), f"getattr({show(owner)}, ...)")
    if len(arguments.positional) > 2:
        found = attributes.has(run, scope, owner, name, node)
        if found is False:
            return arguments.positional[2]
    return attributes.get(run, scope, owner, name, node)


def _setattr(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) == 3:
        owner, name, value = arguments.positional
        name = settle(run, name)
        if isinstance(name, str):
            attributes.set_attribute(run, scope, owner, name, value)
        elif isinstance(owner, Instance):
            owner.escaped = "an attribute that we could not tell is set"
    return None


def _hasattr(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) == 2 and isinstance(arguments.positional[1], str):
        owner = settle(run, arguments.positional[0])
        found = attributes.has(run, scope, owner, arguments.positional[1], node)
        if found is not None:
            return found
        return Unknown(("hasattr", key_of(run, owner), arguments.positional[1]), f"hasattr({show(owner)}, ...)")
    return opaque(run, scope, node)


def _delattr(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) == 2 and isinstance(arguments.positional[1], str):
        attributes.delete_attribute(run, settle(run, arguments.positional[0]), arguments.positional[1])
    return None


def _type(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    value = settle(run, arguments.positional[0]) if arguments.positional else None
    if isinstance(value, Instance):
        return value.cls
    if isinstance(value, (bool, int, float, str, list, tuple, dict, set)):
        return External(f"builtins.{type(value).__name__}")
    return opaque(run, scope, node)


def _callable(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    value = settle(run, arguments.positional[0]) if arguments.positional else None
    if isinstance(value, Unknown):
        return Unknown(("callable", value.key), f"callable({value.text})", origin=value.origin)
    return (
        isinstance(value, (FunctionValue, ClassValue, External, Partial, Instance))
        or type(value).__name__ == "BoundMethod"
    )


def _number(kind: type[int] | type[float]) -> Handler:
    def handler(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
        if not arguments.positional:
            return kind()
        value = settle(run, arguments.positional[0])
        if isinstance(value, (int, float, str)):
            try:
                return kind(value)
            except (ValueError, OverflowError):
                return opaque(run, scope, node)
        if isinstance(value, Tensor):
            run.emit_unknown(kind.__name__, "a number is read out of the tensor", [value], scope.module.location(node))
            return opaque(run, scope, node)
        if kind is int and isinstance(value, Unknown) and value.size is not None:
            return value
        return Unknown((kind.__name__, key_of(run, value)), f"{kind.__name__}({show(value)})", True, _origin(value))

    return handler


def _bool(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    value = settle(run, arguments.positional[0]) if arguments.positional else False
    answer = truth(run, value)
    return value if answer is None else answer


def _str(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    value = settle(run, arguments.positional[0]) if arguments.positional else ""
    if isinstance(value, (str, int, float, bool)):
        return str(value)
    return Unknown(("text", key_of(run, value)), f"str({show(value)})", origin=_origin(value))


def _python(function: Callable[..., Any], symbol: str = "") -> Handler:
    """A pure function of numbers; with an unknown argument its result is an unknown number."""

    def handler(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
        values = [settle(run, value) for value in arguments.positional]
        flat = [item for value in values for item in (value if isinstance(value, (list, tuple)) else [value])]
        if arguments.keywords:
            return opaque(run, scope, node)
        if all(isinstance(item, (int, float)) for item in flat):
            try:
                return function(*values)
            except (TypeError, ValueError, OverflowError, ZeroDivisionError):
                return opaque(run, scope, node)
        if any(isinstance(item, Tensor) for item in flat):
            return calls.call_unknown(run, scope, function.__name__, arguments, node)
        number = all(is_number(settle(run, item)) for item in flat)
        key = (function.__name__, *(key_of(run, value) for value in flat))
        return Unknown(key, f"{function.__name__}(...)", number, _origin(*flat))

    return handler


def _sum(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    from biaslens.program.expressions import binary

    if not arguments.positional:
        return opaque(run, scope, node)
    total: Value = arguments.positional[1] if len(arguments.positional) > 1 else 0
    for item in items_of(run, scope, arguments.positional[0], node):
        total = item if total == 0 and isinstance(item, Tensor) else binary(run, scope, "+", total, item, node)
    return total


def _product(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    from biaslens.program.expressions import binary

    total: Value = 1
    for item in items_of(run, scope, arguments.positional[0], node) if arguments.positional else ():
        total = binary(run, scope, "*", total, item, node)
    return total


def _any_or_all(stop: bool) -> Handler:
    def handler(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
        items = items_of(run, scope, arguments.positional[0], node) if arguments.positional else []
        answers = [truth(run, item) for item in items]
        if stop in answers:
            return stop
        return (not stop) if None not in answers else opaque(run, scope, node)

    return handler


def _map(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) != 2:
        return opaque(run, scope, node)
    function, source = arguments.positional
    return [calls.call(run, scope, function, Arguments((item,)), node) for item in items_of(run, scope, source, node)]


def _filter(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) != 2 or not isinstance(node, ast.expr):
        return opaque(run, scope, node)
    function, source = arguments.positional
    items = items_of(run, scope, source, node)
    kept = [(i, i if function is None else calls.call(run, scope, function, Arguments((i,)), node)) for i in items]
    return [item for item, answer in kept if holds(run, scope, answer, node)]


def _next(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if arguments.positional and isinstance(arguments.positional[0], list) and arguments.positional[0]:
        return arguments.positional[0].pop(0)
    return opaque(run, scope, node)


def _partial(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if not arguments.positional:
        return opaque(run, scope, node)
    location = scope.module.location(node)
    return Partial(settle(run, arguments.positional[0]), arguments.positional[1:], arguments.keywords, location)


def _deepcopy(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    return copied(run, arguments.positional[0], {}) if arguments.positional else None


def copied(run: Run, value: Value, memo: dict[int, Value]) -> Value:
    """A deep copy: layers become layers of their own, made at the same place."""
    if id(value) in memo:
        return memo[id(value)]
    match value:
        case Instance(cls=cls, layer=layer):
            twin = memo[id(value)] = Instance(cls, location=value.location, escaped=value.escaped)
            twin.attributes = {name: copied(run, item, memo) for name, item in value.attributes.items()}
            twin.modules = {name: copied(run, item, memo) for name, item in value.modules.items()}
            if layer is not None:
                twin.layer = copy.copy(layer)
                twin.layer.number = len(run.layers)
                run.add_layer(twin.layer)
            return twin
        case list():
            return [copied(run, item, memo) for item in value]
        case tuple():
            return tuple(copied(run, item, memo) for item in value)
        case dict():
            return {key: copied(run, item, memo) for key, item in value.items()}
        case _:
            return value


def _same(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    """A wrapper that gives back what it gets: `spectral_norm(layer)`, `DataParallel(model)`, a decorator."""
    values = [*arguments.positional, *arguments.keywords.values()]
    return values[0] if values else External("biaslens.identity")


def _call_first(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    """`checkpoint(function, *arguments)`."""
    if not arguments.positional:
        return opaque(run, scope, node)
    own = ("use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug")
    keywords = {name: value for name, value in arguments.keywords.items() if name not in own}
    inner = Arguments(arguments.positional[1:], keywords, arguments.open)
    return calls.call(run, scope, arguments.positional[0], inner, node)


def _checkpoint_sequential(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    if len(arguments.positional) < 3:
        return opaque(run, scope, node)
    value = arguments.positional[2]
    for function in items_of(run, scope, arguments.positional[0], node):
        value = calls.call(run, scope, function, Arguments((value,)), node)
    return value


def _parameter(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    value = settle(run, next(iter([*arguments.positional, *arguments.keywords.values()]), None))
    tensor = value if isinstance(value, Tensor) else run.tensor_of(opaque(run, scope, node))
    return run.new_tensor(run.shape(tensor.var), Facts(parameter=True))


def _super_like(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    """`nn.Module.__init__(self)`."""
    if arguments.positional and isinstance(arguments.positional[0], Instance):
        receiver = arguments.positional[0]
        base = classes.torch_base(receiver.cls)
        if base is not None:
            rest = Arguments(arguments.positional[1:], arguments.keywords, arguments.open)
            instances.initialise(run, scope, receiver, base, rest, node)
    return None


def _chain(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    return [item for source in arguments.positional for item in items_of(run, scope, source, node)]


def _repeat(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    match arguments.positional:
        case (value, int(count)) if count <= 4096:
            return [value] * count
        case (value,):
            return [value] * 64
        case _:
            return opaque(run, scope, node)


def _object(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    return opaque(run, scope, node)


def _origin(*values: Value) -> str:
    origins = {value.origin for value in values if isinstance(value, Unknown)}
    return origins.pop() if len(origins) == 1 else "data"


_SAME = (
    "torch.nn.utils.spectral_norm",
    "torch.nn.utils.weight_norm",
    "torch.nn.utils.parametrizations.spectral_norm",
    "torch.nn.utils.parametrizations.weight_norm",
    "torch.nn.utils.parametrizations.orthogonal",
    "torch.nn.utils.parametrize.register_parametrization",
    "torch.nn.utils.remove_weight_norm",
    "torch.nn.DataParallel",
    "torch.nn.parallel.DataParallel",
    "torch.nn.parallel.DistributedDataParallel",
    "torch.nn.SyncBatchNorm.convert_sync_batchnorm",
    "torch.compile",
    "torch.jit.script",
    "torch.jit.ignore",
    "torch.jit.unused",
    "torch.jit.export",
    "torch.jit.script_if_tracing",
    "torch.no_grad",
    "builtins.iter",
    "typing.cast",
    "functools.wraps",
    "functools.lru_cache",
    "functools.cache",
    "contextlib.contextmanager",
    "biaslens.identity",
)

HANDLERS: Mapping[str, Handler] = MappingProxyType(
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
        "builtins.abs": _python(abs),
        "builtins.max": _python(max),
        "builtins.min": _python(min),
        "builtins.round": _python(round),
        "builtins.divmod": _python(divmod),
        "builtins.sum": _sum,
        "builtins.any": _any_or_all(True),
        "builtins.all": _any_or_all(False),
        "builtins.map": _map,
        "builtins.filter": _filter,
        "builtins.next": _next,
        "builtins.object": _object,
        "builtins.slice": lambda run, scope, arguments, node: (
            slice(*arguments.positional[:3]) if arguments.positional else opaque(run, scope, node)
        ),
        "math.sqrt": _python(math.sqrt),
        "math.log": _python(math.log),
        "math.log2": _python(math.log2),
        "math.log10": _python(math.log10),
        "math.exp": _python(math.exp),
        "math.ceil": _python(math.ceil),
        "math.floor": _python(math.floor),
        "math.pow": _python(math.pow),
        "math.gcd": _python(math.gcd),
        "math.prod": _product,
        "numpy.prod": _product,
        "numpy.sqrt": _python(math.sqrt),
        "numpy.log2": _python(math.log2),
        "functools.partial": _partial,
        "copy.deepcopy": _deepcopy,
        "copy.copy": _deepcopy,
        "itertools.chain": _chain,
        "itertools.repeat": _repeat,
        "torch.utils.checkpoint.checkpoint": _call_first,
        "torch.utils.checkpoint.checkpoint_sequential": _checkpoint_sequential,
        "torch.nn.Parameter": _parameter,
        "torch.nn.Module.__init__": _super_like,
        "torch.nn.Sequential.__init__": _super_like,
        **dict.fromkeys(_SAME, _same),
    }
)
