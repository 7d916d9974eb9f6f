"""Attributes and items: reading, setting and deleting them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from biaslens.algebra.axes import Shape
from biaslens.program import (
    calls,
    classes,
    declared,
    expressions,
    handovers,
    modules,
    moments,
    names,
    objects,
    stretches,
    tables,
    tensors,
)
from biaslens.program.conditions import has as has_key
from biaslens.program.conditions import key_of, settle, show
from biaslens.program.iteration import container_kind, item
from biaslens.program.origins import Origin
from biaslens.program.questions import test_of_choice
from biaslens.program.run import PathEnds, Run, tampered
from biaslens.program.symbols import Kind, Symbol
from biaslens.program.values import (
    WHOLE,
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
    Super,
    Table,
    Tensor,
    Unknown,
    Value,
    Wrapped,
)

MISSING = names.MISSING

TENSOR_ATTRIBUTES = frozenset({"shape", "ndim", "dtype", "device", "T", "mT"})
"""Attributes by which an argument of forward shows that it is a tensor."""


def get(run: Run, scope: Scope, owner: Value, name: str, node: ast.AST) -> Value:
    """`owner.name`; an Unknown where it cannot be told."""
    value = find(run, scope, owner, name, node)
    if value is not MISSING:
        return value
    owner = settle(run, owner)
    if owner is None or (isinstance(owner, Instance) and not _may_have(owner, name)):
        raise PathEnds  # the program raises AttributeError here
    if isinstance(owner, Instance) and owner.layer is not None and owner.layer.own:
        tampered(owner, f"its `{name}` is not one of torch's")
    text = f"{show(owner)}.{name}"
    dotted = declared.attribute_name(owner, name) or handovers.name_of_attribute(owner, name)
    return Unknown(Symbol(Kind.ATTRIBUTE, key_of(run, owner), name), text, origin=_origin(owner), dotted=dotted)


def has(run: Run, scope: Scope, owner: Value, name: str, node: ast.AST) -> bool | None:
    """`hasattr(owner, name)`, None where it cannot be told."""
    if isinstance(owner, Unknown):
        return None
    value = find(run, scope, owner, name, node)
    if isinstance(value, Unknown) and value.key.kind is Kind.UNCERTAIN:
        return None
    if value is not MISSING:
        return True
    return None if isinstance(owner, Instance) and _may_have(owner, name) else False


def find(run: Run, scope: Scope, owner: Value, name: str, node: ast.AST) -> Value:
    """The attribute, or MISSING."""
    owner = settle(run, owner)
    if name in run.world.declared:
        said = declared.named(run.world.declared, declared.attribute_name(owner, name))
        if said is not None:
            return said
    match owner:
        case Instance():
            return _of_instance(run, scope, owner, name, node)
        case Tensor():
            return tensors.attribute(run, scope, owner, name, node)
        case ModuleValue(path=path):
            return names.module_attribute(run, path, name)
        case External(name=prefix, own=own) if name in ("__name__", "__qualname__"):
            return (own or prefix).rpartition(".")[2]
        case External(own=str(own)) if own:
            return MISSING
        case External(name=prefix):
            full = f"{prefix}.{name}"
            return Unknown(Symbol(Kind.REPLACED, full), full) if run.is_replaced(full) else names.external(full)
        case ClassValue():
            return _of_class(run, scope, owner, name)
        case Super():
            return _of_super(run, scope, owner, name, node)
        case Unknown(origin=Origin.FORWARD | Origin.RESULT) if name in TENSOR_ATTRIBUTES:
            return tensors.attribute(run, scope, run.tensor_of(owner), name, node)
        case Unknown(origin=Origin.FORWARD | Origin.RESULT) if tensors.is_tensor_method(name):
            return BoundMethod(name, owner)
        case Unknown() if name in tensors.TEXT_METHODS:
            return BoundMethod(name, owner)
        case Unknown(key=key, text=text, origin=origin):
            dotted = declared.attribute_name(owner, name) or handovers.name_of_attribute(owner, name)
            symbol = Symbol(Kind.ATTRIBUTE, key, name)
            return settle(run, Unknown(symbol, f"{text}.{name}", origin=origin, dotted=dotted))
        case FunctionValue(name=function_name) if name in ("__name__", "__qualname__"):
            return function_name
        case Partial(function=function) if name == "func":
            return function
        case Partial(keywords=keywords) if name == "keywords":
            return keywords
        case slice():
            return getattr(owner, name, MISSING) if name in ("start", "stop", "step") else MISSING
        case ShapeOf() | list() | dict() | tuple() | set() | str() | bytes() | int() | float() | range():
            return BoundMethod(name, owner)
        case _:
            return MISSING


def set_attribute(run: Run, scope: Scope, owner: Value, name: str, value: Value) -> None:
    """Effect: `owner.name = value`."""
    match owner:
        case Instance():
            modules.set_attribute(run, owner, name, value)
        case ClassValue(namespace=namespace, module=module, node=defined):
            run.touch(owner)
            state = run.globals.get(module.path)
            if name in namespace and state is not None and moments.was_in_use(module, defined, state.moment):
                symbol = Symbol(Kind.PATCHED, owner.qualified, name)  # what it is now, or as it was
                value = Unknown(symbol, f"{owner.name}.{name}")
            namespace[name] = value
        case Tensor():
            modules.set_tensor_attribute(run, owner, name, value)
        case External(name=prefix):
            run.replaced.add(f"{prefix}.{name}")
        case _:
            pass


def delete_attribute(run: Run, owner: Value, name: str) -> None:
    """Effect: `del owner.name`."""
    if isinstance(owner, Instance):
        modules.delete_attribute(run, owner, name)


def get_item(run: Run, scope: Scope, owner: Value, index: Value, node: ast.AST) -> Value:
    """`owner[index]`."""
    owner, index = settle(run, owner), settle(run, index)
    match owner:
        case Tensor():
            return tensors.subscript(run, scope, owner, index, node)
        case ShapeOf():
            return _shape_item(run, owner, index)
        case Instance():
            return _instance_item(run, scope, owner, index, node)
        case Unknown():
            return _unknown_item(run, owner, index)
        case dict():
            return _table_item(run, scope, owner, index, node)
        case list() | tuple() | str() | range():
            return _plain_item(run, scope, owner, index, node)
        case ClassValue() | External():
            return owner  # Generic[T], list[int]
        case _:
            return Unknown(Symbol(Kind.ITEM, key_of(run, owner), key_of(run, index)), f"{show(owner)}[...]")


def set_item(run: Run, scope: Scope, owner: Value, index: Value, value: Value, node: ast.AST) -> None:
    """Effect: `owner[index] = value`."""
    owner, index = settle(run, owner), settle(run, index)
    match owner:
        case dict():
            run.touch(owner)
            if isinstance(index, Unknown) and index not in owner and not stretches.is_of_loop(run, index):
                _forget(run, owner, node, scope)
            try:
                owner[index] = value
            except TypeError:
                raise PathEnds from None
        case list():
            run.touch(owner)
            if isinstance(index, Unknown) or index_is_open(run, owner, index):
                _forget(run, owner, node, scope)
                modules.escape(run, [*owner, value], "it is put into a place that could not be told")
                return
            try:
                owner[index] = value
            except (TypeError, IndexError, ValueError):
                raise PathEnds from None
        case Tensor():
            tensors.write_part(run, scope, owner, value, node)
        case Instance():
            _set_instance_item(run, scope, owner, index, value, node)
        case _:
            pass


def index_is_open(run: Run, owner: list[Value], index: Value) -> bool:
    """Whether the source does not tell which item of a list of unknown length an index is about."""
    stretch = stretches.of(run, owner)
    return stretch is not None and not (isinstance(index, int) and -stretch.back <= index < stretch.front)


def delete_item(run: Run, owner: Value, index: Value) -> None:
    """Effect: `del owner[index]`."""
    if isinstance(owner, Table) and has_key(run, owner, index) is not False:
        tables.remove(run, owner, index)
    elif isinstance(owner, (list, dict)):
        run.touch(owner)
        try:
            del owner[index]
        except (TypeError, IndexError, KeyError):
            raise PathEnds from None
    elif isinstance(owner, Instance):
        modules.delete_child(run, owner, index)


def rank_of(run: Run, tensor: Tensor) -> Value:
    """`x.dim()`."""
    rank = run.shape(tensor.var).rank
    return rank if rank is not None else Unknown(Symbol(Kind.RANK, tensor.var), "the rank of a tensor", True)


def shape_tuple(run: Run, value: ShapeOf) -> Value:
    """The sizes of a shape as a tuple, or an Unknown while the rank is unknown."""
    rank = run.shape(value.tensor.var).rank
    if rank is None:
        return Unknown(Symbol(Kind.SHAPE, value.tensor.var, *value.part), "a shape")
    return tuple(run.size_of(value.tensor, axis - rank) for axis in range(rank))[slice(*value.part)]


RANKS = (3, 2, 4)
"""What an unknown rank is asked about, the most frequent one first: samples, positions, features."""


def listed_sizes(run: Run, scope: Scope, value: ShapeOf, node: ast.AST) -> tuple[Value, ...]:
    """The sizes of a shape one by one, for code that goes over them; an unknown rank is a decision."""
    decide_rank(run, scope, value.tensor, node)
    sizes = shape_tuple(run, value)
    return sizes if isinstance(sizes, tuple) else ()


def decide_rank(run: Run, scope: Scope, tensor: Tensor, node: ast.AST) -> None:
    """Effect: a rank that is not known becomes so, by a decision."""
    var = tensor.var
    shape = run.shape(var)
    if shape.rank is not None:
        return
    ranks = [rank for rank in RANKS if rank >= shape.at_least] or [shape.at_least]
    name = run.names.get(var) or f"the tensor behind `{scope.module.excerpt(node)}`"
    choices = [(str(rank), f"{name} has {rank} axes") for rank in ranks]
    key = Symbol(Kind.RANK, var)
    chosen = int(run.decide(key, f"the rank of {name}", Origin.FORWARD, scope.module.location(node), choices))
    run.known[key] = chosen
    run.refine(var, Shape(chosen, (None,) * chosen, -1, chosen))


def sizes_of_rank(run: Run, tensor: Tensor, rank: int) -> list[Value]:
    """The sizes of `a, b, c = x.shape`, which tells the rank."""
    shape = run.shape(tensor.var)
    if (shape.rank is not None and shape.rank != rank) or shape.at_least > rank:
        run.influence.value |= run.history([tensor])
        raise PathEnds
    run.refine(tensor.var, Shape(rank, (None,) * rank, -1, rank))
    return [run.size_of(tensor, axis - rank) for axis in range(rank)]


def _of_instance(run: Run, scope: Scope, owner: Instance, name: str, node: ast.AST) -> Value:
    if owner.influences:
        run.influence.value |= owner.influences.get(name, 0) | owner.influences.get("", 0)
    if name in owner.attributes:
        return owner.attributes[name]
    if name in owner.modules:
        return owner.modules[name]
    found = classes.find(owner.cls, name)
    if found is not None and name != "training":
        return _bound(run, scope, found[1], owner, node)
    return modules.attribute(run, scope, owner, name, node)


def _bound(run: Run, scope: Scope, value: Value, receiver: Value, node: ast.AST) -> Value:
    match value:
        case FunctionValue():
            return BoundMethod(value, receiver)
        case Wrapped(kind="property", function=function):
            return calls.call(run, scope, function, Arguments((receiver,)), node)
        case Wrapped(kind="classmethod", function=function):
            return BoundMethod(function, receiver.cls if isinstance(receiver, Instance) else receiver)
        case Wrapped(kind="staticmethod", function=function):
            return function
        case Wrapped(kind="unfollowed"):
            return BoundMethod(value, receiver)
        case Wrapped():
            return Unknown(Symbol(Kind.WRAPPED, run.ordinal(value), key_of(run, receiver)), "a property")
        case _:
            return value


def _of_class(run: Run, scope: Scope, owner: ClassValue, name: str) -> Value:
    found = classes.find(owner, name)
    if found is not None:
        value = found[1]
        if isinstance(value, Wrapped) and value.kind == "classmethod":
            return BoundMethod(value.function, owner)
        return value.function if isinstance(value, Wrapped) and value.kind == "staticmethod" else value
    if name in ("__name__", "__qualname__"):
        return owner.name
    base = classes.torch_base(owner)
    return names.external(f"{base.name}.{name}") if base and not base.own else MISSING


def _of_super(run: Run, scope: Scope, owner: Super, name: str, node: ast.AST) -> Value:
    receiver = owner.receiver
    cls = receiver.cls if isinstance(receiver, Instance) else receiver
    found = classes.find(cls, name, after=owner.owner)
    return _bound(run, scope, found[1], receiver, node) if found else BoundMethod(name, owner)


def _may_have(owner: Instance, name: str) -> bool:
    """Whether an attribute that we did not see may exist: unknown bases, code that we could not follow."""
    if owner.escaped or owner.handed or owner.wrapped or name.startswith("__") or objects.is_data(owner.cls):
        return True
    if classes.has_unknown_base(owner.cls):
        return True
    return not isinstance(owner.cls, ClassValue) or classes.find(owner.cls, "__getattr__") is not None


def _shape_item(run: Run, owner: ShapeOf, index: Value) -> Value:
    if owner.part != WHOLE:
        sizes = shape_tuple(run, owner)
        if isinstance(sizes, tuple) and isinstance(index, int):
            if not -len(sizes) <= index < len(sizes):
                raise PathEnds
            return sizes[index]
        return Unknown(Symbol(Kind.ITEM, key_of(run, sizes), key_of(run, index)), "part of a shape")
    if isinstance(index, int) and not isinstance(index, bool):
        if run.shape(owner.tensor.var).has_axis(index) is False:
            raise PathEnds
        return run.size_of(owner.tensor, index)
    sizes = shape_tuple(run, owner)
    if isinstance(index, slice):
        if isinstance(sizes, tuple):
            return _sliced(run, sizes, index)
        if isinstance(index.start, int) and index.start < 0 and index.stop is None and index.step is None:
            return tuple(run.size_of(owner.tensor, axis) for axis in range(index.start, 0))
        if all(part is None or isinstance(part, int) for part in (index.start, index.stop, index.step)):
            return ShapeOf(owner.tensor, (index.start, index.stop, index.step))
    return Unknown(Symbol(Kind.ITEM, Symbol(Kind.SHAPE, owner.tensor.var), key_of(run, index)), "part of a shape")


def _instance_item(run: Run, scope: Scope, owner: Instance, index: Value, node: ast.AST) -> Value:
    found = classes.find(owner.cls, "__getitem__")
    if found is not None:
        return calls.call(run, scope, found[1], Arguments((owner, index)), node)
    if owner.table is not None:
        return get_item(run, scope, owner.table, index, node)
    kind = container_kind(owner)
    if kind is None:
        return Unknown(Symbol(Kind.ITEM, run.ordinal(owner), key_of(run, index)), f"{show(owner)}[...]")
    if isinstance(index, slice):
        return modules.sliced(run, owner, kind, index)
    if isinstance(index, str):
        return _child(owner, index)
    if isinstance(index, Unknown) and kind == "torch.nn.ModuleDict":
        return _table_item(run, scope, owner.modules, index, node)
    if isinstance(index, (int, Unknown)):
        return stretches.item_at(run, scope, owner, list(owner.modules.values()), index, node)
    return Unknown(Symbol(Kind.ITEM, run.ordinal(owner), key_of(run, index)), f"{show(owner)}[...]")


def _set_instance_item(run: Run, scope: Scope, owner: Instance, index: Value, value: Value, node: ast.AST) -> None:
    found = classes.find(owner.cls, "__setitem__")
    if found is not None:
        calls.call(run, scope, found[1], Arguments((owner, index, value)), node)
    elif owner.table is not None:
        set_item(run, scope, owner.table, index, value, node)
    else:
        modules.set_child(run, owner, index, value)


def _child(owner: Instance, name: str) -> Value:
    if name not in owner.modules:
        raise PathEnds
    return owner.modules[name]


def _plain_item(run: Run, scope: Scope, owner: Any, index: Value, node: ast.AST) -> Value:
    if isinstance(index, slice):
        return _sliced(run, owner, index)
    if isinstance(owner, (list, tuple)) and isinstance(index, (int, Unknown)):
        return stretches.item_at(run, scope, owner, owner, index, node)
    if isinstance(index, Unknown):
        return Unknown(Symbol(Kind.ITEM, run.ordinal(owner), index.key), f"...[{index.text}]")
    try:
        return owner[index]
    except IndexError:
        raise PathEnds from None
    except TypeError:
        return Unknown(Symbol(Kind.ITEM, run.ordinal(owner), key_of(run, index)), "an item")


def _table_item(run: Run, scope: Scope, owner: dict[Any, Value], index: Value, node: ast.AST) -> Value:
    try:
        if not isinstance(index, Unknown) or index in owner:
            return tables.get(run, owner, index)
    except TypeError:
        return Unknown(Symbol(Kind.ITEM, run.ordinal(owner), key_of(run, index)), "an item")
    rest = owner.rest if isinstance(owner, Table) else None
    spelled = run.spelled.get(index.key)
    if spelled in owner:
        return owner[spelled]
    if rest is None:
        return _chosen(run, scope, owner, index, node)
    entries = [key for key in owner if isinstance(key, (str, int))]
    key = choose(run, scope, entries, index, node) if 0 < len(entries) <= MAX_CHOICES else MISSING
    return _unknown_item(run, rest, index) if key is MISSING else owner[key]


MAX_CHOICES = 12
"""A look-up of an unknown key in a larger table is not followed entry by entry."""


def _chosen(run: Run, scope: Scope, table: dict[Any, Value], index: Unknown, node: ast.AST) -> Value:
    """A look-up of an unknown key in a known table: one decision, an answer per entry."""
    entries = [key for key in table if isinstance(key, (str, int))]
    if not entries or len(entries) > MAX_CHOICES:
        return Unknown(Symbol(Kind.ITEM, run.ordinal(table), index.key), f"...[{index.text}]")
    key = choose(run, scope, entries, index, node, may_be_none=False)
    if key is MISSING:  # asked before of a table with a default
        raise PathEnds
    return table[key]


def choose(
    run: Run, scope: Scope, entries: Sequence[Value], key: Unknown, node: ast.AST, *, may_be_none: bool = True
) -> Value:
    """Which of some entries an unknown key is: one decision; MISSING, the default, where it is none of them."""
    choices = [(repr(entry), f"{key.text} == {entry!r}") for entry in entries]
    if may_be_none:
        choices.insert(0, ("default", f"{key.text} is none of {', '.join(map(repr, entries))}"))
    tests = {repr(entry): test for entry in entries if (test := test_of_choice(key.key, entry)) is not None}
    place = scope.module.location(node)
    chosen = run.decide(Symbol(Kind.WHICH_KEY, key.key), key.text, key.origin, place, choices, tests)
    for entry in entries:
        if repr(entry) == chosen:
            run.known[key.key] = entry
            return entry
    return MISSING


def _unknown_item(run: Run, owner: Unknown, index: Value) -> Value:
    if isinstance(index, (int, str)):
        return settle(run, item(owner, index))
    if isinstance(index, slice):
        bounds = [settle(run, part) for part in (index.start, index.stop, index.step)]
        part = Symbol(Kind.SLICE, *(key_of(run, bound) for bound in bounds))
        return settle(run, item(owner, part, repr(f"slice({', '.join(map(show, bounds))})")))
    return settle(run, item(owner, key_of(run, index), show(index)))


def _sliced(run: Run, owner: Any, index: slice) -> Value:
    found = stretches.sliced(run, owner, owner, index)
    if found is None:
        modules.escape(run, [owner], "it is in a slice that could not be followed")
        return Unknown(run.another(Kind.SLICE, run.ordinal(owner)), "a slice")
    places, stretch = found
    if stretch is None:
        return owner[places.start : places.stop : places.step] if places.step > 0 else owner[::-1]
    items = stretches.noted(run, [owner[place] for place in places], stretch)
    return stretches.as_tuple(run, items) if isinstance(owner, tuple) else items


def _forget(run: Run, owner: Any, node: ast.AST, scope: Scope) -> None:
    """Effect: an unknown item was set, so every item may be another one now."""
    keys = range(len(owner)) if isinstance(owner, list) else list(owner)
    for key in keys:
        if not isinstance(owner[key], (Instance, Tensor)):
            owner[key] = expressions.opaque(run, scope, node)


def _origin(owner: Value) -> Origin:
    return owner.origin if isinstance(owner, Unknown) else Origin.DATA
