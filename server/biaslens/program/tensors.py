"""Operations on tensors: from Python values to a row of the catalogue, and to equations."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from biaslens.algebra.axes import Shape
from biaslens.algebra.outcome import Carries
from biaslens.catalogue import indexing, lookup
from biaslens.catalogue.entry import SOME_NUMBER, UNKNOWN, Argument, Call, Entry, Mode, Operand, Step
from biaslens.catalogue.steps import Impossible
from biaslens.program import attributes, calls, instances, modules
from biaslens.program.conditions import key_of, settle, show
from biaslens.program.origins import Origin
from biaslens.program.run import PathEnds, Run
from biaslens.program.sizing import MAX_TEXT, as_size, is_number
from biaslens.program.symbols import Kind, Part, Symbol, bounded
from biaslens.program.values import (
    Arguments,
    BoundMethod,
    External,
    FunctionValue,
    Instance,
    LayerState,
    Partial,
    Scope,
    ShapeOf,
    Tensor,
    Unknown,
    Value,
)

TENSOR_PARAMETERS = frozenset(
    [
        "input",
        "other",
        "tensor",
        "tensors",
        "tensor1",
        "tensor2",
        "mat1",
        "mat2",
        "mat",
        "vec",
        "vec1",
        "vec2",
        "batch1",
        "batch2",
        "query",
        "key",
        "value",
        "attn_mask",
        "mask",
        "self",
        "weight",
        "bias",
        "target",
        "index",
        "indices",
        "grid",
        "end",
        "condition",
        "x",
        "input1",
        "input2",
        "source",
        "values",
        "boundaries",
        "exponent",
        "hx",
        "running_mean",
        "running_var",
        "padding_mask",
        "operands",
        "tensors_and_pattern",
        "matrices",
        "src",
    ]
)
"""Parameters for which an unknown value stands for a tensor, or perhaps for a number."""

SIZE_PARAMETERS = frozenset(
    [
        "in_features",
        "out_features",
        "in_channels",
        "out_channels",
        "num_features",
        "num_channels",
        "normalized_shape",
        "num_groups",
        "groups",
        "num_embeddings",
        "embedding_dim",
        "in1_features",
        "in2_features",
        "shape",
        "size",
        "sizes",
        "repeats",
        "axes_lengths",
        "unflattened_size",
        "split_size_or_sections",
        "split_size",
        "chunks",
        "embed_dim",
        "length",
        "output_size",
        "d_model",
    ]
)
"""Parameters for which an unknown value stands for a size."""


LOWEST = -3.0e38
"""What `torch.finfo(dtype).min` is at least as far as softmax is concerned."""


def apply_entry(
    run: Run,
    scope: Scope,
    entry: Entry,
    bound: Mapping[str, Value],
    label: str,
    node: ast.AST,
    *,
    layer: LayerState | None = None,
    mode: Mode | None = None,
    in_place: bool = False,
    own: str = "",
) -> Value:
    """The result of one operation of the catalogue on bound arguments; records its equation.

    own: the user's own name for it, where that is declared to be like the entry: it may take what torch's refuses.
    """
    operands: list[Tensor] = []
    arguments = {name: _argument(run, name, value, operands) for name, value in bound.items()}
    location = scope.module.location(node)
    step = _step(run, entry, arguments, operands, mode or run.mode, may_refuse=not own)
    if step is not None and _loses_last_axis(run, step, operands):
        attributes.decide_rank(run, scope, operands[0], node)
        operands.clear()
        arguments = {name: _argument(run, name, value, operands) for name, value in bound.items()}
        step = _step(run, entry, arguments, operands, mode or run.mode, may_refuse=not own)
    if step is None or (operands and any(len(r.effects) != len(operands) for r in step.results)):
        run.emit_unknown(label, f"`{label}` is used in a way that could not be followed", operands, location)
        return Unknown(run.another(Kind.RESULT, location), f"{label}(...)")
    if in_place or bound.get("inplace") is True:
        step = Step(step.results[:1], step.product, False, False, 0, step.refined) if operands else step
    if not operands and layer is None:  # zeros, randn, arange: nothing goes in, so there is nothing to follow
        results = [run.new_tensor(result.shape) for result in step.results]
        return tuple(results) if step.sequence else results[0]
    results = run.emit(label, step, operands, location, layer=layer, operation=entry.label, settings=_settings(bound))
    if step.in_place is not None:
        return results[0]
    return tuple(results) if step.sequence else results[0]


def _loses_last_axis(run: Run, step: Step, operands: Sequence[Tensor]) -> bool:
    """Whether a reshape puts the last axis, where features are, anywhere, and the rank would tell where."""
    if len(operands) != 1 or run.shape(operands[0].var).rank is not None:
        return False
    effects = [effect for result in step.results for effect in result.effects]
    return any(isinstance(effect, Carries) and any(axis == -1 for axis, _ in effect.scatters) for effect in effects)


def call_function(
    run: Run,
    scope: Scope,
    entry: Entry,
    arguments: Arguments,
    node: ast.AST,
    *,
    label: str = "",
    in_place: bool = False,
    own: str = "",
) -> Value:
    """A function of the catalogue. own: as in `apply_entry`."""
    label = label or own or entry.label
    bound = instances.bound_arguments(run, entry.parameters, arguments, scope.module.location(node))
    if bound is None:
        return calls.call_unknown(run, scope, label, arguments, node)
    return apply_entry(run, scope, entry, bound, label, node, in_place=in_place, own=own)


def operator(run: Run, scope: Scope, symbol: str, left: Value, right: Value, node: ast.AST) -> Value:
    """`left symbol right` where one of them is, or may be, a tensor."""
    if isinstance(left, Instance) or isinstance(right, Instance):
        return calls.call_unknown(run, scope, symbol, Arguments((left, right)), node)
    if not isinstance(left, Tensor) and not isinstance(right, Tensor):
        key = bounded(Symbol(Kind.BINARY, symbol, key_of(run, left), key_of(run, right)))
        return Unknown(key, f"{show(left)} {symbol} {show(right)}"[:MAX_TEXT])
    if symbol in ("<<", ">>"):
        return calls.call_unknown(run, scope, symbol, Arguments((left, right)), node)
    entry = lookup.operator(symbol)
    return call_function(run, scope, entry, Arguments((left, right)), node, label=entry.label)


def operator_in_place(run: Run, scope: Scope, symbol: str, left: Tensor, right: Value, node: ast.AST) -> None:
    """Effect: `left symbol= right`, seen by every alias of the tensor."""
    if symbol in ("<<", ">>"):
        calls.call_unknown(run, scope, symbol, Arguments((left, right)), node)
        left.var = run.new_var(Shape())
    elif not run.facts[left.var].parameter:  # the values of parameters are never used
        entry = lookup.operator(symbol)
        call_function(run, scope, entry, Arguments((left, right)), node, label=entry.label, in_place=True)


def negative(run: Run, scope: Scope, value: Tensor, node: ast.AST) -> Value:
    """`-value`."""
    return call_function(run, scope, lookup.operator("unary -"), Arguments((value,)), node)


_COMPARISONS: Mapping[type[ast.cmpop], str] = MappingProxyType(
    {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
)


def comparison(run: Run, scope: Scope, operator: ast.cmpop, left: Value, right: Value, node: ast.AST) -> Value:
    """`left < right` for tensors: a tensor of booleans."""
    entry = lookup.operator(_COMPARISONS[type(operator)])
    return call_function(run, scope, entry, Arguments((left, right)), node)


def attribute(run: Run, scope: Scope, owner: Tensor, name: str, node: ast.AST) -> Value:
    """An attribute of a tensor."""
    match name:
        case "shape":
            return ShapeOf(owner)
        case "ndim":
            return settle(run, attributes.rank_of(run, owner))
        case "requires_grad" if run.facts[owner.var].parameter:
            layer = run.layer_of_parameter(owner)
            return not layer.frozen_shift if layer is not None else run.known.get(Symbol(Kind.TRAINS, owner.var), True)
        case _ if name in _PROPERTIES:
            return settle(run, _property(run, owner, name))
        case "data" if run.facts[owner.var].parameter:
            return owner
        case "T" | "mT" | "H" | "mH" | "data" | "real":
            entry = lookup.method(name)
            if entry is None:
                return calls.call_unknown(run, scope, name, Arguments((owner,)), node)
            return call_function(run, scope, entry, Arguments((owner,)), node, label=name)
        case _:
            return BoundMethod(name, owner)


def method(run: Run, scope: Scope, owner: Tensor, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`owner.name(...)`."""
    first = arguments.positional[0] if arguments.positional else arguments.keywords.get("dim")
    match name:
        case "size":
            return ShapeOf(owner) if first is None else attributes.get_item(run, scope, ShapeOf(owner), first, node)
        case "dim" | "ndimension":
            return settle(run, attributes.rank_of(run, owner))
        case "numel" | "nelement":
            return settle(run, Unknown(Symbol(Kind.NUMEL, owner.var), "the number of elements", True))
        case _ if name in _TELLING:
            given = [key_of(run, value) for value in (*arguments.positional, *arguments.keywords.items())]
            return settle(run, _property(run, owner, name, *given))
        case "requires_grad_":
            attributes.set_attribute(run, scope, owner, "requires_grad", first is not False)
            return owner
        case "backward":
            run.losses.append(owner.var)
            return None
        case "register_hook" | "retain_grad" | "zero_grad" | "record_stream":
            return None
        case _:
            return _catalogued_method(run, scope, owner, name, arguments, node)


