"""Functions and classes of the standard library and of torch that are no tensor operations."""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from biaslens.catalogue import keepers
from biaslens.catalogue.lookup import find
from biaslens.program import calls, classes, handovers, instances, modules, stretches, tensors
from biaslens.program.builtin_functions import BUILTINS, Handler, origin_of
from biaslens.program.conditions import key_of, settle, show
from biaslens.program.expressions import binary, opaque
from biaslens.program.iteration import CONTAINERS, items_of
from biaslens.program.run import Run
from biaslens.program.sizing import is_number
from biaslens.program.symbols import Kind, Symbol, bounded
from biaslens.program.values import (
    Arguments,
    BoundMethod,
    ClassValue,
    External,
    Facts,
    FunctionValue,
    Instance,
    Partial,
    Scope,
    Stretch,
    Table,
    Tensor,
    Unknown,
    Value,
)


def call(run: Run, scope: Scope, function: External, arguments: Arguments, node: ast.AST) -> Value:
    """What calling something outside the sources gives."""
    name = function.name
    handler = HANDLERS.get(name)
    if handler is not None:
        return handler(run, scope, arguments, node)
    entry = find(name)
    if entry is not None:
        if entry.role != "function":
            if function.own and tensors.inside([*arguments.positional, *arguments.keywords.values()]):
                return calls.call_unknown(run, scope, show(function), arguments, node)  # so it makes no layer
            return instances.construct_external(run, scope, function, arguments, node)
        return tensors.call_function(run, scope, entry, arguments, node, own=function.own_label)
    if name in CONTAINERS or name == "torch.nn.Module":
        return instances.construct_external(run, scope, function, arguments, node)
    if name.startswith("torch.nn.init."):
        return arguments.positional[0] if arguments.positional else None
    if name.startswith(QUIET) and keepers.find(name) is None:
        return Unknown(run.another(Kind.QUIET_CALL, name), f"{show(function)}(...)")
    return calls.call_unknown(run, scope, show(function), arguments, node, function)


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
    "inspect.",
)
"""Calls that change neither tensors nor modules; what they give is not known."""


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
        if flat and all(isinstance(item, Tensor) for item in flat):
            return handovers.made_of(run, flat, function.__name__, scope.module.location(node))
        if any(isinstance(item, Tensor) for item in flat):
            return calls.call_unknown(run, scope, function.__name__, arguments, node)
        number = all(is_number(settle(run, item)) for item in flat)
        key = bounded(Symbol(Kind.FUNCTION, function.__name__, *(key_of(run, value) for value in flat)))
        return Unknown(key, f"{function.__name__}(...)", number, origin_of(*flat))

    return handler


