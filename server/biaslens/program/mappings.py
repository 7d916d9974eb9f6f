"""Objects that are mappings: classes derived from `dict`, and those that get the methods of `Mapping` for theirs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from biaslens.program import attributes, calls, classes
from biaslens.program.conditions import key_of, settle
from biaslens.program.iteration import items_of
from biaslens.program.names import MISSING
from biaslens.program.run import PathEnds, Run
from biaslens.program.values import Arguments, External, Instance, Scope, Unknown, Value

_TABLES = frozenset(
    ["builtins.dict", "collections.OrderedDict", "collections.defaultdict", "collections.UserDict", "typing.Dict"]
)
_ABSTRACT = ("Mapping", "MutableMapping")


METHODS = frozenset(["get", "keys", "values", "items", "pop", "update", "setdefault", "copy", "clear"])
"""What a mapping has without defining it."""


def is_table(cls: Value) -> bool:
    """Whether instances are dicts."""
    return any(isinstance(base, External) and base.name in _TABLES for base in classes.order_of(cls))


def is_mapping(value: Value) -> bool:
    """Whether a value is an object with keys that can be listed."""
    if not isinstance(value, Instance):
        return False
    return value.table is not None or any(
        isinstance(base, External) and base.name.rpartition(".")[2] in _ABSTRACT for base in classes.order_of(value.cls)
    )


def keys_of(run: Run, scope: Scope, owner: Instance, node: ast.AST) -> Value:
    """The keys as a list, or an Unknown."""
    found = classes.find(owner.cls, "__iter__")
    if found is not None:
        return settle(run, calls.call(run, scope, found[1], Arguments((owner,)), node))
    return list(owner.table or ())


def method(run: Run, scope: Scope, owner: Instance, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """A method that a mapping inherits; MISSING where there is none of this name."""
    if owner.table is not None:
        return _of_table(run, scope, owner.table, name, arguments, node)
    match name, arguments.positional:
        case "get", (key, *rest):
            default = rest[0] if rest else arguments.keywords.get("default")
            return _get(run, scope, owner, settle(run, key), default, node)
        case "keys", _:
            return items_of(run, scope, keys_of(run, scope, owner, node), node)
        case "values" | "items", _:
            keys = items_of(run, scope, keys_of(run, scope, owner, node), node)
            pairs = [(key, attributes.get_item(run, scope, owner, key, node)) for key in keys]
            return pairs if name == "items" else [value for _, value in pairs]
        case _:
            return MISSING


def _get(run: Run, scope: Scope, owner: Instance, key: Value, default: Value, node: ast.AST) -> Value:
    """`mapping.get(key, default)`, which asks `mapping[key]`; an unknown key is one decision per entry."""
    if isinstance(key, Unknown):
        keys = keys_of(run, scope, owner, node)
        if not isinstance(keys, (list, tuple, dict)):
            return calls.call_unknown(run, scope, "get", Arguments((owner, key, default)), node)
        key = attributes.choose(run, scope, list(keys), key, node)
        if key is MISSING:
            return default
    try:
        return attributes.get_item(run, scope, owner, key, node)
    except PathEnds:
        return default


def _of_table(run: Run, scope: Scope, table: dict[Any, Value], name: str, arguments: Arguments, node: ast.AST) -> Value:
    operation = _OPERATORS.get(name)
    if operation is not None:
        return operation(run, scope, table, arguments.positional, node)
    if name == "__init__":
        run.touch(table)
        source = calls.call(run, scope, External("builtins.dict"), arguments, node)
        table.update(source if isinstance(source, dict) else {calls.OPEN_KEY: True})
        return None
    return calls.call_method(run, scope, table, name, arguments, node) if hasattr(table, name) else MISSING


def _item(run: Run, scope: Scope, table: dict[Any, Value], values: Sequence[Value], node: ast.AST) -> Value:
    return attributes.get_item(run, scope, table, values[0], node)


def _set_item(run: Run, scope: Scope, table: dict[Any, Value], values: Sequence[Value], node: ast.AST) -> Value:
    return attributes.set_item(run, scope, table, values[0], values[1], node)


def _contains(run: Run, scope: Scope, table: dict[Any, Value], values: Sequence[Value], node: ast.AST) -> Value:
    key = settle(run, values[0])
    return key in table if isinstance(key, (str, int)) else Unknown(("in", key_of(run, key), run.ordinal(table)), "in")


def _size(run: Run, scope: Scope, table: dict[Any, Value], values: Sequence[Value], node: ast.AST) -> Value:
    return len(table)


_OPERATORS: Mapping[str, Callable[[Run, Scope, dict[Any, Value], Sequence[Value], ast.AST], Value]] = MappingProxyType(
    {"__getitem__": _item, "__setitem__": _set_item, "__contains__": _contains, "__len__": _size}
)