_PROPERTIES = frozenset(
    [
        *("dtype", "device", "layout", "requires_grad", "names", "grad", "grad_fn", "is_leaf", "retains_grad"),
        *("output_nr", "is_cuda", "is_cpu", "is_mps", "is_xpu", "is_xla", "is_mkldnn", "is_meta", "is_sparse"),
        *("is_sparse_csr", "is_quantized", "is_nested", "itemsize", "nbytes"),
    ]
)
"""Attributes by which a tensor tells of itself what no shift changes."""

_ONLY_TENSORS_TELL = frozenset(
    [
        *("get_device", "is_contiguous", "element_size", "is_floating_point", "is_complex", "is_signed", "data_ptr"),
        *("storage_offset", "is_pinned", "is_inference", "is_conj", "is_neg", "has_names"),
    ]
)
_TELLING = _ONLY_TENSORS_TELL.union(["stride", "is_shared", "untyped_storage"])
"""Methods by which a tensor tells of itself what no shift changes."""


def _property(run: Run, owner: Tensor, name: str, *given: Part) -> Unknown:
    """What a tensor tells of itself besides its numbers: the same for the same tensor, open for any two."""
    layer = run.layer_of_parameter(owner)
    which = Symbol(Kind.BIAS, layer.number) if layer is not None else owner.var
    return Unknown(Symbol(Kind.TENSOR_ATTRIBUTE, which, name, *given), f"x.{name}")