def _product(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    total: Value = 1
    for item in items_of(run, scope, arguments.positional[0], node) if arguments.positional else ():
        total = binary(run, scope, "*", total, item, node)
    return total


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
            twin = memo[id(value)] = Instance(
                cls, location=value.location, escaped=value.escaped, hooks=value.hooks, frozen=value.frozen
            )
            twin.influences = value.influences.copy()
            twin.handed, twin.wrapped = value.handed, value.wrapped
            twin.attributes = {name: copied(run, item, memo) for name, item in value.attributes.items()}
            twin.modules = {name: copied(run, item, memo) for name, item in value.modules.items()}
            stretches.note(run, twin, stretches.of(run, value))
            if layer is not None:
                twin.layer = copy.copy(layer)
                twin.layer.number = len(run.layers)
                run.layers.append(twin.layer)
            return twin
        case list():
            return stretches.noted(run, [copied(run, item, memo) for item in value], stretches.of(run, value))
        case tuple():
            return tuple(copied(run, item, memo) for item in value)
        case Table():
            return Table({key: copied(run, item, memo) for key, item in value.items()}, value.rest, value.absent)
        case dict():
            return {key: copied(run, item, memo) for key, item in value.items()}
        case _:
            return value


def _same(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    """A wrapper that gives back what it gets: `spectral_norm(layer)`, a decorator."""
    values = [*arguments.positional, *arguments.keywords.values()]
    return values[0] if values else External("biaslens.identity")


def _parametrised(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    """`register_parametrization(module, name, parametrization)`: its bias is then made by other code."""
    if len(arguments.positional) > 1 and arguments.positional[1] != "weight":
        modules.escape(run, [arguments.positional[0]], "a parametrization makes its parameters")
    return _same(run, scope, arguments, node)


def _call_first(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    """`checkpoint(function, *arguments)`."""
    if not arguments.positional:
        return opaque(run, scope, node)
    own = ("use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug")
    keywords = {name: value for name, value in arguments.keywords.items() if name not in own}
    inner = replace(arguments, positional=arguments.positional[1:], keywords=keywords, spread=None)
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
            rest = replace(arguments, positional=arguments.positional[1:], spread=None)
            instances.initialise(run, scope, receiver, base, rest, node)
    return None


def _signature(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    """`inspect.signature(function)`, of which people ask what parameters there are."""
    signature = opaque(run, scope, node)
    function = settle(run, arguments.positional[0]) if arguments.positional else None
    bound = isinstance(function, BoundMethod)
    inner = function.function if isinstance(function, BoundMethod) else function
    if isinstance(inner, FunctionValue):
        listed = inner.node.args
        names = [parameter.arg for parameter in (*listed.posonlyargs, *listed.args, *listed.kwonlyargs)]
        run.known[Symbol(Kind.ATTRIBUTE, signature.key, "parameters")] = names[1:] if bound else names
    return signature


def _fields(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    """`dataclasses.fields(instance)`: each with its name and default."""
    cls = _class_of(run, arguments)
    if cls is None:
        return opaque(run, scope, node)
    found: list[Value] = []
    for owner, field in instances.fields_of(cls):
        default = instances.default_of(run, Scope(owner.module, {}, None), field.value) if field.value else _MISSING
        name = field.target.id if isinstance(field.target, ast.Name) else ""
        found.append(Instance(External("dataclasses.Field"), {"name": name, "default": default}))
    return found


_MISSING = External("dataclasses.MISSING")


def _is_dataclass(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    cls = _class_of(run, arguments)
    return opaque(run, scope, node) if cls is None else instances.is_dataclass(cls)


def _class_of(run: Run, arguments: Arguments) -> ClassValue | None:
    value = settle(run, arguments.positional[0]) if arguments.positional else None
    cls = value.cls if isinstance(value, Instance) else value
    return cls if isinstance(cls, ClassValue) else None


def _chain(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    return stretches.joined(run, [items_of(run, scope, source, node) for source in arguments.positional])


def _repeat(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    match arguments.positional:
        case (value, int(count)) if count <= 4096:
            return [value] * count
        case (value,):
            count = Unknown(Symbol(Kind.LENGTH, run.another(Kind.REPEATED)), "the number of repetitions", True)
            return stretches.noted(run, [value] * 3, Stretch(count, 1, 1))
        case _:
            return opaque(run, scope, node)


def _object(run: Run, scope: Scope, arguments: Arguments, node: ast.AST) -> Value:
    return opaque(run, scope, node)


_SAME = (
    "torch.nn.utils.spectral_norm",
    "torch.nn.utils.weight_norm",
    "torch.nn.utils.parametrizations.spectral_norm",
    "torch.nn.utils.parametrizations.weight_norm",
    "torch.nn.utils.parametrizations.orthogonal",
    "torch.nn.utils.remove_weight_norm",
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
    "biaslens.identity",
)

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        **BUILTINS,
        "builtins.abs": _python(abs),
        "builtins.max": _python(max),
        "builtins.min": _python(min),
        "builtins.round": _python(round),
        "builtins.divmod": _python(divmod),
        "builtins.object": _object,
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
        "dataclasses.fields": _fields,
        "dataclasses.is_dataclass": _is_dataclass,
        "copy.deepcopy": _deepcopy,
        "copy.copy": _deepcopy,
        "inspect.signature": _signature,
        "itertools.chain": _chain,
        "itertools.repeat": _repeat,
        "torch.utils.checkpoint.checkpoint": _call_first,
        "torch.utils.checkpoint.checkpoint_sequential": _checkpoint_sequential,
        "torch.nn.Parameter": _parameter,
        "torch.nn.utils.parametrize.register_parametrization": _parametrised,
        "torch.nn.Module.__init__": _super_like,
        "torch.nn.Sequential.__init__": _super_like,
        **dict.fromkeys(_SAME, _same),
    }
)
"""By full name."""
