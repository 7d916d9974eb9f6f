"""Methods of Python's own strings, lists, dicts, tuples and sets, for values that are known."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from biaslens.program import attributes, calls, modules, stretches, tables
from biaslens.program.conditions import key_of, settle
from biaslens.program.expressions import opaque
from biaslens.program.iteration import item, items_of
from biaslens.program.names import MISSING
from biaslens.program.run import PathEnds, Run
from biaslens.program.sizing import MAX_TEXT
from biaslens.program.symbols import Kind, Symbol, bounded
from biaslens.program.values import Arguments, External, Scope, ShapeOf, Table, Unknown, Value

_PURE: Mapping[type, frozenset[str]] = {
    str: frozenset(
        [
            "lower",
            "upper",
            "strip",
            "lstrip",
            "rstrip",
            "split",
            "rsplit",
            "startswith",
            "endswith",
            "replace",
            "join",
            "format",
            "title",
            "capitalize",
            "isdigit",
            "isalpha",
            "find",
            "rfind",
            "index",
            "count",
            "partition",
            "rpartition",
            "removeprefix",
            "removesuffix",
            "splitlines",
            "isnumeric",
            "isupper",
            "islower",
            "casefold",
            "swapcase",
            "isidentifier",
            "isspace",
            "isalnum",
            "encode",
        ]
    ),
    list: frozenset(["index", "count", "copy"]),
    tuple: frozenset(["index", "count"]),
    dict: frozenset(["copy"]),
    set: frozenset(["union", "intersection", "difference", "issubset", "issuperset", "copy", "isdisjoint"]),
    int: frozenset(["bit_length", "is_integer"]),
    float: frozenset(["is_integer"]),
    bytes: frozenset(["decode"]),
    range: frozenset(["index", "count"]),
}
_CHANGING: Mapping[type, frozenset[str]] = {
    list: frozenset(["append", "insert", "pop", "remove", "reverse", "clear"]),
    dict: frozenset(["popitem"]),
    set: frozenset(["add", "discard", "remove", "update", "clear"]),
}


def method(run: Run, scope: Scope, receiver: Any, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`receiver.name(...)` for a value of Python's own."""
    match receiver, name:
        case list(), "extend":
            if arguments.positional:
                run.touch(receiver)
                added, before = items_of(run, scope, arguments.positional[0], node), len(receiver)
                receiver.extend(added)
                stretches.extended(run, receiver, before, added, len(added))
            return None
        case list(), "sort":
            return None
        case dict(), "items" | "keys" | "values":
            return _listed(run, scope, receiver, name, node)
        case dict(), "get" | "pop" | "setdefault":
            return _look_up(run, scope, receiver, name, arguments, node)
        case dict(), "update":
            _update(run, scope, receiver, arguments, node)
            return None
        case dict(), "clear":
            tables.clear(run, receiver)
            return None
        case dict(), "popitem" if isinstance(receiver, Table) and receiver.rest is not None:
            value = opaque(run, scope, node)
            tables.opened(run, receiver, value)
            return value
        case dict(), "fromkeys":
            return opaque(run, scope, node)
        case _:
            return _plain(run, scope, receiver, name, arguments, node)


def _listed(run: Run, scope: Scope, table: dict[Any, Value], name: str, node: ast.AST) -> Value:
    """`keys()`, `values()` and `items()`; the names in an open dict are as open as it is."""
    if name == "keys" and isinstance(table, Table) and table.rest is not None:
        return table
    keys = items_of(run, scope, table, node)
    values = [table[key] if key in table else attributes.get_item(run, scope, table, key, node) for key in keys]
    listed = {"keys": keys, "values": values, "items": list(zip(keys, values, strict=True))}[name]
    return stretches.noted(run, listed, stretches.of(run, keys))