def unknown_method(run: Run, scope: Scope, owner: Unknown, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """A method of a value that may be a tensor. Operations that only tensors have make it one."""
    if owner.origin in (Origin.FORWARD, Origin.RESULT) and is_tensor_method(name):
        return method(run, scope, run.tensor_of(owner), name, arguments, node)
    if name in TEXT_METHODS and all(isinstance(value, str) for value in arguments.positional):
        key = Symbol(Kind.TEXT_METHOD, name, owner.key, *(key_of(run, value) for value in arguments.positional))
        return Unknown(key, f"{owner.text}.{name}(...)", origin=owner.origin)
    return calls.call_unknown(
        run, scope, f"{owner.text}.{name}", arguments, node, of=Symbol(Kind.ATTRIBUTE, owner.key, name)
    )


TEXT_METHODS = frozenset(
    [
        "startswith",
        "endswith",
        "lower",
        "upper",
        "strip",
        "replace",
        "removeprefix",
        "removesuffix",
        "split",
        "partition",
        "rpartition",
    ]
)
"""Methods that only texts have: they change nothing, and give the same for the same text."""


def is_tensor_method(name: str) -> bool:
    """Whether only tensors have a method of this name; lists, dicts, strings and modules have some of the same."""
    if name in ("size", "dim", "ndimension", "numel", "nelement") or name in _ONLY_TENSORS_TELL:
        return True
    shared = any(hasattr(kind, name) for kind in (str, list, dict, set))
    return not shared and name not in MODULE_METHODS and lookup.method(name) is not None


OVERWRITING = frozenset(
    {"bernoulli_", "uniform_", "normal_", "fill_", "zero_", "random_", "exponential_", "log_normal_", "cauchy_"}
)
"""In-place methods after which nothing is left of what was there."""

MODULE_METHODS = frozenset({"to", "float", "half", "double", "type", "cuda", "cpu", "data"})
"""Methods that modules share with tensors."""


def subscript(run: Run, scope: Scope, owner: Tensor, index: Value, node: ast.AST) -> Value:
    """`owner[index]`."""
    operands = [owner]
    items = [_index(run, item, operands) for item in (index if isinstance(index, tuple) else (index,))]
    step = indexing.subscript(_operand(run, 0, owner), items)
    return run.emit("index", step, operands, scope.module.location(node))[0]


def write_part(run: Run, scope: Scope, owner: Tensor, value: Value, node: ast.AST) -> None:
    """Effect: `owner[...] = value`; what is written and what was there are both read."""
    relatives = list(owner.storage.tensors)
    run.emit_unknown(
        "a write into a part",
        "a part of the tensor is written",
        [*relatives, *inside([value])],
        scope.module.location(node),
    )
    for tensor in relatives:
        tensor.var = run.new_var(run.shape(tensor.var))


def inside(values: Iterable[Value], depth: int = 4) -> list[Tensor]:
    """Every tensor in some values, those inside containers and plain objects included."""
    found: list[Tensor] = []
    for value in values:
        match value:
            case Tensor():
                found.append(value)
            case ShapeOf() | str():
                pass
            case list() | tuple() | set() if depth:
                found += inside(value, depth - 1)
            case dict() if depth:
                found += inside(value.values(), depth - 1)
            case Instance(attributes=held, layer=None) if depth:
                found += inside(held.values(), depth - 1)
            case FunctionValue() | BoundMethod() | Partial() if depth:
                found += inside(modules.captured(value), depth - 1)
            case _:
                pass
    return found


def _catalogued_method(run: Run, scope: Scope, owner: Tensor, name: str, arguments: Arguments, node: ast.AST) -> Value:
    entry = lookup.method(name)
    in_place = name.endswith("_") and not name.endswith("__")
    if in_place and run.facts[owner.var].parameter:
        return owner  # an initialiser: the values of parameters are never used
    if name in OVERWRITING:
        run.overwrite(owner, name, scope.module.location(node))
        return owner
    if entry is None or (arguments.open and not _takes_sizes(entry)):
        result = calls.call_unknown(run, scope, name, arguments.behind(owner), node)
        if in_place:
            owner.var = run.new_var(Shape())
            return owner
        return result
    return call_function(run, scope, entry, arguments.behind(owner), node, label=name, in_place=in_place)


def _takes_sizes(entry: Entry) -> bool:
    return any(parameter.kind == "star" for parameter in entry.parameters)


def _step(
    run: Run, entry: Entry, arguments: Mapping[str, Argument], operands: list[Tensor], mode: Mode, *, may_refuse: bool
) -> Step | None:
    ordered = tuple(_operand(run, index, tensor) for index, tensor in enumerate(operands))
    try:
        return entry.rule(Call(arguments, ordered, mode))
    except Impossible:
        if not may_refuse:
            return None
        run.influence.value |= run.history(operands)
        raise PathEnds from None
    except Exception:  # a row met arguments that it does not understand: code that we cannot follow
        return None


def _argument(run: Run, name: str, value: Value, operands: list[Tensor]) -> Argument:
    value = settle(run, value)
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Tensor():
            operands.append(value)
            return _operand(run, len(operands) - 1, value)
        case ShapeOf():
            sizes = attributes.shape_tuple(run, value)
            return tuple(_size(size) for size in sizes) if isinstance(sizes, tuple) else UNKNOWN
        case tuple() | list():
            return tuple(_argument(run, name, item, operands) for item in value)
        case slice():
            return slice(*(_bound_of_slice(run, part) for part in (value.start, value.stop, value.step)))
        case Unknown():
            return _unknown_argument(run, name, value, operands)
        case External(name=dotted):
            return dotted if dotted.startswith("torch.") else Ellipsis if dotted == "builtins.Ellipsis" else UNKNOWN
        case _:
            return value if value is Ellipsis else UNKNOWN


def _unknown_argument(run: Run, name: str, value: Unknown, operands: list[Tensor]) -> Argument:
    match value.key:
        case Symbol(Kind.ATTRIBUTE, (Symbol(Kind.QUIET_CALL, ("torch.finfo", _)), "min")):
            return LOWEST
        case _:
            pass
    if name in SIZE_PARAMETERS:
        return as_size(value)
    if value.number:
        return SOME_NUMBER
    if name in TENSOR_PARAMETERS:
        tensor = run.tensor_of(value)
        operands.append(tensor)
        return Operand(len(operands) - 1, run.shape(tensor.var), blocked=True, maybe=True)
    return SOME_NUMBER if is_number(value) else UNKNOWN


def _operand(run: Run, index: int, tensor: Tensor) -> Operand:
    facts = run.facts[tensor.var]
    return Operand(index, run.shape(tensor.var), facts.stochastic, facts.parameter, facts.blocked)


def _size(value: Value) -> Argument:
    return as_size(value) if isinstance(value, Unknown) else value


def _bound_of_slice(run: Run, value: Value) -> Any:
    value = settle(run, value)
    if value is None or isinstance(value, int):
        return value
    size = as_size(value)
    return UNKNOWN if size is None else size


def _index(run: Run, item: Value, operands: list[Tensor]) -> Argument:
    """One item of a subscript; an unknown number selects, anything else unknown may be a tensor of indices."""
    item = settle(run, item)
    if isinstance(item, Unknown):
        return SOME_NUMBER if is_number(item) else UNKNOWN
    return _argument(run, "items", item, operands)


def _settings(bound: Mapping[str, Value]) -> str:
    """The plain arguments of a call as text, for people who read equations."""
    shown = [
        repr(v)
        for name, v in bound.items()
        if name != "inplace" and isinstance(v, (int, float, str)) and v is not True and v is not False
    ]
    return ", ".join(shown[:4])