def shape_method(run: Run, scope: Scope, receiver: ShapeOf, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """A method of `x.shape`."""
    sizes = attributes.shape_tuple(run, receiver)
    if name == "numel" and isinstance(sizes, tuple):
        from functools import reduce

        from biaslens.program.expressions import binary

        return reduce(lambda left, right: binary(run, scope, "*", left, right, node), sizes, 1)
    return opaque(run, scope, node)


def _look_up(run: Run, scope: Scope, table: dict[Any, Value], name: str, arguments: Arguments, node: ast.AST) -> Value:
    """`get`, `pop` and `setdefault`; an unknown key is one decision per entry, and one for the default."""
    if not arguments.positional:
        return opaque(run, scope, node)
    key = settle(run, arguments.positional[0])
    default = arguments.positional[1] if len(arguments.positional) > 1 else arguments.keywords.get("default")
    if isinstance(key, Unknown):
        if name != "get":
            run.touch(table)
        return _look_up_unknown(run, scope, table, key, default, node)
    may_fail = name == "pop" and len(arguments.positional) < 2 and "default" not in arguments.keywords
    try:
        value = tables.get(run, table, key, MISSING if may_fail else default)
    except TypeError:
        return opaque(run, scope, node)
    if name == "pop":
        tables.remove(run, table, key)
    elif name == "setdefault":
        run.touch(table)
        table[key] = value
    return value


def _look_up_unknown(
    run: Run, scope: Scope, table: dict[Any, Value], key: Unknown, default: Value, node: ast.AST
) -> Value:
    if key in table:
        return table[key]
    entries = [entry for entry in table if isinstance(entry, (str, int))]
    rest = table.rest if isinstance(table, Table) else None
    if len(entries) > attributes.MAX_CHOICES:
        return Unknown(Symbol(Kind.ITEM, run.ordinal(table), key.key), f"...[{key.text}]")
    if rest is not None and not entries:
        return settle(run, item(rest, key.key, key.text))
    chosen = attributes.choose(run, scope, entries, key, node)
    if chosen is not MISSING:
        return table[chosen]
    return default if rest is None else settle(run, item(rest, key.key, key.text))


def _update(run: Run, scope: Scope, table: dict[Any, Value], arguments: Arguments, node: ast.AST) -> None:
    source = calls.call(run, scope, External("builtins.dict"), arguments, node)
    if isinstance(table, Table) and isinstance(source, dict):
        tables.merge(run, table, source)
    elif isinstance(table, Table):
        tables.opened(run, table, source)
    elif isinstance(source, dict) and not (isinstance(source, Table) and source.rest is not None):
        run.touch(table)
        table.update(source)
    else:
        modules.escape(run, [table], "it is in a dict that could not be followed")


def _plain(run: Run, scope: Scope, receiver: Any, name: str, arguments: Arguments, node: ast.AST) -> Value:
    kind = dict if isinstance(receiver, dict) else type(receiver)
    if name in _CHANGING.get(kind, ()):
        return _changed(run, scope, receiver, name, arguments, node)
    if name not in _PURE.get(kind, ()) or arguments.open:
        return opaque(run, scope, node)
    values = [settle(run, value) for value in (*arguments.positional, *arguments.keywords.values())]
    if isinstance(receiver, str) and any(_holds_objects(value) for value in values):
        key = bounded(Symbol(Kind.OF_TEXT, receiver, name, *(key_of(run, value) for value in values)))
        return Unknown(key, f"{receiver!r}.{name}(...)"[:MAX_TEXT])
    try:
        return getattr(receiver, name)(*arguments.positional, **arguments.keywords)
    except Exception:  # the program would raise here
        raise PathEnds from None


def _changed(run: Run, scope: Scope, receiver: Any, name: str, arguments: Arguments, node: ast.AST) -> Value:
    run.touch(receiver)
    try:
        result = getattr(receiver, name)(*arguments.positional, **arguments.keywords)
    except Exception:  # an unknown index, an empty list
        if any(isinstance(value, Unknown) for value in arguments.positional):
            return opaque(run, scope, node)
        raise PathEnds from None
    if isinstance(receiver, list):
        stretches.changed(run, receiver, name, arguments.positional)
    return result


def _holds_objects(value: Value) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_objects(item) for item in value)
    return not isinstance(value, (str, int, float, bool, bytes, type(None)))
